-- Made by hand in Turkish: own key names, the author as a number, a note flag, local time in a timestamp.
create table uyeler (uye_no serial primary key, ad_soyad text not null, eposta text not null, telefon text, sifre text not null, kayit_tarihi timestamp default now());
create table talepler (talep_no serial primary key, uye_no int not null references uyeler, konu text not null, mesaj text not null, durum smallint not null default 0, tarih timestamp not null default now());
create table talep_cevaplari (cevap_no serial primary key, talep_no int not null references talepler, yazan smallint not null, cevap text not null, gizli_not boolean not null default false, tarih timestamp not null default now());
insert into uyeler (ad_soyad, eposta, telefon, sifre) values ('Ayşe Yılmaz', 'ayse@ornek.example', '+905551112233', 'x'), ('Mehmet Kaya', 'mehmet@ornek.example', null, 'x');
insert into talepler (uye_no, konu, mesaj, tarih) values (1, 'Kargo', 'Kargom üç gündür gelmedi, nerede acaba?', '2026-05-01 10:00'), (2, 'İade', 'Ürünü iade etmek istiyorum, nasıl yaparım?', '2026-05-02 10:00');
insert into talep_cevaplari (talep_no, yazan, cevap, gizli_not, tarih) values (1, 1, 'Kargonuz bugün dağıtıma çıktı.', false, '2026-05-01 11:00'), (1, 1, 'Müşteri çok sinirli, dikkat edelim.', true, '2026-05-01 11:05'),
    (1, 0, 'Teşekkür ederim, bekliyorum.', false, '2026-05-01 12:00'), (2, 1, 'İade formunu size gönderdik.', false, '2026-05-02 11:00');
