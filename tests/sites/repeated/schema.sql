-- The ticket holds its text, and so does its first message; who wrote a message follows from its place and a flag.
create table tickets (
    id      bigint generated always as identity primary key,
    email   text not null,
    subject text not null,
    body    text not null
);
create table messages (
    id        bigint generated always as identity primary key,
    ticket_id bigint not null references tickets,
    position  int not null,
    flags     jsonb not null default '{}',
    body      text not null,
    unique (ticket_id, position)
);
