#!/usr/bin/env bash
# Patroni 4.1.5 (PyPI) with PostgreSQL 15.20 (Debian 12): ALTER SYSTEM SET wal_level = logical succeeds, asks for a restart, and is nothing after it.
#
# Expected: postgresql.auto.conf, which ALTER SYSTEM writes, is read last and wins; what needs a restart says pending_restart, and the restart does it, however it is done.
# Seen: Patroni starts the server with thirteen settings on its command line, and that wins over every file: wal_level, max_wal_senders, max_replication_slots, max_connections, track_commit_timestamp
#   among them. ALTER SYSTEM says yes, pg_settings shows pending_restart = true, Patroni's own API says nothing of a restart; after `patronictl restart` wal_level is replica, pending_restart
#   false, and the value stands in the file as if it held. What Patroni does not name, as max_slot_wal_keep_size, is taken from the file. `patronictl edit-config` and a restart does it.
# For the connector: where pg_settings.source is "command line" the mend is there, not in ALTER SYSTEM. Look at `source` before a restart, not at pending_restart.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python3 -m venv "$work/patroni"
"$work/patroni/bin/pip" install --quiet --disable-pip-version-check 'patroni[raft]==4.1.5' 'psycopg[binary]==3.2.9'
chmod -R a+rX "$work/patroni"
debian15 <<'PY'
import json, os, socket, subprocess, urllib.request
work = os.path.dirname(sys.argv[1])
home = f"{work}/site"
os.makedirs(home)
user = []
if os.getuid() == 0:
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    os.chown(home, 65534, 65534)
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
raft, rest, pg = port(), port(), port()
config = {
    "scope": "site", "name": "one", "raft": {"data_dir": f"{home}/raft", "self_addr": f"127.0.0.1:{raft}"},
    "restapi": {"listen": f"127.0.0.1:{rest}", "connect_address": f"127.0.0.1:{rest}"},
    "bootstrap": {"dcs": {"ttl": 20, "loop_wait": 1, "retry_timeout": 3}, "initdb": [{"encoding": "UTF8"}, {"locale": "C"}]},
    "postgresql": {
        "listen": f"127.0.0.1:{pg}", "connect_address": f"127.0.0.1:{pg}", "bin_dir": os.environ["BIN"], "data_dir": f"{home}/data", "pgpass": f"{home}/pgpass",
        "authentication": {"superuser": {"username": "postgres", "password": "x"}, "replication": {"username": "standby", "password": "x"}},
        "parameters": {"unix_socket_directories": home}, "pg_hba": ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
    },
}
with open(f"{home}/patroni.json", "w") as file:
    json.dump(config, file)
environment = {**os.environ, "HOME": home, "LD_LIBRARY_PATH": f"{work}/debian/usr/lib/x86_64-linux-gnu"}
del environment["PYTHONPATH"]
patroni = subprocess.Popen([*user, f"{work}/patroni/bin/patroni", f"{home}/patroni.json"], stdout=open(f"{home}/log", "w"), stderr=subprocess.STDOUT, env=environment)
def ctl(*words):
    return subprocess.run([f"{work}/patroni/bin/patronictl", "-c", f"{home}/patroni.json", *words], capture_output=True, text=True, env=environment).stdout
def answer(path):
    with urllib.request.urlopen(f"http://127.0.0.1:{rest}/{path}", timeout=5) as got:
        return json.load(got)
def primary(since=None):
    end = time.time() + 60
    while time.time() < end:
        try:
            if answer("primary")["state"] == "running":
                one = psycopg.connect(host="127.0.0.1", port=pg, user="postgres", password="x", dbname="postgres", autocommit=True)
                started, = one.execute("select pg_postmaster_start_time()").fetchone()
                if started != since:
                    return one, started
        except (OSError, psycopg.Error):
            pass
        time.sleep(0.2)
    patroni.terminate()
    raise SystemExit(open(f"{home}/log").read()[-2000:])
def told(what):
    say(what)
    for row in one.execute("select name, setting, source, pending_restart from pg_settings where name in ('wal_level', 'max_wal_senders', 'max_slot_wal_keep_size') order by name"):
        say("  ", *row)
one, started = primary()
told("at first")
for setting in ("wal_level = logical", "max_wal_senders = 20", "max_slot_wal_keep_size = '20GB'"):
    say("ALTER SYSTEM SET", setting + ":", try_(one, f"alter system set {setting}"))
one.execute("select pg_reload_conf()")
time.sleep(3)
told("reloaded")
say("Patroni waits for a restart:", answer("patroni").get("pending_restart", False))
ctl("restart", "site", "--force")
one, started = primary(started)
told("restarted by patronictl")
say("the file:", [line for line in open(f"{home}/data/postgresql.auto.conf").read().splitlines() if "wal_level" in line])
say("on the command line:", ", ".join(name for (name,) in one.execute("select name from pg_settings where source = 'command line' order by name")))
ctl("edit-config", "site", "--force", "-p", "wal_level=logical")
time.sleep(3)
say("Patroni waits for a restart:", answer("patroni").get("pending_restart", False))
ctl("restart", "site", "--force")
one, started = primary(started)
told("edit-config, and restarted")
patroni.terminate()
patroni.wait()
PY
seen <<'SEEN'
PostgreSQL 15
at first
   max_slot_wal_keep_size -1 default False
   max_wal_senders 10 command line False
   wal_level replica command line False
ALTER SYSTEM SET wal_level = logical: ALTER SYSTEM
ALTER SYSTEM SET max_wal_senders = 20: ALTER SYSTEM
ALTER SYSTEM SET max_slot_wal_keep_size = '20GB': ALTER SYSTEM
reloaded
   max_slot_wal_keep_size 20480 configuration file False
   max_wal_senders 10 command line True
   wal_level replica command line True
Patroni waits for a restart: False
restarted by patronictl
   max_slot_wal_keep_size 20480 configuration file False
   max_wal_senders 10 command line False
   wal_level replica command line False
the file: ["wal_level = 'logical'"]
on the command line: cluster_name, hot_standby, listen_addresses, max_connections, max_locks_per_transaction, max_prepared_transactions, max_replication_slots, max_wal_senders, max_worker_processes, port, track_commit_timestamp, wal_level, wal_log_hints
Patroni waits for a restart: True
edit-config, and restarted
   max_slot_wal_keep_size 20480 configuration file False
   max_wal_senders 10 command line False
   wal_level logical command line False
SEEN
