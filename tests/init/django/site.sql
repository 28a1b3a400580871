-- Django: app_model table names, one auth_user, a flag of its own for notes.
create table auth_user (id serial primary key, password varchar(128) not null, last_login timestamptz, is_superuser boolean not null, username varchar(150) not null unique,
    first_name varchar(150) not null, last_name varchar(150) not null, email varchar(254) not null, is_staff boolean not null, is_active boolean not null, date_joined timestamptz not null);
create table support_ticket (id bigserial primary key, subject varchar(200) not null, description text not null, status varchar(20) not null, created timestamptz not null,
    modified timestamptz not null, owner_id int not null references auth_user deferrable initially deferred, assigned_to_id int references auth_user deferrable initially deferred);
create table support_ticketmessage (id bigserial primary key, text text not null, is_internal_note boolean not null, created timestamptz not null,
    author_id int not null references auth_user deferrable initially deferred, ticket_id bigint not null references support_ticket deferrable initially deferred);
create table django_admin_log (id serial primary key, action_time timestamptz not null, object_id text, change_message text not null, user_id int not null references auth_user);
insert into auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined) values
    ('x', false, 'zeynep', 'Zeynep', 'Ak', 'zeynep@example.com', false, true, now()), ('x', false, 'paul', 'Paul', 'Berg', 'paul@example.org', false, true, now()),
    ('x', false, 'agent1', 'Ada', 'Agent', 'ada@site.example', true, true, now());
insert into support_ticket (subject, description, status, created, modified, owner_id, assigned_to_id) values
    ('Site is slow', 'Every page takes ten seconds to load since yesterday.', 'open', '2026-03-01 08:00Z', now(), 1, 3), ('Refund', 'I would like my money back for order 81.', 'closed', '2026-03-02 08:00Z', now(), 2, 3);
insert into support_ticketmessage (text, is_internal_note, created, author_id, ticket_id) values ('We have found the cause and are working on it.', false, '2026-03-01 09:00Z', 3, 1),
    ('Blame the new proxy, do not tell anybody.', true, '2026-03-01 09:10Z', 3, 1), ('It is fast again, thank you!', false, '2026-03-01 10:00Z', 1, 1), ('The refund is on its way to you.', false, '2026-03-02 09:00Z', 3, 2);
