#!/usr/bin/env bash
# pg_recvlogical 15.20 with PostgreSQL 15.20 (Debian 12): `pg_recvlogical -f - | program` confirms what the program has not read, and what it has read but not done.
#
# Expected: the slot makes it at least once: when the program dies, pg_recvlogical is stopped by the broken pipe, and the next run brings again what was not done.
# Seen: it writes into the pipe, holds that for flushed, and confirms it after ten seconds (--fsync-interval, --status-interval). The pipe takes 64 kB, hundreds of tickets: a program that stands at its third one, as it waits for
#   an answer of a helpdesk, has had a hundred confirmed. Killed then, the next run brings none of them: 97 tickets are told to nobody, and no log says so. A file given by -f is flushed first, and a
#   program that follows it by a position of its own loses nothing. --fsync-interval=0, "never flushed", changes nothing.
# For the connector: it confirms what its own transaction has stored. A pipe behind a slot is at most once.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
debian15 <<'PY'
import os, subprocess
root = os.environ["BIN"].partition("/usr/lib/postgresql/")[0]
environment = {**os.environ, "LD_LIBRARY_PATH": f"{root}/usr/lib/x86_64-linux-gnu"}
db.execute("create table ticket (id serial primary key, subject text)")
def play(what, *options):
    db.execute("truncate ticket restart identity")
    db.execute("select pg_create_logical_replication_slot('s', 'test_decoding')")
    def reader():
        return subprocess.Popen([f"{os.environ['BIN']}/pg_recvlogical", "-h", sys.argv[1], "-U", "postgres", "-d", "postgres", "-S", "s", "--start", "-o", "include-xids=0", *options],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    def done(from_, until):
        got = []
        for line in from_:
            if "INSERT" in line:
                got.append(int(line.split("id[integer]:")[1].split()[0]))
                if got[-1] == until:
                    return got
        return got
    first = reader()
    for number in range(1, 101):
        db.execute("insert into ticket (subject) values (%s)", [f"number {number}"])
    path = options[1]
    if path == "-":
        got = done(first.stdout, 3)
    else:
        for _ in range(100):
            got = done(open(path), 3) if os.path.exists(path) else []
            if got[-1:] == [3]:
                break
            time.sleep(0.1)
    end, = db.execute("select pg_current_wal_lsn()").fetchone()
    confirmed = False
    for _ in range(130):
        time.sleep(0.1)
        if confirmed := db.execute("select confirmed_flush_lsn >= %s from pg_replication_slots", [end]).fetchone()[0]:
            break
    say(f"{what}: done: {len(got)}; all confirmed: {confirmed}")
    first.kill()
    first.wait()
    while db.execute("select active from pg_replication_slots").fetchone()[0]:
        time.sleep(0.1)
    second = reader()
    time.sleep(2)
    db.execute("insert into ticket (subject) values ('last')")
    again = [number for number in done(second.stdout if path == "-" else follow(path), 101) if number > 3]
    second.kill()
    second.wait()
    say(f"  the next run brings of the other 97: {len(again) - 1}" if path == "-" else f"  of the other 97 stand in the file: {len(again) - 1}")
    while db.execute("select active from pg_replication_slots").fetchone()[0]:
        time.sleep(0.1)
    db.execute("select pg_drop_replication_slot('s')")
def follow(path):
    with open(path) as file:
        end = time.time() + 30
        while time.time() < end:
            line = file.readline()
            if line:
                yield line
            else:
                time.sleep(0.1)
play("a pipe", "-f", "-")
play("a pipe, --fsync-interval=0", "-f", "-", "--fsync-interval=0")
play("a file", "-f", "stream")
PY
seen <<'SEEN'
PostgreSQL 15
a pipe: done: 3; all confirmed: True
  the next run brings of the other 97: 0
a pipe, --fsync-interval=0: done: 3; all confirmed: True
  the next run brings of the other 97: 0
a file: done: 3; all confirmed: True
  of the other 97 stand in the file: 97
SEEN
