"""A site that writes through Django and migrates by `makemigrations` and `migrate`.
Usage: django_site.py migrate VERSION | write VERSION"""
import os
import sys
import warnings

VERSION = int(os.environ.get("SITE_VERSION") or sys.argv[2])
FOLDER = os.environ["SITE_FOLDER"]
MODELS = '''
from django.db import models


class Customer(models.Model):
    email = models.EmailField(unique=True)


class Ticket(models.Model):
    customer = models.ForeignKey(Customer, models.PROTECT)
    subject = models.{subject}
    status = models.CharField(max_length=20, default="open", choices={choices})
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)
    {source} = models.CharField(max_length=20, null=True)


class Message(models.Model):
    ticket = models.ForeignKey(Ticket, models.CASCADE)
    by_staff = models.BooleanField(default=False)
    {body} = models.{text}
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)
    {more}
'''


def models():
    more = []
    if VERSION >= 2:
        more.append("weight = models.IntegerField(default=0)")
    if VERSION >= 3:
        more.append("tone = models.CharField(max_length=9, default='calm', choices={'calm': 'calm', 'angry': 'angry'})")
    if VERSION >= 6:
        more.append("deleted_at = models.DateTimeField(null=True)")
    return MODELS.format(
        subject="TextField()" if VERSION >= 4 else "CharField(max_length=200)",
        text="TextField()" if VERSION >= 4 else "CharField(max_length=2000)",
        choices={name: name for name in ["open", "waiting", "closed"] + ["snoozed"] * (VERSION >= 3)},
        source="channel" if VERSION >= 2 else "source",
        body="content" if VERSION >= 7 else "body",
        more="\n    ".join(more),
    )


def configured():
    import urllib.parse

    os.makedirs(f"{FOLDER}/v{VERSION}/desk", exist_ok=True)
    os.makedirs(f"{FOLDER}/migrations", exist_ok=True)
    for path, text in {
        f"v{VERSION}/desk/__init__.py": "",
        f"v{VERSION}/desk/models.py": models(),
        "migrations/__init__.py": "",
    }.items():
        with open(f"{FOLDER}/{path}", "w") as file:
            file.write(text)
    sys.path[:0] = [f"{FOLDER}/v{VERSION}", FOLDER]
    import django
    from django.conf import settings

    url = urllib.parse.urlsplit(os.environ["SITE_URL"])
    settings.configure(
        INSTALLED_APPS=["desk"],
        MIGRATION_MODULES={"desk": "migrations"},
        DEFAULT_AUTO_FIELD="django.db.models." + ("BigAutoField" if VERSION >= 5 else "AutoField"),
        USE_TZ=True,
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "USER": url.username,
            "HOST": url.hostname, "PORT": url.port}},
    )
    django.setup()


def migrate():
    from django.core.management import call_command
    from django.db.migrations.questioner import MigrationQuestioner

    # A person is asked whether `body` was renamed, and says yes.
    MigrationQuestioner.ask_rename = lambda *_: True
    import django.core.management.commands.makemigrations as command

    command.InteractiveMigrationQuestioner.ask_rename = lambda *_: True
    call_command("makemigrations", "desk", interactive=True, name=f"v{VERSION}")
    call_command("sqlmigrate", "desk", f"{VERSION:04}")
    call_command("migrate", verbosity=1)


def write():
    from desk.models import Customer, Message, Ticket
    from django.db import close_old_connections, transaction
    from django.utils import timezone
    from write import written

    body = "content" if VERSION >= 7 else "body"

    class Site:
        def ticket(self, number, email):
            with transaction.atomic():
                customer, _ = Customer.objects.get_or_create(email=email)
                ticket = Ticket.objects.create(customer=customer, subject=f"about {number}")
                Message.objects.bulk_create([Message(ticket=ticket, **{body: text}) for text in (f"ticket n{number}", f"message n{number}.1")])
            return ticket

        def message(self, ticket, text):
            return ticket.message_set.create(**{body: text})

        def edit(self, message, text):
            message = Message.objects.get(pk=message.pk)
            setattr(message, body, text)
            message.save()

        def remove(self, message):
            if VERSION >= 6:
                Message.objects.filter(pk=message.pk).update(deleted_at=timezone.now())
            else:
                message.delete()

        def same(self, ticket):
            Ticket.objects.get(pk=ticket.pk).save()
            for message in ticket.message_set.all():
                message.save()

        def again(self, ticket):
            Ticket.objects.update_or_create(pk=ticket.pk, defaults={"status": "snoozed" if VERSION >= 3 else "waiting"})

    written(VERSION, Site(), close_old_connections)


warnings.simplefilter("ignore")
configured()
migrate() if sys.argv[1] == "migrate" else write()
