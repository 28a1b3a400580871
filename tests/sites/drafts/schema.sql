-- Messages are drafts first and are published by an UPDATE of their state; internal ones can be made public. Bodies are
-- long: Postgres keeps them in TOAST, and an UPDATE of another column does not carry them.
create table threads (
    id       uuid primary key default gen_random_uuid(),
    email    text not null,
    topic    text not null
);
create table posts (
    id         bigint generated always as identity primary key,
    thread_id  uuid not null references threads on delete cascade,
    state      text not null default 'draft' check (state in ('draft', 'published', 'withdrawn')),
    internal   boolean not null default false,
    by_staff   boolean not null default false,
    body       text not null,
    body_md    boolean not null default false,
    created_at timestamptz not null default now()
);
alter table posts alter column body set storage external;

insert into threads values ('00000000-0000-0000-0000-000000000001', 'old@example.com', 'Old');
insert into posts (thread_id, state, body, created_at)
    select '00000000-0000-0000-0000-000000000001', case when n % 2 = 0 then 'draft' else 'published' end,
           'old ' || n || repeat('.', 3000), now() - interval '90 days'
    from generate_series(1, 50) n;
