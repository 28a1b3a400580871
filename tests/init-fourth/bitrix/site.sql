-- The help desk of a widespread Russian site builder, as it comes on Postgres: no foreign keys, flags are 'Y' and 'N', who writes is a user, and the staff are users in a group. Whoever has no
-- account is named by owner_sid. Hidden messages are the staff's own, log messages the program's.
create table b_user (id serial primary key, login varchar(50) not null, password varchar(255) not null, email varchar(255), active char(1) not null default 'Y', name varchar(50), last_name varchar(50), date_register timestamp not null default now(), personal_phone varchar(255), timestamp_x timestamp);
create table b_group (id serial primary key, name varchar(255) not null, string_id varchar(255), active char(1) not null default 'Y', c_sort int not null default 100);
create table b_user_group (user_id int not null, group_id int not null, date_active_from timestamp, date_active_to timestamp, unique (user_id, group_id));
create table b_ticket_dictionary (id serial primary key, c_type char(1) not null, sid varchar(255), name varchar(255) not null, c_sort int default 100);
create table b_ticket (id serial primary key, site_id char(2) not null default 's1', date_create timestamp, day_create date, timestamp_x timestamp, date_close timestamp, auto_closed char(1), auto_close_days int, category_id int, criticality_id int, status_id int, source_id int,
    title varchar(255) not null, messages int not null default 0, is_spam char(1), owner_user_id int, owner_guest_id int, owner_sid text, created_user_id int, created_guest_id int, created_module_name varchar(255), responsible_user_id int, modified_user_id int, last_message_user_id int, last_message_sid text, support_comments text, hold_on char(1) not null default 'N', is_overdue char(1) not null default 'N');
create table b_ticket_message (id serial primary key, timestamp_x timestamp, date_create timestamp, day_create date, c_number int, ticket_id int not null default 0, is_hidden char(1) not null default 'N', is_log char(1) not null default 'N', is_overdue char(1) not null default 'N', currency varchar(4), message text, message_search text,
    is_spam char(1), external_id int, owner_user_id int, owner_guest_id int, owner_sid text, source_id int, created_user_id int, created_module_name varchar(255), modified_user_id int, task_time int, not_change_status char(1) not null default 'N');
create table b_ticket_message_2_file (id serial primary key, hash varchar(255), message_id int not null default 0, file_id int not null default 0, ticket_id int not null default 0, extension_suffix varchar(255));
create table b_forum_message (id serial primary key, forum_id int not null, topic_id int not null, author_id int, author_name varchar(255), author_email varchar(255), post_message text, post_date timestamp not null, approved char(1) not null default 'Y');
create table b_event_log (id serial primary key, timestamp_x timestamp not null default now(), severity varchar(50) not null, audit_type_id varchar(50) not null, module_id varchar(50) not null, item_id varchar(255) not null, user_id int, description text);
insert into b_user (login, password, email, name, last_name, date_register) values
    ('admin', 'x', 'admin@sait.example', 'Администратор', '', '2026-01-01'),
    ('olga', 'x', 'olga@sait.example', 'Ольга', 'Лебедева', '2026-01-02'),
    ('igor', 'x', 'igor@sait.example', 'Игорь', 'Сомов', '2026-01-03'),
    ('mmorozova', 'x', 'morozova@pochta.example', 'Мария', 'Морозова', '2026-01-04'),
    ('pkuznetsov', 'x', 'kuznetsov@pochta.example', 'Павел', 'Кузнецов', '2026-01-05'),
    ('asidorova', 'x', 'sidorova@pochta.example', 'Анна', 'Сидорова', '2026-01-06'),
    ('dvolkov', 'x', 'volkov@pochta.example', 'Дмитрий', 'Волков', '2026-01-07'),
    ('ezhukova', 'x', 'zhukova@pochta.example', 'Елена', 'Жукова', '2026-01-08');
insert into b_group (name, string_id) values
    ('Администраторы', null),
    ('Все пользователи', null),
    ('Зарегистрированные пользователи', 'REGISTERED_USERS'),
    ('Техподдержка', 'SUPPORT');
