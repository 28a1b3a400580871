-- A Turkish shop with branches: complaints, suggestions, sales and applications in one table; an answer names its customer and its agent; staff are known by a group.
create type gorusme_turu as enum ('sikayet', 'oneri', 'satis', 'insan_kaynaklari');
create type mesaj_yonu as enum ('giden', 'gelen');
create table subeler (id uuid primary key default gen_random_uuid(), ad text not null);
create table hesaplar (id uuid primary key default gen_random_uuid(), ad_soyad text not null, eposta text not null, grup_id int);
create table gruplar (id int primary key, ad text not null);
alter table hesaplar add foreign key (grup_id) references gruplar;
create table gorusmeler (id bigserial primary key, sube_id uuid not null references subeler, tur gorusme_turu not null, hesap_id uuid references hesaplar, misafir_adi text, misafir_eposta text, konu text not null, acilis timestamptz not null default now());
create table gorusme_mesajlari (id bigserial primary key, gorusme_id bigint not null references gorusmeler, musteri_id uuid references hesaplar, temsilci_id uuid references hesaplar, yon mesaj_yonu not null, metin text not null, dil varchar(5), kanal_kodu varchar(10), ekleyen_ip inet, eklenme timestamptz not null default now());
insert into gruplar values (1,'Müşteriler'),(2,'Destek ekibi'),(3,'Muhasebe');
insert into subeler (id, ad) values ('00000000-0000-0000-0000-00000000a001','Kadıköy'),('00000000-0000-0000-0000-00000000a002','Çankaya');
insert into hesaplar (id, ad_soyad, eposta, grup_id) values ('00000000-0000-0000-0000-000000000001','Ayşe Tan','ayse@posta.example',1),('00000000-0000-0000-0000-000000000002','Can Er','can@posta.example',1),('00000000-0000-0000-0000-000000000003','Elif Su','elif@destek.example',2),('00000000-0000-0000-0000-000000000004','Mert Ak','mert@destek.example',3);
insert into gorusmeler (sube_id, tur, hesap_id, misafir_adi, misafir_eposta, konu, acilis) values
 ('00000000-0000-0000-0000-00000000a001','sikayet','00000000-0000-0000-0000-000000000001',null,null,'Kargo gelmedi','2026-05-01'),
 ('00000000-0000-0000-0000-00000000a001','oneri',null,'Deniz Ay','deniz@posta.example','Uygulama önerisi','2026-05-02'),
 ('00000000-0000-0000-0000-00000000a002','satis','00000000-0000-0000-0000-000000000002',null,null,'Toplu alım','2026-05-03'),
 ('00000000-0000-0000-0000-00000000a002','insan_kaynaklari',null,'Ege Koç','ege@posta.example','İş başvurusu','2026-05-04'),
 ('00000000-0000-0000-0000-00000000a001','sikayet','00000000-0000-0000-0000-000000000002',null,null,'İade','2026-05-05');
insert into gorusme_mesajlari (gorusme_id, musteri_id, temsilci_id, yon, metin, dil, kanal_kodu, ekleyen_ip, eklenme) values
 (1,'00000000-0000-0000-0000-000000000001',null,'gelen','Kargom üç gündür gelmedi.','tr','web','10.0.0.1','2026-05-01 08:00'),
 (1,'00000000-0000-0000-0000-000000000001','00000000-0000-0000-0000-000000000003','giden','Bugün dağıtıma çıktı efendim.','tr','panel','10.0.0.9','2026-05-01 09:00'),
 (1,'00000000-0000-0000-0000-000000000001',null,'gelen','Teşekkür ederim, bekliyorum.','tr','web','10.0.0.1','2026-05-01 10:00'),
 (2,null,null,'gelen','Uygulamaya karanlık tema ekleyin lütfen.','tr','mobil','10.0.0.2','2026-05-02 08:00'),
 (2,null,'00000000-0000-0000-0000-000000000003','giden','Önerinizi ekibimize ilettik, sağ olun.','tr','panel','10.0.0.9','2026-05-02 09:00'),
 (3,'00000000-0000-0000-0000-000000000002',null,'gelen','Yüz adet almak istiyorum, indirim var mı?','tr','web','10.0.0.3','2026-05-03 08:00'),
 (3,'00000000-0000-0000-0000-000000000002','00000000-0000-0000-0000-000000000004','giden','Yüzde on indirim yapabiliyoruz.','tr','panel','10.0.0.9','2026-05-03 09:00'),
 (4,null,null,'gelen','Özgeçmişimi ekte gönderiyorum, iyi günler.','tr','web','10.0.0.4','2026-05-04 08:00'),
 (5,'00000000-0000-0000-0000-000000000002',null,'gelen','İade param henüz yatmadı.','tr','web','10.0.0.3','2026-05-05 08:00'),
 (5,'00000000-0000-0000-0000-000000000002','00000000-0000-0000-0000-000000000004','giden','İadeniz yarın hesabınızda olur.','tr','panel','10.0.0.9','2026-05-05 09:00');
