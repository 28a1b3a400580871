-- The sample site: what a web shop's help page might have had for years. Nothing here knows of the connector.
-- Used by `deskie-cdc demo`, by docker compose and by the tests.

create table users (
    id        bigint generated always as identity primary key,
    email     text not null unique,
    full_name text not null
);

create type ticket_status as enum ('open', 'answered', 'closed');

create table tickets (
    id            bigint generated always as identity primary key,
    user_id       bigint not null references users,
    subject       text not null,
    body          text not null,
    status        ticket_status not null default 'open',
    replies_count integer not null default 0,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    is_chat       boolean not null default false
);

create table messages (
    id          bigint generated always as identity primary key,
    ticket_id   bigint not null references tickets on delete cascade,
    author      text not null check (author in ('customer', 'agent')),
    author_name text,
    body        text not null,
    is_internal boolean not null default false,
    created_at  timestamptz not null default now()
);

-- Files of a ticket, or of a message on it.
create table ticket_files (
    id         bigint generated always as identity primary key,
    ticket_id  bigint not null references tickets on delete cascade,
    message_id bigint references messages on delete cascade,
    name       text not null,
    mime       text not null,
    content    bytea not null
);

create index on tickets (user_id);
create index on messages (ticket_id);
create index on ticket_files (ticket_id);

insert into users (email, full_name) values
    ('ayse@example.com', 'Ayşe Yılmaz'),
    ('ivan@example.com', 'Иван Петров'),
    ('mehmet@example.com', 'Mehmet Öztürk'),
    ('olga@example.com', 'Ольга Смирнова'),
    ('kate@example.com', 'Kate O''Brien');

-- Tickets from before the connector: they stay on the site until their customer writes again, or `backfill` is asked.
insert into tickets (user_id, subject, body, status, replies_count, created_at, updated_at) values
    (1, 'Kargom nerede?', E'Merhaba,\n10234 numaralı siparişim bir haftadır gelmedi.', 'closed', 1,
        now() - interval '40 days', now() - interval '39 days'),
    (2, 'Не приходит письмо для сброса пароля', 'Здравствуйте! Нажимаю «Забыли пароль», но письма нет.', 'answered', 1,
        now() - interval '12 days', now() - interval '11 days'),
    (5, 'Invoice for order 9921', 'Could you send me an invoice with our VAT number on it?', 'open', 0,
        now() - interval '3 days', now() - interval '3 days');

insert into messages (ticket_id, author, author_name, body, is_internal, created_at) values
    (1, 'agent', 'Deniz', 'Merhaba Ayşe Hanım, kargonuz bugün dağıtıma çıktı.', false, now() - interval '39 days'),
    (1, 'agent', 'Deniz', 'Kargo firması iki kez arandı.', true, now() - interval '39 days'),
    (1, 'customer', null, 'Elime ulaştı, teşekkürler!', false, now() - interval '38 days'),
    (2, 'agent', 'Deniz', 'Здравствуйте, Иван! Проверьте, пожалуйста, папку «Спам».', false, now() - interval '11 days');
