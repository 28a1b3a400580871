-- Lookup tables for status, priority and queue; the queue has a mailbox of its own, which is not the customer.
create table queues (id serial primary key, name text not null, email text not null);
create table statuses (id serial primary key, name text not null);
create table priorities (id serial primary key, name text not null);
create table contacts (id serial primary key, full_name text not null, email_address text not null, phone_number text);
create table ticket (id serial primary key, queue_id int not null references queues, status_id int not null references statuses, priority_id int not null references priorities, contact_id int not null references contacts,
    summary text not null, create_time timestamptz not null default now());
create table ticket_article (id serial primary key, ticket_id int not null references ticket, sender_type text not null, is_visible_for_customer boolean not null, body text not null, content_type text not null, create_time timestamptz not null default now());
create table ticket_history (id serial primary key, ticket_id int not null references ticket, message text not null, create_time timestamptz not null default now());
insert into queues (name, email) values ('Sales', 'sales@site.example'), ('Help', 'help@site.example');
insert into statuses (name) values ('new'), ('open'), ('closed');
insert into priorities (name) values ('normal');
insert into contacts (full_name, email_address) values ('Rosa', 'rosa@example.com'), ('Stan', 'stan@example.com'), ('Theo', 'theo@example.com');
insert into ticket (queue_id, status_id, priority_id, contact_id, summary) values (1, 1, 1, 1, 'Offer'), (2, 2, 1, 2, 'Password'), (2, 1, 1, 3, 'Invoice copy');
insert into ticket_article (ticket_id, sender_type, is_visible_for_customer, body, content_type) values (1, 'customer', true, 'Please make me an offer for ten seats.', 'text/plain'), (1, 'agent', false, 'Big fish, be quick with this one.', 'text/plain'), (1, 'agent', true, 'Here is our offer for you.', 'text/plain'),
    (2, 'customer', true, 'I have forgotten my password.', 'text/plain'), (3, 'customer', true, 'May I have a copy of the invoice?', 'text/plain'), (3, 'system', true, 'Ticket was moved to the queue Help.', 'text/plain');
insert into ticket_history (ticket_id, message) values (1, 'State was changed by Greta from new to open.');
