-- Numbers for everything: status and author are codes of lookup tables, people hang two tables away, and their contacts
-- are what a form let through: blanks, capitals, empty strings.
create table lookup_status (code smallint primary key, label text not null, is_public boolean not null);
create table lookup_author (code smallint primary key, side char(1) not null);
create table companies (id int not null, support_email text, since date not null, primary key (id, since));
create table people (
    id         int generated always as identity primary key,
    company_id int,
    mail       varchar(200) not null default '',
    mail_old   varchar(200),
    phone      char(20),
    first_name text,
    last_name  text
);
create table cases (
    case_no   numeric(12) primary key,
    person_id int not null references people,
    status    smallint not null references lookup_status,
    title     char(60) not null,
    entered   date not null default current_date
);
create table case_texts (
    case_no numeric(12) not null references cases,
    line_no int not null,
    writer  smallint not null references lookup_author,
    txt     text,
    primary key (case_no, line_no)
);
insert into lookup_status values (1, 'new', true), (2, 'solved', true), (9, 'spam', false);
insert into lookup_author values (10, 'C'), (20, 'A'), (30, 'X');
insert into companies values (1, 'former@acme.example', '2019-01-01'), (1, 'office@acme.example', '2024-01-01');
insert into people (company_id, mail, mail_old, phone, first_name, last_name) values
    (null, '  Ayse@Example.com ', null, null, ' Ayşe ', 'Yılmaz'),
    (null, '', 'ivan@example.com', null, 'Иван', null),
    (null, ' ', '', '+90 555 000 11 22', null, null),
    (1, '', null, null, 'Kate', 'O''Brien'),
    (null, '', null, null, 'Nobody', 'Yet');
