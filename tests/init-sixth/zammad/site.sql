-- After Zammad: kinds and senders of articles in small tables, roles between users and roles, groups that share the tickets, files that no key names.
create table roles (id serial primary key, name varchar(100) not null, active boolean not null default true);
create table users (id serial primary key, organization_id int, login varchar(255) not null, firstname varchar(100) default '', lastname varchar(100) default '', email varchar(255) default '', phone varchar(100) default '', mobile varchar(100) default '', vip boolean default false, verified boolean not null default false, active boolean not null default true, note varchar(5000) default '', last_login timestamp(3), source varchar(200), updated_by_id int not null, created_by_id int not null, created_at timestamp not null, updated_at timestamp(3) not null);
create table roles_users (user_id int references users, role_id int references roles);
create table groups (id serial primary key, name varchar(160) not null, active boolean not null default true, note varchar(250), created_at timestamp not null default now());
create table ticket_states (id serial primary key, name varchar(250) not null, active boolean not null default true);
create table ticket_priorities (id serial primary key, name varchar(250) not null, active boolean not null default true);
create table ticket_article_types (id serial primary key, name varchar(250) not null, communication boolean not null, active boolean not null default true);
create table ticket_article_senders (id serial primary key, name varchar(250) not null, note varchar(250));
create table tickets (id serial primary key, group_id int not null references groups, priority_id int not null references ticket_priorities, state_id int not null references ticket_states, organization_id int, number varchar(60) not null unique, title varchar(250) not null, owner_id int not null references users, customer_id int not null references users, note varchar(250), first_response_at timestamp(3), close_at timestamp(3), last_contact_at timestamp(3), last_contact_agent_at timestamp(3), last_contact_customer_at timestamp(3), create_article_type_id int references ticket_article_types, create_article_sender_id int references ticket_article_senders, article_count int, escalation_at timestamp(3), pending_time timestamp(3), type varchar(100), preferences text, updated_by_id int not null references users, created_by_id int not null references users, created_at timestamp not null, updated_at timestamp(3) not null);
create table ticket_articles (id serial primary key, ticket_id int not null references tickets, type_id int not null references ticket_article_types, sender_id int not null references ticket_article_senders, "from" varchar(3000), "to" varchar(3000), cc varchar(3000), subject varchar(3000), reply_to varchar(300), message_id varchar(3000), message_id_md5 varchar(32), in_reply_to varchar(3000), content_type varchar(20) not null default 'text/plain', "references" varchar(3200), body text not null, internal boolean not null default false, preferences text, updated_by_id int not null references users, created_by_id int not null references users, origin_by_id int references users, created_at timestamp not null, updated_at timestamp(3) not null);
create table ticket_flags (id serial primary key, ticket_id int not null references tickets, key varchar(50) not null, value varchar(50), created_by_id int not null references users, created_at timestamp not null);
create table store_objects (id serial primary key, name varchar(250) not null);
create table stores (id serial primary key, store_object_id int not null references store_objects, o_id int not null, filename varchar(250) not null, size varchar(50), preferences varchar(2500), created_by_id int not null, created_at timestamp not null);
insert into roles (name) values ('Admin'),('Agent'),('Customer');
insert into users (login,firstname,lastname,email,updated_by_id,created_by_id,created_at,updated_at) values ('-','-','','',1,1,'2026-01-01','2026-01-01'),('nora@desk.example','Nora','Bay','nora@desk.example',1,1,'2026-01-01','2026-01-01'),('ivo@desk.example','Ivo','Dal','ivo@desk.example',1,1,'2026-01-01','2026-01-01'),('ann@mail.example','Ann','Fry','ann@mail.example',1,1,'2026-01-01','2026-01-01'),('ben@mail.example','Ben','Low','ben@mail.example',1,1,'2026-01-01','2026-01-01'),('cat@mail.example','Cat','May','cat@mail.example',1,1,'2026-01-01','2026-01-01');
insert into roles_users values (2,1),(2,2),(3,2),(4,3),(5,3),(6,3);
insert into groups (name) values ('Support'),('Jobs');
insert into ticket_states (name) values ('new'),('open'),('pending reminder'),('closed'),('merged');
insert into ticket_priorities (name) values ('1 low'),('2 normal'),('3 high');
insert into ticket_article_types (name,communication) values ('email',true),('sms',true),('chat',true),('fax',true),('phone',true),('note',false),('web',true);
insert into ticket_article_senders (name) values ('Agent'),('Customer'),('System');
insert into tickets (group_id,priority_id,state_id,number,title,owner_id,customer_id,create_article_type_id,create_article_sender_id,article_count,updated_by_id,created_by_id,created_at,updated_at) values
 (1,2,2,'31001','Parcel',2,4,1,2,4,2,4,'2026-05-01 08:00','2026-05-01 12:00'),
 (1,2,1,'31002','Invoice',1,5,7,2,2,5,5,'2026-05-02 08:00','2026-05-02 09:00'),
 (2,2,2,'31003','I apply as a cook',3,6,1,2,2,3,6,'2026-05-03 08:00','2026-05-03 09:00'),
 (1,3,4,'31004','Broken lamp',3,6,1,2,3,3,6,'2026-05-04 08:00','2026-05-04 10:00'),
 (1,2,2,'31005','Call back',2,5,5,1,2,2,2,'2026-05-05 08:00','2026-05-05 09:00');
