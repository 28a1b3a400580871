-- As PHP sites of old have it: keys are never NULL, 0 is nobody, and the empty text is no address; guests by their address.
create table users (uid serial primary key, username varchar(60) not null, email varchar(120) not null);
create table staff (staff_id serial primary key, name varchar(60) not null, email varchar(120) not null);
create table tickets (tid serial primary key, user_id int not null default 0, guest_email varchar(120) not null default '', title varchar(120) not null, created_at timestamptz not null default now());
create table ticket_posts (pid serial primary key, ticket_id int not null default 0, user_id int not null default 0, staff_id int not null default 0, body text not null, is_note smallint not null default 0, created_at timestamptz not null default now());
insert into users (username,email) values ('ada','ada@m.example'),('ben','ben@m.example');
insert into staff (name,email) values ('Sue','sue@s.example');
insert into tickets (user_id,guest_email,title) values (1,'','Lamp'),(2,'','Chair'),(0,'gus@m.example','Price');
insert into ticket_posts (ticket_id,user_id,staff_id,body,is_note) values (1,1,0,'The lamp has no cable with it.',0),(1,0,1,'We send you the cable today.',0),(1,0,1,'The third one of this week.',1),(2,2,0,'Is the chair there in green?',0),(2,0,1,'Yes, from June on it will be.',0),(3,0,0,'What does the table cost?',0),(3,0,1,'It costs four hundred today.',0);
