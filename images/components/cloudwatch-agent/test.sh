#!/usr/bin/env bash
# The agent's control program answers.
set -euo pipefail

/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a status | grep '"version"'
