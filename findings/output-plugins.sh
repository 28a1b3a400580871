#!/usr/bin/env bash
# PostgreSQL 15.18, 15.20 (Debian 12's, the second from its security updates), wal2json 2.5: after a minor update a slot stands still, and the list that lets
#   it go on stops the others.
#
# Expected: a minor update is the same program without faults: what streamed before it streams after it. The setting's own description speaks of "creating
#   logical replication slots". And a list that is right in postgresql.conf in quotes is right in ALTER SYSTEM in quotes.
# Seen: since 15.19 only the plugins of output_plugin_libraries may be loaded, at first pgoutput and test_decoding. A slot that was made before with wal2json
#   is refused as well (42501, the code of a missing right, to a superuser, too), and keeps its WAL meanwhile. `output_plugin_libraries = 'pgoutput,
#   wal2json'` in postgresql.conf allows both; ALTER SYSTEM SET with the same words makes it one name with a comma in it, which names nothing: from then on
#   pgoutput is refused, too. ALTER SYSTEM warns of nothing; each name has to stand by itself.
# For the connector: it streams by pgoutput; who mends another reader in this way stops it, and 42501 is not the missing REPLICATION then.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for version in 15.18-0+deb12u1 15.20-0+deb12u1; do
  mkdir "$version"
  (cd "$version" && apt-get download -qq "postgresql-15=$version" postgresql-15-wal2json=2.5-1+b1 2>/dev/null && for package in *.deb; do dpkg-deb -x "$package" .; done)
  chmod -R a+rX "$version"
done
served 15 "$work/15.18-0+deb12u1/usr/lib/postgresql/15/bin" jit=off <<'PY'
import os, signal, subprocess
db.execute("create table t (id int primary key)")
db.execute("create publication p for table t")
for slot, plugin in (("theirs", "wal2json"), ("ours", "pgoutput")):
    db.execute(f"select pg_create_logical_replication_slot('{slot}', '{plugin}')")
db.execute("insert into t values (1)")
def read(when):
    global db
    db = connect()
    said = []
    for slot, options in (("theirs", ""), ("ours", ", 'proto_version', '1', 'publication_names', 'p'")):
        answer = try_(db, f"select count(*) > 0 from pg_logical_slot_peek_{'binary_' if options else ''}changes('{slot}', null, null{options})")
        said += [slot, "read" if answer == [(True,)] else answer]
    say(db.execute("show server_version").fetchone()[0].split()[0], f"{when}:", *said)
read("as it was")
db.close()
data = f"{sys.argv[1]}/pg"
former = int(open(f"{data}/postmaster.pid").readline())
os.kill(former, signal.SIGINT)
while os.path.exists(f"{data}/postmaster.pid"):
    time.sleep(0.1)
user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
server = subprocess.Popen([os.environ["BIN"].replace("15.18", "15.20") + "/postgres", "-D", data, "-k", sys.argv[1], "-F", "-c", "listen_addresses=",
    "-c", "wal_level=logical", "-c", "jit=off"], stderr=subprocess.DEVNULL, **user)
try:
    while True:
        try:
            db = connect()
            break
        except psycopg.OperationalError:
            time.sleep(0.1)
    read("updated")
    say(db.execute("select setting from pg_settings where name = 'output_plugin_libraries'").fetchone()[0])
    def reloaded(setting):
        db.execute("select pg_reload_conf()")
        while connect().execute("show output_plugin_libraries").fetchone()[0] != setting:
            time.sleep(0.1)
    with open(f"{data}/postgresql.conf", "a") as file:
        file.write("output_plugin_libraries = 'pgoutput, wal2json'\n")
    reloaded("pgoutput, wal2json")
    read("with 'pgoutput, wal2json' in the file")
    db.execute("alter system set output_plugin_libraries = 'pgoutput, wal2json'")
    reloaded('"pgoutput, wal2json"')
    read("with 'pgoutput, wal2json' by ALTER SYSTEM")
    db.execute("alter system set output_plugin_libraries = pgoutput, wal2json")
    reloaded("pgoutput, wal2json")
    read("with pgoutput, wal2json by ALTER SYSTEM")
finally:
    server.send_signal(signal.SIGINT)
    server.wait()
PY
seen <<'SEEN'
PostgreSQL 15
15.18 as it was: theirs read ours read
15.20 updated: theirs 42501 ours read
pgoutput, test_decoding
15.20 with 'pgoutput, wal2json' in the file: theirs read ours read
15.20 with 'pgoutput, wal2json' by ALTER SYSTEM: theirs 42501 ours 42501
15.20 with pgoutput, wal2json by ALTER SYSTEM: theirs read ours read
SEEN
