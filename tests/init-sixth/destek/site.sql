-- Made by hand in PHP for MySQL, moved to Postgres: Turkish, no foreign keys, times in seconds, flags as 'E' and 'H', who answered as a number; files in a table with yol and dosya_adi.
create table uyeler (uye_no serial primary key, uye_adi varchar(60) not null, uye_soyadi varchar(60) not null, uye_eposta varchar(120) not null, uye_gsm varchar(20), kayit int not null);
create table yoneticiler (yonetici_no serial primary key, kullanici_adi varchar(40) not null, ad_soyad varchar(100) not null, eposta varchar(120) not null, sifre varchar(100) not null);
create table bolumler (bolum_no serial primary key, bolum_adi varchar(60) not null);
create table destek (destek_no serial primary key, uye_no int not null, bolum_no int not null, konu varchar(200) not null, mesaj text not null, durum smallint not null default 0, oncelik smallint not null default 1, silindi char(1) not null default 'H', tarih int not null, son_islem int not null);
create table destek_cevap (cevap_no serial primary key, destek_no int not null, cevaplayan smallint not null, uye_no int, yonetici_no int, cevap text not null, ic_not char(1) not null default 'H', okundu char(1) not null default 'H', ip varchar(40), tarih int not null);
create table destek_dosya (dosya_no serial primary key, destek_no int not null, cevap_no int, dosya_adi varchar(200) not null, yol varchar(250) not null, boyut int not null, tarih int not null);
insert into uyeler (uye_adi,uye_soyadi,uye_eposta,kayit) values ('Aslı','Gür','asli@posta.example',1767225600),('Burak','Han','burak@posta.example',1767225600),('Ceren','İnan','ceren@posta.example',1767225600);
insert into yoneticiler (kullanici_adi,ad_soyad,eposta,sifre) values ('deniz','Deniz Oral','deniz@site.example','x'),('emre','Emre Pak','emre@site.example','x');
insert into bolumler (bolum_adi) values ('Teknik Destek'),('Ödeme');
insert into destek (uye_no,bolum_no,konu,mesaj,durum,silindi,tarih,son_islem) values
 (1,1,'Site açılmıyor','Sitem bu sabahtan beri açılmıyor.',1,'H',1777622400,1777629600),(2,2,'Fatura','Faturada adım yanlış yazılmış.',2,'H',1777708800,1777712400),(3,1,'Deneme','Bu bir deneme talebidir, silinecek.',0,'E',1777795200,1777795200),(1,2,'İade','Geçen ayki ödemeyi geri istiyorum.',0,'H',1777881600,1777885200),(3,1,'E-posta','E-postalarım bana hiç ulaşmıyor.',1,'H',1777968000,1777971600);
insert into destek_cevap (destek_no,cevaplayan,uye_no,yonetici_no,cevap,ic_not,ip,tarih) values
 (1,1,null,1,'Sunucuyu yeniden başlattık, dener misiniz?','H','10.0.0.9',1777626000),(1,1,null,2,'Bu müşterinin diski yine dolmuş.','E','10.0.0.8',1777626100),(1,0,1,null,'Şimdi açılıyor, teşekkür ederim.','H','10.0.0.1',1777629600),
 (2,1,null,2,'Yeni faturayı e-posta ile gönderdik.','H','10.0.0.8',1777712400),(4,1,null,2,'İadeniz üç gün içinde yapılır.','H','10.0.0.8',1777885200),(5,1,null,1,'Kotanız dolmuş, biraz yer açın lütfen.','H','10.0.0.9',1777971600),(5,0,3,null,'Tamam, şimdi ulaşmaya başladı.','H','10.0.0.3',1777975200);
insert into destek_dosya (destek_no,cevap_no,dosya_adi,yol,boyut,tarih) values (1,null,'hata.png','yuklenen/2026/05/hata.png',34567,1777622400),(1,3,'ekran.png','yuklenen/2026/05/ekran.png',45678,1777629600);
