-- Cyrillic names throughout.
create table "клиенты" ("код" serial primary key, "фио" text not null, "почта" text not null, "телефон" text);
create table "обращения" ("код" serial primary key, "клиент" int not null references "клиенты", "тема" text not null, "статус" text not null default 'новое', "создано" timestamptz not null default now());
create table "сообщения" ("код" serial primary key, "обращение" int not null references "обращения", "автор" text not null, "текст" text not null, "внутреннее" boolean not null default false, "создано" timestamptz not null default now());
insert into "клиенты" ("фио", "почта") values ('Анна Смирнова', 'anna@primer.example'), ('Олег Попов', 'oleg@primer.example');
insert into "обращения" ("клиент", "тема") values (1, 'Не работает вход'), (2, 'Вопрос по счёту');
insert into "сообщения" ("обращение", "автор", "текст", "внутреннее") values (1, 'клиент', 'Пароль не подходит со вчерашнего дня.', false), (1, 'оператор', 'Мы сбросили ваш пароль.', false),
    (1, 'оператор', 'Опять проблема с базой, тише.', true), (2, 'клиент', 'Почему в счёте лишняя строка?', false), (2, 'оператор', 'Сейчас исправим и пришлём новый.', false);
