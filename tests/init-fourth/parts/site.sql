-- A Rails messenger: people of all sorts in one table (single table inheritance), parts of conversations alike, of which comments alone are what was said: notes, assignments and changes
-- of the state are parts, too. The bot speaks to customers, drafts have a table of their own, a conversation need not have a title.
create table people (id bigserial primary key, type varchar not null, email varchar, name varchar, phone varchar, anonymous_token varchar, last_seen_at timestamp(6), created_at timestamp(6) not null, updated_at timestamp(6) not null);
create table inboxes (id bigserial primary key, name varchar not null, email_address varchar not null, created_at timestamp(6) not null, updated_at timestamp(6) not null);
create table conversations (id bigserial primary key, inbox_id bigint not null references inboxes, contact_id bigint not null references people, assignee_id bigint references people, title varchar, state varchar not null default 'open', spam boolean not null default false,
    parts_count integer not null default 0, snoozed_until timestamp(6), created_at timestamp(6) not null, updated_at timestamp(6) not null);
create table conversation_parts (id bigserial primary key, conversation_id bigint not null references conversations, type varchar not null, author_id bigint references people, body text, redacted_at timestamp(6), metadata jsonb not null default '{}', created_at timestamp(6) not null, updated_at timestamp(6) not null);
create table draft_replies (id bigserial primary key, conversation_id bigint not null references conversations, author_id bigint not null references people, body text not null, created_at timestamp(6) not null, updated_at timestamp(6) not null);
create table conversation_tags (conversation_id bigint not null references conversations, tag varchar not null, primary key (conversation_id, tag));
create table active_storage_blobs (id bigserial primary key, key varchar not null unique, filename varchar not null, content_type varchar, metadata text, service_name varchar not null, byte_size bigint not null, checksum varchar, created_at timestamp(6) not null);
create table active_storage_attachments (id bigserial primary key, name varchar not null, record_type varchar not null, record_id bigint not null, blob_id bigint not null references active_storage_blobs, created_at timestamp(6) not null);
create table schema_migrations (version varchar primary key);
create table ar_internal_metadata (key varchar primary key, value varchar, created_at timestamp(6) not null, updated_at timestamp(6) not null);
insert into people (type, email, name, phone, created_at, updated_at) values
    ('Teammate', 'lena@desk.example', 'Lena Voss', null, '2026-02-01', '2026-02-01'),
    ('Teammate', 'omar@desk.example', 'Omar Haddad', null, '2026-02-02', '2026-02-02'),
    ('Contact::User', 'i.fischer@kunde.example', 'Ines Fischer', null, '2026-02-03', '2026-02-03'),
    ('Contact::User', 'paul@werk.example', 'Paul Werk', '+4915112345601', '2026-02-04', '2026-02-04'),
    ('Contact::User', 'c.maurer@kunde.example', 'Clara Maurer', null, '2026-02-05', '2026-02-05'),
    ('Contact::User', 'tim@kunde.example', 'Tim Roth', null, '2026-02-06', '2026-02-06'),
    ('Contact::Lead', 'neugier@post.example', 'Neugierige Nutzerin', null, '2026-02-07', '2026-02-07'),
    ('Contact::Lead', null, 'Visitor 7731', '+4915112345699', '2026-02-08', '2026-02-08'),
    ('Contact::Lead', null, 'Visitor 9001', null, '2026-02-09', '2026-02-09'),
    ('Bot', null, 'Finch', null, '2026-02-10', '2026-02-10'),
    ('Contact::User', 'sven@kunde.example', 'Sven Adler', null, '2026-02-11', '2026-02-11');
insert into inboxes (name, email_address, created_at, updated_at) values
    ('Messenger', 'hallo@desk.example', '2026-01-01', '2026-01-01');
insert into conversations (inbox_id, contact_id, assignee_id, title, state, spam, parts_count, created_at, updated_at) values
    (1, 3, null, 'Export as CSV', 'open', false, 5, '2026-05-01 08:00:00', '2026-05-01 09:39:00'),
    (1, 4, 2, null, 'closed', false, 3, '2026-05-02 08:00:00', '2026-05-02 09:39:00'),
    (1, 5, 1, 'Billing', 'open', false, 4, '2026-05-03 08:00:00', '2026-05-03 09:39:00'),
    (1, 7, null, null, 'open', false, 3, '2026-05-04 08:00:00', '2026-05-04 09:39:00'),
    (1, 6, 1, 'SSO', 'snoozed', false, 4, '2026-05-05 08:00:00', '2026-05-05 09:39:00'),
    (1, 8, 2, null, 'open', false, 2, '2026-05-06 08:00:00', '2026-05-06 09:39:00'),
    (1, 9, null, null, 'open', false, 1, '2026-05-07 08:00:00', '2026-05-07 09:39:00'),
    (1, 1, 2, 'Trying out our own messenger', 'open', false, 2, '2026-05-08 08:00:00', '2026-05-08 09:39:00'),
    (1, 11, 1, 'Slow dashboard', 'open', false, 5, '2026-05-09 08:00:00', '2026-05-09 09:39:00'),
    (1, 4, null, 'Android again', 'open', false, 4, '2026-05-10 08:00:00', '2026-05-10 09:39:00'),
    (1, 7, 1, 'Win 1000 coins now', 'open', true, 1, '2026-05-11 08:00:00', '2026-05-11 09:39:00'),
    (1, 3, 2, 'Invoice copy', 'closed', false, 3, '2026-05-12 08:00:00', '2026-05-12 09:39:00'),
    (1, 5, null, null, 'open', false, 3, '2026-05-13 08:00:00', '2026-05-13 09:39:00'),
    (1, 6, 2, 'Keyboard shortcuts', 'open', false, 2, '2026-05-14 08:00:00', '2026-05-14 09:39:00'),
    (1, 11, 1, 'API limit', 'open', false, 4, '2026-05-15 08:00:00', '2026-05-15 09:39:00'),
    (1, 4, null, 'Dark mode', 'open', false, 1, '2026-05-16 08:00:00', '2026-05-16 09:39:00');
