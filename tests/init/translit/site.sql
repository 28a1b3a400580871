-- Russian in Latin letters.
create table klienty (id serial primary key, imya text not null, pochta text not null, data_registracii date);
create table sotrudniki (id serial primary key, imya text not null, pochta text not null);
create table zayavki (id serial primary key, klient_id int not null references klienty, otvetstvenny_id int references sotrudniki, tema text not null, opisanie text not null, sostoyanie text not null default 'novaya', data_sozdaniya timestamptz not null default now());
create table soobscheniya (id serial primary key, zayavka_id int not null references zayavki, avtor text not null check (avtor in ('klient', 'sotrudnik')), tekst text not null, sluzhebnoe boolean not null default false, data timestamptz not null default now());
insert into klienty (imya, pochta) values ('Anna', 'anna@primer.example'), ('Oleg', 'oleg@primer.example');
insert into sotrudniki (imya, pochta) values ('Irina', 'irina@site.example');
insert into zayavki (klient_id, otvetstvenny_id, tema, opisanie) values (1, 1, 'Printer', 'Printer ne pechataet uzhe dva dnya.'), (2, 1, 'Dostup', 'Net dostupa k otchetam za mart.');
insert into soobscheniya (zayavka_id, avtor, tekst, sluzhebnoe) values (1, 'sotrudnik', 'Poprobujte perezagruzit printer.', false), (1, 'sotrudnik', 'Navernoe opyat ne ta bumaga.', true), (1, 'klient', 'Pomoglo, bolshoe spasibo!', false), (2, 'sotrudnik', 'Dostup otkryt, proverte pozhalujsta.', false);
