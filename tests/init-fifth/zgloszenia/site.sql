-- A Polish shop: an answer is a row of the same table, with the row that it answers as its parent; who is staff stands in a table of roles.
create table role (id serial primary key, nazwa varchar(30) not null);
create table uzytkownicy (id serial primary key, imie varchar(60), nazwisko varchar(60), email varchar(120) not null, rola_id int not null references role);
create table zgloszenia (id serial primary key, nadrzedne_id int references zgloszenia, uzytkownik_id int not null references uzytkownicy, temat varchar(200), tresc text not null, stan varchar(20) not null default 'nowe', ip varchar(45), kanal varchar(20), utworzono timestamptz not null default now());
insert into role (nazwa) values ('klient'), ('konsultant'), ('administrator');
insert into uzytkownicy (imie, nazwisko, email, rola_id) values ('Anna','Nowak','anna@poczta.example',1),('Piotr','Lis','piotr@poczta.example',1),('Ewa','Kot','ewa@firma.example',2),('Jan','Wilk','jan@firma.example',3),('Ola','Zych','ola@poczta.example',1);
insert into zgloszenia (nadrzedne_id, uzytkownik_id, temat, tresc, stan, ip, kanal, utworzono) values
 (null,1,'Faktura','Nie mam faktury za marzec.','nowe','10.0.0.1','www','2026-05-01 08:00+00'),
 (1,3,null,'Faktura jest w zakładce Dokumenty.','nowe','10.0.0.9','panel','2026-05-01 09:00+00'),
 (1,1,null,'Mam ją, dziękuję bardzo.','nowe','10.0.0.1','www','2026-05-01 10:00+00'),
 (null,2,'Hasło','Nie mogę zmienić swojego hasła.','zamkniete','10.0.0.2','www','2026-05-02 08:00+00'),
 (4,4,null,'Proszę spróbować jeszcze raz teraz.','nowe','10.0.0.9','panel','2026-05-02 09:00+00'),
 (null,5,'Paczka','Kiedy dojdzie moja paczka do domu?','nowe','10.0.0.5','mobile','2026-05-03 08:00+00'),
 (6,3,null,'Kurier będzie u Pani jutro rano.','nowe','10.0.0.9','panel','2026-05-03 09:00+00'),
 (6,5,null,'Dziękuję, będę jutro cały dzień.','nowe','10.0.0.5','mobile','2026-05-03 10:00+00'),
 (null,1,'Zwrot','Chcę zwrócić buty, są za małe.','nowe','10.0.0.1','www','2026-05-04 08:00+00'),
 (9,3,null,'Proszę odesłać je w ciągu czternastu dni.','nowe','10.0.0.9','panel','2026-05-04 09:00+00');
