-- A site that keeps events: who, what and the words are JSON, the visitor who asks has no account but a contact in the inquiry.
create schema desk;
create table desk.operators (id uuid primary key default gen_random_uuid(), email text not null unique, name text not null);
create table desk.inquiries (id uuid primary key default gen_random_uuid(), number bigint not null generated always as identity, contact jsonb not null, topic text not null, state text not null default 'open', tags text[] not null default '{}', opened_at timestamptz not null default now());
create table desk.inquiry_events (seq bigint primary key generated always as identity, inquiry_id uuid not null references desk.inquiries, event text not null check (event in ('message', 'note', 'assigned', 'state')), actor jsonb not null, payload jsonb not null default '{}', occurred_at timestamptz not null default now());
create table desk.outbox (id bigint primary key generated always as identity, topic text not null, payload jsonb not null, published_at timestamptz);
insert into desk.operators values ('d0000000-0000-4000-8000-000000000001', 'rui@site.example', 'Rui');
insert into desk.inquiries (id, contact, topic, opened_at) values ('e0000000-0000-4000-8000-000000000001', '{"email": "sara@example.com", "name": "Sara Lind"}', 'Room for ten', '2026-05-01 10:00+00'),
    ('e0000000-0000-4000-8000-000000000002', '{"email": "timo@example.com", "name": "Timo Aho", "phone": "+358401234567"}', 'Late arrival', '2026-05-02 10:00+00');
insert into desk.inquiry_events (inquiry_id, event, actor, payload, occurred_at) values
    ('e0000000-0000-4000-8000-000000000001', 'message', '{"type": "visitor"}', '{"text": "Do you have a room for ten people?"}', '2026-05-01 10:00+00'),
    ('e0000000-0000-4000-8000-000000000001', 'assigned', '{"type": "system"}', '{"to": "d0000000-0000-4000-8000-000000000001"}', '2026-05-01 10:01+00'),
    ('e0000000-0000-4000-8000-000000000001', 'note', '{"type": "operator", "id": "d0000000-0000-4000-8000-000000000001"}', '{"text": "They left a mess in March, ask for a deposit."}', '2026-05-01 10:05+00'),
    ('e0000000-0000-4000-8000-000000000001', 'message', '{"type": "operator", "id": "d0000000-0000-4000-8000-000000000001"}', '{"text": "Yes, the garden room is free."}', '2026-05-01 10:10+00'),
    ('e0000000-0000-4000-8000-000000000001', 'state', '{"type": "operator", "id": "d0000000-0000-4000-8000-000000000001"}', '{"from": "open", "to": "waiting"}', '2026-05-01 10:11+00'),
    ('e0000000-0000-4000-8000-000000000001', 'message', '{"type": "visitor"}', '{"text": "Then we take it for Friday."}', '2026-05-01 12:00+00'),
    ('e0000000-0000-4000-8000-000000000002', 'message', '{"type": "visitor"}', '{"text": "Can we come after midnight?"}', '2026-05-02 10:00+00');
insert into desk.outbox (topic, payload) values ('inquiry.opened', '{"id": "e0000000-0000-4000-8000-000000000001"}'), ('inquiry.opened', '{"id": "e0000000-0000-4000-8000-000000000002"}');
