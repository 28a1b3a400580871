// A site that writes through TypeORM and migrates by its own tool: `typeorm migration:generate` compares the entities with the
// tables, `migration:run` plays what it found. Usage: typeorm.js migrate VERSION | write VERSION
require("reflect-metadata");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { DataSource, EntitySchema } = require("typeorm");

const version = Number(process.env.SITE_VERSION || process.argv[3]);
const from = (first, columns) => (version >= first ? columns : {});
const key = { type: version >= 5 ? "bigint" : "int", primary: true, generated: "increment" };

const Ticket = new EntitySchema({
  name: "Ticket",
  columns: {
    id: key,
    email: { type: "varchar" },
    subject: { type: "varchar", length: version >= 4 ? undefined : 200 },
    status: { type: "enum", enum: ["open", "waiting", "closed", ...(version >= 3 ? ["snoozed"] : [])], default: "open" },
    createdAt: { type: "timestamp", createDate: true },
    updatedAt: { type: "timestamp", updateDate: true },
    ...(version >= 2 ? { channel: { type: "varchar", nullable: true } } : { source: { type: "varchar", nullable: true } }),
    ...from(2, { priority: { type: "int", default: 0 } }),
  },
  relations: { messages: { type: "one-to-many", target: "Message", inverseSide: "ticket", cascade: true } },
});
const Message = new EntitySchema({
  name: "Message",
  columns: {
    id: key,
    author: { type: "enum", enum: ["customer", "staff", ...(version >= 3 ? ["robot"] : [])], default: "customer" },
    [version >= 7 ? "content" : "body"]: version >= 4 ? { type: "text" } : { type: "varchar", length: 2000 },
    createdAt: { type: "timestamp", createDate: true },
    updatedAt: { type: "timestamp", updateDate: true },
    ...from(6, { deletedAt: { type: "timestamp", deleteDate: true } }),
  },
  relations: { ticket: { type: "many-to-one", target: "Ticket", inverseSide: "messages", joinColumn: { name: "ticketId" }, onDelete: "CASCADE",
    // Else a save detaches the replies that came meanwhile: findings/typeorm-save.sh.
    orphanedRowAction: "disable" } },
});

const folder = process.env.SITE_FOLDER;
const source = new DataSource({
  type: "postgres",
  url: process.env.SITE_URL,
  entities: [Ticket, Message],
  migrations: [path.join(folder, "migrations", "*.js")],
});
module.exports = source;

// What the tool would do by dropping the column and making it anew, its rows lost, a person writes: new names, wider types, keys
// that keep their numbers.
const byHand = {
  2: 'ALTER TABLE "ticket" RENAME COLUMN "source" TO "channel"',
  4: 'ALTER TABLE "ticket" ALTER COLUMN "subject" TYPE varchar; ALTER TABLE "message" ALTER COLUMN "body" TYPE text',
  5: ["ticket", "message"].map((table) => `ALTER TABLE "${table}" ALTER COLUMN "id" TYPE bigint; ALTER SEQUENCE "${table}_id_seq" AS bigint`)
    .concat('ALTER TABLE "message" ALTER COLUMN "ticketId" TYPE bigint').join("; "),
  7: 'ALTER TABLE "message" RENAME COLUMN "body" TO "content"',
};

function migrate() {
  const cli = (...words) => execFileSync("node", [require.resolve("typeorm/cli.js"), ...words, "-d", __filename],
    { env: { ...process.env, SITE_VERSION: version }, stdio: ["ignore", "pipe", "inherit"] }).toString();
  fs.mkdirSync(path.join(folder, "migrations"), { recursive: true });
  if (byHand[version]) {
    const name = `ByHand${version}${1700000000000 + version * 10}`;
    fs.writeFileSync(path.join(folder, "migrations", `${1700000000000 + version * 10}-ByHand.js`), `module.exports = class ${name} {
      name = "${name}"; async up(runner) { await runner.query(${JSON.stringify(byHand[version])}); } async down() {} };`);
    cli("migration:run");
  }
  if (byHand[version] && version !== 2) return;
  console.log(cli("migration:generate", "--outputJs", "--timestamp", String(1700000000005 + version * 10), path.join(folder, "migrations", `V${version}`)));
  console.log(fs.readFileSync(path.join(folder, "migrations", `${1700000000005 + version * 10}-V${version}.js`), "utf8"));
  console.log(cli("migration:run"));
}

async function write() {
  const { written } = require("./write.js");
  await source.initialize();
  const tickets = source.getRepository("Ticket"), messages = source.getRepository("Message");
  const body = version >= 7 ? "content" : "body";
  await written(version, {
    ticket: (number, email) => tickets.save({ email, subject: `about ${number}`, messages: [{ [body]: `ticket n${number}` }, { [body]: `message n${number}.1` }] }),
    message: (ticket, text) => messages.save({ ticket: { id: ticket.id }, [body]: text }),
    async edit(message, text) {
      const found = await messages.findOneByOrFail({ id: message.id });
      found[body] = text;
      await messages.save(found);
    },
    async remove(message) {
      const found = await messages.findOneByOrFail({ id: message.id });
      await (version >= 6 ? messages.softRemove(found) : messages.remove(found));
    },
    // Loaded with its children and saved whole: nothing changed, nothing is written.
    async same(ticket) {
      await tickets.save(await tickets.findOneOrFail({ where: { id: ticket.id }, relations: { messages: true } }));
    },
    // An upsert of what is there: an UPDATE of all columns.
    async again(ticket) {
      const { id, email, subject } = await tickets.findOneByOrFail({ id: ticket.id });
      await tickets.upsert([{ id, email, subject, status: version >= 3 ? "snoozed" : "waiting" }], ["id"]);
    },
  });
}

if (require.main === module) (process.argv[2] === "migrate" ? async () => migrate() : write)().catch((error) => { console.error(error); process.exit(1); });
