-- German, with an enum and no default for the time.
create type absender_typ as enum ('kunde', 'mitarbeiter');
create table kunden (kundennr serial primary key, vorname text, nachname text, e_mail text not null);
create table anfragen (anfragenr serial primary key, kundennr int not null references kunden, betreff text not null, erledigt boolean not null default false, angelegt_am timestamptz not null);
create table nachrichten (nachrichtnr serial primary key, anfragenr int not null references anfragen, absender absender_typ not null, inhalt text not null, intern boolean, gesendet_am timestamptz);
insert into kunden (vorname, nachname, e_mail) values ('Jörg', 'Müller', 'joerg@beispiel.example'), ('Uta', 'Groß', 'uta@beispiel.example');
insert into anfragen (kundennr, betreff, angelegt_am) values (1, 'Rechnung', '2026-05-01'), (2, 'Lieferung', '2026-05-02');
insert into nachrichten (anfragenr, absender, inhalt, intern, gesendet_am) values (1, 'kunde', 'Die Rechnung ist zu hoch, bitte prüfen.', null, '2026-05-01'), (1, 'mitarbeiter', 'Wir prüfen das und melden uns.', false, '2026-05-02'),
    (1, 'mitarbeiter', 'Er hat leider recht, Fehler im System.', true, '2026-05-02'), (2, 'kunde', 'Wo bleibt denn meine Lieferung?', null, '2026-05-02');
