#!/usr/bin/env bash
# Every interpreter has the version that was asked for and can talk TLS; environments can be made; the digits are there.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in $PARAM_VERSIONS; do
  make_bare_environment "$folder/$version" "$version"
  "$folder/$version/bin/python" - "$version" <<'EOP'
import platform, ssl, sys
assert platform.python_version().startswith(sys.argv[1] + "."), sys.version
print("Python " + platform.python_version() + ", " + ssl.OPENSSL_VERSION)
EOP
  "$folder/$version/bin/python" -m pip --version
done
test -s "$PARAM_PREFIX/share/digits/digits.txt"
