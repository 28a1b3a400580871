-- No foreign key anywhere, half of the names in Turkish.
create table kullanici (id serial primary key, ad text not null, soyad text, mail varchar(120) not null, yetki smallint not null default 0);
create table destek (id serial primary key, kullanici_id int not null, baslik varchar(200) not null, durum varchar(20) not null default 'acik', eklenme timestamptz not null default now());
create table destek_mesaj (id serial primary key, destek_id int not null, kullanici_id int not null, icerik text not null, yetkili boolean not null default false, eklenme timestamptz not null default now());
create table urun (id serial primary key, baslik varchar(200) not null, icerik text not null);
insert into kullanici (ad, mail, yetki) values ('Selin', 'selin@ornek.example', 0), ('Tarık', 'tarik@ornek.example', 0), ('Yönetici', 'yonetim@site.example', 9);
insert into destek (id, kullanici_id, baslik) values (101, 1, 'Şifremi unuttum'), (102, 2, 'Fatura');
insert into destek_mesaj (destek_id, kullanici_id, icerik, yetkili) values (101, 1, 'Şifremi unuttum, yenisi gelmiyor.', false), (101, 3, 'Yeni şifreniz gönderildi efendim.', true), (102, 2, 'Faturamı hâlâ alamadım.', false);
insert into urun (baslik, icerik) values ('Bardak', 'El yapımı porselen bardak, çok güzel.');
