-- Row security, forced even on the owner: every connection has to say for which tenant it works, and that it may see
-- tickets under embargo.
create table tickets (
    id       int generated always as identity primary key,
    tenant   text not null,
    embargo  boolean not null default false,
    email    text not null,
    subject  text not null,
    body     text not null
);
create table messages (
    id        int generated always as identity primary key,
    tenant    text not null,
    ticket_id int not null references tickets,
    author    text not null default 'customer',
    body      text not null
);
alter table tickets enable row level security;
alter table tickets force row level security;
alter table messages enable row level security;
alter table messages force row level security;
create policy tickets_of_tenant on tickets
    using (tenant = current_setting('app.tenant', true)
           and (not embargo or current_setting('app.embargo', true) = 'on'));
create policy messages_of_tenant on messages
    using (tenant = current_setting('app.tenant', true));
