#!/usr/bin/env bash
# A job that says where it runs.
echo "job $SLURM_JOB_ID on $SLURMD_NODENAME"
