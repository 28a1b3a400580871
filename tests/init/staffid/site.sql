-- The author is whichever of two columns is there.
create table customers (id serial primary key, email text not null, name text not null);
create table staff (id serial primary key, email text not null, name text not null, active boolean not null default true);
create table tickets (id serial primary key, customer_id int not null references customers, staff_id int references staff, subject text not null, state text not null default 'open', created_at timestamptz not null default now());
create table ticket_posts (id serial primary key, ticket_id int not null references tickets, customer_id int references customers, staff_id int references staff, contents text not null, created_at timestamptz not null default now(),
    check ((customer_id is null) <> (staff_id is null)));
insert into customers (email, name) values ('eva@example.com', 'Eva'), ('finn@example.com', 'Finn');
insert into staff (email, name) values ('greta@site.example', 'Greta');
insert into tickets (customer_id, staff_id, subject) values (1, 1, 'Broken chair'), (2, null, 'Missing screws');
insert into ticket_posts (ticket_id, customer_id, staff_id, contents) values (1, 1, null, 'One leg of the chair is broken.'), (1, null, 1, 'We send you a new leg.'), (2, 2, null, 'Four screws were missing in the box.'), (1, 1, null, 'It has arrived, all is well.');
