-- The first message stands in the ticket and in the messages, too.
create table accounts (id serial primary key, email text not null, display_name text);
create table support_tickets (id serial primary key, account_id int not null references accounts, title text not null, body text not null, created_at timestamptz not null default now(), updated_at timestamptz, last_reply_at timestamptz);
create table support_messages (id serial primary key, support_ticket_id int not null references support_tickets, body text not null, from_staff boolean not null, created_at timestamptz not null default now());
insert into accounts (email, display_name) values ('iris@example.com', 'Iris'), ('jan@example.com', 'Jan');
insert into support_tickets (account_id, title, body, created_at) values (1, 'Discount', 'Is there a discount for students?', '2026-05-01'), (2, 'Return', 'How long may I return the shoes?', '2026-05-02');
insert into support_messages (support_ticket_id, body, from_staff, created_at) values (1, 'Is there a discount for students?', false, '2026-05-01'), (1, 'Yes, of ten percent.', true, '2026-05-02'), (2, 'How long may I return the shoes?', false, '2026-05-02'), (1, 'Wonderful, thank you very much.', false, '2026-05-03');
