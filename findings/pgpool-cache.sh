#!/usr/bin/env bash
# pgpool-II 4.3.5 (Debian 12) before PostgreSQL 15.20 (Debian 12), with `memory_cache_enabled = on` and nothing else set about the cache: what somebody writes beside it is never seen.
#
# Expected: a query cache in front of a database is too old for some seconds, or a minute; and what goes through it itself, it knows.
# Seen: `memqcache_expire` is 0, which is never. What is written straight to the server, as by a job, psql or anything that has to reach the server itself, is in no
#   answer through pgpool until a statement through pgpool names that very table as the one it writes; a session that comes later gets the old rows as well. Nor does it know what it lets through without reading it: a
#   trigger's UPDATE of the ticket, the messages that ON DELETE CASCADE has taken away, an INSERT within a function. One page shows a ticket that is gone
#   with its messages, and a counter that disagrees with the rows beside it, without end.
# For the connector: it has to write to the server itself, so that a site that reads through such a cache shows no reply until somebody writes there again. Say
#   memqcache_expire = 5 there, or leave the cache out.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
debian15 pgpool2 libpgpool2 libmemcached11 libhashkit2 <<'PY'
import os, subprocess
root = os.environ["BIN"].partition("/usr/lib/")[0]
def pgpool(port, **settings):
    home = f"{sys.argv[1]}/{port}"
    os.makedirs(f"{home}/oid")
    paths = {name: home for name in ("socket_dir", "pcp_socket_dir", "logdir", "work_dir")}
    settings = {
        "backend_clustering_mode": "raw", "backend_hostname0": sys.argv[1], "backend_port0": 5432, "port": port, "listen_addresses": "", "pcp_listen_addresses": "",
        "num_init_children": 4, "pid_file_name": f"{home}/pid", "memory_cache_enabled": "on", "memqcache_oiddir": f"{home}/oid", **paths, **settings,
    }
    with open(f"{home}/pgpool.conf", "w") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    user = []
    if os.getuid() == 0:
        user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        for path in (home, f"{home}/oid"):
            os.chown(path, 65534, 65534)
    program = subprocess.Popen([*user, f"{root}/usr/sbin/pgpool", "-n", "-f", f"{home}/pgpool.conf"], stderr=open(f"{home}/log", "w"), env={**os.environ, "LD_LIBRARY_PATH": f"{root}/usr/lib/x86_64-linux-gnu"})
    return program, home, port
def through(pool):
    for _ in range(100):
        try:
            return psycopg.ClientCursor(psycopg.connect(host=pool[1], port=pool[2], user="postgres", dbname="postgres", autocommit=True))
        except psycopg.OperationalError:
            time.sleep(0.1)
def looked(what, *through):
    said = []
    for asked in (*through, db):
        rows = asked.execute("select body from message where ticket = 1 order by id").fetchall()
        count = asked.execute("select messages from ticket where id = 1").fetchone()
        said.append(f"{', '.join(body for (body,) in rows) or 'no message'}; {'no ticket' if count is None else f'ticket says {count[0]}'}")
    say(f"{what}:", " | ".join(said))
def play(what, pool):
    say(what)
    db.execute("drop table if exists message, ticket")
    db.execute("create table ticket (id int primary key, messages int not null default 0)")
    db.execute("create table message (id int primary key, ticket int references ticket on delete cascade, body text)")
    db.execute("create or replace function counted() returns trigger language plpgsql as 'begin update ticket set messages = messages + 1 where id = new.ticket; return new; end'")
    db.execute("create trigger counted after insert on message for each row execute function counted()")
    db.execute("create or replace function answer(int, text) returns void language sql as 'insert into message values ($1, 1, $2)'")
    db.execute("insert into ticket values (1)")
    site = through(pool)
    looked("  at first", site)
    site.execute("insert into message values (1, 1, 'site')")
    looked("  the site has written", site)
    db.execute("insert into message values (2, 1, 'beside')")
    looked("  somebody beside it has", site)
    time.sleep(3)
    looked("  three seconds later, and in a new session", site, through(pool))
    site.execute("select answer(3, 'function')")
    looked("  the site has called a function", site)
    site.execute("delete from ticket where id = 1")
    looked("  the site has deleted the ticket", site)
    pool[0].send_signal(2)
    pool[0].wait()
play("as it is", pgpool(5433))
play("memqcache_expire = 2", pgpool(5434, memqcache_expire=2))
PY
seen <<'SEEN'
PostgreSQL 15
as it is
  at first: no message; ticket says 0 | no message; ticket says 0
  the site has written: site; ticket says 0 | site; ticket says 1
  somebody beside it has: site; ticket says 0 | site, beside; ticket says 2
  three seconds later, and in a new session: site; ticket says 0 | site; ticket says 0 | site, beside; ticket says 2
  the site has called a function: site; ticket says 0 | site, beside, function; ticket says 3
  the site has deleted the ticket: site; no ticket | no message; no ticket
memqcache_expire = 2
  at first: no message; ticket says 0 | no message; ticket says 0
  the site has written: site; ticket says 0 | site; ticket says 1
  somebody beside it has: site; ticket says 0 | site, beside; ticket says 2
  three seconds later, and in a new session: site, beside; ticket says 2 | site, beside; ticket says 2 | site, beside; ticket says 2
  the site has called a function: site, beside; ticket says 2 | site, beside, function; ticket says 3
  the site has deleted the ticket: site, beside; no ticket | no message; no ticket
SEEN
