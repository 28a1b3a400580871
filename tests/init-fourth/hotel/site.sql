-- A hotel's guest messages, Prisma's camel case throughout: the words are JSON, the table of messages is partitioned by month, a request comes from a booking's guest or from somebody who has not booked, and what
-- the staff ask of each other are requests as well.
create type "SenderRole" as enum ('GUEST', 'STAFF', 'BOT', 'NOTE', 'SYSTEM');
create type "DeliveryStatus" as enum ('DRAFT', 'SCHEDULED', 'SENT', 'FAILED');
create table "Property" (id text primary key, name text not null, "replyEmail" text not null, timezone text not null default 'Europe/Lisbon');
create table "Guest" (id text primary key, "fullName" text not null, email text, phone text, locale text not null default 'en', "createdAt" timestamp(3) not null default current_timestamp);
create table "StaffMember" (id text primary key, "propertyId" text not null references "Property", name text not null, email text not null unique, "isActive" boolean not null default true);
create table "Reservation" (id text primary key, code text not null unique, "guestId" text not null references "Guest", "propertyId" text not null references "Property", "checkIn" date not null, "checkOut" date not null, notes text);
create table "GuestRequest" (id text primary key, "propertyId" text not null references "Property", "reservationId" text references "Reservation", "bookerName" text, "bookerEmail" text, title text not null, department text not null default 'desk', "isInternal" boolean not null default false,
    "assigneeId" text references "StaffMember", "closedAt" timestamp(3), "createdAt" timestamp(3) not null default current_timestamp, "updatedAt" timestamp(3) not null);
create table "RequestMessage" (id text not null, "requestId" text not null references "GuestRequest", "senderRole" "SenderRole" not null, "staffId" text references "StaffMember", payload jsonb not null, status "DeliveryStatus" not null default 'SENT', "deletedAt" timestamp(3), "createdAt" timestamp(3) not null default current_timestamp,
    primary key (id, "createdAt")) partition by range ("createdAt");
create table "RequestMessage_2026_05" partition of "RequestMessage" for values from ('2026-05-01') to ('2026-06-01');
create table "RequestMessage_default" partition of "RequestMessage" default;
create table "MessageReceipt" (id text primary key, "messageId" text not null, "deliveredAt" timestamp(3), "readAt" timestamp(3));
create table "MessageTemplate" (id text primary key, "propertyId" text not null references "Property", name text not null, payload jsonb not null);
create table "_prisma_migrations" (id varchar(36) primary key, checksum varchar(64) not null, finished_at timestamptz, migration_name varchar(255) not null, logs text, started_at timestamptz not null default now(), applied_steps_count integer not null default 0);
insert into "Property" (id, name, "replyEmail") values
    ('clp1', 'Seaview', 'stay@seaview.example');
insert into "Guest" (id, "fullName", email, phone) values
    ('clg00000001guest', 'Nora Lind', 'nora.lind@mail.example', '+46700000001'),
    ('clg00000002guest', 'Mateo Ruiz', 'mateo@mail.example', null),
    ('clg00000003guest', 'Chloé Petit', 'chloe.petit@mail.example', '+33600000003'),
    ('clg00000004guest', 'Ken Abe', null, '+81900000004'),
    ('clg00000005guest', 'Ada Novak', 'ada.novak@mail.example', null),
    ('clg00000006guest', 'Iris Bloom', 'iris@seaview.example', null);
insert into "StaffMember" (id, "propertyId", name, email) values
    ('cls00000001staff', 'clp1', 'Iris Bloom', 'iris@seaview.example'),
    ('cls00000002staff', 'clp1', 'Joel Park', 'joel@seaview.example');
insert into "Reservation" (id, code, "guestId", "propertyId", "checkIn", "checkOut") values
    ('clr00000001resv', 'SV-701', 'clg00000001guest', 'clp1', '2026-06-01', '2026-06-04'),
    ('clr00000002resv', 'SV-702', 'clg00000002guest', 'clp1', '2026-06-02', '2026-06-05'),
    ('clr00000003resv', 'SV-703', 'clg00000003guest', 'clp1', '2026-06-03', '2026-06-06'),
    ('clr00000004resv', 'SV-704', 'clg00000004guest', 'clp1', '2026-06-04', '2026-06-07'),
    ('clr00000005resv', 'SV-705', 'clg00000005guest', 'clp1', '2026-06-05', '2026-06-08'),
    ('clr00000006resv', 'SV-706', 'clg00000006guest', 'clp1', '2026-06-06', '2026-06-09');
