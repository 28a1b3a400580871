-- A form that is several requests to the server: the ticket, its message, the category that the customer picks last.
-- "Undo" deletes the message again; the moderator's filter hides it a moment later.
create table customers (id int primary key, email text not null);
create table tickets (
    id       bigint generated always as identity primary key,
    customer int not null,
    subject  text not null,
    category text
);
create table messages (
    id        bigint generated always as identity primary key,
    ticket_id bigint,
    text      text not null,
    hidden    boolean not null default false
);
insert into customers values (1, 'ayse@example.com'), (2, 'ivan@example.com');
