-- Laravel with Eloquent: one users table for both sides, nullable timestamps without a default.
create table users (id bigserial primary key, name varchar(255) not null, email varchar(255) not null unique,
    email_verified_at timestamp(0), password varchar(255) not null, is_admin boolean not null default false,
    remember_token varchar(100), created_at timestamp(0), updated_at timestamp(0));
create table categories (id bigserial primary key, name varchar(255) not null, created_at timestamp(0), updated_at timestamp(0));
create table tickets (id bigserial primary key, user_id bigint not null references users on delete cascade,
    category_id bigint not null references categories, title varchar(255) not null, priority varchar(255) not null,
    status varchar(255) not null default 'open', created_at timestamp(0), updated_at timestamp(0));
create table ticket_replies (id bigserial primary key, ticket_id bigint not null references tickets on delete cascade,
    user_id bigint not null references users, content text not null, is_private boolean not null default false,
    created_at timestamp(0), updated_at timestamp(0));
create table failed_jobs (id bigserial primary key, uuid varchar(255) not null, payload text not null, exception text not null, failed_at timestamp default now());
insert into users (name, email, password, is_admin) values ('Ayşe Demir', 'ayse@example.com', 'x', false),
    ('Ivan Petrov', 'ivan@example.net', 'x', false), ('Support Sam', 'sam@site.example', 'x', true);
insert into categories (name) values ('Billing');
insert into tickets (user_id, category_id, title, priority, created_at) values (1, 1, 'Invoice is wrong', 'low', '2026-05-01 10:00'), (2, 1, 'Cannot log in', 'high', '2026-05-02 10:00');
insert into ticket_replies (ticket_id, user_id, content, is_private, created_at) values
    (1, 1, 'My invoice shows twice the price.', false, '2026-05-01 10:00'), (1, 3, 'We look into it right now.', false, '2026-05-01 11:00'),
    (1, 3, 'She is on the old plan, careful.', true, '2026-05-01 11:01'), (1, 1, 'Thank you, I am waiting.', false, '2026-05-01 12:00'),
    (2, 2, 'The password reset mail never comes.', false, '2026-05-02 10:00'), (2, 3, 'Please look into your spam folder.', false, '2026-05-02 10:30');
