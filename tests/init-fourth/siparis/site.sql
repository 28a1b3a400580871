-- A Turkish shop, made by hand: there are no tickets, a customer asks about an order, in the order's own messages. An order need not have any, and its buyer need not be a member.
create table musteriler (musteri_id serial primary key, ad varchar(60) not null, soyad varchar(60) not null, eposta varchar(150) not null unique, telefon varchar(20), parola_ozeti varchar(100) not null, kampanya_izni smallint not null default 0, kayit_tarihi timestamp not null default now());
create table yoneticiler (yonetici_id serial primary key, kullanici_adi varchar(40) not null unique, ad_soyad varchar(120) not null, eposta varchar(150) not null, rol varchar(20) not null, parola_ozeti varchar(100) not null);
create table urunler (urun_id serial primary key, ad varchar(200) not null, aciklama text, fiyat numeric(10,2) not null, stok int not null default 0);
create table siparisler (siparis_id serial primary key, siparis_no varchar(20) not null unique, musteri_id int references musteriler, misafir_eposta varchar(150), misafir_ad varchar(120), misafir_telefon varchar(20), tutar numeric(10,2) not null, durum smallint not null default 0,
    kargo_takip_no varchar(40), siparis_notu text, siparis_tarihi timestamp not null default now());
create table siparis_kalemleri (kalem_id serial primary key, siparis_id int not null references siparisler, urun_id int not null references urunler, adet int not null, birim_fiyat numeric(10,2) not null);
create table siparis_mesajlari (mesaj_id bigserial primary key, siparis_id int not null references siparisler, gonderen char(1) not null check (gonderen in ('M', 'Y', 'S')), yonetici_id int references yoneticiler, mesaj text not null, musteriye_gorunur smallint not null default 1,
    okundu smallint not null default 0, silindi smallint not null default 0, ip_adresi varchar(45), eklenme_tarihi timestamp not null default now());
create table iade_talepleri (iade_id serial primary key, siparis_id int not null references siparisler, neden varchar(40) not null, aciklama text, durum smallint not null default 0, talep_tarihi timestamp not null default now());
create table urun_yorumlari (yorum_id serial primary key, urun_id int not null references urunler, musteri_id int not null references musteriler, yorum text not null, puan smallint not null, onayli smallint not null default 0, tarih timestamp not null default now());
create table sms_gonderimleri (sms_id serial primary key, telefon varchar(20) not null, metin varchar(320) not null, gonderim_tarihi timestamp not null default now());
insert into musteriler (ad, soyad, eposta, telefon, parola_ozeti, kayit_tarihi) values
    ('Ayşe', 'Yıldız', 'ayse.yildiz@posta.example', '+905320000001', 'x', '2026-02-01'),
    ('Burak', 'Şen', 'burak@posta.example', '+905320000002', 'x', '2026-02-02'),
    ('Ceren', 'Öz', 'ceren.oz@posta.example', null, 'x', '2026-02-03'),
    ('Deniz', 'Ak', 'deniz@posta.example', null, 'x', '2026-02-04'),
    ('Emre', 'Güler', 'emre.guler@posta.example', '+905320000005', 'x', '2026-02-05'),
    ('Fatma', 'İnce', 'fatma@posta.example', null, 'x', '2026-02-06'),
    ('Gizem', 'Tok', 'gizem@magaza.example', null, 'x', '2026-02-07');
insert into yoneticiler (kullanici_adi, ad_soyad, eposta, rol, parola_ozeti) values
    ('gizem', 'Gizem Tok', 'gizem@magaza.example', 'destek', 'x'),
    ('hakan', 'Hakan Er', 'hakan@magaza.example', 'yonetici', 'x');
insert into urunler (ad, aciklama, fiyat, stok) values
    ('Seramik kupa', 'El yapımı', 240, 12),
    ('Keten çanta', 'Yıkanabilir', 390, 3);