insert into b_user_group (user_id, group_id) values (1, 1), (1, 4), (2, 3), (2, 4), (3, 3), (3, 4), (4, 3), (5, 3), (6, 3), (7, 3), (8, 3);
insert into b_ticket_dictionary (c_type, sid, name) values ('S', 'open', 'В работе'), ('S', 'closed', 'Закрыто'), ('C', null, 'Заказы'), ('K', 'low', 'Низкая'), ('R', 'web', 'Сайт');
insert into b_ticket (date_create, day_create, timestamp_x, category_id, criticality_id, status_id, source_id, title, messages, is_spam, owner_user_id, owner_sid, created_user_id, created_module_name, responsible_user_id, last_message_user_id, last_message_sid, hold_on) values
    ('2026-05-01 08:00:00', '2026-05-01', '2026-05-01 09:39:00', 3, 4, 1, 5, 'Не приходит письмо с паролем', 5, null, 4, null, 4, 'support', 2, 4, null, 'N'),
    ('2026-05-02 08:00:00', '2026-05-02', '2026-05-02 09:39:00', 3, 4, 2, 5, 'Оплата не прошла', 3, null, 5, null, 5, 'support', 3, 5, null, 'N'),
    ('2026-05-03 08:00:00', '2026-05-03', '2026-05-03 09:39:00', 3, 4, 1, 5, 'Вопрос с сайта', 3, null, null, 'gost@pochta.example', null, 'support', 2, null, 'gost@pochta.example', 'N'),
    ('2026-05-04 08:00:00', '2026-05-04', '2026-05-04 09:39:00', 3, 4, 2, 5, 'Возврат товара', 3, null, 6, null, 6, 'support', 3, 3, null, 'N'),
    ('2026-05-05 08:00:00', '2026-05-05', '2026-05-05 09:39:00', 3, 4, 1, 5, 'Счёт для юрлица', 3, null, 7, null, 7, 'support', 2, 2, null, 'N'),
    ('2026-05-06 08:00:00', '2026-05-06', '2026-05-06 09:39:00', 3, 4, 2, 5, 'Мой собственный заказ', 2, null, 2, null, 2, 'support', 3, 3, null, 'N'),
    ('2026-05-07 08:00:00', '2026-05-07', '2026-05-07 09:39:00', 3, 4, 1, 5, 'Промокод', 2, null, 8, null, 8, 'support', 2, 3, null, 'N'),
    ('2026-05-08 08:00:00', '2026-05-08', '2026-05-08 09:39:00', 3, 4, 2, 5, 'Продвижение сайтов', 1, 'Y', null, 'reklama@spam.example', null, 'support', 3, null, 'reklama@spam.example', 'N'),
    ('2026-05-09 08:00:00', '2026-05-09', '2026-05-09 09:39:00', 3, 4, 1, 5, 'Смена адреса', 2, null, 4, null, 4, 'support', 2, 2, null, 'N'),
    ('2026-05-10 08:00:00', '2026-05-10', '2026-05-10 09:39:00', 3, 4, 2, 5, 'Ещё раз об оплате', 4, null, 5, null, 5, 'support', 3, 1, null, 'N'),
    ('2026-05-11 08:00:00', '2026-05-11', '2026-05-11 09:39:00', 3, 4, 1, 5, 'Режим работы', 2, null, null, 'nina@gorod.example', null, 'support', 2, 3, null, 'N'),
    ('2026-05-12 08:00:00', '2026-05-12', '2026-05-12 09:39:00', 3, 4, 2, 5, 'Чайник', 2, null, 6, null, 6, 'support', 3, 2, null, 'N'),
    ('2026-05-13 08:00:00', '2026-05-13', '2026-05-13 09:39:00', 3, 4, 1, 5, 'Акт сверки', 1, null, 7, null, 7, 'support', 2, 7, null, 'N'),
    ('2026-05-14 08:00:00', '2026-05-14', '2026-05-14 09:39:00', 3, 4, 2, 5, 'Бонусы', 4, null, 8, null, 8, 'support', 3, 8, null, 'N'),
    ('2026-05-15 08:00:00', '2026-05-15', '2026-05-15 09:39:00', 3, 4, 1, 5, 'Отзыв о магазине', 2, null, 4, null, 4, 'support', 2, 3, null, 'N'),
    ('2026-05-16 08:00:00', '2026-05-16', '2026-05-16 09:39:00', 3, 4, 2, 5, 'Гарантия', 2, 'N', 5, null, 5, 'support', 3, 3, null, 'N');
