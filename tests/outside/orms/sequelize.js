// A site that writes through Sequelize and migrates by its query interface, which Umzug calls as sequelize-cli does.
// Usage: sequelize.js migrate VERSION | write VERSION
const { DataTypes, QueryTypes, Sequelize } = require("sequelize");

const version = Number(process.argv[3]);
const sequelize = new Sequelize(process.env.SITE_URL.replace("?sslmode=disable", ""), { logging: process.argv[2] === "migrate" && console.log });
const text = (short) => (version >= 4 ? DataTypes.TEXT : DataTypes.STRING(short));
const key = { type: version >= 5 ? DataTypes.BIGINT : DataTypes.INTEGER, primaryKey: true, autoIncrement: true };
const status = DataTypes.ENUM("open", "waiting", "closed", ...(version >= 3 ? ["snoozed"] : []));
const body = version >= 7 ? "content" : "body";

const Ticket = sequelize.define("Ticket", {
  id: key,
  email: { type: DataTypes.STRING, allowNull: false },
  subject: { type: text(200), allowNull: false },
  status: { type: status, allowNull: false, defaultValue: "open" },
  [version >= 2 ? "channel" : "source"]: DataTypes.STRING,
  ...(version >= 2 ? { priority: { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0 } } : {}),
});
const Message = sequelize.define("Message", {
  id: key,
  author: { type: DataTypes.ENUM("customer", "staff"), allowNull: false, defaultValue: "customer" },
  [body]: { type: text(2000), allowNull: false },
}, { paranoid: version >= 6 });
Ticket.hasMany(Message, { as: "messages" });
Message.belongsTo(Ticket);

const migrations = {
  1: () => sequelize.sync(),
  async 2(tables) {
    await tables.renameColumn("Tickets", "source", "channel");
    await tables.addColumn("Tickets", "priority", { type: DataTypes.INTEGER, allowNull: false, defaultValue: 0 });
  },
  // changeColumn to an ENUM with one label more leaves the type as it was: findings/sequelize-change-column.sh.
  3: () => sequelize.query(`ALTER TYPE "enum_Tickets_status" ADD VALUE 'snoozed'`),
  async 4(tables) {
    await tables.changeColumn("Tickets", "subject", { type: DataTypes.TEXT, allowNull: false });
    await tables.changeColumn("Messages", "body", { type: DataTypes.TEXT, allowNull: false });
  },
  // changeColumn would take the keys' default, the sequence, away: findings/sequelize-change-column.sh.
  5: () => sequelize.query(`ALTER TABLE "Tickets" ALTER id TYPE bigint; ALTER TABLE "Messages" ALTER id TYPE bigint, ALTER "TicketId" TYPE bigint;
    ALTER SEQUENCE "Tickets_id_seq" AS bigint; ALTER SEQUENCE "Messages_id_seq" AS bigint`),
  6: (tables) => tables.addColumn("Messages", "deletedAt", { type: DataTypes.DATE }),
  7: (tables) => tables.renameColumn("Messages", "body", "content"),
};

async function migrate() {
  const { SequelizeStorage, Umzug } = require("umzug");
  const umzug = new Umzug({
    context: sequelize.getQueryInterface(),
    storage: new SequelizeStorage({ sequelize }),
    logger: console,
    migrations: Object.entries(migrations).filter(([number]) => number <= version)
      .map(([number, up]) => ({ name: `v${number}`, up: ({ context }) => up(context) })),
  });
  await umzug.up();
  await sequelize.close();
}

async function write() {
  const { written } = require("./write.js");
  await written(version, {
    async ticket(number, email) {
      // Without a transaction of its own, as the manual shows it: the ticket is committed first, and each child by itself.
      const ticket = await Ticket.create({ email, subject: `about ${number}`, messages: [{ [body]: `ticket n${number}` }] }, { include: "messages" });
      await Message.bulkCreate([{ TicketId: ticket.id, [body]: `message n${number}.1` }]);
      return ticket;
    },
    message: (ticket, said) => ticket.createMessage({ [body]: said }),
    async edit(message, said) { await (await Message.findByPk(message.id)).update({ [body]: said }); },
    async remove(message) { await (await Message.findByPk(message.id)).destroy(); },
    async same(ticket) { await (await Ticket.findByPk(ticket.id)).save(); await Message.findOrCreate({ where: { TicketId: ticket.id, author: "customer" }, defaults: { [body]: "never" } }); },
    async again(ticket) { await Ticket.upsert({ id: ticket.id, email: ticket.email, subject: ticket.subject, status: version >= 3 ? "snoozed" : "waiting" }); },
  });
}

(process.argv[2] === "migrate" ? migrate : write)().catch((error) => { console.error(error); process.exit(1); });