insert into siparisler (siparis_no, musteri_id, misafir_eposta, misafir_ad, misafir_telefon, tutar, durum, kargo_takip_no, siparis_notu, siparis_tarihi) values
    ('S2026-0311', 1, null, null, null, 240, 1, null, 'Zili çalmayın lütfen', '2026-05-01 08:00:00'),
    ('S2026-0312', 2, null, null, null, 241, 2, 'KT009101', null, '2026-05-02 08:00:00'),
    ('S2026-0313', null, 'misafir.can@posta.example', 'Can Misafir', '+905330000003', 242, 3, null, null, '2026-05-03 08:00:00'),
    ('S2026-0314', 3, null, null, null, 243, 1, 'KT009103', null, '2026-05-04 08:00:00'),
    ('S2026-0315', 4, null, null, null, 244, 2, null, 'Hediye paketi', '2026-05-05 08:00:00'),
    ('S2026-0316', 5, null, null, null, 245, 3, 'KT009105', null, '2026-05-06 08:00:00'),
    ('S2026-0317', 1, null, null, null, 246, 1, null, null, '2026-05-07 08:00:00'),
    ('S2026-0318', null, null, 'Veli', '+905330000008', 247, 2, 'KT009107', null, '2026-05-08 08:00:00'),
    ('S2026-0319', 6, null, null, null, 248, 3, null, null, '2026-05-09 08:00:00'),
    ('S2026-0320', 2, null, null, null, 249, 1, 'KT009109', null, '2026-05-10 08:00:00'),
    ('S2026-0321', 7, null, null, null, 250, 2, null, 'kendi siparişim', '2026-05-11 08:00:00'),
    ('S2026-0322', 3, null, null, null, 251, 3, 'KT009111', null, '2026-05-12 08:00:00'),
    ('S2026-0323', null, 'selin@konuk.example', 'Selin', '+905330000012', 252, 1, null, null, '2026-05-13 08:00:00'),
    ('S2026-0324', 4, null, null, null, 253, 2, 'KT009113', null, '2026-05-14 08:00:00'),
    ('S2026-0325', 5, null, null, null, 254, 3, null, null, '2026-05-15 08:00:00'),
    ('S2026-0326', 6, null, null, null, 255, 1, 'KT009115', null, '2026-05-16 08:00:00'),
    ('S2026-0327', 1, null, null, null, 256, 2, null, null, '2026-05-17 08:00:00'),
    ('S2026-0328', 2, null, null, null, 257, 3, 'KT009117', null, '2026-05-18 08:00:00');
insert into siparis_kalemleri (siparis_id, urun_id, adet, birim_fiyat) values
    (1, 1, 1, 240),
    (2, 2, 1, 240),
    (3, 1, 1, 240),
    (4, 2, 1, 240),
    (5, 1, 1, 240),
    (6, 2, 1, 240),
    (7, 1, 1, 240),
    (8, 2, 1, 240),
    (9, 1, 1, 240),
    (10, 2, 1, 240),
    (11, 1, 1, 240),
    (12, 2, 1, 240),
    (13, 1, 1, 240),
    (14, 2, 1, 240),
    (15, 1, 1, 240),
    (16, 2, 1, 240),
    (17, 1, 1, 240),
    (18, 2, 1, 240);