insert into b_ticket_message (date_create, day_create, c_number, ticket_id, is_hidden, is_log, message, message_search, owner_user_id, owner_sid, source_id, created_user_id, created_module_name) values
    ('2026-05-01 08:00:00', '2026-05-01', 1, 1, 'N', 'N', 'Запросила пароль три раза, письма нет.', 'ЗАПРОСИЛА ПАРОЛЬ ТРИ РАЗА, ПИСЬМА НЕТ.', 4, null, 5, 4, 'support'),
    ('2026-05-01 08:21:00', '2026-05-01', 2, 1, 'Y', 'N', 'Её домен в нашем чёрном списке, убрать.', 'ЕЁ ДОМЕН В НАШЕМ ЧЁРНОМ СПИСКЕ, УБРАТЬ.', 2, null, 5, 2, 'support'),
    ('2026-05-01 08:42:00', '2026-05-01', 3, 1, 'N', 'N', 'Посмотрите сейчас, письмо отправлено.', 'ПОСМОТРИТЕ СЕЙЧАС, ПИСЬМО ОТПРАВЛЕНО.', 2, null, 5, 2, 'support'),
    ('2026-05-01 09:03:00', '2026-05-01', 4, 1, 'N', 'Y', 'Статус изменён: решается клиентом', 'СТАТУС ИЗМЕНЁН: РЕШАЕТСЯ КЛИЕНТОМ', 2, null, 5, 2, 'support'),
    ('2026-05-01 09:24:00', '2026-05-01', 5, 1, 'N', 'N', 'Пришло, спасибо.', 'ПРИШЛО, СПАСИБО.', 4, null, 5, 4, 'support'),
    ('2026-05-02 08:00:00', '2026-05-02', 1, 2, 'N', 'N', 'Деньги списали, а заказ не оплачен.', 'ДЕНЬГИ СПИСАЛИ, А ЗАКАЗ НЕ ОПЛАЧЕН.', 5, null, 5, 5, 'support'),
    ('2026-05-02 08:21:00', '2026-05-02', 2, 2, 'N', 'N', 'Пришлите, пожалуйста, номер операции.', 'ПРИШЛИТЕ, ПОЖАЛУЙСТА, НОМЕР ОПЕРАЦИИ.', 3, null, 5, 3, 'support'),
    ('2026-05-02 08:42:00', '2026-05-02', 3, 2, 'N', 'N', 'Номер операции 880124.', 'НОМЕР ОПЕРАЦИИ 880124.', 5, null, 5, 5, 'support'),
    ('2026-05-03 08:00:00', '2026-05-03', 1, 3, 'N', 'N', 'Доставляете ли вы в Казань?', 'ДОСТАВЛЯЕТЕ ЛИ ВЫ В КАЗАНЬ?', null, 'gost@pochta.example', 5, null, 'support'),
    ('2026-05-03 08:21:00', '2026-05-03', 2, 3, 'N', 'N', 'Да, за три дня.', 'ДА, ЗА ТРИ ДНЯ.', 2, null, 5, 2, 'support'),
    ('2026-05-03 08:42:00', '2026-05-03', 3, 3, 'N', 'N', 'А в Елабугу?', 'А В ЕЛАБУГУ?', null, 'gost@pochta.example', 5, null, 'support'),
    ('2026-05-04 08:00:00', '2026-05-04', 1, 4, 'N', 'N', 'Хочу вернуть чайник, он течёт.', 'ХОЧУ ВЕРНУТЬ ЧАЙНИК, ОН ТЕЧЁТ.', 6, null, 5, 6, 'support'),
    ('2026-05-04 08:21:00', '2026-05-04', 2, 4, 'Y', 'N', 'Партия бракованная, не спорить.', 'ПАРТИЯ БРАКОВАННАЯ, НЕ СПОРИТЬ.', 3, null, 5, 3, 'support'),
    ('2026-05-04 08:42:00', '2026-05-04', 3, 4, 'N', 'N', 'Вернём деньги, курьер приедет завтра.', 'ВЕРНЁМ ДЕНЬГИ, КУРЬЕР ПРИЕДЕТ ЗАВТРА.', 3, null, 5, 3, 'support'),
    ('2026-05-05 08:00:00', '2026-05-05', 1, 5, 'N', 'N', 'Нужен счёт на ООО «Волна».', 'НУЖЕН СЧЁТ НА ООО «ВОЛНА».', 7, null, 5, 7, 'support'),
    ('2026-05-05 08:21:00', '2026-05-05', 2, 5, 'N', 'N', 'Счёт во вложении.', 'СЧЁТ ВО ВЛОЖЕНИИ.', 2, null, 5, 2, 'support'),
    ('2026-05-05 08:42:00', '2026-05-05', 3, 5, 'N', 'Y', 'Критичность изменена: низкая', 'КРИТИЧНОСТЬ ИЗМЕНЕНА: НИЗКАЯ', 2, null, 5, 2, 'support'),
    ('2026-05-06 08:00:00', '2026-05-06', 1, 6, 'N', 'N', 'Я тоже покупатель: где мой заказ 5512?', 'Я ТОЖЕ ПОКУПАТЕЛЬ: ГДЕ МОЙ ЗАКАЗ 5512?', 2, null, 5, 2, 'support'),
    ('2026-05-06 08:21:00', '2026-05-06', 2, 6, 'N', 'N', 'Оля, он на складе.', 'ОЛЯ, ОН НА СКЛАДЕ.', 3, null, 5, 3, 'support'),
    ('2026-05-07 08:00:00', '2026-05-07', 1, 7, 'N', 'N', 'Промокод ВЕСНА не действует.', 'ПРОМОКОД ВЕСНА НЕ ДЕЙСТВУЕТ.', 8, null, 5, 8, 'support'),
    ('2026-05-07 08:21:00', '2026-05-07', 2, 7, 'N', 'N', 'Он действовал до первого мая.', 'ОН ДЕЙСТВОВАЛ ДО ПЕРВОГО МАЯ.', 3, null, 5, 3, 'support'),
    ('2026-05-08 08:00:00', '2026-05-08', 1, 8, 'N', 'N', 'Выведем ваш сайт в топ за неделю!', 'ВЫВЕДЕМ ВАШ САЙТ В ТОП ЗА НЕДЕЛЮ!', null, 'reklama@spam.example', 5, null, 'support'),
    ('2026-05-09 08:00:00', '2026-05-09', 1, 9, 'N', 'N', 'Как поменять адрес доставки?', 'КАК ПОМЕНЯТЬ АДРЕС ДОСТАВКИ?', 4, null, 5, 4, 'support'),
    ('2026-05-09 08:21:00', '2026-05-09', 2, 9, 'N', 'N', 'В личном кабинете, раздел «Адреса».', 'В ЛИЧНОМ КАБИНЕТЕ, РАЗДЕЛ «АДРЕСА».', 2, null, 5, 2, 'support'),
    ('2026-05-10 08:00:00', '2026-05-10', 1, 10, 'N', 'N', 'Прошла неделя, деньги не вернулись.', 'ПРОШЛА НЕДЕЛЯ, ДЕНЬГИ НЕ ВЕРНУЛИСЬ.', 5, null, 5, 5, 'support'),
    ('2026-05-10 08:21:00', '2026-05-10', 2, 10, 'Y', 'N', 'Бухгалтерия забыла, я напомнил.', 'БУХГАЛТЕРИЯ ЗАБЫЛА, Я НАПОМНИЛ.', 3, null, 5, 3, 'support'),
    ('2026-05-10 08:42:00', '2026-05-10', 3, 10, 'N', 'N', 'Возврат отправлен сегодня.', 'ВОЗВРАТ ОТПРАВЛЕН СЕГОДНЯ.', 1, null, 5, 1, 'support'),
    ('2026-05-10 09:03:00', '2026-05-10', 4, 10, 'N', 'Y', 'Ответственный изменён: Игорь Сомов', 'ОТВЕТСТВЕННЫЙ ИЗМЕНЁН: ИГОРЬ СОМОВ', 1, null, 5, 1, 'support'),
    ('2026-05-11 08:00:00', '2026-05-11', 1, 11, 'N', 'N', 'Работаете ли вы в воскресенье?', 'РАБОТАЕТЕ ЛИ ВЫ В ВОСКРЕСЕНЬЕ?', null, 'nina@gorod.example', 5, null, 'support'),
    ('2026-05-11 08:21:00', '2026-05-11', 2, 11, 'N', 'N', 'Да, с десяти до шести.', 'ДА, С ДЕСЯТИ ДО ШЕСТИ.', 3, null, 5, 3, 'support'),
    ('2026-05-12 08:00:00', '2026-05-12', 1, 12, 'N', 'N', 'Курьер не приехал.', 'КУРЬЕР НЕ ПРИЕХАЛ.', 6, null, 5, 6, 'support'),
    ('2026-05-12 08:21:00', '2026-05-12', 2, 12, 'N', 'N', 'Приедет сегодня до обеда, извините.', 'ПРИЕДЕТ СЕГОДНЯ ДО ОБЕДА, ИЗВИНИТЕ.', 2, null, 5, 2, 'support'),
    ('2026-05-13 08:00:00', '2026-05-13', 1, 13, 'N', 'N', 'Пришлите акт сверки за апрель.', 'ПРИШЛИТЕ АКТ СВЕРКИ ЗА АПРЕЛЬ.', 7, null, 5, 7, 'support'),
    ('2026-05-14 08:00:00', '2026-05-14', 1, 14, 'N', 'N', 'Почему сгорели бонусы?', 'ПОЧЕМУ СГОРЕЛИ БОНУСЫ?', 8, null, 5, 8, 'support'),
    ('2026-05-14 08:21:00', '2026-05-14', 2, 14, 'Y', 'N', 'Сгорели по ошибке, вернуть 300.', 'СГОРЕЛИ ПО ОШИБКЕ, ВЕРНУТЬ 300.', 2, null, 5, 2, 'support'),
    ('2026-05-14 08:42:00', '2026-05-14', 3, 14, 'N', 'N', 'Мы вернули вам триста бонусов.', 'МЫ ВЕРНУЛИ ВАМ ТРИСТА БОНУСОВ.', 2, null, 5, 2, 'support'),
    ('2026-05-14 09:03:00', '2026-05-14', 4, 14, 'N', 'N', 'Спасибо большое!', 'СПАСИБО БОЛЬШОЕ!', 8, null, 5, 8, 'support'),
    ('2026-05-15 08:00:00', '2026-05-15', 1, 15, 'N', 'N', 'Где оставить отзыв?', 'ГДЕ ОСТАВИТЬ ОТЗЫВ?', 4, null, 5, 4, 'support'),
    ('2026-05-15 08:21:00', '2026-05-15', 2, 15, 'N', 'N', 'Под любым товаром.', 'ПОД ЛЮБЫМ ТОВАРОМ.', 3, null, 5, 3, 'support'),
    ('2026-05-16 08:00:00', '2026-05-16', 1, 16, 'N', 'N', 'Какая гарантия на утюг?', 'КАКАЯ ГАРАНТИЯ НА УТЮГ?', 5, null, 5, 5, 'support'),
    ('2026-05-16 08:21:00', '2026-05-16', 2, 16, 'N', 'N', 'Два года.', 'ДВА ГОДА.', 3, null, 5, 3, 'support');
insert into b_ticket_message_2_file (hash, message_id, file_id, ticket_id) values
    ('6f1c', 13, 41, 5);
insert into b_forum_message (forum_id, topic_id, author_id, author_name, author_email, post_message, post_date) values
    (1, 1, 4, 'Мария', 'morozova@pochta.example', 'Отличный магазин!', '2026-05-03 08:00:00'),
    (1, 1, 2, 'Ольга', 'olga@sait.example', 'Спасибо за отзыв.', '2026-05-04 08:00:00');
