-- Who may see a message is a word, and the word is no usual one.
create table members (id serial primary key, mail text not null, nick text not null);
create table helpdesk_cases (id serial primary key, member_id int not null references members, topic text not null, opened timestamptz not null default now());
create table helpdesk_answers (id serial primary key, case_id int not null references helpdesk_cases, written_by text not null, audience varchar(10) not null default 'everyone', answer text not null, written timestamptz not null default now());
insert into members (mail, nick) values ('kim@example.com', 'kim'), ('lee@example.com', 'lee');
insert into helpdesk_cases (member_id, topic) values (1, 'Username change'), (2, 'Lost badge');
insert into helpdesk_answers (case_id, written_by, audience, answer) values (1, 'member', 'everyone', 'I would like another nickname.'), (1, 'team', 'crew', 'He has changed it twice already.'), (1, 'team', 'everyone', 'Your nickname is changed now.'),
    (2, 'member', 'everyone', 'My badge has disappeared from my page.'), (2, 'team', 'everyone', 'It is back, sorry for that.');
