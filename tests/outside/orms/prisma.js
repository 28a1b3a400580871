// A site that writes through Prisma's client and migrates by what `prisma migrate diff` writes. `prisma migrate deploy` needs a
// program that npm does not bring, so the script is sent as that program sends it: as one query. Usage: prisma.js migrate VERSION | write VERSION
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { Client } = require("pg");

const version = Number(process.argv[3]);
const folder = process.env.SITE_FOLDER;
const file = (number) => path.join(folder, `${number}.prisma`);

const schema = (version) => `generator client {
  provider = "prisma-client-js"
  engineType = "client"
  output = "${path.join(folder, `client${version}`)}"
}
datasource db {
  provider = "postgresql"
  url = env("SITE_URL")
}
enum Status {
  OPEN
  WAITING
  CLOSED
  ${version >= 3 ? "SNOOZED" : ""}
}
enum Author {
  CUSTOMER
  STAFF
}
model Ticket {
  id String @id @default(uuid())
  email String
  subject String ${version >= 4 ? "" : "@db.VarChar(200)"}
  status Status @default(OPEN)
  ${version >= 2 ? "channel String?\n  priority Int @default(0)" : "source String?"}
  createdAt DateTime @default(now())
  updatedAt DateTime @updatedAt
  messages Message[]
}
model Message {
  id ${version >= 5 ? "BigInt" : "Int"} @id @default(autoincrement())
  ticket Ticket @relation(fields: [ticketId], references: [id], onDelete: Cascade)
  ticketId String
  author Author @default(CUSTOMER)
  ${version >= 7 ? "content" : "body"} String ${version >= 4 ? "" : "@db.VarChar(2000)"}
  createdAt DateTime @default(now())
  ${version >= 6 ? "deletedAt DateTime?" : ""}
}
`;
// The tool would drop a renamed column and make another; for the wider key it writes SET DATA TYPE BIGSERIAL, which is no type.
const byHand = {
  5: 'ALTER TABLE "Message" ALTER COLUMN "id" TYPE BIGINT; ALTER SEQUENCE "Message_id_seq" AS BIGINT',
  2: 'ALTER TABLE "Ticket" RENAME COLUMN "source" TO "channel"; ALTER TABLE "Ticket" ADD COLUMN "priority" INTEGER NOT NULL DEFAULT 0',
  7: 'ALTER TABLE "Message" RENAME COLUMN "body" TO "content"',
};

const prisma = (...words) => execFileSync("node", [path.join(process.env.NODE_PATH, "prisma/build/index.js"), ...words], {
  // Its other engine comes with the package; this one is not asked for anything.
  env: { ...process.env, CHECKPOINT_DISABLE: "1", PRISMA_QUERY_ENGINE_LIBRARY: path.join(folder, "none") },
  cwd: folder, stdio: ["ignore", "pipe", "pipe"],
}).toString();

async function migrate() {
  fs.writeFileSync(path.join(folder, "none"), "");
  fs.writeFileSync(path.join(folder, "prisma.config.ts"), `import { PrismaPg } from "${process.env.NODE_PATH}/@prisma/adapter-pg";
    export default { experimental: { adapter: true }, engine: "js", adapter: async () => new PrismaPg({ connectionString: process.env.SITE_URL }) };`);
  fs.writeFileSync(file(version), schema(version));
  const from = version === 1 ? ["--from-empty"] : ["--from-schema-datamodel", file(version - 1)];
  const sql = byHand[version] || prisma("migrate", "diff", ...from, "--to-schema-datamodel", file(version), "--script");
  console.log(sql);
  const client = new Client(process.env.SITE_URL.replace("?sslmode=disable", ""));
  await client.connect();
  await client.query(sql);
  await client.end();
  prisma("generate", "--schema", file(version));
}

async function write() {
  const { PrismaPg } = require("@prisma/adapter-pg");
  const { PrismaClient } = require(path.join(folder, `client${version}`));
  const { written } = require("./write.js");
  const db = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.SITE_URL.replace("?sslmode=disable", "") }) });
  const body = version >= 7 ? "content" : "body";
  await written(version, {
    ticket: (number, email) => db.ticket.create({ data: { email, subject: `about ${number}`,
      messages: { create: [{ [body]: `ticket n${number}` }, { [body]: `message n${number}.1` }] } } }),
    message: (ticket, text) => db.message.create({ data: { ticketId: ticket.id, [body]: text } }),
    edit: ({ id }, text) => db.message.update({ where: { id }, data: { [body]: text } }),
    remove: ({ id }) => (version >= 6 ? db.message.update({ where: { id }, data: { deletedAt: new Date() } }) : db.message.delete({ where: { id } })),
    same: ({ id, subject }) => db.ticket.update({ where: { id }, data: { subject } }),
    again: ({ id, email, subject }) => db.ticket.upsert({ where: { id }, create: { email, subject }, update: { status: version >= 3 ? "SNOOZED" : "WAITING" } }),
  });
}

(process.argv[2] === "migrate" ? migrate : write)().catch((error) => { console.error(error.stderr?.toString(), error); process.exit(1); });
