-- Files come before their message (dropped into the form, which is sent later), with it, and after it (a telephone that
-- uploads slowly); a message may be nothing but its files. A scanner marks what must not be passed on. The contract lies
-- in the ticket's own row.
create table tickets (
    id       bigint generated always as identity primary key,
    email    text not null,
    subject  text not null,
    contract bytea
);
create table messages (
    id        bigint generated always as identity primary key,
    ticket_id bigint not null references tickets on delete cascade,
    by_staff  boolean not null default false,
    body      text
);
create table folders (id int primary key, path text not null);
create table uploads (
    id         bigint generated always as identity primary key,
    message_id bigint references messages on delete cascade,
    folder     int not null default 1 references folders,
    title      text not null,
    stored_as  text,
    is_virus   boolean not null default false
);
insert into folders values (1, 'images'), (2, 'answers');
