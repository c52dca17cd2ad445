# shellcheck shell=bash
# Isolated Python environments below $PARAM_PREFIX. Source it: . ./python.sh

# What conda-forge is asked for; micromamba checks its packages against the digests of the channel's index. Of Python 2.7
# conda-forge stopped at 2.7.15.
declare -A PYTHON_RELEASES=([2.7]=2.7.15 [3.6]=3.6.15 [3.7]=3.7.12 [3.8]=3.8.20 [3.11]=3.11.13)

# Print the path of a Python X.Y: one made before, one on PATH that can make environments, or a new one of conda-forge.
python_of() {
  local version=$1 home=$PARAM_PREFIX/python/$1
  if [[ -x $home/bin/python ]]; then
    echo "$home/bin/python"
  elif "python$version" -c 'import ensurepip, ssl' 2>/dev/null; then
    command -v "python$version"
  elif [[ -x $PARAM_PREFIX/bin/micromamba ]]; then
    "$PARAM_PREFIX/bin/micromamba" create --yes --quiet --root-prefix "$PARAM_PREFIX/micromamba" --prefix "$home" \
      --override-channels --channel conda-forge "python=${PYTHON_RELEASES[$version]}" pip >&2
    echo "$home/bin/python"
  else
    echo "python.sh: there is no Python $version here, and no $PARAM_PREFIX/bin/micromamba to get it with" >&2
    return 1
  fi
}

# Make the environment $PARAM_PREFIX/NAME of Python X.Y and install exactly what a lock file lists.
# usage: make_environment NAME X.Y LOCK [OPTION_OF_PIP...]
make_environment() {
  local home=$PARAM_PREFIX/$1 version=$2 lock=$3
  shift 3
  [[ -x $home/bin/python ]] || make_bare_environment "$home" "$version"
  # The tools first: what comes as source is built with them, and an old pip does not know newer wheels.
  if grep -E '^(pip|setuptools|wheel|pybind11)==' "$lock" >"$home/tools.lock"; then
    install_locked "$home" "$home/tools.lock"
  fi
  install_locked "$home" "$lock" "$@"
}

# usage: make_bare_environment FOLDER X.Y
make_bare_environment() {
  local home=$1 version=$2 python
  python=$(python_of "$version")
  if [[ $version == 2.7 ]]; then
    make_virtualenv
    "$PARAM_PREFIX/virtualenv/bin/virtualenv" --quiet --no-download --python "$python" "$home"
  else
    "$python" -m venv "$home"
  fi
}

# Python 2.7 has no venv; this is the last virtualenv that makes environments of it. Needs virtualenv.lock.
make_virtualenv() {
  make_environment virtualenv 3.11 virtualenv.lock
}

# Every file is checked against the digest in the lock. Nothing else is resolved or downloaded.
install_locked() {
  local home=$1 lock=$2
  shift 2
  [[ -n ${PIP_CACHE_DIR:-} ]] || set -- --no-cache-dir "$@"
  "$home/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    --require-hashes "$@" --requirement "$lock"
}
