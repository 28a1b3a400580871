-- After django-helpdesk: the ticket has an address and no account, follow-ups are answers, notes and changes of the state at once, staff are users of Django.
create table auth_user (id serial primary key, password varchar(128) not null, last_login timestamptz, is_superuser boolean not null, username varchar(150) not null unique, first_name varchar(150) not null, last_name varchar(150) not null, email varchar(254) not null, is_staff boolean not null, is_active boolean not null, date_joined timestamptz not null);
create table helpdesk_queue (id serial primary key, title varchar(100) not null, slug varchar(50) not null, email_address varchar(254), locale varchar(10), allow_public_submission boolean not null default false, new_ticket_cc varchar(200));
create table helpdesk_ticket (id serial primary key, title varchar(200) not null, created timestamptz not null, modified timestamptz not null, submitter_email varchar(254), status int not null, on_hold boolean not null, description text, resolution text, priority int not null, due_date timestamptz, last_escalation timestamptz, secret_key varchar(36) not null, assigned_to_id int references auth_user, queue_id int not null references helpdesk_queue, merged_to_id int references helpdesk_ticket);
create table helpdesk_followup (id serial primary key, date timestamptz not null, title varchar(200), comment text, public boolean not null, new_status int, message_id varchar(256), time_spent interval, ticket_id int not null references helpdesk_ticket, user_id int references auth_user);
create table helpdesk_followupattachment (id serial primary key, file varchar(1000) not null, filename varchar(1000) not null, mime_type varchar(255) not null, size int, followup_id int not null references helpdesk_followup);
create table helpdesk_ticketchange (id serial primary key, field varchar(100) not null, old_value text, new_value text, followup_id int not null references helpdesk_followup);
create table helpdesk_ticketcc (id serial primary key, email varchar(254), can_view boolean not null, can_update boolean not null, ticket_id int not null references helpdesk_ticket, user_id int references auth_user);
insert into auth_user (password,is_superuser,username,first_name,last_name,email,is_staff,is_active,date_joined) values ('x',true,'admin','Ada','Min','admin@desk.example',true,true,'2026-01-01'),('x',false,'rik','Rik','Son','rik@desk.example',true,true,'2026-01-01'),('x',false,'sia','Sia','Tor','sia@mail.example',false,true,'2026-01-01');
insert into helpdesk_queue (title,slug,email_address) values ('Web','web','web@desk.example'),('Shop','shop','shop@desk.example');
insert into helpdesk_ticket (title,created,modified,submitter_email,status,on_hold,description,priority,secret_key,assigned_to_id,queue_id,merged_to_id) values
 ('Basket','2026-05-01 08:00+00','2026-05-01 10:00+00','sia@mail.example',1,false,'The basket loses my articles.',3,'a',2,1,null),
 ('Coupon','2026-05-02 08:00+00','2026-05-02 09:00+00','tom@mail.example',3,false,'The coupon is not accepted by you.',3,'b',1,2,null),
 ('Basket again','2026-05-03 08:00+00','2026-05-03 08:00+00','sia@mail.example',5,false,'It loses them again and again.',3,'c',null,1,1),
 ('Parking','2026-05-04 08:00+00','2026-05-04 09:00+00','una@mail.example',1,true,'Is there a place to park near you?',4,'d',null,2,null);
insert into helpdesk_followup (date,title,comment,public,new_status,ticket_id,user_id) values
 ('2026-05-01 08:00+00','Ticket Opened','The basket loses my articles.',true,null,1,3),
 ('2026-05-01 08:10+00','Assigned to rik','',false,null,1,1),
 ('2026-05-01 08:30+00','Comment','It may be the cookie once more.',false,null,1,2),
 ('2026-05-01 09:00+00','Comment','Please delete the cookies of the shop.',true,null,1,2),
 ('2026-05-01 10:00+00','E-Mail Received from sia@mail.example','I did so, and it works now.',true,null,1,null),
 ('2026-05-02 08:00+00','Ticket Opened','The coupon is not accepted by you.',true,null,2,null),
 ('2026-05-02 09:00+00','Resolved','It was valid until Friday, here is another.',true,3,2,1),
 ('2026-05-03 08:00+00','Ticket Opened','It loses them again and again.',true,null,3,3),
 ('2026-05-04 08:00+00','Ticket Opened','Is there a place to park near you?',true,null,4,null),
 ('2026-05-04 09:00+00','Comment','Yes, behind the house, for two hours.',true,null,4,2);
insert into helpdesk_followupattachment (file,filename,mime_type,size,followup_id) values ('helpdesk/attachments/WEB-1/basket.png','basket.png','image/png',1200,1);
