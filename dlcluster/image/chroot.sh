#!/usr/bin/env bash
# Runs a command in a root file system, with proc, dev and the like, this machine's name server, and its own folders.
# usage: chroot.sh ROOT [HOST:TARGET ...] -- COMMAND [ARGUMENT ...]
# It wants mount and PID namespaces of its own: whatever it mounts or leaves running ends with it.
set -euo pipefail
root=$1
shift

bind() { # HOST TARGET: read-only, whatever is below it included
  local target=$root$2
  if [ -d "$1" ]; then
    mkdir -p "$target"
  else
    mkdir -p "${target%/*}"
    [ -e "$target" ] || : >"$target"
  fi
  mount --rbind "$1" "$target"
  mount -o remount,bind,ro "$target"
}

mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
rm -f "$root/etc/resolv.conf" # a link into /run on some systems
bind /etc/resolv.conf /etc/resolv.conf
while [ "$1" != -- ]; do
  bind "${1%%:*}" "${1#*:}"
  shift
done
shift
exec chroot "$root" "$@"
