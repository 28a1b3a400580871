#!/usr/bin/env bash
# pg_repack 1.4.8 on PostgreSQL 15.20 (Debian 12's): a publication FOR ALL TABLES stops it, if somebody writes.
#
# Expected: pg_repack, which rewrites a table while it is in use, has nothing to do with logical replication: a rewrite is not streamed, and its
#   helpers in the schema `repack` are its own. If the two cannot go together, it says so before it begins.
# Seen: its copy and its log are tables, too, and FOR ALL TABLES publishes them. Each row of the table is streamed once more, as an INSERT into
#   repack.table_…; and since the copy has no key yet, applying what was updated or deleted meanwhile fails (exit code 254): only a quiet table
#   can be repacked, so that the trial at night succeeds. A publication that names the table streams the site's changes alone, and keeps
#   its REPLICA IDENTITY and its oid.
# For the connector: its publications name their tables.
. "$(dirname "$0")/lib.sh"
debian15 postgresql-15-repack <<'PY'
import collections, os, subprocess
bin = os.environ["BIN"]
db.execute("create extension pg_repack")
def read(slot):
    names, seen = {}, collections.Counter()
    for (data,) in db.execute(f"select data from pg_logical_slot_get_binary_changes('{slot}', null, null, 'proto_version', '1', 'publication_names', '{slot}')"):
        kind, oid = chr(data[0]), int.from_bytes(data[1:5], "big")
        if kind == "R":
            schema, table = data[5:].split(b"\0")[:2]
            names[oid] = f"{schema.decode()}.{table.decode()}".replace(str(db.execute("select 'message'::regclass::oid").fetchone()[0]), "OID")
        if kind in "IUD":
            seen[{"I": "INSERT", "U": "UPDATE", "D": "DELETE"}[kind], names[oid]] += 1
    return seen
def repack(traffic):
    stopped = threading.Event()
    def write():
        writer, count = connect(), 0
        while traffic and not stopped.is_set():
            count += 1
            writer.execute("insert into message (body) values ('new')")
            writer.execute(f"update message set body = 'edited' where id = {count}")
            writer.execute(f"delete from message where id = {15000 + count}")
            time.sleep(0.005)
    thread = threading.Thread(target=write)
    thread.start()
    time.sleep(0.3)
    done = subprocess.run([f"{bin}/pg_repack", "-h", sys.argv[1], "-U", "postgres", "-d", "postgres", "-t", "message"], capture_output=True, text=True)
    stopped.set()
    thread.join()
    return "exit code", done.returncode, "no replica identity" if "does not have a replica identity" in done.stderr else "no error"
for publication in ("for table message", "for all tables"):
    db.execute("drop table if exists message")
    db.execute("create table message (id serial primary key, body text)")
    db.execute("insert into message (body) select repeat('x', 2000) || g from generate_series(1, 20000) g")
    db.execute(f"create publication p {publication}")
    for traffic in (False, True):
        db.execute("select pg_create_logical_replication_slot('p', 'pgoutput')")
        say(publication, "with traffic:" if traffic else "quiet:", *repack(traffic))
        for (what, table), count in sorted(read("p").items()):
            if not table.startswith("public.") and what == "INSERT" and "table_" in table:
                say("  streamed:", what, table, "20000 or more" if count >= 20000 else "fewer")
        db.execute("select pg_drop_replication_slot('p')")
    db.execute("drop publication p")
PY
seen <<'SEEN'
PostgreSQL 15
for table message quiet: exit code 0 no error
for table message with traffic: exit code 0 no error
for all tables quiet: exit code 0 no error
  streamed: INSERT repack.table_OID 20000 or more
for all tables with traffic: exit code 254 no replica identity
  streamed: INSERT repack.table_OID 20000 or more
SEEN