insert into siparis_mesajlari (siparis_id, gonderen, yonetici_id, mesaj, musteriye_gorunur, okundu, silindi, ip_adresi, eklenme_tarihi) values
    (1, 'M', null, 'Siparişim ne zaman kargoya verilir?', 1, 0, 0, '10.0.0.1', '2026-05-01 08:10:00'),
    (1, 'Y', 1, 'Yarın öğleden önce kargoda olur.', 1, 1, 0, null, '2026-05-01 08:41:00'),
    (1, 'S', null, 'Siparişiniz kargoya verildi.', 1, 0, 0, null, '2026-05-01 09:12:00'),
    (1, 'M', null, 'Teşekkür ederim, geldi.', 1, 1, 0, '10.0.0.1', '2026-05-01 09:43:00'),
    (2, 'M', null, 'Rengini siyahla değiştirebilir miyiz?', 1, 0, 0, '10.0.0.2', '2026-05-02 08:10:00'),
    (2, 'Y', 1, 'Siyah stokta yok, tedarikçiye sor.', 0, 1, 0, null, '2026-05-02 08:41:00'),
    (2, 'Y', 1, 'Siyah kalmadı, lacivert olur mu?', 1, 0, 0, null, '2026-05-02 09:12:00'),
    (2, 'M', null, 'Lacivert olsun.', 1, 1, 0, '10.0.0.2', '2026-05-02 09:43:00'),
    (3, 'M', null, 'Üye olmadan aldım, faturam nerede?', 1, 0, 0, '10.0.0.3', '2026-05-03 08:10:00'),
    (3, 'Y', 2, 'E-postanıza yolladık.', 1, 1, 0, null, '2026-05-03 08:41:00'),
    (5, 'M', null, 'Hediye paketi unutulmuş.', 1, 0, 0, '10.0.0.5', '2026-05-05 08:10:00'),
    (5, 'Y', 1, 'Özür dileriz, paketi ayrıca yolluyoruz.', 1, 1, 0, null, '2026-05-05 08:41:00'),
    (5, 'Y', 2, 'Bu ay üçüncü unutma, depoyla konuş.', 0, 0, 0, null, '2026-05-05 09:12:00'),
    (6, 'M', null, 'Adresim değişti, yenisini nasıl yazarım?', 1, 0, 0, '10.0.0.6', '2026-05-06 08:10:00'),
    (6, 'M', null, 'kart numaram 4111 ile başlıyor', 1, 1, 1, '10.0.0.6', '2026-05-06 08:41:00'),
    (6, 'Y', 1, 'Buraya yazmanız yeterli.', 1, 0, 0, null, '2026-05-06 09:12:00'),
    (7, 'S', null, 'Ödemeniz alındı.', 1, 0, 0, null, '2026-05-07 08:10:00'),
    (7, 'S', null, 'Stoktan düşüldü.', 0, 1, 0, null, '2026-05-07 08:41:00'),
    (8, 'M', null, 'Beni telefonla arar mısınız?', 1, 0, 0, '10.0.0.8', '2026-05-08 08:10:00'),
    (8, 'Y', 2, 'Bugün 15''te arıyoruz.', 1, 1, 0, null, '2026-05-08 08:41:00'),
    (9, 'M', null, 'İki tane sipariş ettim, bir tane geldi.', 1, 0, 0, '10.0.0.9', '2026-05-09 08:10:00'),
    (9, 'Y', 2, 'İkincisi ayrı pakette, yolda.', 1, 1, 0, null, '2026-05-09 08:41:00'),
    (9, 'M', null, 'O da geldi, sağ olun.', 1, 0, 0, '10.0.0.9', '2026-05-09 09:12:00'),
    (10, 'M', null, 'İade süresi kaç gün?', 1, 0, 0, '10.0.0.10', '2026-05-10 08:10:00'),
    (10, 'Y', 1, 'On dört gün.', 1, 1, 0, null, '2026-05-10 08:41:00'),
    (11, 'M', null, 'Personel indirimi bu siparişe uygulanmamış.', 1, 0, 0, '10.0.0.11', '2026-05-11 08:10:00'),
    (11, 'Y', 2, 'Elle düzelttim.', 1, 1, 0, null, '2026-05-11 08:41:00'),
    (12, 'M', null, 'Kupon kodum kabul edilmedi.', 1, 0, 0, '10.0.0.12', '2026-05-12 08:10:00'),
    (12, 'Y', 1, 'Kupon dün bitmiş, yine de tanımla.', 0, 1, 0, null, '2026-05-12 08:41:00'),
    (12, 'Y', 1, 'Kuponu sizin için tanımladık.', 1, 0, 0, null, '2026-05-12 09:12:00'),
    (13, 'M', null, 'Kapıda ödeme var mı?', 1, 0, 0, '10.0.0.13', '2026-05-13 08:10:00'),
    (13, 'Y', 1, 'Yok.', 1, 1, 1, null, '2026-05-13 08:41:00'),
    (13, 'Y', 1, 'Var, on lira ek ücretle.', 1, 0, 0, null, '2026-05-13 09:12:00'),
    (15, 'M', null, 'Ürünün kutusu ezik geldi.', 1, 0, 0, '10.0.0.15', '2026-05-15 08:10:00'),
    (15, 'Y', 2, 'Fotoğraf yollar mısınız?', 1, 1, 0, null, '2026-05-15 08:41:00'),
    (15, 'M', null, 'Yolladım, bakar mısınız?', 1, 0, 0, '10.0.0.15', '2026-05-15 09:12:00'),
    (16, 'M', null, 'Faturayı şirket adına kesebilir misiniz?', 1, 0, 0, '10.0.0.16', '2026-05-16 08:10:00'),
    (16, 'S', null, 'Faturanız düzenlendi.', 1, 1, 0, null, '2026-05-16 08:41:00'),
    (16, 'Y', 1, 'Kestik, ekte.', 1, 0, 0, null, '2026-05-16 09:12:00'),
    (17, 'M', null, 'Aynısından bir tane daha nasıl alırım?', 1, 0, 0, '10.0.0.17', '2026-05-17 08:10:00'),
    (18, 'M', null, 'Kargo firmasını seçebilir miyim?', 1, 0, 0, '10.0.0.18', '2026-05-18 08:10:00'),
    (18, 'Y', 2, 'Şimdilik seçilemiyor.', 1, 1, 0, null, '2026-05-18 08:41:00');
insert into iade_talepleri (siparis_id, neden, aciklama, durum, talep_tarihi) values
    (10, 'beden', 'Küçük geldi', 0, '2026-05-12 08:00:00'),
    (15, 'hasar', 'Kutusu ezik', 1, '2026-05-16 08:00:00');
insert into urun_yorumlari (urun_id, musteri_id, yorum, puan, onayli, tarih) values
    (1, 1, 'Çok güzel, rengi de canlı.', 5, 1, '2026-05-09 08:00:00'),
    (2, 2, 'Dikişi zayıf.', 2, 0, '2026-05-20 08:00:00');
insert into sms_gonderimleri (telefon, metin, gonderim_tarihi) values
    ('+905320000001', 'S2026-0311 kargoya verildi', '2026-05-02 08:00:00');
