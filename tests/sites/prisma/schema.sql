-- As Prisma makes it: quoted names, keys of text made by the client, enum types, timestamps without zone, a column that
-- is a reserved word. The client may insert a message before its ticket: the foreign key is checked at COMMIT.
create schema "Help Desk";
set search_path = "Help Desk";

create type "Role" as enum ('USER', 'STAFF', 'SYSTEM');
create type "TicketState" as enum ('OPEN', 'CLOSED');
create table "User" (
    "id"        text primary key,
    "email"     text unique,
    "firstName" text not null,
    "lastName"  text not null
);
create table "Ticket" (
    "id"        text primary key,
    "userId"    text not null references "User" ("id") on update cascade on delete restrict,
    "title"     text not null,
    "order"     integer,
    "state"     "TicketState" not null default 'OPEN',
    "createdAt" timestamp(3) not null default current_timestamp,
    "updatedAt" timestamp(3) not null
);
create table "TicketMessage" (
    "id"        text primary key,
    "ticketId"  text not null references "Ticket" ("id") deferrable initially deferred,
    "role"      "Role" not null default 'USER',
    "user"      text references "User" ("id"),
    "content"   text not null,
    "isHtml"    boolean not null default false,
    "createdAt" timestamp(3) not null default current_timestamp
);
reset search_path;

insert into "Help Desk"."User" values
    ('cku0ayse0000', 'ayse@example.com', 'Ayşe', 'Yılmaz'), ('cku0deniz0000', 'deniz@example.com', 'Deniz', 'Ak');
