# shellcheck shell=bash
# Functions that the scripts of several components use. Source it: . ./common.sh

# Install packages by their names on Debian and Ubuntu; or, after `--`, by those on Amazon Linux.
install_packages() {
  local deb=() rpm=() word after=""
  for word in "$@"; do
    if [[ $word == -- ]]; then
      after=yes
    elif [[ -n $after ]]; then
      rpm+=("$word")
    else
      deb+=("$word")
    fi
  done
  if command -v apt-get >/dev/null; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${deb[@]}"
  else
    [[ -n $after ]] || rpm=("${deb[@]}")
    dnf install -y "${rpm[@]}"
  fi
}
