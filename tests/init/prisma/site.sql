-- Prisma: names in Pascal and camel case, keys made by the application, updatedAt without a default.
create type "Role" as enum ('USER', 'AGENT', 'ADMIN');
create table "User" (id text primary key, email text not null unique, name text, role "Role" not null default 'USER', "createdAt" timestamp(3) not null default current_timestamp);
create table "Ticket" (id text primary key, title text not null, "userId" text not null references "User", "isArchived" boolean not null default false, "createdAt" timestamp(3) not null default current_timestamp, "updatedAt" timestamp(3) not null);
create table "Message" (id text primary key, content text not null, "ticketId" text not null references "Ticket", "authorId" text not null references "User",
    internal boolean not null default false, "createdAt" timestamp(3) not null default current_timestamp, "updatedAt" timestamp(3) not null);
insert into "User" values ('u1', 'mia@example.com', 'Mia', 'USER'), ('u2', 'noah@example.com', 'Noah', 'USER'), ('a1', 'agent@site.example', 'Agent', 'AGENT'), ('a2', 'boss@site.example', 'Boss', 'ADMIN');
insert into "Ticket" (id, title, "userId", "createdAt", "updatedAt") values ('t1', 'App crashes', 'u1', '2026-01-05', '2026-01-05'), ('t2', 'Feature wish', 'u2', '2026-01-06', '2026-01-06');
insert into "Message" values ('m1', 'It crashes when I open the camera.', 't1', 'u1', false, '2026-01-05', now()), ('m2', 'Which phone do you use, please?', 't1', 'a1', false, '2026-01-06', now()),
    ('m3', 'Probably the old camera library again.', 't1', 'a2', true, '2026-01-07', now()), ('m4', 'Could you add a dark mode, please?', 't2', 'u2', false, '2026-01-06', now()), ('m5', 'It is planned for the summer.', 't2', 'a2', false, '2026-01-08', now());
