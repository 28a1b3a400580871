-- Spring Boot with JPA, begun with a generator: quoted camel case beside snake case, keys that the program makes, a version in each row, and one column
-- of kinds that tells both who wrote an entry and that it is internal.
create table app_user (id uuid primary key, login varchar(50) not null unique, password_hash varchar(60) not null, first_name varchar(50), last_name varchar(50), email varchar(191) unique, activated boolean not null, lang_key varchar(10), created_by varchar(50) not null, created_date timestamp with time zone, last_modified_date timestamp with time zone);
create table app_authority (name varchar(50) primary key);
create table app_user_authority (user_id uuid not null references app_user, authority_name varchar(50) not null references app_authority, primary key (user_id, authority_name));
create table "SupportRequest" (id uuid primary key, "requesterId" uuid not null references app_user, "assigneeId" uuid references app_user, summary varchar(255) not null, "requestStatus" varchar(20) not null, version bigint not null, created_by varchar(50) not null, created_date timestamp with time zone not null, last_modified_date timestamp with time zone);
create table "SupportRequestEntry" (id uuid primary key, "supportRequestId" uuid not null references "SupportRequest", "entryType" varchar(20) not null check ("entryType" in ('CUSTOMER_MESSAGE', 'STAFF_REPLY', 'INTERNAL_COMMENT', 'STATUS_CHANGE')), content varchar(4000) not null, version bigint not null, created_by varchar(50) not null, created_date timestamp with time zone not null);
create table app_audit_event (event_id bigint primary key, principal varchar(50) not null, event_type varchar(255), event_date timestamp, event_data text);
insert into app_authority values ('ROLE_USER'), ('ROLE_SUPPORT');
insert into app_user values ('a0000000-0000-4000-8000-000000000001', 'hwang', '$2a$10$x', 'Hana', 'Wang', 'hana@example.com', true, 'en', 'system', '2026-03-01', null),
    ('a0000000-0000-4000-8000-000000000002', 'idris', '$2a$10$x', 'Idris', 'Bello', 'idris@example.com', true, 'en', 'system', '2026-03-02', null),
    ('a0000000-0000-4000-8000-000000000003', 'jo', '$2a$10$x', 'Jo', 'Kerr', 'jo@site.example', true, 'en', 'system', '2026-01-01', null);
insert into app_user_authority values ('a0000000-0000-4000-8000-000000000001', 'ROLE_USER'), ('a0000000-0000-4000-8000-000000000002', 'ROLE_USER'), ('a0000000-0000-4000-8000-000000000003', 'ROLE_USER'), ('a0000000-0000-4000-8000-000000000003', 'ROLE_SUPPORT');
insert into "SupportRequest" values ('b0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000003', 'Webhook signature', 'PENDING', 3, 'hwang', '2026-05-01 09:00+00', null),
    ('b0000000-0000-4000-8000-000000000002', 'a0000000-0000-4000-8000-000000000002', null, 'Seats on the yearly plan', 'NEW', 0, 'idris', '2026-05-02 09:00+00', null);
insert into "SupportRequestEntry" values ('c0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001', 'CUSTOMER_MESSAGE', 'The signature of your webhooks does not match.', 0, 'hwang', '2026-05-01 09:00+00'),
    ('c0000000-0000-4000-8000-000000000002', 'b0000000-0000-4000-8000-000000000001', 'STATUS_CHANGE', 'NEW -> OPEN', 0, 'jo', '2026-05-01 09:20+00'),
    ('c0000000-0000-4000-8000-000000000003', 'b0000000-0000-4000-8000-000000000001', 'INTERNAL_COMMENT', 'Third one this week, ask the platform team.', 0, 'jo', '2026-05-01 09:21+00'),
    ('c0000000-0000-4000-8000-000000000004', 'b0000000-0000-4000-8000-000000000001', 'STAFF_REPLY', 'Please take the raw body, before it is parsed.', 0, 'jo', '2026-05-01 09:30+00'),
    ('c0000000-0000-4000-8000-000000000005', 'b0000000-0000-4000-8000-000000000001', 'CUSTOMER_MESSAGE', 'That was it, it works now.', 0, 'hwang', '2026-05-01 10:00+00'),
    ('c0000000-0000-4000-8000-000000000006', 'b0000000-0000-4000-8000-000000000002', 'CUSTOMER_MESSAGE', 'Can seats be added in the middle of a year?', 0, 'idris', '2026-05-02 09:00+00');
insert into app_audit_event values (1, 'hwang', 'AUTHENTICATION_SUCCESS', '2026-05-01', null), (2, 'jo', 'AUTHENTICATION_FAILURE', '2026-05-01', 'Bad credentials');
