-- A bot for messengers: telephone numbers alone, no users table.
create table conversations (id bigint primary key generated always as identity, phone text not null, display_name text, bot_paused boolean not null default false, started_at timestamptz not null default now());
create table conversation_messages (id bigint primary key generated always as identity, conversation_id bigint not null references conversations, direction text not null, message_text text, media_url text, provider_id text, sent_at timestamptz not null default now());
insert into conversations (phone, display_name) values ('+905550000001', 'Can'), ('+905550000002', 'Deniz');
insert into conversation_messages (conversation_id, direction, message_text) values (1, 'inbound', 'Merhaba, randevu almak istiyorum.'), (1, 'outbound', 'Hangi gün size uygun olur?'), (2, 'inbound', 'Fiyat listesi var mı sizde?');
