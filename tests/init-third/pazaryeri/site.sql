-- A Turkish marketplace, made by hand: in a ticket about an order the buyer, the seller and the staff write, told by a number; so is the staff's own note.
create table uyeler (id serial primary key, ad varchar(60) not null, soyad varchar(60) not null, eposta varchar(120) not null, gsm varchar(20), kayit_tarihi timestamp not null default now());
create table magazalar (id serial primary key, uye_id int not null references uyeler, unvan varchar(120) not null, vergi_no varchar(11));
create table siparisler (id serial primary key, alici_id int not null references uyeler, magaza_id int not null references magazalar, tutar numeric(10,2) not null, tarih timestamp not null default now());
create table personel (id serial primary key, ad_soyad varchar(120) not null, eposta varchar(120) not null, aktif smallint not null default 1);
create table talepler (id serial primary key, siparis_id int references siparisler, alici_id int not null references uyeler, satici_id int not null references uyeler, konu varchar(200) not null, durum smallint not null default 0, acilis timestamp not null default now());
create table talep_cevaplari (id serial primary key, talep_id int not null references talepler, yon smallint not null, uye_id int references uyeler, personel_id int references personel, metin text not null, okundu smallint not null default 0, tarih timestamp not null default now());
insert into uyeler (ad, soyad, eposta) values ('Elif', 'Kaya', 'elif@ornek.example'), ('Mert', 'Demir', 'mert@ornek.example'), ('Can', 'Usta', 'can@dukkan.example'), ('Derya', 'Tekin', 'derya@dukkan.example');
insert into magazalar (uye_id, unvan) values (3, 'Usta Ticaret'), (4, 'Tekin Tekstil');
insert into siparisler (alici_id, magaza_id, tutar) values (1, 1, 250), (2, 2, 90);
insert into personel (ad_soyad, eposta) values ('Pelin Destek', 'pelin@site.example');
insert into talepler (siparis_id, alici_id, satici_id, konu, durum, acilis) values (1, 1, 3, 'Ürün kırık geldi', 1, '2026-05-01 10:00'), (2, 2, 4, 'Yanlış beden', 0, '2026-05-02 10:00');
insert into talep_cevaplari (talep_id, yon, uye_id, personel_id, metin, tarih) values
    (1, 1, 1, null, 'Kutudan çıkan bardak kırıktı.', '2026-05-01 10:00'), (1, 2, 3, null, 'Biz sağlam gönderdik, kargoya sorun.', '2026-05-01 10:30'),
    (1, 4, null, 1, 'Bu satıcıdan dördüncü şikâyet.', '2026-05-01 11:00'), (1, 3, null, 1, 'Tutarı iade ediyoruz.', '2026-05-01 11:05'),
    (1, 1, 1, null, 'Teşekkürler, iade geldi.', '2026-05-03 10:00'), (2, 1, 2, null, 'M istedim, L geldi.', '2026-05-02 10:00'),
    (2, 2, 4, null, 'Yenisini yarın yolluyorum.', '2026-05-02 12:00');
