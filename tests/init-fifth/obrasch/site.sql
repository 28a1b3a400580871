-- A Russian help desk: natural keys, guests by name and address, staff and a robot by their group, kinds of answers as numbers, suppliers in a section of their own.
create table gruppy (id serial primary key, nazvanie varchar(60) not null);
create table lyudi (id serial primary key, fio varchar(120) not null, pochta varchar(120) not null, gruppa_id int not null references gruppy);
create table razdely (id serial primary key, nazvanie varchar(60) not null);
create table obrascheniya (nomer varchar(20) primary key, razdel_id int not null references razdely, avtor_id int references lyudi, gost_imya varchar(80), gost_pochta varchar(120), tema varchar(200) not null, sozdano timestamp not null default now());
create table otvety (id bigserial primary key, nomer_obrascheniya varchar(20) not null references obrascheniya, avtor_id int references lyudi, tekst text not null, vid smallint not null, pochta varchar(120), sozdano timestamp not null default now());
insert into gruppy (nazvanie) values ('Покупатели'),('Поддержка'),('Роботы');
insert into lyudi (fio,pochta,gruppa_id) values ('Иван Орлов','ivan@pochta.example',1),('Анна Зуева','anna@pochta.example',1),('Олег Бор','oleg@magazin.example',2),('Робот','robot@magazin.example',3),('Ирина Ким','irina@magazin.example',2);
insert into razdely (nazvanie) values ('Поддержка'),('Поставщики');
insert into obrascheniya values ('A-1',1,1,null,null,'Не пришёл заказ','2026-05-01 08:00'),('A-2',1,null,'Пётр','petr@pochta.example','Вопрос о доставке','2026-05-02 08:00'),('A-3',2,2,null,null,'Договор поставки','2026-05-03 08:00'),('A-4',1,2,null,null,'Возврат','2026-05-04 08:00');
insert into otvety (nomer_obrascheniya,avtor_id,tekst,vid,pochta,sozdano) values
 ('A-1',1,'Заказ не пришёл уже неделю.',1,'ivan@pochta.example','2026-05-01 08:00'),
 ('A-1',4,'Ваше обращение принято, ждите ответа.',3,'robot@magazin.example','2026-05-01 08:01'),
 ('A-1',3,'Заказ будет у вас завтра утром.',2,'oleg@magazin.example','2026-05-01 09:00'),
 ('A-1',1,'Спасибо большое, буду ждать.',1,'ivan@pochta.example','2026-05-01 10:00'),
 ('A-2',null,'Возите ли вы в Томск?',1,'petr@pochta.example','2026-05-02 08:00'),
 ('A-2',5,'Да, возим каждую среду.',2,'irina@magazin.example','2026-05-02 09:00'),
 ('A-3',2,'Пришлите договор на подпись, пожалуйста.',1,'anna@pochta.example','2026-05-03 08:00'),
 ('A-4',2,'Хочу вернуть чайник, он течёт.',1,'anna@pochta.example','2026-05-04 08:00'),
 ('A-4',5,'Привозите в любой магазин с чеком.',2,'irina@magazin.example','2026-05-04 09:00');
