#!/usr/bin/env bash
# PostgreSQL 15.20 (Debian 12's) with its pg_dump and pg_restore: who restores one table takes it out of its publication, and leaves the publication standing.
#
# Expected: a dump holds what belongs to a table, its place in a publication as its REPLICA IDENTITY; restoring the table puts both back. Or pg_restore, which
#   drops the table first, says what goes with it.
# Seen: a dump of the whole database has the publication with its tables, one of a table or a schema (-t, -n) has the REPLICA IDENTITY alone. `pg_restore
#   --clean -t` out of the whole dump leaves the place out, too, and the primary key. There is no error and no notice: the publication stands, its other tables
#   are streamed. Restoring all of it with --clean puts every table back, into a publication that is another one by its oid (publication-again.sh).
# For the connector: it tells a mapped table that nothing publishes; `setup` puts it back, and the gap is repaired. Run `setup` after any restore.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
debian15 <<'PY'
import os, subprocess
def run(program, *words):
    done = subprocess.run([f"{os.environ['BIN']}/{program}", "-h", sys.argv[1], "-U", "postgres", *words, "postgres"], capture_output=True, text=True)
    return done.stdout, " ".join([f"exit {done.returncode}", *done.stderr.split("\n")]).strip()
oid = lambda: db.execute("select oid from pg_publication").fetchone()[0]
def looked(what, said):
    published = db.execute("select string_agg(tablename, ', ' order by tablename) from pg_publication_tables").fetchone()[0]
    say(f"{what} ({said}): published {published};", *db.execute("select 'message has identity ' || relreplident::text || ' and ' || case when exists "
        "(select from pg_index where indrelid = c.oid and indisprimary) then 'its primary key' else 'no primary key' end from pg_class c where relname = 'message'").fetchone(),
        "" if oid() == first else "- another publication")
db.execute("create table ticket (id int primary key)")
db.execute("create table message (id int primary key, ticket int references ticket)")
db.execute("alter table message replica identity full")
db.execute("create publication p for table ticket, message")
first = oid()
for words in ((), ("-t", "message"), ("-n", "public")):
    say("a dump", *words, "has", [line for line in run("pg_dump", "-s", *words)[0].split("\n") if "add table" in line.lower() or "replica" in line.lower()])
run("pg_dump", "-Fc", "-f", "whole")
run("pg_dump", "--clean", "-t", "message", "-f", "one.sql")
looked("at first", "")
looked("pg_restore --clean -t message", run("pg_restore", "--clean", "-t", "message", "whole", "-d")[1])
db.execute("drop table message; create table message (id int primary key, ticket int references ticket); alter publication p add table message")
looked("made anew by hand", "")
looked("psql -f of pg_dump --clean -t message", run("psql", "-qf", "one.sql")[1])
looked("pg_restore --clean", run("pg_restore", "--clean", "whole", "-d")[1])
PY
seen <<'SEEN'
PostgreSQL 15
a dump has ['ALTER TABLE ONLY public.message REPLICA IDENTITY FULL;', 'ALTER PUBLICATION p ADD TABLE ONLY public.message;', 'ALTER PUBLICATION p ADD TABLE ONLY public.ticket;']
a dump -t message has ['ALTER TABLE ONLY public.message REPLICA IDENTITY FULL;']
a dump -n public has ['ALTER TABLE ONLY public.message REPLICA IDENTITY FULL;']
at first (): published message, ticket; message has identity f and its primary key 
pg_restore --clean -t message (exit 0): published ticket; message has identity f and no primary key 
made anew by hand (): published message, ticket; message has identity d and its primary key 
psql -f of pg_dump --clean -t message (exit 0): published ticket; message has identity f and its primary key 
pg_restore --clean (exit 0): published message, ticket; message has identity f and its primary key - another publication
SEEN
