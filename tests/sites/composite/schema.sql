-- Tickets are numbered within each tenant, messages within each ticket; a tenant can be renamed, and every key with it.
create table tickets (
    tenant  text,
    no      int,
    email   text not null,
    subject text not null,
    replies int not null default 0,
    primary key (tenant, no)
);
create table messages (
    tenant  text,
    no      int,
    line    uuid default gen_random_uuid(),
    staff   boolean not null default false,
    body    text not null,
    note    text,
    primary key (tenant, no, line),
    foreign key (tenant, no) references tickets on update cascade on delete cascade
);
