-- Messages by month. The primary key of a partitioned table has to hold the partition key; the number alone is unique,
-- too, since a sequence gives it.
create table tickets (
    id      bigserial primary key,
    email   text not null,
    subject text not null
);
create table messages (
    id         bigserial,
    ticket_id  bigint not null,
    is_agent   boolean not null default false,
    body       text not null,
    created_at timestamptz not null default now(),
    primary key (id, created_at)
) partition by range (created_at);
create table messages_past partition of messages for values from (minvalue) to ('2020-01-01');
create table messages_now partition of messages for values from ('2020-01-01') to ('2099-01-01');
