-- A Russian helpdesk in Latin letters: everything that happens in a dialogue is one table of events, of a kind and in a state. A client has several addresses.
create table klienty (id bigserial primary key, imya varchar(60), familiya varchar(60), kompaniya varchar(120), sozdan timestamptz not null default now());
create table adresa (id bigserial primary key, klient_id bigint not null references klienty, adres varchar(191) not null unique, osnovnoj boolean not null default false);
create table operatory (id bigserial primary key, imya varchar(60) not null, pochta varchar(191) not null unique, rol smallint not null default 1, parol varchar(60) not null);
create table yashchiki (id bigserial primary key, nazvanie varchar(60) not null, pochta varchar(191) not null);
create table dialogi (id bigserial primary key, nomer bigint not null, yashchik_id bigint not null references yashchiki, klient_id bigint not null references klienty, operator_id bigint references operatory, tema varchar(255) not null, status smallint not null default 1, obnovlen timestamptz, sozdan timestamptz not null default now());
create table sobytiya (id bigserial primary key, dialog_id bigint not null references dialogi, vid smallint not null, sostoyanie smallint not null default 2, telo text, klient_id bigint references klienty, operator_id bigint references operatory, message_id varchar(191), prochitano_v timestamptz, sozdano timestamptz not null default now());
insert into klienty (imya, familiya) values ('Tamara', 'Belova'), ('Gleb', 'Orlov');
insert into adresa (klient_id, adres, osnovnoj) values (1, 'tamara.staraya@primer.example', false), (1, 'tamara@primer.example', true), (2, 'gleb@primer.example', true);
insert into operatory (imya, pochta, parol) values ('Vika', 'vika@site.example', 'x'), ('Zhenya', 'zhenya@site.example', 'x');
insert into yashchiki (nazvanie, pochta) values ('Podderzhka', 'podderzhka@site.example');
insert into dialogi (nomer, yashchik_id, klient_id, operator_id, tema, sozdan) values (101, 1, 1, 1, 'Schet za aprel', '2026-05-01 10:00+00'), (102, 1, 2, null, 'Ne prihodyat pisma', '2026-05-02 10:00+00');
insert into sobytiya (dialog_id, vid, sostoyanie, telo, klient_id, operator_id, sozdano) values
    (1, 1, 2, '<div>Prishlite, pozhalujsta, schet za aprel.</div>', 1, null, '2026-05-01 10:00+00'), (1, 4, 2, null, null, 1, '2026-05-01 10:20+00'),
    (1, 3, 2, '<div>Ej uzhe dvazhdy otpravlyali.</div>', null, 1, '2026-05-01 10:21+00'), (1, 2, 2, '<div>Schet <b>otpravlen</b> na vash adres.</div>', null, 1, '2026-05-01 10:30+00'),
    (1, 1, 2, '<div>Poluchila, spasibo!</div>', 1, null, '2026-05-01 11:00+00'), (1, 2, 1, '<div>Ne za chto, obrashchajtes (chernovik).</div>', null, 2, '2026-05-01 11:10+00'),
    (2, 1, 2, '<div>Pisma ot vas ne prihodyat s ponedelnika.</div>', 2, null, '2026-05-02 10:00+00');
