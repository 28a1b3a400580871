-- As a widespread PHP helpdesk has it, brought to Postgres: no foreign keys, the entries hang on a thread, and a thread on a ticket ('T') or on a task of the
-- staff's ('A') of the same number. The subject and the address stand in tables of their own.
create table ost_user (id serial primary key, org_id int not null default 0, default_email_id int not null, name varchar(128) not null, created timestamp not null);
create table ost_user_email (id serial primary key, user_id int not null, address varchar(255) not null);
create table ost_staff (staff_id serial primary key, username varchar(32) not null, firstname varchar(32), lastname varchar(32), email varchar(255), signature text not null default '', isactive smallint not null default 1);
create table ost_ticket (ticket_id serial primary key, number varchar(20), user_id int not null default 0, user_email_id int not null default 0, status_id int not null default 0, dept_id int not null default 0, staff_id int not null default 0, source varchar(10) not null default 'Web', isanswered smallint not null default 0, lastupdate timestamp, created timestamp not null, updated timestamp not null);
create table ost_ticket__cdata (ticket_id int primary key, subject text, priority text);
create table ost_task (id serial primary key, number varchar(20), dept_id int not null default 0, staff_id int not null default 0, created timestamp not null, updated timestamp not null);
create table ost_thread (id serial primary key, object_id int not null, object_type char(1) not null, extra text, created timestamp not null);
create table ost_thread_entry (id serial primary key, pid int not null default 0, thread_id int not null default 0, staff_id int not null default 0, user_id int not null default 0, type char(1) not null default '', flags int not null default 0, poster varchar(128) not null default '', source varchar(32) not null default '', title varchar(255), body text not null, format varchar(16) not null default 'html', ip_address varchar(64) not null default '', created timestamp not null, updated timestamp not null);
create table ost_thread_event (id serial primary key, thread_id int not null default 0, event varchar(20) not null, staff_id int not null, data varchar(1024), username varchar(128) not null default 'SYSTEM', timestamp timestamp not null);
insert into ost_user_email (user_id, address) values (1, 'lena@example.com'), (2, 'marko@example.com');
insert into ost_user (default_email_id, name, created) values (1, 'Lena Fuchs', '2026-04-01'), (2, 'Marko Ilic', '2026-04-02');
insert into ost_staff (username, firstname, lastname, email) values ('nora', 'Nora', 'Help', 'nora@site.example');
insert into ost_ticket (number, user_id, user_email_id, staff_id, created, updated) values ('748201', 1, 1, 1, '2026-05-01 10:00', '2026-05-01 10:00'), ('748202', 2, 2, 0, '2026-05-02 10:00', '2026-05-02 10:00');
insert into ost_ticket__cdata values (1, 'Parcel has not come', '2'), (2, 'Change of address', '2');
insert into ost_task (number, staff_id, created, updated) values ('12', 1, '2026-05-01 12:00', '2026-05-01 12:00');
insert into ost_thread (object_id, object_type, created) values (1, 'A', '2026-05-01 12:00'), (1, 'T', '2026-05-01 10:00'), (2, 'T', '2026-05-02 10:00');
insert into ost_thread_entry (thread_id, staff_id, user_id, type, poster, title, body, format, created, updated) values
    (2, 0, 1, 'M', 'Lena Fuchs', 'Parcel has not come', 'My parcel has been on its way for two weeks.', 'text', '2026-05-01 10:00', '2026-05-01 10:00'),
    (2, 1, 0, 'N', 'Nora Help', 'Carrier', 'The carrier has lost it, we know that van.', 'text', '2026-05-01 11:00', '2026-05-01 11:00'),
    (2, 1, 0, 'R', 'Nora Help', null, 'We are sending you a new one today.', 'text', '2026-05-01 11:05', '2026-05-01 11:05'),
    (1, 1, 0, 'M', 'Nora Help', 'Lost parcels', 'Ask the carrier for the list of May.', 'text', '2026-05-01 12:00', '2026-05-01 12:00'),
    (2, 0, 1, 'M', 'Lena Fuchs', null, 'Thank you, it has arrived.', 'text', '2026-05-04 10:00', '2026-05-04 10:00'),
    (3, 0, 2, 'M', 'Marko Ilic', 'Change of address', 'I have moved, where do I change it?', 'text', '2026-05-02 10:00', '2026-05-02 10:00');
insert into ost_thread_event (thread_id, event, staff_id, data, timestamp) values (2, 'assigned', 1, '{"claim":true}', '2026-05-01 11:00');
