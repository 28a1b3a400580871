-- Rails with polymorphic comments and authors: no foreign key for either, naive timestamps in UTC.
create table users (id bigserial primary key, email varchar not null, first_name varchar, encrypted_password varchar not null default '', created_at timestamp(6) not null, updated_at timestamp(6) not null);
create table admin_users (id bigserial primary key, email varchar not null, created_at timestamp(6) not null, updated_at timestamp(6) not null);
create table articles (id bigserial primary key, title varchar not null, body text not null, created_at timestamp(6) not null, updated_at timestamp(6) not null);
create table requests (id bigserial primary key, requester_id bigint not null references users, subject varchar not null, state varchar not null default 'new',
    comments_count int not null default 0, created_at timestamp(6) not null, updated_at timestamp(6) not null);
create table comments (id bigserial primary key, commentable_type varchar not null, commentable_id bigint not null,
    author_type varchar not null, author_id bigint not null, body text not null, created_at timestamp(6) not null, updated_at timestamp(6) not null);
create table schema_migrations (version varchar primary key);
insert into users (email, first_name, created_at, updated_at) values ('lena@example.com', 'Lena', now(), now()), ('omar@example.com', 'Omar', now(), now());
insert into admin_users (email, created_at, updated_at) values ('desk@site.example', now(), now());
insert into articles (title, body, created_at, updated_at) values ('How to return a parcel', 'A long text about parcels that everybody may read.', now(), now());
insert into requests (requester_id, subject, created_at, updated_at) values (1, 'Where is my parcel?', '2026-04-01', '2026-04-01'), (2, 'Wrong colour', '2026-04-02', '2026-04-02');
insert into comments (commentable_type, commentable_id, author_type, author_id, body, created_at, updated_at) values
    ('Request', 1, 'User', 1, 'It should have been here on Monday.', '2026-04-01', '2026-04-01'), ('Request', 1, 'AdminUser', 1, 'It is at the customs office.', '2026-04-02', '2026-04-02'),
    ('Article', 1, 'User', 2, 'A helpful article, thanks a lot!', '2026-04-02', '2026-04-02'), ('Request', 2, 'User', 2, 'I ordered blue and got green.', '2026-04-02', '2026-04-02'),
    ('Article', 1, 'AdminUser', 1, 'You are welcome, dear reader.', '2026-04-03', '2026-04-03');
