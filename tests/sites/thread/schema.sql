-- A ticket's whole conversation is a JSON array in its row; the application writes the array anew at each change. Older
-- versions of it gave their messages no id.
create table tickets (
    id      serial primary key,
    email   text not null,
    subject text not null,
    visible boolean not null default true,
    seen    int not null default 0,
    thread  jsonb not null default '[]'
);
insert into tickets (email, subject, thread) values
    ('ayse@example.com', 'Old', '[{"from": "user", "text": "from before"}, {"from": "staff", "text": "answered", "id": "s1"}]'),
    ('olga@example.com', 'Empty', '[]');
