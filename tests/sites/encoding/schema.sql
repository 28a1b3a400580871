-- A site whose database is not in UTF-8; the test makes the database.
create table tickets (id bigint generated always as identity primary key, email text not null, subject text not null, body text not null);
create table messages (id bigint generated always as identity primary key, ticket_id bigint not null references tickets,
    author text not null, body text not null);