insert into "GuestRequest" (id, "propertyId", "reservationId", "bookerName", "bookerEmail", title, "isInternal", "assigneeId", "createdAt", "updatedAt") values
    ('clq00000001reqs', 'clp1', 'clr00000001resv', null, null, 'Late check-in', false, null, '2026-05-01 08:00:00', '2026-05-01 09:39:00'),
    ('clq00000002reqs', 'clp1', 'clr00000002resv', null, null, 'Parking', false, 'cls00000002staff', '2026-05-02 08:00:00', '2026-05-02 09:39:00'),
    ('clq00000003reqs', 'clp1', null, 'Otto Kern', 'otto.kern@mail.example', 'Group of twelve', false, 'cls00000001staff', '2026-05-03 08:00:00', '2026-05-03 09:39:00'),
    ('clq00000004reqs', 'clp1', 'clr00000003resv', null, null, 'Crib', false, null, '2026-05-04 08:00:00', '2026-05-04 09:39:00'),
    ('clq00000005reqs', 'clp1', 'clr00000004resv', null, null, 'Airport transfer', false, 'cls00000001staff', '2026-05-05 08:00:00', '2026-05-05 09:39:00'),
    ('clq00000006reqs', 'clp1', 'clr00000001resv', null, null, 'Room 12: shower leaks', true, 'cls00000002staff', '2026-05-06 08:00:00', '2026-05-06 09:39:00'),
    ('clq00000007reqs', 'clp1', 'clr00000005resv', null, null, 'Allergy', false, null, '2026-05-07 08:00:00', '2026-05-07 09:39:00'),
    ('clq00000008reqs', 'clp1', null, 'Zoe Hart', 'zoe@mail.example', 'Gift voucher', false, 'cls00000002staff', '2026-05-08 08:00:00', '2026-05-08 09:39:00'),
    ('clq00000009reqs', 'clp1', 'clr00000002resv', null, null, 'Lost scarf', false, 'cls00000001staff', '2026-05-09 08:00:00', '2026-05-09 09:39:00'),
    ('clq00000010reqs', 'clp1', 'clr00000003resv', null, null, 'Invoice', false, null, '2026-05-10 08:00:00', '2026-05-10 09:39:00'),
    ('clq00000011reqs', 'clp1', 'clr00000006resv', null, null, 'My own stay', false, 'cls00000001staff', '2026-05-11 08:00:00', '2026-05-11 09:39:00'),
    ('clq00000012reqs', 'clp1', 'clr00000005resv', null, null, 'Bicycles', false, 'cls00000002staff', '2026-05-12 08:00:00', '2026-05-12 09:39:00'),
    ('clq00000013reqs', 'clp1', 'clr00000004resv', null, null, 'Late check-out', false, null, '2026-05-13 08:00:00', '2026-05-13 09:39:00'),
    ('clq00000014reqs', 'clp1', 'clr00000001resv', null, null, 'Breakfast times', false, 'cls00000002staff', '2026-05-14 08:00:00', '2026-05-14 09:39:00'),
    ('clq00000015reqs', 'clp1', null, 'Pia Holm', 'pia.holm@mail.example', 'Dogs', false, 'cls00000001staff', '2026-05-15 08:00:00', '2026-05-15 09:39:00'),
    ('clq00000016reqs', 'clp1', 'clr00000002resv', null, null, 'Wifi', false, null, '2026-05-16 08:00:00', '2026-05-16 09:39:00');
