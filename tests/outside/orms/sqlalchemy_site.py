"""A site that writes through SQLAlchemy and migrates by Alembic. Usage: sqlalchemy_site.py migrate VERSION | write VERSION"""
import enum
import os
import sys
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ENUM, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

VERSION = int(sys.argv[2])
URL = os.environ["SITE_URL"].replace("postgres://", "postgresql+psycopg://")
KEY = sa.BigInteger if VERSION >= 5 else sa.Integer
# The labels in the database are the names, not the values.
Status = enum.Enum("Status", {name.upper(): name for name in ["open", "waiting", "closed"] + ["snoozed"] * (VERSION >= 3)})
Author = enum.Enum("Author", {"CUSTOMER": "customer", "STAFF": "staff"})


class Base(DeclarativeBase):
    pass


class Ticket(Base):
    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(KEY, primary_key=True)
    email: Mapped[str]
    subject: Mapped[str] = mapped_column(sa.Text if VERSION >= 4 else sa.String(200))
    status: Mapped[Status] = mapped_column(sa.Enum(Status, name="status"), server_default="OPEN")
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    updated_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now(), onupdate=sa.func.now())
    if VERSION >= 2:
        channel: Mapped[str | None]
        priority: Mapped[int] = mapped_column(server_default="0")
    else:
        source: Mapped[str | None]
    messages: Mapped[list["Message"]] = relationship(back_populates="ticket", cascade="all, delete-orphan", order_by="Message.id")


class Message(Base):
    __tablename__ = "messages"
    id: Mapped[int] = mapped_column(KEY, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("tickets.id"))
    author: Mapped[Author] = mapped_column(sa.Enum(Author, name="author"), server_default="CUSTOMER")
    text: Mapped[str] = mapped_column("content" if VERSION >= 7 else "body", sa.Text if VERSION >= 4 else sa.String(2000))
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    if VERSION >= 6:
        deleted_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    ticket: Mapped[Ticket] = relationship(back_populates="messages")


def migrate():
    from alembic.autogenerate import produce_migrations, render_python_code
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    with sa.create_engine(URL).begin() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": Base.metadata})
        op = Operations(context)
        # What the tool would take for a column dropped and another made, or does not see at all, a person writes.
        if VERSION == 2:
            op.alter_column("tickets", "source", new_column_name="channel")
        if VERSION == 3:
            op.execute("alter type status add value 'SNOOZED'")
        if VERSION == 7:
            op.alter_column("messages", "body", new_column_name="content")
        if VERSION == 8:
            # The table is copied and the copy takes its place, as on SQLite. Without the column below the tool would make the type anew.
            author = sa.Column("author", ENUM(Author, name="author", create_type=False), server_default="CUSTOMER", nullable=False)
            with op.batch_alter_table("messages", recreate="always", reflect_args=[author]) as batch:
                batch.create_index("messages_of_ticket", ["ticket_id"])
            # The copy's sequence begins at 1, whatever was copied: findings/alembic-batch.sh.
            op.execute("select setval(pg_get_serial_sequence('messages', 'id'), (select max(id) from messages))")
            return
        found = produce_migrations(context, Base.metadata)
        print(render_python_code(found.upgrade_ops))
        for group in found.upgrade_ops.ops:
            for operation in getattr(group, "ops", [group]):
                op.invoke(operation)


def write():
    from write import written

    engine = sa.create_engine(URL)

    class Site:
        def ticket(self, number, email):
            with Session(engine, expire_on_commit=False) as session, session.begin():
                ticket = Ticket(email=email, subject=f"about {number}")
                ticket.messages = [Message(text=f"ticket n{number}"), Message(text=f"message n{number}.1")]
                session.add(ticket)
            return ticket

        def message(self, ticket, text):
            with Session(engine, expire_on_commit=False) as session, session.begin():
                message = Message(ticket_id=ticket.id, text=text)
                session.add(message)
            return message

        def edit(self, message, text):
            with Session(engine) as session, session.begin():
                session.get_one(Message, message.id).text = text

        def remove(self, message):
            with Session(engine) as session, session.begin():
                found = session.get_one(Message, message.id)
                if VERSION >= 6:
                    found.deleted_at = sa.func.now()
                else:
                    found.ticket.messages.remove(found)

        def same(self, ticket):
            with Session(engine) as session, session.begin():
                for message in session.get_one(Ticket, ticket.id).messages:
                    message.text = message.text
                session.merge(session.get_one(Ticket, ticket.id))

        def again(self, ticket):
            with Session(engine) as session, session.begin():
                row = {"id": ticket.id, "email": ticket.email, "subject": ticket.subject, "status": "SNOOZED" if VERSION >= 3 else "WAITING"}
                statement = insert(Ticket).values(row)
                session.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"status": statement.excluded.status}))

    written(VERSION, Site())


migrate() if sys.argv[1] == "migrate" else write()
