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

# Fetch a file whose sha256 is known. usage: download URL SHA256 PATH
download() {
  local url=$1 sha256=$2 path=$3
  if [[ -f $path ]] && sha256sum --check --status <<<"$sha256  $path"; then return; fi
  curl --fail --silent --show-error --location --retry 5 --proto '=https' --output "$path.new" "$url"
  if ! sha256sum --check --status <<<"$sha256  $path.new"; then
    echo "$url: its sha256 is $(sha256sum <"$path.new" | cut -d ' ' -f 1), expected $sha256" >&2
    rm -f "$path.new"
    return 1
  fi
  mv "$path.new" "$path"
}

# Fetch a public key (ASCII) whose fingerprint is known. usage: download_key URL FINGERPRINT PATH
download_key() {
  local url=$1 fingerprint=$2 path=$3 found home
  curl --fail --silent --show-error --location --retry 5 --proto '=https' --output "$path.new" "$url"
  home=$(mktemp -d)
  found=$(gpg --homedir "$home" --batch --quiet --with-colons --import-options show-only --import "$path.new" |
    awk -F: '$1 == "fpr" && !found++ { print $10 }')
  rm -rf "$home"
  if [[ $found != "$fingerprint" ]]; then
    echo "$url: the key's fingerprint is $found, expected $fingerprint" >&2
    rm -f "$path.new"
    return 1
  fi
  mv "$path.new" "$path"
}

# Add a package repository, of whose packages or index (what is signed differs) the key is known.
# usage: add_signed_repository NAME URL KEY_URL FINGERPRINT packages|index
add_signed_repository() {
  local name=$1 url=$2 key_url=$3 fingerprint=$4 signed=$5 packages=1 index=0
  if command -v apt-get >/dev/null; then # apt takes only signed indexes
    install_packages ca-certificates curl gnupg
    mkdir -p /etc/apt/keyrings
    download_key "$key_url" "$fingerprint" "/etc/apt/keyrings/$name.asc"
    echo "deb [signed-by=/etc/apt/keyrings/$name.asc] $url /" >"/etc/apt/sources.list.d/$name.list"
  else
    if [[ $signed == index ]]; then packages=0 index=1; fi
    mkdir -p /etc/pki/rpm-gpg
    download_key "$key_url" "$fingerprint" "/etc/pki/rpm-gpg/$name.asc"
    cat >"/etc/yum.repos.d/$name.repo" <<EOR
[$name]
name=$name
baseurl=$url
enabled=1
gpgcheck=$packages
repo_gpgcheck=$index
gpgkey=file:///etc/pki/rpm-gpg/$name.asc
EOR
  fi
}

# Fetch a file with a detached signature by a key that download_key fetched.
# usage: download_signed URL SIGNATURE_URL KEY PATH
download_signed() {
  local url=$1 signature_url=$2 key=$3 path=$4 home
  curl --fail --silent --show-error --location --retry 5 --proto '=https' --output "$path.new" "$url"
  curl --fail --silent --show-error --location --retry 5 --proto '=https' --output "$path.sig" "$signature_url"
  home=$(mktemp -d)
  gpg --homedir "$home" --batch --quiet --import "$key"
  if ! gpg --homedir "$home" --batch --trust-model always --verify "$path.sig" "$path.new"; then
    echo "$url: its signature is not of the key $key" >&2
    rm -rf "$home" "$path.new"
    return 1
  fi
  rm -rf "$home"
  mv "$path.new" "$path"
}
