-- A contact form, and nothing else.
create table contact_requests (id serial primary key, name text not null, email text not null, subject text, message text not null, ip inet, handled boolean not null default false, created_at timestamptz not null default now());
create table products (id serial primary key, name text not null, description text, price numeric);
insert into contact_requests (name, email, subject, message) values ('Ana', 'ana@example.com', 'Opening hours', 'Are you open on Sundays?'), ('Ben', 'ben@example.com', null, 'Do you ship to Iceland as well?'), ('Cem', 'cem@example.com', 'Job', 'Are you looking for a cook?');
insert into products (name, description, price) values ('Cup', 'A cup of fine porcelain, made by hand.', 9);
