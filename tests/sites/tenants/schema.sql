-- One database for many shops. A ticket is a draft of its own until the customer has confirmed it by mail, and a person
-- takes spam out of the queue by hand.
create schema app;
create table app.tenants (id uuid primary key, slug text not null unique, helpdesk boolean not null);
create table app.tickets (
    id        uuid primary key default gen_random_uuid(),
    tenant_id uuid not null references app.tenants,
    confirmed boolean not null default false,
    spam      boolean not null default false,
    email     text not null,
    subject   text not null,
    queue     text not null default 'support'
);
create schema chat;
create table chat.messages (
    id        uuid primary key default gen_random_uuid(),
    ticket_id uuid not null references app.tickets on delete cascade,
    tenant_id uuid not null references app.tenants,
    seq       serial,
    kind      text not null default 'message',
    author    jsonb not null default '{"agent": false}',
    blocks    jsonb not null
);
insert into app.tenants values
    ('aaaaaaaa-0000-0000-0000-000000000000', 'ours', true), ('bbbbbbbb-0000-0000-0000-000000000000', 'theirs', false);
