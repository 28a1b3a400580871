#!/usr/bin/env bash
# pg_partman 4.7.2 on PostgreSQL 15.20 (Debian 12's): its maintenance streams tickets as deleted that are all there, and says nothing of those that it deletes.
#
# Expected: moving rows between partitions of one table is no change of the table, or an UPDATE as the server makes of it; and what retention drops is a deletion.
# Seen: the other way round. partition_data_proc, which makes the partitions that were missing, takes each row out of the default partition and puts it in again: under publish_via_partition_root a DELETE
#   and an INSERT of the same key of the same table, in one transaction. undo_partition_proc copies the rows to a table that no publication names: the stream has the
#   DELETEs alone, with all rows there under another name. Retention drops whole partitions: not one DELETE.
# For the connector: a DELETE and INSERT of one key in one transaction is a move, and nothing is told of it. Before undo_partition_proc stop it, and map the new table.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
debian15 postgresql-15-partman <<'PY'
db.execute("create schema partman")
db.execute("create extension pg_partman schema partman")
db.execute("create table message (id bigint, at timestamptz, body text, primary key (id, at)) partition by range (at)")
db.execute("select partman.create_parent('public.message', 'at', 'native', 'monthly', p_premake := 1)")
db.execute("create publication p for table message with (publish_via_partition_root = true)")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
def told(what):
    names, transactions = {}, []
    for (data,) in db.execute("select data from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')"):
        kind, oid = chr(data[0]), int.from_bytes(data[1:5], "big")
        if kind == "B":
            transactions.append([])
        if kind == "R":
            names[oid] = data[5:].split(b"\0")[1].decode()
        if kind in "IUD":
            at = data.index(b"t", 6)
            size = int.from_bytes(data[at + 1:at + 5], "big")
            transactions[-1].append(f"{ {'I': 'INSERT', 'U': 'UPDATE', 'D': 'DELETE'}[kind] } {names[oid]} {data[at + 5:at + 5 + size].decode()}")
    there = ", ".join(str(row[0]) for row in db.execute("select id from message order by id")) or "none"
    say(f"{what}: {' | '.join(', '.join(one) for one in transactions if one) or 'nothing'}; there: {there}")
db.execute("insert into message values (1, now(), 'today'), (2, now() + interval '4 years', 'far'), (3, now() - interval '6 years', 'old')")
told("three messages, two in the default partition")
db.execute("call partman.partition_data_proc('public.message')")
told("partition_data_proc")
db.execute("update partman.part_config set retention = '5 years', retention_keep_table = false")
db.execute("call partman.run_maintenance_proc()")
told("retention of five years")
db.execute("create table messages (like message including all)")
db.execute("call partman.undo_partition_proc('public.message', p_target_table := 'public.messages')")
told("undo_partition_proc")
say("in the new table:", db.execute("select count(*) from messages").fetchone()[0])
PY
seen <<'SEEN'
PostgreSQL 15
three messages, two in the default partition: INSERT message 1, INSERT message 2, INSERT message 3; there: 1, 2, 3
partition_data_proc: DELETE message 3, INSERT message 3 | DELETE message 2, INSERT message 2; there: 1, 2, 3
retention of five years: nothing; there: 1, 2
undo_partition_proc: DELETE message 1 | DELETE message 2; there: none
in the new table: 2
SEEN
