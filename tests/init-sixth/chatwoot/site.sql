-- After Chatwoot: kinds as numbers, private notes, activities, the sender as a class and a key; accounts and inboxes share the tables.
create table accounts (id serial primary key, name varchar not null, created_at timestamp not null default now());
create table inboxes (id serial primary key, account_id int not null, name varchar not null, channel_id int not null, channel_type varchar, created_at timestamp not null default now());
create table users (id serial primary key, provider varchar not null default 'email', uid varchar not null default '', name varchar not null, display_name varchar, email varchar, availability int default 0, type varchar, created_at timestamp not null default now());
create table account_users (id bigserial primary key, account_id bigint, user_id bigint, role int default 0);
create table agent_bots (id bigserial primary key, name varchar, description varchar, outgoing_url varchar);
create table contacts (id serial primary key, name varchar default '', email varchar, phone_number varchar, account_id int not null, additional_attributes jsonb default '{}', identifier varchar, blocked boolean not null default false, created_at timestamp not null default now());
create table conversations (id serial primary key, account_id int not null, inbox_id int not null, status int not null default 0, assignee_id int, contact_id bigint, display_id int not null, contact_last_seen_at timestamp, agent_last_seen_at timestamp, additional_attributes jsonb default '{}', uuid uuid not null default gen_random_uuid(), identifier varchar, last_activity_at timestamp not null default now(), team_id bigint, snoozed_until timestamp, custom_attributes jsonb default '{}', priority int, created_at timestamp not null, updated_at timestamp not null);
create table messages (id serial primary key, content text, account_id int not null, inbox_id int not null, conversation_id int not null, message_type int not null, created_at timestamp not null, updated_at timestamp not null, private boolean not null default false, status int default 0, source_id varchar, content_type int not null default 0, content_attributes json default '{}', sender_type varchar, sender_id bigint, external_source_ids jsonb default '{}', processed_message_content text);
create table attachments (id serial primary key, file_type int default 0, external_url varchar, message_id int not null, account_id int not null, extension varchar, fallback_title varchar, created_at timestamp not null default now());
create table csat_survey_responses (id bigserial primary key, account_id bigint not null, conversation_id bigint not null, message_id bigint not null, rating int not null, feedback_message text, contact_id bigint not null);
insert into accounts (name) values ('Shop');
insert into inboxes (account_id,name,channel_id,channel_type) values (1,'Website',1,'Channel::WebWidget'),(1,'E-mail',1,'Channel::Email');
insert into users (name,email,uid) values ('Gil','gil@shop.example','gil@shop.example'),('Hal','hal@shop.example','hal@shop.example');
insert into account_users (account_id,user_id,role) values (1,1,1),(1,2,0);
insert into agent_bots (name) values ('Helper');
insert into contacts (name,email,phone_number,account_id) values ('Ida','ida@mail.example',null,1),('Jo',null,'+905551112233',1),('Kim','kim@mail.example','+905551112244',1);
insert into conversations (account_id,inbox_id,status,assignee_id,contact_id,display_id,created_at,updated_at) values
 (1,1,0,1,1,1,'2026-05-01 08:00','2026-05-01 10:00'),(1,1,1,2,2,2,'2026-05-02 08:00','2026-05-02 09:00'),(1,2,0,null,3,3,'2026-05-03 08:00','2026-05-03 08:00'),(1,2,2,1,1,4,'2026-05-04 08:00','2026-05-04 10:00');
insert into messages (content,account_id,inbox_id,conversation_id,message_type,created_at,updated_at,private,status,content_type,sender_type,sender_id) values
 ('Do you ship to Norway as well?',1,1,1,0,'2026-05-01 08:00','2026-05-01 08:00',false,0,0,'Contact',1),
 ('Hello, a person will be with you soon.',1,1,1,1,'2026-05-01 08:01','2026-05-01 08:01',false,0,0,'AgentBot',1),
 ('Conversation was assigned to Gil',1,1,1,2,'2026-05-01 08:02','2026-05-01 08:02',false,0,0,null,null),
 ('Does anybody know the rates there?',1,1,1,1,'2026-05-01 08:30','2026-05-01 08:30',true,0,0,'User',1),
 ('Yes, it takes about six days.',1,1,1,1,'2026-05-01 09:00','2026-05-01 09:00',false,2,0,'User',1),
 ('Thank you very much for that.',1,1,1,0,'2026-05-01 10:00','2026-05-01 10:00',false,0,0,'Contact',1),
 ('My code for the login is wrong.',1,1,2,0,'2026-05-02 08:00','2026-05-02 08:00',false,0,0,'Contact',2),
 ('I have sent you a new one now.',1,1,2,1,'2026-05-02 09:00','2026-05-02 09:00',false,1,0,'User',2),
 ('Conversation was marked resolved by Hal',1,1,2,2,'2026-05-02 09:01','2026-05-02 09:01',false,0,0,null,null),
 ('Please rate the conversation',1,1,2,3,'2026-05-02 09:02','2026-05-02 09:02',false,0,5,null,null),
 ('The box that you sent was empty.',1,2,3,0,'2026-05-03 08:00','2026-05-03 08:00',false,0,8,'Contact',3),
 ('I want to return the chair, please.',1,2,4,0,'2026-05-04 08:00','2026-05-04 08:00',false,0,8,'Contact',1),
 ('Here is the label for the parcel.',1,2,4,1,'2026-05-04 09:00','2026-05-04 09:00',false,1,8,'User',1),
 ('Now I have sent it back to you.',1,2,4,0,'2026-05-04 10:00','2026-05-04 10:00',false,0,8,'Contact',1);
insert into attachments (file_type,external_url,message_id,account_id,extension) values (0,'https://files.shop.example/1.png',11,1,'png');
