-- After a support plugin of WordPress, moved to Postgres: flags are integers, notes and logs are rows among the answers, agents are rows of the customers as well.
create table wp_users (id bigserial primary key, user_login varchar(60) not null, user_pass varchar(255) not null, user_email varchar(100) not null, display_name varchar(250) not null);
create table wp_psmsc_tickets (id bigserial primary key, is_active int not null default 1, customer bigint not null, subject text not null, status int not null, priority int not null, category int not null, assigned_agent text, date_created timestamp not null, date_updated timestamp not null, agent_created int, ip_address varchar(50), source varchar(50), browser varchar(50), os varchar(50), add_recipients text, prev_assignee text, date_closed timestamp, user_type varchar(100) not null, last_reply_on timestamp, last_reply_by bigint not null, auth_code varchar(50), tags text, live_agents text);
create table wp_psmsc_customers (id bigserial primary key, "user" bigint not null, ticket_count int not null default 0, name varchar(200) not null, email varchar(200) not null);
create table wp_psmsc_threads (id bigserial primary key, ticket bigint not null, is_active int not null default 1, customer bigint, type varchar(50) not null, body text not null, attachments text, ip_address varchar(50), source varchar(50), os varchar(50), browser varchar(100), seen timestamp, date_created timestamp not null, date_updated timestamp not null);
create table wp_psmsc_statuses (id bigserial primary key, name varchar(200) not null, color varchar(50) not null, load_order int not null default 1);
create table wp_psmsc_categories (id bigserial primary key, name varchar(200) not null, load_order int not null default 1);
create table wp_psmsc_priorities (id bigserial primary key, name varchar(200) not null, color varchar(50) not null, load_order int not null default 1);
create table wp_psmsc_attachments (id bigserial primary key, name varchar(200) not null, file_path text not null, is_image int not null default 0, is_active int not null default 0, is_uploaded int not null default 0, date_created timestamp not null, source varchar(200) not null, source_id bigint not null default 0, ticket_id bigint not null default 0, customer_id bigint not null default 0);
create table wp_psmsc_agents (id bigserial primary key, "user" bigint default 0, customer bigint default 0, role int not null default 0, name varchar(200) not null, workload int, is_agentgroup int not null default 0, is_active int not null default 0);
create table wp_psmsc_logs (id bigserial primary key, type varchar(200) not null, ref_id bigint not null, modified_by bigint not null, body text not null, date_created timestamp not null);
insert into wp_users (user_login,user_pass,user_email,display_name) values ('boss','x','boss@shop.example','Boss'),('dana','x','dana@shop.example','Dana'),('eve','x','eve@mail.example','Eve'),('fay','x','fay@mail.example','Fay');
insert into wp_psmsc_customers ("user",ticket_count,name,email) values (1,0,'Boss','boss@shop.example'),(2,0,'Dana','dana@shop.example'),(3,2,'Eve','eve@mail.example'),(4,1,'Fay','fay@mail.example'),(0,1,'Guy','guy@mail.example');
insert into wp_psmsc_agents ("user",customer,role,name,is_active) values (1,1,1,'Boss',1),(2,2,2,'Dana',1);
insert into wp_psmsc_statuses (name,color) values ('Open','#1'),('Awaiting customer reply','#2'),('Awaiting agent reply','#3'),('Closed','#4');
insert into wp_psmsc_categories (name) values ('General'),('Orders');
insert into wp_psmsc_priorities (name,color) values ('Low','#1'),('Medium','#2'),('High','#3');
insert into wp_psmsc_tickets (is_active,customer,subject,status,priority,category,assigned_agent,date_created,date_updated,ip_address,source,user_type,last_reply_by) values
 (1,3,'Wrong colour',2,1,2,'2','2026-05-01 08:00','2026-05-01 10:00','10.0.0.3','browser','registered',3),
 (1,5,'Voucher',2,2,1,'2','2026-05-02 08:00','2026-05-02 09:00','10.0.0.5','browser','guest',2),
 (0,4,'Cheap watches',1,1,1,null,'2026-05-03 08:00','2026-05-03 08:00','10.0.0.4','browser','registered',4),
 (1,3,'Delivery time',4,1,2,'1','2026-05-04 08:00','2026-05-04 09:00','10.0.0.3','browser','registered',1),
 (1,4,'Size chart',3,1,1,'','2026-05-05 08:00','2026-05-05 08:00','10.0.0.4','browser','registered',4);
insert into wp_psmsc_threads (ticket,is_active,customer,type,body,attachments,ip_address,source,date_created,date_updated) values
 (1,1,3,'report','<p>I got a red shirt, not a blue one.</p>','1','10.0.0.3','browser','2026-05-01 08:00','2026-05-01 08:00'),
 (1,1,null,'log','{"slug":"assigned_agent","prev":"","new":"2"}','',null,null,'2026-05-01 08:01','2026-05-01 08:01'),
 (1,1,2,'note','<p>She has complained four times already.</p>','',null,null,'2026-05-01 08:30','2026-05-01 08:30'),
 (1,1,2,'reply','<p>We send you the blue one today.</p>','','10.0.0.9','browser','2026-05-01 09:00','2026-05-01 09:00'),
 (1,1,3,'reply','<p>Thank you, that was quick.</p>','','10.0.0.3','browser','2026-05-01 10:00','2026-05-01 10:00'),
 (1,0,2,'reply','<p>This answer was for somebody else.</p>','','10.0.0.9','browser','2026-05-01 09:30','2026-05-01 09:31'),
 (2,1,5,'report','<p>My voucher is not accepted here.</p>','','10.0.0.5','browser','2026-05-02 08:00','2026-05-02 08:00'),
 (2,1,2,'reply','<p>Please try the one that I send you.</p>','','10.0.0.9','browser','2026-05-02 09:00','2026-05-02 09:00'),
 (3,1,4,'report','<p>Buy cheap watches from us today.</p>','','10.0.0.4','browser','2026-05-03 08:00','2026-05-03 08:00'),
 (4,1,3,'report','<p>When will the new order arrive?</p>','','10.0.0.3','browser','2026-05-04 08:00','2026-05-04 08:00'),
 (4,1,1,'reply','<p>It arrives on Wednesday at noon.</p>','','10.0.0.8','browser','2026-05-04 09:00','2026-05-04 09:00'),
 (4,1,null,'log','{"slug":"status","prev":"1","new":"4"}','',null,null,'2026-05-04 09:01','2026-05-04 09:01'),
 (5,1,4,'report','<p>Which size fits a child of six?</p>','','10.0.0.4','browser','2026-05-05 08:00','2026-05-05 08:00');
insert into wp_psmsc_attachments (name,file_path,is_image,is_active,is_uploaded,date_created,source,source_id,ticket_id,customer_id) values ('shirt.jpg','/wpsc/2026/05/shirt.jpg',1,1,1,'2026-05-01 08:00','report',1,1,3);
