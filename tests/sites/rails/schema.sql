-- A Rails application: no foreign keys, polymorphic authors and subjects, single-table inheritance (`type`), timestamps
-- without a zone in UTC, counter caches, soft deletion.
create table users (
    id         serial primary key,
    email      varchar not null default '',
    name       varchar,
    created_at timestamp(6) not null default (now() at time zone 'utc'),
    updated_at timestamp(6) not null default (now() at time zone 'utc')
);
create table admin_users (
    id         serial primary key,
    email      varchar not null,
    created_at timestamp(6) not null default (now() at time zone 'utc')
);
create table requests (
    id             serial primary key,
    type           varchar not null,          -- 'SupportRequest', 'FeatureRequest', …
    requester_id   integer,
    title          varchar,
    comments_count integer not null default 0,
    deleted_at     timestamp(6),
    created_at     timestamp(6) not null default (now() at time zone 'utc'),
    updated_at     timestamp(6) not null default (now() at time zone 'utc')
);
create table comments (
    id               serial primary key,
    commentable_type varchar not null,        -- 'Request', 'Article', …
    commentable_id   integer not null,
    author_type      varchar not null,        -- 'User', 'AdminUser'
    author_id        integer not null,
    body             text,
    private          boolean not null default false,
    created_at       timestamp(6) not null default (now() at time zone 'utc'),
    updated_at       timestamp(6) not null default (now() at time zone 'utc')
);
create index on comments (commentable_type, commentable_id);

insert into users (email, name) values ('ayse@example.com', 'Ayşe Yılmaz'), ('ivan@example.com', 'Иван Петров');
insert into admin_users (email) values ('deniz@example.com'), ('bot@example.com');
-- From before the connector.
insert into requests (type, requester_id, title, created_at, updated_at)
    values ('SupportRequest', 1, 'Old', now() - interval '1 year', now() - interval '1 year');
insert into comments (commentable_type, commentable_id, author_type, author_id, body, created_at, updated_at)
    values ('Request', 1, 'User', 1, 'Long ago', now() - interval '1 year', now() - interval '1 year');
