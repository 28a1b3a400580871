-- Everything is an entry: reply_to is 0 for what opens a thread, and an answer may answer an answer. Nobody has a foreign key.
create table members (id serial primary key, login text not null, mail text not null, level int not null default 0);
create table entries (id serial primary key, reply_to int not null default 0, member_id int not null, headline text, body text not null, hidden boolean not null default false, posted_at timestamptz not null default now());
insert into members (login,mail,level) values ('ada','ada@post.example',0),('bo','bo@post.example',0),('cy','cy@site.example',9);
insert into entries (reply_to,member_id,headline,body,hidden,posted_at) values
 (0,1,'Broken link','The link in the newsletter is broken.',false,'2026-05-01 08:00+00'),(1,3,null,'Which newsletter do you mean?',false,'2026-05-01 09:00+00'),(2,1,null,'The one of last Friday.',false,'2026-05-01 10:00+00'),(3,3,null,'Thank you, it is mended.',false,'2026-05-01 11:00+00'),
 (0,2,'Price','Is there a discount for schools?',false,'2026-05-02 08:00+00'),(5,3,null,'Yes, thirty per cent of the price.',false,'2026-05-02 09:00+00'),(5,3,null,'He asks every year, be kind.',true,'2026-05-02 09:30+00'),(0,1,'Crash','The page crashes on my phone.',false,'2026-05-03 08:00+00');