insert into "RequestMessage" (id, "requestId", "senderRole", "staffId", payload, status, "deletedAt", "createdAt") values
    ('clm00000001msgs', 'clq00000001reqs', 'GUEST', null, '{"type": "text", "text": "We land at eleven at night, can we still check in?"}', 'SENT', null, '2026-05-01 08:00:00'),
    ('clm00000002msgs', 'clq00000001reqs', 'BOT', null, '{"type": "text", "text": "Thanks for your message! The desk answers within an hour.", "intent": "faq"}', 'SENT', null, '2026-05-01 08:09:00'),
    ('clm00000003msgs', 'clq00000001reqs', 'STAFF', 'cls00000002staff', '{"type": "text", "text": "Of course, the night porter lets you in."}', 'SENT', null, '2026-05-01 08:18:00'),
    ('clm00000004msgs', 'clq00000001reqs', 'SYSTEM', null, '{"type": "event", "name": "assigned"}', 'SENT', null, '2026-05-01 08:27:00'),
    ('clm00000005msgs', 'clq00000002reqs', 'GUEST', null, '{"type": "text", "text": "Is there parking for a van?"}', 'SENT', null, '2026-05-02 08:00:00'),
    ('clm00000006msgs', 'clq00000002reqs', 'STAFF', 'cls00000001staff', '{"type": "text", "text": "The garage is 1.90 m so maybe"}', 'DRAFT', null, '2026-05-02 08:09:00'),
    ('clm00000007msgs', 'clq00000002reqs', 'STAFF', 'cls00000001staff', '{"type": "text", "text": "The garage is 1.90 m high, the yard behind has room."}', 'SENT', null, '2026-05-02 08:18:00'),
    ('clm00000008msgs', 'clq00000002reqs', 'GUEST', null, '{"type": "text", "text": "The yard is fine."}', 'SENT', null, '2026-05-02 08:27:00'),
    ('clm00000009msgs', 'clq00000003reqs', 'GUEST', null, '{"type": "text", "text": "We are twelve and would like to have dinner on Friday."}', 'SENT', null, '2026-05-03 08:00:00'),
    ('clm00000010msgs', 'clq00000003reqs', 'NOTE', 'cls00000002staff', '{"type": "text", "text": "Last year they left without paying the wine."}', 'SENT', null, '2026-05-03 08:09:00'),
    ('clm00000011msgs', 'clq00000003reqs', 'STAFF', 'cls00000002staff', '{"type": "text", "text": "Friday at seven works, we ask for a deposit."}', 'SENT', null, '2026-05-03 08:18:00'),
    ('clm00000012msgs', 'clq00000004reqs', 'GUEST', null, '{"type": "text", "text": "Could you put a crib in the room?"}', 'SENT', null, '2026-05-04 08:00:00'),
    ('clm00000013msgs', 'clq00000004reqs', 'STAFF', 'cls00000001staff', '{"type": "text", "text": "It will be there."}', 'SENT', null, '2026-05-04 08:09:00'),
    ('clm00000014msgs', 'clq00000005reqs', 'GUEST', null, '{"type": "text", "text": "Please book a taxi from the airport."}', 'SENT', null, '2026-05-05 08:00:00'),
    ('clm00000015msgs', 'clq00000005reqs', 'STAFF', 'cls00000002staff', '{"type": "text", "text": "Your taxi is on its way."}', 'SCHEDULED', null, '2026-05-05 08:09:00'),
    ('clm00000016msgs', 'clq00000005reqs', 'STAFF', 'cls00000002staff', '{"type": "text", "text": "Booked, the driver has your name."}', 'SENT', null, '2026-05-05 08:18:00'),
    ('clm00000017msgs', 'clq00000006reqs', 'STAFF', 'cls00000001staff', '{"type": "text", "text": "Housekeeping says the shower in 12 leaks again."}', 'SENT', null, '2026-05-06 08:00:00'),
    ('clm00000018msgs', 'clq00000006reqs', 'STAFF', 'cls00000002staff', '{"type": "text", "text": "Plumber comes on Tuesday."}', 'SENT', null, '2026-05-06 08:09:00'),
    ('clm00000019msgs', 'clq00000007reqs', 'GUEST', null, '{"type": "text", "text": "My son is allergic to nuts."}', 'SENT', null, '2026-05-07 08:00:00'),
    ('clm00000020msgs', 'clq00000007reqs', 'STAFF', 'cls00000001staff', '{"type": "text", "text": "Which room was it again?"}', 'SENT', '2026-05-07 08:13:00', '2026-05-07 08:09:00'),
    ('clm00000021msgs', 'clq00000007reqs', 'STAFF', 'cls00000001staff', '{"type": "text", "text": "The kitchen knows, thank you for telling us."}', 'SENT', null, '2026-05-07 08:18:00'),
    ('clm00000022msgs', 'clq00000008reqs', 'GUEST', null, '{"type": "text", "text": "Do you sell vouchers?"}', 'SENT', null, '2026-05-08 08:00:00'),
    ('clm00000023msgs', 'clq00000008reqs', 'BOT', null, '{"type": "text", "text": "You find vouchers at seaview.example/vouchers.", "intent": "faq"}', 'SENT', null, '2026-05-08 08:09:00'),
    ('clm00000024msgs', 'clq00000008reqs', 'GUEST', null, '{"type": "text", "text": "Great, thank you."}', 'SENT', null, '2026-05-08 08:18:00'),
    ('clm00000025msgs', 'clq00000009reqs', 'GUEST', null, '{"type": "text", "text": "I left a green scarf in the breakfast room."}', 'SENT', null, '2026-05-09 08:00:00'),
    ('clm00000026msgs', 'clq00000009reqs', 'STAFF', 'cls00000002staff', '{"type": "text", "text": "We have it here."}', 'FAILED', null, '2026-05-09 08:09:00'),
    ('clm00000027msgs', 'clq00000009reqs', 'STAFF', 'cls00000002staff', '{"type": "text", "text": "We have it, shall we post it?"}', 'SENT', null, '2026-05-09 08:18:00'),
    ('clm00000028msgs', 'clq00000009reqs', 'GUEST', null, '{"type": "text", "text": "Yes please, to the address of the booking."}', 'SENT', null, '2026-05-09 08:27:00'),
    ('clm00000029msgs', 'clq00000010reqs', 'GUEST', null, '{"type": "text", "text": "Can the invoice go to my company?"}', 'SENT', null, '2026-05-10 08:00:00'),
    ('clm00000030msgs', 'clq00000010reqs', 'STAFF', 'cls00000001staff', '{"type": "text", "text": "Sure, what is its address?"}', 'SENT', null, '2026-05-10 08:09:00'),
    ('clm00000031msgs', 'clq00000010reqs', 'GUEST', null, '{"type": "text", "text": "Petit et Fils, 3 rue des Lilas."}', 'SENT', null, '2026-05-10 08:18:00'),
    ('clm00000032msgs', 'clq00000011reqs', 'GUEST', null, '{"type": "text", "text": "I stay here with my parents in June, is a sea view free?"}', 'SENT', null, '2026-05-11 08:00:00'),
    ('clm00000033msgs', 'clq00000011reqs', 'STAFF', 'cls00000002staff', '{"type": "text", "text": "Room 21, enjoy your days off."}', 'SENT', null, '2026-05-11 08:09:00'),
    ('clm00000034msgs', 'clq00000012reqs', 'GUEST', null, '{"type": "text", "text": "Do you rent bicycles?"}', 'SENT', null, '2026-05-12 08:00:00'),
    ('clm00000035msgs', 'clq00000012reqs', 'STAFF', 'cls00000002staff', '{"type": "text", "text": "Yes, twelve a day."}', 'SENT', null, '2026-05-12 08:09:00'),
    ('clm00000036msgs', 'clq00000013reqs', 'GUEST', null, '{"type": "text", "text": "Can I keep the room until two?"}', 'SENT', null, '2026-05-13 08:00:00'),
    ('clm00000037msgs', 'clq00000013reqs', 'NOTE', 'cls00000001staff', '{"type": "text", "text": "He is a regular, do not charge."}', 'SENT', null, '2026-05-13 08:09:00'),
    ('clm00000038msgs', 'clq00000013reqs', 'STAFF', 'cls00000001staff', '{"type": "text", "text": "Yes, with our compliments."}', 'SENT', null, '2026-05-13 08:18:00'),
    ('clm00000039msgs', 'clq00000014reqs', 'GUEST', null, '{"type": "text", "text": "When is breakfast on Sunday?"}', 'SENT', null, '2026-05-14 08:00:00'),
    ('clm00000040msgs', 'clq00000014reqs', 'BOT', null, '{"type": "text", "text": "Breakfast is from seven to eleven.", "intent": "faq"}', 'SENT', null, '2026-05-14 08:09:00'),
    ('clm00000041msgs', 'clq00000015reqs', 'GUEST', null, '{"type": "text", "text": "May we bring a dog?"}', 'SENT', null, '2026-05-15 08:00:00'),
    ('clm00000042msgs', 'clq00000015reqs', 'STAFF', 'cls00000001staff', '{"type": "text", "text": "One small dog is welcome."}', 'SENT', null, '2026-05-15 08:09:00'),
    ('clm00000043msgs', 'clq00000016reqs', 'GUEST', null, '{"type": "text", "text": "The wifi in 31 is slow."}', 'SENT', null, '2026-05-16 08:00:00'),
    ('clm00000044msgs', 'clq00000016reqs', 'SYSTEM', null, '{"type": "event", "name": "priority"}', 'SENT', null, '2026-05-16 08:09:00');
insert into "MessageTemplate" (id, "propertyId", name, payload) values
    ('clt1', 'clp1', 'welcome', '{"type": "text", "text": "Welcome to Seaview!"}');
