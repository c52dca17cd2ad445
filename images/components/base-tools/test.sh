#!/usr/bin/env bash
# Git makes a commit, curl is there, and the clock shows the time zone that was asked for.
set -euo pipefail

curl --version | sed -n 1p
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git init -q "$folder"
git -C "$folder" -c user.name=test -c user.email=test@localhost commit -q --allow-empty -m "first"
test "$(git -C "$folder" rev-list --count HEAD)" = 1
cmp /etc/localtime "/usr/share/zoneinfo/$PARAM_TIMEZONE"
echo "base-tools: ok"
