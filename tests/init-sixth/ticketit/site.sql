-- Laravel with the package ticketit: its own migrations, without foreign keys; staff are two flags of users, one of them is_public of a ticket is always false.
create table users (id serial primary key, name varchar(255) not null, email varchar(255) not null unique, password varchar(255) not null, remember_token varchar(100), ticketit_admin boolean not null default false, ticketit_agent boolean not null default false, created_at timestamp, updated_at timestamp);
create table ticketit_statuses (id serial primary key, name varchar(255) not null, color varchar(255) not null);
create table ticketit_priorities (id serial primary key, name varchar(255) not null, color varchar(255) not null);
create table ticketit_categories (id serial primary key, name varchar(255) not null, color varchar(255) not null);
create table ticketit_categories_users (category_id int not null, user_id int not null);
create table ticketit (id serial primary key, subject varchar(255) not null, content text not null, html text, status_id int not null, priority_id int not null, user_id int not null, agent_id int not null, category_id int not null, is_public boolean not null default false, completed_at timestamp, created_at timestamp, updated_at timestamp);
create table ticketit_comments (id serial primary key, content text not null, html text, user_id int not null, ticket_id int not null, created_at timestamp, updated_at timestamp);
create table ticketit_audits (id serial primary key, operation text not null, user_id int not null, ticket_id int not null, created_at timestamp, updated_at timestamp);
insert into users (name,email,password,ticketit_admin,ticketit_agent) values ('Root','root@shop.example','x',true,false),('Lena','lena@shop.example','x',false,true),('Karl','karl@shop.example','x',false,true),('Amy','amy@mail.example','x',false,false),('Bob','bob@mail.example','x',false,false),('Cyd','cyd@mail.example','x',false,false);
insert into ticketit_statuses (name,color) values ('Pending','#e69900'),('Solved','#15a000'),('Bug','#f40700');
insert into ticketit_priorities (name,color) values ('Low','#069900'),('Normal','#e1d200'),('Critical','#e10000');
insert into ticketit_categories (name,color) values ('Technical','#0014f4'),('Billing','#2b9900');
insert into ticketit_categories_users values (1,2),(2,3);
insert into ticketit (subject,content,html,status_id,priority_id,user_id,agent_id,category_id,created_at,updated_at) values
 ('Printer','My printer does not print.','<p>My printer does not print.</p>',1,2,4,2,1,'2026-05-01 08:00','2026-05-01 10:00'),
 ('Invoice','The invoice of May is missing.','<p>The invoice of May is missing.</p>',2,1,5,3,2,'2026-05-02 08:00','2026-05-02 09:00'),
 ('Login','I cannot log in since today.','<p>I cannot log in since today.</p>',1,3,6,2,1,'2026-05-03 08:00','2026-05-03 08:00'),
 ('Refund','Please pay back my last order.','<p>Please pay back my last order.</p>',1,2,4,3,2,'2026-05-04 08:00','2026-05-04 11:00'),
 ('Screen','The screen of the shop is black.','<p>The screen of the shop is black.</p>',1,2,5,2,1,'2026-05-05 08:00','2026-05-05 08:00');
insert into ticketit_comments (content,html,user_id,ticket_id,created_at,updated_at) values
 ('Is it switched on, please?','<p>Is it switched on, please?</p>',2,1,'2026-05-01 09:00','2026-05-01 09:00'),
 ('Yes, and it blinks in red.','<p>Yes, and it blinks in red.</p>',4,1,'2026-05-01 10:00','2026-05-01 10:00'),
 ('Here it is, we are sorry.','<p>Here it is, we are sorry.</p>',3,2,'2026-05-02 09:00','2026-05-02 09:00'),
 ('We did so this morning.','<p>We did so this morning.</p>',3,4,'2026-05-04 09:00','2026-05-04 09:00'),
 ('I do not see it in my account.','<p>I do not see it in my account.</p>',4,4,'2026-05-04 10:00','2026-05-04 10:00'),
 ('It takes the bank three days.','<p>It takes the bank three days.</p>',1,4,'2026-05-04 11:00','2026-05-04 11:00');
insert into ticketit_audits (operation,user_id,ticket_id,created_at) values ('Lena changed the status to Pending of this ticket',2,1,'2026-05-01 09:00');