insert into ticket_articles (ticket_id,type_id,sender_id,"from","to",subject,content_type,body,internal,updated_by_id,created_by_id,created_at,updated_at) values
 (1,1,2,'Ann Fry <ann@mail.example>','desk@desk.example','Parcel','text/html','<div>Where is my parcel, please?</div>',false,4,4,'2026-05-01 08:00','2026-05-01 08:00'),
 (1,1,3,'Desk <desk@desk.example>','ann@mail.example','Your request','text/html','<div>Your request has been received.</div>',false,1,1,'2026-05-01 08:01','2026-05-01 08:01'),
 (1,6,1,'Nora Bay',null,null,'text/html','<div>Ivo, do you know the driver?</div>',true,2,2,'2026-05-01 09:00','2026-05-01 09:00'),
 (1,1,1,'Nora Bay via Desk <desk@desk.example>','ann@mail.example','Parcel','text/html','<div>It will be with you tomorrow.</div>',false,2,2,'2026-05-01 12:00','2026-05-01 12:00'),
 (2,7,2,'Ben Low','Support','Invoice','text/html','<div>The invoice has a wrong name.</div>',false,5,5,'2026-05-02 08:00','2026-05-02 08:00'),
 (2,1,3,'Desk <desk@desk.example>','ben@mail.example','Your request','text/html','<div>Your request has been received.</div>',false,1,1,'2026-05-02 08:01','2026-05-02 08:01'),
 (3,1,2,'Cat May <cat@mail.example>','jobs@desk.example','I apply','text/html','<div>I have cooked for ten years.</div>',false,6,6,'2026-05-03 08:00','2026-05-03 08:00'),
 (3,1,1,'Ivo Dal via Desk <desk@desk.example>','cat@mail.example','I apply','text/html','<div>Come and see us on Friday.</div>',false,3,3,'2026-05-03 09:00','2026-05-03 09:00'),
 (4,1,2,'Cat May <cat@mail.example>','desk@desk.example','Broken lamp','text/html','<div>The lamp came in pieces.</div>',false,6,6,'2026-05-04 08:00','2026-05-04 08:00'),
 (4,1,1,'Ivo Dal via Desk <desk@desk.example>','cat@mail.example','Broken lamp','text/html','<div>We send you another one.</div>',false,3,3,'2026-05-04 09:00','2026-05-04 09:00'),
 (4,1,2,'Cat May <cat@mail.example>','desk@desk.example','Broken lamp','text/html','<div>It is here and shines.</div>',false,6,6,'2026-05-04 10:00','2026-05-04 10:00'),
 (5,5,1,'Nora Bay','Ben Low','Call back','text/html','<div>We spoke of it on the telephone.</div>',false,2,2,'2026-05-05 08:00','2026-05-05 08:00'),
 (5,6,1,'Nora Bay',null,null,'text/html','<div>He was rather angry at us.</div>',true,2,2,'2026-05-05 09:00','2026-05-05 09:00');
insert into ticket_flags (ticket_id,key,value,created_by_id,created_at) values (1,'seen','t',2,'2026-05-01 09:00');
insert into store_objects (name) values ('Ticket::Article');
insert into stores (store_object_id,o_id,filename,size,created_by_id,created_at) values (1,1,'parcel.jpg','1201',4,'2026-05-01 08:00');
