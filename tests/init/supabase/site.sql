-- Supabase: the addresses are in auth.users, files are a JSON list in the message's row.
create schema auth;
create table auth.users (id uuid primary key default gen_random_uuid(), email varchar(255), encrypted_password varchar(255), raw_user_meta_data jsonb, created_at timestamptz default now());
create table public.profiles (id uuid primary key references auth.users, full_name text, avatar_url text);
create table public.tickets (id uuid primary key default gen_random_uuid(), user_id uuid not null references auth.users, subject text not null, status text not null default 'open', created_at timestamptz not null default now());
create table public.messages (id uuid primary key default gen_random_uuid(), ticket_id uuid not null references public.tickets, sender text not null check (sender in ('user', 'admin')), content text not null, attachments jsonb not null default '[]', created_at timestamptz not null default now());
insert into auth.users (id, email) values ('10000000-0000-4000-8000-000000000001', 'uma@example.com'), ('10000000-0000-4000-8000-000000000002', 'vera@example.com');
insert into profiles values ('10000000-0000-4000-8000-000000000001', 'Uma', null), ('10000000-0000-4000-8000-000000000002', 'Vera', null);
insert into tickets (id, user_id, subject) values ('20000000-0000-4000-8000-000000000001', '10000000-0000-4000-8000-000000000001', 'Upload fails'), ('20000000-0000-4000-8000-000000000002', '10000000-0000-4000-8000-000000000002', 'Plan');
insert into messages (ticket_id, sender, content, created_at, attachments) values ('20000000-0000-4000-8000-000000000001', 'user', 'The upload stops at half of the file.', '2026-05-01', '[{"url": "https://files.example/a.png", "name": "a.png"}]'),
    ('20000000-0000-4000-8000-000000000001', 'admin', 'How large is your file, please?', '2026-05-02', '[]'), ('20000000-0000-4000-8000-000000000002', 'user', 'Can I pay for a whole year?', '2026-05-03', '[]');
