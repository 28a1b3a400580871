// What the site does, several times a second, until it is stopped: a ticket with two messages, another message, and by turns an
// edit, a deletion, a save without a change, an upsert. What the database refuses in the middle of a migration is given up.
const pause = (time) => new Promise((done) => setTimeout(done, time));

exports.written = async (version, site) => {
  let stopped = false;
  process.on("SIGTERM", () => { stopped = true; });
  for (let count = 1; !stopped; count++) {
    const number = `${version}-${count}`;
    try {
      const ticket = await site.ticket(number, `person${count % 7}@example.com`);
      const message = await site.message(ticket, `message n${number}.2`);
      await pause(count % 8 < 4 ? 400 : 0);
      if (count % 4 === 0) await site.edit(message, `message n${number}.2, edited`);
      if (count % 4 === 1) await site.remove(message);
      if (count % 4 === 2) await site.same(ticket);
      if (count % 4 === 3) await site.again(ticket);
    } catch (error) {
      console.log(`refused: ${error.message.split("\n").pop()}`);
    }
    await pause(250);
  }
  process.exit(0);
};
