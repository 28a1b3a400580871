-- The messages look more like tickets than the tickets: subject and status are in both.
create table customer (customer_id bigserial primary key, customer_email text not null, customer_name text);
create table thread (thread_id bigserial primary key, customer_id bigint not null references customer, title text not null, opened_at timestamptz not null default now(), closed_at timestamptz);
create table ticket_message (message_id bigserial primary key, thread_id bigint not null references thread, direction text not null check (direction in ('in', 'out')), subject text not null, message text not null, status text not null default 'sent',
    created_at timestamptz not null default now(), deleted_at timestamptz);
insert into customer (customer_email, customer_name) values ('yara@example.com', 'Yara'), ('zoe@example.com', 'Zoe');
insert into thread (customer_id, title) values (1, 'Booking'), (2, 'Cancellation');
insert into ticket_message (thread_id, direction, subject, message, status, deleted_at) values (1, 'in', 'Booking', 'I would like a room with a view.', 'received', null), (1, 'out', 'Re: Booking', 'It is booked for you.', 'sent', null),
    (1, 'out', 'Re: Booking', 'It is booked, dear Mrs. Wrong Name.', 'sent', now()), (2, 'in', 'Cancellation', 'Please cancel my booking for May.', 'received', null);
