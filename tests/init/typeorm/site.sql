-- TypeORM: uuid keys, an enum for the sender, hashed constraint names, an own customers table.
create type message_sendertype_enum as enum ('customer', 'support');
create type ticket_status_enum as enum ('open', 'pending', 'resolved');
create table customer (id uuid not null default gen_random_uuid() constraint "PK_a7a" primary key, email character varying not null, phone character varying, "fullName" character varying not null, "createdAt" timestamp with time zone not null default now());
create table ticket (id uuid not null default gen_random_uuid() constraint "PK_d9a" primary key, subject character varying not null, status ticket_status_enum not null default 'open',
    "createdAt" timestamp with time zone not null default now(), "updatedAt" timestamp with time zone not null default now(), "customerId" uuid constraint "FK_01" references customer, "assigneeId" uuid);
create table message (id uuid not null default gen_random_uuid() constraint "PK_ba0" primary key, body text not null, "senderType" message_sendertype_enum not null, "isRead" boolean not null default false,
    "createdAt" timestamp with time zone not null default now(), "ticketId" uuid constraint "FK_02" references ticket on delete cascade);
insert into customer (id, email, "fullName") values ('00000000-0000-4000-8000-000000000001', 'sara@example.com', 'Sara'), ('00000000-0000-4000-8000-000000000002', 'tom@example.com', 'Tom');
insert into ticket (id, subject, "customerId", "createdAt") values ('00000000-0000-4000-8000-00000000000a', 'Delivery', '00000000-0000-4000-8000-000000000001', '2026-02-01'), ('00000000-0000-4000-8000-00000000000b', 'Payment', '00000000-0000-4000-8000-000000000002', '2026-02-02');
insert into message (body, "senderType", "ticketId", "isRead", "createdAt") values ('Nobody rang at my door today.', 'customer', '00000000-0000-4000-8000-00000000000a', true, '2026-02-01'), ('The courier comes again tomorrow.', 'support', '00000000-0000-4000-8000-00000000000a', false, '2026-02-02'),
    ('My card was charged two times.', 'customer', '00000000-0000-4000-8000-00000000000b', true, '2026-02-02');
