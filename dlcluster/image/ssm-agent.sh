#!/bin/bash
# User data of a build machine: Debian's AMIs lack the agent through which EC2 Image Builder works.
set -eu
word=$(dpkg --print-architecture)
address="https://s3.amazonaws.com/ec2-downloads-linux/SSMAgent/latest/debian_$word/amazon-ssm-agent.deb"
command -v curl >/dev/null || { apt-get update -q && apt-get install -y -q curl; }
curl --fail --silent --show-error --location --output /tmp/amazon-ssm-agent.deb "$address"
dpkg --install /tmp/amazon-ssm-agent.deb
systemctl enable --now amazon-ssm-agent
