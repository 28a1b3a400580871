-- After a help desk extension of Magento: who triggered a message and for whom it is stand as words; carriers write, too; guests have their address in the ticket, customers have it there as well.
create table customer_entity (entity_id serial primary key, website_id smallint, email varchar(255), group_id smallint not null default 0, firstname varchar(255), lastname varchar(255), is_active smallint not null default 1, created_at timestamp not null default now());
create table admin_user (user_id serial primary key, firstname varchar(32), lastname varchar(32), email varchar(128), username varchar(40), is_active smallint not null default 1);
create table store (store_id smallserial primary key, code varchar(32), name varchar(255) not null);
create table m_helpdesk_department (department_id serial primary key, name varchar(255) not null, is_active smallint not null default 1);
create table m_helpdesk_status (status_id serial primary key, name varchar(255), code varchar(255));
create table m_helpdesk_ticket (ticket_id serial primary key, code varchar(255) not null, external_id varchar(255), user_id int references admin_user, subject varchar(255), description text, priority_id int, status_id int references m_helpdesk_status, department_id int references m_helpdesk_department, customer_id int references customer_entity, customer_email varchar(255), customer_name varchar(255), order_id int, store_id smallint references store, folder int not null default 1, is_spam int not null default 0, reply_cnt int not null default 0, channel varchar(255), last_reply_at timestamp, created_at timestamp, updated_at timestamp);
create table m_helpdesk_message (message_id serial primary key, ticket_id int not null references m_helpdesk_ticket, email_id int, user_id int references admin_user, customer_id int references customer_entity, customer_email varchar(255), customer_name varchar(255), third_party_email varchar(255), body text, body_format varchar(255), triggered_by varchar(255), type varchar(255), is_read int not null default 0, uid varchar(255), created_at timestamp, updated_at timestamp);
create table m_helpdesk_attachment (attachment_id serial primary key, message_id int not null references m_helpdesk_message, external_id varchar(255), name varchar(255), type varchar(255), size int, body bytea, storage varchar(8));
insert into customer_entity (email,firstname,lastname) values ('ann@mail.example','Ann','Bo'),('ben@mail.example','Ben','Co');
insert into admin_user (firstname,lastname,email,username) values ('Sam','Ops','sam@shop.example','sam'),('Tia','Ops','tia@shop.example','tia');
insert into store (code,name) values ('en','English'),('de','German');
insert into m_helpdesk_department (name) values ('Support'),('Sales');
insert into m_helpdesk_status (name,code) values ('Open','open'),('Closed','closed');
insert into m_helpdesk_ticket (code,user_id,subject,description,status_id,department_id,customer_id,customer_email,customer_name,store_id,folder,is_spam,channel,created_at,updated_at) values ('A1',1,'Wrong item','',1,1,1,'ann@mail.example','Ann Bo',1,1,0,'customer_account','2026-05-01','2026-05-01'),('A2',2,'Wholesale','',1,2,2,'ben@mail.example','Ben Co',1,1,0,'contact_form','2026-05-02','2026-05-02'),('A3',null,'Casino','',1,1,null,'spam@spam.example','Spam',1,3,1,'email','2026-05-03','2026-05-03'),('A4',1,'Voucher','',2,1,null,'guy@mail.example','Guy',2,2,0,'email','2026-05-04','2026-05-04');
insert into m_helpdesk_message (ticket_id,user_id,customer_id,customer_email,customer_name,third_party_email,body,body_format,triggered_by,type,is_read,uid,created_at,updated_at) values
(1,null,1,'ann@mail.example','Ann Bo',null,'I got the wrong item from you.','TEXT/PLAIN','customer','public',1,'u1','2026-05-01 08:00','2026-05-01 08:00'),
(1,1,null,null,null,null,'The warehouse mixed it up again.','TEXT/PLAIN','user','internal',1,'u2','2026-05-01 08:30','2026-05-01 08:30'),
(1,1,null,null,null,null,'We send the right one today.','TEXT/PLAIN','user','public',1,'u3','2026-05-01 09:00','2026-05-01 09:00'),
(1,1,null,null,null,'carrier@ship.example','Where is the parcel of Ann?','TEXT/PLAIN','user','public_third',1,'u4','2026-05-01 09:10','2026-05-01 09:10'),
(1,null,null,null,null,'carrier@ship.example','It is in the depot at Kiel.','TEXT/PLAIN','third','public_third',1,'u5','2026-05-01 10:00','2026-05-01 10:00'),
(1,null,1,'ann@mail.example','Ann Bo',null,'It has come, thank you.','TEXT/PLAIN','customer','public',1,'u6','2026-05-01 11:00','2026-05-01 11:00'),
(2,null,2,'ben@mail.example','Ben Co',null,'What is the price of a hundred?','TEXT/PLAIN','customer','public',1,'u7','2026-05-02 08:00','2026-05-02 08:00'),
(3,null,null,'spam@spam.example','Spam',null,'Play in our casino tonight.','TEXT/PLAIN','customer','public',0,'u8','2026-05-03 08:00','2026-05-03 08:00'),
(4,null,null,'guy@mail.example','Guy',null,'The voucher does not work.','TEXT/PLAIN','customer','public',1,'u9','2026-05-04 08:00','2026-05-04 08:00'),
(4,2,null,null,null,null,'Here is another one for you.','TEXT/PLAIN','user','public',0,'u10','2026-05-04 09:00','2026-05-04 09:00');