insert into conversation_parts (conversation_id, type, author_id, body, redacted_at, metadata, created_at, updated_at) values
    (1, 'ConversationPart::Comment', 3, 'Can I export all projects as CSV?', null, '{}', '2026-05-01 08:00:00', '2026-05-01 08:00:00'),
    (1, 'ConversationPart::Comment', 10, 'Hi, I am Finch. A colleague will be with you in about ten minutes.', null, '{}', '2026-05-01 08:13:00', '2026-05-01 08:13:00'),
    (1, 'ConversationPart::Assignment', 1, 'Omar, you know the export best', null, '{}', '2026-05-01 08:26:00', '2026-05-01 08:26:00'),
    (1, 'ConversationPart::Comment', 2, 'Yes, under Settings, Export.', null, '{}', '2026-05-01 08:39:00', '2026-05-01 08:39:00'),
    (1, 'ConversationPart::Comment', 3, 'Found it, thanks!', null, '{}', '2026-05-01 08:52:00', '2026-05-01 08:52:00'),
    (2, 'ConversationPart::Comment', 4, 'Where is the app for Android?', null, '{}', '2026-05-02 08:00:00', '2026-05-02 08:00:00'),
    (2, 'ConversationPart::Comment', 1, 'It is in the store since Tuesday.', null, '{}', '2026-05-02 08:13:00', '2026-05-02 08:13:00'),
    (2, 'ConversationPart::StateChange', 1, null, null, '{"from": "open", "to": "closed"}', '2026-05-02 08:26:00', '2026-05-02 08:26:00'),
    (3, 'ConversationPart::Comment', 5, 'I was charged twice in May.', null, '{}', '2026-05-03 08:00:00', '2026-05-03 08:00:00'),
    (3, 'ConversationPart::Note', 1, 'She has two workspaces, both on the same card.', null, '{}', '2026-05-03 08:13:00', '2026-05-03 08:13:00'),
    (3, 'ConversationPart::Comment', 1, 'You have two workspaces, shall we close the second?', null, '{}', '2026-05-03 08:26:00', '2026-05-03 08:26:00'),
    (3, 'ConversationPart::Comment', 5, 'Yes please, the one called test.', null, '{}', '2026-05-03 08:39:00', '2026-05-03 08:39:00'),
    (4, 'ConversationPart::Comment', 7, 'Is there a free plan?', null, '{}', '2026-05-04 08:00:00', '2026-05-04 08:00:00'),
    (4, 'ConversationPart::Comment', 10, 'There is one for up to three people. Did that help?', null, '{}', '2026-05-04 08:13:00', '2026-05-04 08:13:00'),
    (4, 'ConversationPart::Comment', 7, 'It did.', null, '{}', '2026-05-04 08:26:00', '2026-05-04 08:26:00'),
    (5, 'ConversationPart::Comment', 6, 'Do you support SAML with Keycloak?', null, '{}', '2026-05-05 08:00:00', '2026-05-05 08:00:00'),
    (5, 'ConversationPart::Note', 2, 'Not before Q4, do not promise anything.', null, '{}', '2026-05-05 08:13:00', '2026-05-05 08:13:00'),
    (5, 'ConversationPart::Comment', 2, 'Not yet, we have noted your interest.', null, '{}', '2026-05-05 08:26:00', '2026-05-05 08:26:00'),
    (5, 'ConversationPart::StateChange', 2, null, null, '{"from": "open", "to": "closed"}', '2026-05-05 08:39:00', '2026-05-05 08:39:00'),
    (6, 'ConversationPart::Comment', 8, 'Can somebody call me back today?', null, '{}', '2026-05-06 08:00:00', '2026-05-06 08:00:00'),
    (6, 'ConversationPart::Comment', 1, 'Lena will call you at four.', null, '{}', '2026-05-06 08:13:00', '2026-05-06 08:13:00'),
    (7, 'ConversationPart::Comment', 9, 'hello?', null, '{}', '2026-05-07 08:00:00', '2026-05-07 08:00:00'),
    (8, 'ConversationPart::Comment', 1, 'A question of my own, written as any user would.', null, '{}', '2026-05-08 08:00:00', '2026-05-08 08:00:00'),
    (8, 'ConversationPart::Comment', 2, 'Works, I see it in the inbox.', null, '{}', '2026-05-08 08:13:00', '2026-05-08 08:13:00'),
    (9, 'ConversationPart::Comment', 11, 'The dashboard takes a minute to load.', null, '{}', '2026-05-09 08:00:00', '2026-05-09 08:00:00'),
    (9, 'ConversationPart::Comment', 11, 'our admin password is sunflower9, look yourself', '2026-05-09 08:43:00', '{}', '2026-05-09 08:13:00', '2026-05-09 08:13:00'),
    (9, 'ConversationPart::Note', 1, 'Customer sent a password, redacted it.', null, '{}', '2026-05-09 08:26:00', '2026-05-09 08:26:00'),
    (9, 'ConversationPart::Comment', 1, 'We look into it, please never send passwords.', null, '{}', '2026-05-09 08:39:00', '2026-05-09 08:39:00'),
    (9, 'ConversationPart::Comment', 11, 'Sorry! It is faster now.', null, '{}', '2026-05-09 08:52:00', '2026-05-09 08:52:00'),
    (10, 'ConversationPart::Comment', 4, 'The app closes when I open a photo.', null, '{}', '2026-05-10 08:00:00', '2026-05-10 08:00:00'),
    (10, 'ConversationPart::Assignment', 1, null, null, '{}', '2026-05-10 08:13:00', '2026-05-10 08:13:00'),
    (10, 'ConversationPart::Comment', 2, 'Which phone is it?', null, '{}', '2026-05-10 08:26:00', '2026-05-10 08:26:00'),
    (10, 'ConversationPart::Comment', 4, 'A Pixel 9.', null, '{}', '2026-05-10 08:39:00', '2026-05-10 08:39:00'),
    (11, 'ConversationPart::Comment', 7, 'Click here for your prize http://coins.example', null, '{}', '2026-05-11 08:00:00', '2026-05-11 08:00:00'),
    (12, 'ConversationPart::Comment', 3, 'I need a copy of the invoice of March.', null, '{}', '2026-05-12 08:00:00', '2026-05-12 08:00:00'),
    (12, 'ConversationPart::Comment', 1, 'It is attached.', null, '{}', '2026-05-12 08:13:00', '2026-05-12 08:13:00'),
    (12, 'ConversationPart::StateChange', 1, null, null, '{"from": "open", "to": "closed"}', '2026-05-12 08:26:00', '2026-05-12 08:26:00'),
    (13, 'ConversationPart::Comment', 5, 'Is the second workspace closed?', null, '{}', '2026-05-13 08:00:00', '2026-05-13 08:00:00'),
    (13, 'ConversationPart::Note', 2, 'Closed it on Monday, refund is on its way.', null, '{}', '2026-05-13 08:13:00', '2026-05-13 08:13:00'),
    (13, 'ConversationPart::Comment', 2, 'Yes, and the refund takes three days.', null, '{}', '2026-05-13 08:26:00', '2026-05-13 08:26:00'),
    (14, 'ConversationPart::Comment', 6, 'Is there a list of shortcuts?', null, '{}', '2026-05-14 08:00:00', '2026-05-14 08:00:00'),
    (14, 'ConversationPart::Comment', 10, 'Press ? on any page.', null, '{}', '2026-05-14 08:13:00', '2026-05-14 08:13:00'),
    (15, 'ConversationPart::Comment', 11, 'How many calls a minute may we make?', null, '{}', '2026-05-15 08:00:00', '2026-05-15 08:00:00'),
    (15, 'ConversationPart::Comment', 2, 'Six hundred on your plan.', null, '{}', '2026-05-15 08:13:00', '2026-05-15 08:13:00'),
    (15, 'ConversationPart::Comment', 11, 'And on the next plan?', null, '{}', '2026-05-15 08:26:00', '2026-05-15 08:26:00'),
    (15, 'ConversationPart::Comment', 2, 'Three thousand.', null, '{}', '2026-05-15 08:39:00', '2026-05-15 08:39:00'),
    (16, 'ConversationPart::Comment', 4, 'Please add a dark mode.', null, '{}', '2026-05-16 08:00:00', '2026-05-16 08:00:00');
insert into draft_replies (conversation_id, author_id, body, created_at, updated_at) values
    (13, 1, 'The refund was refused by', '2026-05-13 08:50:00', '2026-05-13 08:50:00'),
    (16, 2, 'We will never', '2026-05-16 08:50:00', '2026-05-16 08:50:00');
insert into conversation_tags values (1, 'export'), (5, 'sso');
insert into schema_migrations values ('20260101000000');
