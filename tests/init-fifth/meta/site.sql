-- Messages with everything but their text in JSON: who wrote them, whether they are internal.
create table accounts (id uuid primary key, email text not null, display_name text);
create table conversations (id uuid primary key, account_id uuid not null references accounts, subject text, workspace text not null, created_at timestamptz not null default now());
create table conversation_items (id uuid primary key, conversation_id uuid not null references conversations, content text not null, meta jsonb not null, schema_version int, created_at timestamptz not null default now());
insert into accounts values ('00000000-0000-0000-0000-000000000001','kim@mail.example','Kim'),('00000000-0000-0000-0000-000000000002','lou@mail.example','Lou');
insert into conversations values ('00000000-0000-0000-0000-0000000000c1','00000000-0000-0000-0000-000000000001','Login','eu','2026-05-01'),('00000000-0000-0000-0000-0000000000c2','00000000-0000-0000-0000-000000000002','Refund','us','2026-05-02'),('00000000-0000-0000-0000-0000000000c3','00000000-0000-0000-0000-000000000001','Export','eu','2026-05-03');
insert into conversation_items values
 ('00000000-0000-0000-0000-00000000d001','00000000-0000-0000-0000-0000000000c1','I cannot log in since Monday.','{"from":"visitor","internal":false}',2,'2026-05-01 08:00+00'),
 ('00000000-0000-0000-0000-00000000d002','00000000-0000-0000-0000-0000000000c1','She is on the free plan, be brief.','{"from":"teammate","internal":true}',2,'2026-05-01 08:30+00'),
 ('00000000-0000-0000-0000-00000000d003','00000000-0000-0000-0000-0000000000c1','Please reset your password first.','{"from":"teammate","internal":false}',2,'2026-05-01 09:00+00'),
 ('00000000-0000-0000-0000-00000000d004','00000000-0000-0000-0000-0000000000c2','I want my money back, please.','{"from":"visitor","internal":false}',2,'2026-05-02 08:00+00'),
 ('00000000-0000-0000-0000-00000000d005','00000000-0000-0000-0000-0000000000c2','It is on its way to you.','{"from":"teammate","internal":false}',2,'2026-05-02 09:00+00'),
 ('00000000-0000-0000-0000-00000000d006','00000000-0000-0000-0000-0000000000c3','How do I export all my data?','{"from":"visitor","internal":false}',2,'2026-05-03 08:00+00');
