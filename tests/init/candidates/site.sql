-- Three tables that may all be the tickets.
create table users (id serial primary key, email text not null, name text, is_staff boolean not null default false);
create table tickets (id serial primary key, user_id int not null references users, subject text not null, created_at timestamptz not null default now());
create table ticket_messages (id serial primary key, ticket_id int not null references tickets, user_id int not null references users, body text not null, created_at timestamptz not null default now());
create table complaints (id serial primary key, user_id int not null references users, subject text not null, created_at timestamptz not null default now());
create table complaint_messages (id serial primary key, complaint_id int not null references complaints, user_id int not null references users, body text not null, created_at timestamptz not null default now());
create table support_requests (id serial primary key, user_id int not null references users, subject text not null, created_at timestamptz not null default now());
create table support_request_messages (id serial primary key, support_request_id int not null references support_requests, user_id int not null references users, body text not null, created_at timestamptz not null default now());
insert into users (email, name, is_staff) values ('wim@example.com', 'Wim', false), ('xenia@site.example', 'Xenia', true);
insert into tickets (user_id, subject) values (1, 'Ticket to the show'), (1, 'Seat');
insert into complaints (user_id, subject) values (1, 'Loud music');
insert into support_requests (user_id, subject) values (1, 'Cannot pay');
insert into ticket_messages (ticket_id, user_id, body) values (1, 1, 'Where is my ticket for tonight?'), (1, 2, 'It is in your mail box.');
insert into complaint_messages (complaint_id, user_id, body) values (1, 1, 'The music was far too loud.'), (1, 2, 'We are sorry to hear that.');
insert into support_request_messages (support_request_id, user_id, body) values (1, 1, 'The payment page stays white.'), (1, 2, 'Please try it once more.');
