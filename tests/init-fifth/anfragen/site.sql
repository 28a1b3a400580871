-- Requests by a natural key of three columns, with mandator, year and number; who answers is told by an enum, guests have a name and an address.
create type richtung as enum ('eingang', 'ausgang', 'intern');
create type quelle as enum ('web', 'mail', 'telefon');
create table kunden (kundennr varchar(10) primary key, vorname varchar(60), nachname varchar(60) not null, mailadresse varchar(120) not null);
create table anfragen (mandant char(2) not null, jahr int not null, nummer int not null, kundennr varchar(10) references kunden, gast_name varchar(120), gast_mail varchar(120), betreff varchar(200) not null, art varchar(20) not null, angelegt_am timestamptz not null default now(), primary key (mandant, jahr, nummer));
create table anfrage_texte (id bigserial primary key, mandant char(2) not null, jahr int not null, nummer int not null, richtung richtung not null, quelle quelle not null, inhalt text not null, bearbeiter_kuerzel varchar(5), zeile int, erstellt_am timestamptz not null default now(), foreign key (mandant, jahr, nummer) references anfragen);
insert into kunden values ('K1','Uwe','Hahn','uwe@post.example'),('K2','Ina','Bach','ina@post.example');
insert into anfragen values ('DE',2026,1,'K1',null,null,'Lieferung','reklamation','2026-05-01'),('DE',2026,2,null,'Rolf Gast','rolf@post.example','Frage','frage','2026-05-02'),('AT',2026,1,'K2',null,null,'Angebot','vertrieb','2026-05-03'),('DE',2026,3,'K2',null,null,'Defekt','reklamation','2026-05-04');
insert into anfrage_texte (mandant,jahr,nummer,richtung,quelle,inhalt,bearbeiter_kuerzel,zeile,erstellt_am) values
 ('DE',2026,1,'eingang','web','Die Lieferung ist unvollständig, bitte prüfen.',null,1,'2026-05-01 08:00+00'),('DE',2026,1,'intern','web','Lager hat falsch gepackt, Gutschein geben.','mk',2,'2026-05-01 08:30+00'),('DE',2026,1,'ausgang','mail','Wir senden den Rest heute nach.','mk',3,'2026-05-01 09:00+00'),
 ('DE',2026,2,'eingang','web','Liefern Sie auch in die Schweiz?',null,1,'2026-05-02 08:00+00'),('DE',2026,2,'ausgang','mail','Ja, innerhalb von fünf Tagen.','sb',2,'2026-05-02 09:00+00'),
 ('AT',2026,1,'eingang','telefon','Bitte ein Angebot über zwanzig Stühle.',null,1,'2026-05-03 08:00+00'),
 ('DE',2026,3,'eingang','web','Der Stuhl wackelt seit gestern stark.',null,1,'2026-05-04 08:00+00'),('DE',2026,3,'ausgang','mail','Wir tauschen ihn kostenlos um.','sb',2,'2026-05-04 09:00+00');
