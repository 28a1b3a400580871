-- After Odoo: the messages of everything are rows of mail_message, which name their model and key; what is internal is said by a subtype and a flag; staff are users of the kind that is not shared.
create table res_partner (id serial primary key, name varchar not null, email varchar, phone varchar, is_company boolean default false, active boolean default true, create_date timestamp);
create table res_users (id serial primary key, login varchar not null unique, partner_id int not null references res_partner, active boolean default true, share boolean default false);
create table helpdesk_team (id serial primary key, name varchar not null, active boolean default true);
create table helpdesk_stage (id serial primary key, name varchar not null, fold boolean default false, sequence int);
create table helpdesk_ticket (id serial primary key, name varchar not null, description text, partner_id int references res_partner, partner_name varchar, partner_email varchar, partner_phone varchar, user_id int references res_users, team_id int references helpdesk_team, stage_id int references helpdesk_stage, priority varchar default '0', active boolean default true, kanban_state varchar default 'normal', access_token varchar, create_uid int references res_users, create_date timestamp, write_uid int references res_users, write_date timestamp);
create table crm_lead (id serial primary key, name varchar not null, partner_id int references res_partner, email_from varchar, description text, create_date timestamp);
create table mail_message_subtype (id serial primary key, name varchar not null, internal boolean default false, "default" boolean default true, hidden boolean default false);
create table mail_message (id serial primary key, parent_id int references mail_message, model varchar, res_id int, message_type varchar not null, subtype_id int references mail_message_subtype, author_id int references res_partner, email_from varchar, reply_to varchar, subject varchar, body text, is_internal boolean, message_id varchar, record_name varchar, date timestamp, create_uid int references res_users, create_date timestamp, write_uid int references res_users, write_date timestamp);
create table ir_attachment (id serial primary key, name varchar not null, res_model varchar, res_id int, type varchar not null, url varchar, store_fname varchar, mimetype varchar, file_size int, public boolean default false, create_date timestamp);
insert into res_partner (name,email,phone) values ('OdooBot','odoobot@firm.example',null),('Tess Vale','tess@firm.example',null),('Uli Wahl','uli@firm.example',null),('Vera Xu','vera@mail.example','+100'),('Wim Yaz','wim@mail.example',null),('Zoe Abt','zoe@mail.example',null);
insert into res_users (login,partner_id,share,active) values ('__system__',1,false,false),('tess@firm.example',2,false,true),('uli@firm.example',3,false,true),('vera@mail.example',4,true,true);
insert into helpdesk_team (name) values ('Customer Care'),('VIP Support');
insert into helpdesk_stage (name) values ('New'),('In Progress'),('Solved'),('Cancelled');
insert into mail_message_subtype (name,internal) values ('Discussions',false),('Note',true),('Stage Changed',true),('Ticket Created',false);
insert into helpdesk_ticket (name,description,partner_id,partner_name,partner_email,user_id,team_id,stage_id,create_uid,create_date,write_date) values
 ('Wrong delivery','<p>You delivered the wrong table.</p>',4,'Vera Xu','vera@mail.example',2,1,2,4,'2026-05-01 08:00','2026-05-01 10:00'),
 ('Late','<p>My order is two weeks late.</p>',5,'Wim Yaz','wim@mail.example',3,1,3,1,'2026-05-02 08:00','2026-05-02 09:00'),
 ('Colour','<p>Which colours does the sofa have?</p>',6,'Zoe Abt','zoe@mail.example',2,2,1,1,'2026-05-03 08:00','2026-05-03 08:00'),
 ('Missing screws','<p>There are two screws too few.</p>',4,'Vera Xu','vera@mail.example',3,1,2,4,'2026-05-04 08:00','2026-05-04 09:00');
insert into crm_lead (name,partner_id,email_from,description,create_date) values ('Office chairs',5,'wim@mail.example','<p>Twenty chairs for an office.</p>','2026-05-02');
insert into mail_message (model,res_id,message_type,subtype_id,author_id,email_from,subject,body,is_internal,record_name,date,create_date) values
 ('helpdesk.ticket',1,'notification',4,1,'"OdooBot" <odoobot@firm.example>',null,'<p>Ticket created</p>',null,'Wrong delivery','2026-05-01 08:00','2026-05-01 08:00'),
 ('helpdesk.ticket',1,'comment',2,2,'"Tess Vale" <tess@firm.example>',null,'<p>Who has packed this one, Uli?</p>',true,'Wrong delivery','2026-05-01 08:30','2026-05-01 08:30'),
 ('helpdesk.ticket',1,'comment',1,2,'"Tess Vale" <tess@firm.example>','Re: Wrong delivery','<p>We fetch it and bring the right one.</p>',false,'Wrong delivery','2026-05-01 09:00','2026-05-01 09:00'),
 ('helpdesk.ticket',1,'email',1,4,'"Vera Xu" <vera@mail.example>','Re: Wrong delivery','<p>Thank you, that suits me well.</p>',false,'Wrong delivery','2026-05-01 10:00','2026-05-01 10:00'),
 ('helpdesk.ticket',2,'comment',1,3,'"Uli Wahl" <uli@firm.example>','Re: Late','<p>It leaves the factory on Monday.</p>',false,'Late','2026-05-02 09:00','2026-05-02 09:00'),
 ('helpdesk.ticket',2,'notification',3,1,'"OdooBot" <odoobot@firm.example>',null,'',null,'Late','2026-05-02 09:01','2026-05-02 09:01'),
 ('crm.lead',1,'comment',1,2,'"Tess Vale" <tess@firm.example>','Re: Office chairs','<p>Here is our offer for the chairs.</p>',false,'Office chairs','2026-05-02 11:00','2026-05-02 11:00'),
 ('helpdesk.ticket',4,'comment',1,3,'"Uli Wahl" <uli@firm.example>','Re: Missing screws','<p>We send you a bag of them.</p>',false,'Missing screws','2026-05-04 09:00','2026-05-04 09:00'),
 ('helpdesk.ticket',4,'comment',1,4,'"Vera Xu" <vera@mail.example>','Re: Missing screws','<p>They have come, all is well now.</p>',false,'Missing screws','2026-05-04 11:00','2026-05-04 11:00');
insert into ir_attachment (name,res_model,res_id,type,store_fname,mimetype) values ('table.jpg','helpdesk.ticket',1,'binary','a1/a1b2c3','image/jpeg');
