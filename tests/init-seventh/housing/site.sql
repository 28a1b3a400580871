create schema housing; set search_path=housing;
create type person_kind as enum ('resident','contractor','manager');
create table person (id uuid primary key, display_name text not null, email text, kind person_kind not null, created_at timestamptz not null default now());
create table entry_type (code text primary key, label text not null, audience text not null check (audience in ('resident','contractor','internal')));
insert into entry_type values ('message','Message','resident'),('phone','Phone call','resident'),('work_order','Work order','contractor'),('contractor_report','Report of contractor','contractor'),('file_note','File note','internal');
create table service_case (id uuid primary key, ref text not null unique, title text not null, opened_by uuid not null references person(id), on_behalf_of uuid references person(id), handler_id uuid references person(id), state text not null check (state in ('open','waiting','done')), created_at timestamptz not null default now());
create table case_entry (id uuid primary key, case_id uuid not null references service_case(id), entry_type text not null references entry_type(code), person_id uuid not null references person(id), content text not null, created_at timestamptz not null default now(), superseded_by uuid references case_entry(id));
create table entry_withheld (entry_id uuid primary key references case_entry(id), withheld_by uuid not null references person(id), reason text, withheld_at timestamptz not null default now());
create table alembic_version (version_num varchar(32) primary key);
insert into person (id, display_name, email, kind) values
    ('149e259b-5d58-4705-b979-d04af47aebdd', 'Rosa Lind', 'rosa@home.example', 'resident'),
    ('78572976-3a12-417c-9a26-f88938703800', 'Omar Said', 'omar@home.example', 'resident'),
    ('7b8f2ab5-3451-4013-9675-f6ad325b55dd', 'Eva Kern', 'eva@home.example', 'resident'),
    ('9c3a23cd-e67a-4b75-bc39-47249fc2d0a1', 'Jon Falk', 'jon@home.example', 'resident'),
    ('e8c14743-7abe-4539-807d-1034d726c86b', 'Plumb & Co', 'office@plumb.example', 'contractor'),
    ('a4a45eff-ccb5-43d9-9810-d60ea72991b9', 'Volt Ltd', 'desk@volt.example', 'contractor'),
    ('1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'Mia House', 'mia@estate.example', 'manager'),
    ('b6246771-c845-4070-a377-1407e8e72789', 'Finn House', 'finn@estate.example', 'manager');
insert into service_case (id, ref, title, opened_by, on_behalf_of, handler_id, state, created_at) values
    ('e39639be-7a60-4a91-b306-98a1c0093492', 'SC-0000', 'The tap in the kitchen drips', '149e259b-5d58-4705-b979-d04af47aebdd', NULL, '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'open', '2024-11-01 08:00:00+00'),
    ('fe3c9c8f-2b85-4c1f-a8aa-ca51b98c67c2', 'SC-0001', 'No heating since the morning', '78572976-3a12-417c-9a26-f88938703800', NULL, 'b6246771-c845-4070-a377-1407e8e72789', 'waiting', '2024-11-02 15:00:00+00'),
    ('8c5c715f-8c74-4c1e-a7e9-e06f59b44e92', 'SC-0002', 'The door of the yard does not close', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', '7b8f2ab5-3451-4013-9675-f6ad325b55dd', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'done', '2024-11-03 22:00:00+00'),
    ('072a98d2-3606-4efc-9fb8-5c0dd37ee915', 'SC-0003', 'The light on the stairs is out', '9c3a23cd-e67a-4b75-bc39-47249fc2d0a1', NULL, 'b6246771-c845-4070-a377-1407e8e72789', 'open', '2024-11-05 05:00:00+00'),
    ('a997f351-754a-49cd-a5cf-edfa5a9196f0', 'SC-0004', 'Water under the bath', '149e259b-5d58-4705-b979-d04af47aebdd', NULL, '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'waiting', '2024-11-06 12:00:00+00'),
    ('9bca3cb7-2ee0-489d-86c9-1b9270ac06ac', 'SC-0005', 'The tap in the kitchen drips', '78572976-3a12-417c-9a26-f88938703800', NULL, 'b6246771-c845-4070-a377-1407e8e72789', 'done', '2024-11-07 19:00:00+00'),
    ('c6c80e2b-c8c6-44b2-bb84-44d18e317041', 'SC-0006', 'No heating since the morning', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', '7b8f2ab5-3451-4013-9675-f6ad325b55dd', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'open', '2024-11-09 02:00:00+00'),
    ('535b6a43-7178-4a0a-9038-f0b5e998d0ee', 'SC-0007', 'The door of the yard does not close', '9c3a23cd-e67a-4b75-bc39-47249fc2d0a1', NULL, 'b6246771-c845-4070-a377-1407e8e72789', 'waiting', '2024-11-10 09:00:00+00'),
    ('e040015c-e064-4114-85f1-115bb2fff17b', 'SC-0008', 'The light on the stairs is out', '149e259b-5d58-4705-b979-d04af47aebdd', NULL, '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'done', '2024-11-11 16:00:00+00'),
    ('6da79a87-3d9a-4079-abd0-d7fb12926185', 'SC-0009', 'Water under the bath', '78572976-3a12-417c-9a26-f88938703800', NULL, 'b6246771-c845-4070-a377-1407e8e72789', 'open', '2024-11-12 23:00:00+00'),
    ('77bd891f-f7b1-43df-a323-1e1ee2015522', 'SC-0010', 'The tap in the kitchen drips', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', '7b8f2ab5-3451-4013-9675-f6ad325b55dd', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'waiting', '2024-11-14 06:00:00+00'),
    ('6bd8c676-56d0-40cd-a760-136783feb17b', 'SC-0011', 'No heating since the morning', '9c3a23cd-e67a-4b75-bc39-47249fc2d0a1', NULL, 'b6246771-c845-4070-a377-1407e8e72789', 'done', '2024-11-15 13:00:00+00');
insert into case_entry (id, case_id, entry_type, person_id, content, created_at) values
    ('a2c68e45-ca04-479f-af15-b6ad2db3997f', 'e39639be-7a60-4a91-b306-98a1c0093492', 'message', '149e259b-5d58-4705-b979-d04af47aebdd', 'No heating since the morning ee000', '2024-11-01 08:00:00+00'),
    ('f237e45a-cd02-45e1-9635-3d03551fd8f9', 'e39639be-7a60-4a91-b306-98a1c0093492', 'message', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'Somebody will come tomorrow at nine ee001', '2024-11-01 10:07:00+00'),
    ('7691b06f-6555-4bfe-b8c9-817af8be8831', 'e39639be-7a60-4a91-b306-98a1c0093492', 'file_note', 'b6246771-c845-4070-a377-1407e8e72789', 'Behind with the rent, be careful ee002', '2024-11-01 12:14:00+00'),
    ('15bd448f-f261-49ed-be4c-5ce666c1494e', 'e39639be-7a60-4a91-b306-98a1c0093492', 'message', '149e259b-5d58-4705-b979-d04af47aebdd', 'Thank you, the light on the stairs is out ee003', '2024-11-01 14:21:00+00'),
    ('973f7986-26b1-4ffc-870d-710920859634', 'fe3c9c8f-2b85-4c1f-a8aa-ca51b98c67c2', 'message', '78572976-3a12-417c-9a26-f88938703800', 'The door of the yard does not close ee010', '2024-11-02 15:00:00+00'),
    ('a7e6529b-ce76-49f4-b721-6e9ee7a46309', 'fe3c9c8f-2b85-4c1f-a8aa-ca51b98c67c2', 'message', 'b6246771-c845-4070-a377-1407e8e72789', 'We ordered the part ee011', '2024-11-02 17:07:00+00'),
    ('988af3fb-d396-40d6-9c90-11ef256badf9', 'fe3c9c8f-2b85-4c1f-a8aa-ca51b98c67c2', 'work_order', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'Please repair for at most 200 ee012', '2024-11-02 19:14:00+00'),
    ('effddeea-a842-4c19-b96f-74adfaf55496', 'fe3c9c8f-2b85-4c1f-a8aa-ca51b98c67c2', 'message', '78572976-3a12-417c-9a26-f88938703800', 'Thank you, water under the bath ee013', '2024-11-02 21:21:00+00'),
    ('cca2a92b-03a5-4cc1-857a-40b22188287e', '8c5c715f-8c74-4c1e-a7e9-e06f59b44e92', 'message', '7b8f2ab5-3451-4013-9675-f6ad325b55dd', 'The light on the stairs is out ee020', '2024-11-03 22:00:00+00'),
    ('1a4f44f9-a651-4445-b9f3-635cf88c422b', '8c5c715f-8c74-4c1e-a7e9-e06f59b44e92', 'message', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'It is done, please tell us if not ee021', '2024-11-04 00:07:00+00'),
    ('23a5ef88-ef02-490b-bfde-fc1586ce03f9', '8c5c715f-8c74-4c1e-a7e9-e06f59b44e92', 'contractor_report', 'e8c14743-7abe-4539-807d-1034d726c86b', 'Tenant was rude, costs 180 ee022', '2024-11-04 02:14:00+00'),
    ('31dec4f4-df2a-4b79-bc8e-80b36f0e2289', '8c5c715f-8c74-4c1e-a7e9-e06f59b44e92', 'message', '7b8f2ab5-3451-4013-9675-f6ad325b55dd', 'Thank you, the tap in the kitchen drips ee023', '2024-11-04 04:21:00+00'),
    ('804c25d6-4aff-4cd1-b678-bc8d40783f0a', '072a98d2-3606-4efc-9fb8-5c0dd37ee915', 'message', '9c3a23cd-e67a-4b75-bc39-47249fc2d0a1', 'Water under the bath ee030', '2024-11-05 05:00:00+00'),
    ('53740902-9620-4f0d-8380-84a03d93fd4c', '072a98d2-3606-4efc-9fb8-5c0dd37ee915', 'message', 'b6246771-c845-4070-a377-1407e8e72789', 'Please keep the flat accessible ee031', '2024-11-05 07:07:00+00'),
    ('d58dcdb4-6b44-4806-8b5a-b3ee4265bb31', '072a98d2-3606-4efc-9fb8-5c0dd37ee915', 'message', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'Withheld: sent to the wrong flat ee032', '2024-11-05 09:14:00+00'),
    ('bd6b881a-e8f6-40bd-8f97-7044218e0b7b', '072a98d2-3606-4efc-9fb8-5c0dd37ee915', 'message', '9c3a23cd-e67a-4b75-bc39-47249fc2d0a1', 'Thank you, no heating since the morning ee033', '2024-11-05 11:21:00+00'),
    ('844a7034-e77f-4e48-90a6-ec179556585e', 'a997f351-754a-49cd-a5cf-edfa5a9196f0', 'message', '149e259b-5d58-4705-b979-d04af47aebdd', 'The tap in the kitchen drips ee040', '2024-11-06 12:00:00+00'),
    ('e0cfab4c-eaef-44d2-93bf-6d016bae4b5b', 'a997f351-754a-49cd-a5cf-edfa5a9196f0', 'message', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'Somebody will come tomorrow at nine ee041', '2024-11-06 14:07:00+00'),
    ('26debfdb-8825-4e56-a179-b37d806c10b5', 'a997f351-754a-49cd-a5cf-edfa5a9196f0', 'phone', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'As agreed on the phone: We ordered the part ee042', '2024-11-06 16:14:00+00'),
    ('df703017-04c9-478d-82b3-359986048719', 'a997f351-754a-49cd-a5cf-edfa5a9196f0', 'message', '149e259b-5d58-4705-b979-d04af47aebdd', 'Thank you, the door of the yard does not close ee043', '2024-11-06 18:21:00+00'),
    ('265974a7-cc96-4f46-86aa-7d550101b811', '9bca3cb7-2ee0-489d-86c9-1b9270ac06ac', 'message', '78572976-3a12-417c-9a26-f88938703800', 'No heating since the morning ee050', '2024-11-07 19:00:00+00'),
    ('9e7d6b37-7936-4536-a43d-35702c1eea1f', '9bca3cb7-2ee0-489d-86c9-1b9270ac06ac', 'message', 'b6246771-c845-4070-a377-1407e8e72789', 'We ordered the part ee051', '2024-11-07 21:07:00+00'),
    ('0fcf31ca-8e75-4fdf-9ece-615db9a6442e', '9bca3cb7-2ee0-489d-86c9-1b9270ac06ac', 'file_note', 'b6246771-c845-4070-a377-1407e8e72789', 'Behind with the rent, be careful ee052', '2024-11-07 23:14:00+00'),
    ('87ddaeb7-84b2-4054-aead-44b0537390e5', '9bca3cb7-2ee0-489d-86c9-1b9270ac06ac', 'message', '78572976-3a12-417c-9a26-f88938703800', 'Thank you, the light on the stairs is out ee053', '2024-11-08 01:21:00+00'),
    ('0e8bec94-8f6f-415f-a21b-37ca1b29fc99', 'c6c80e2b-c8c6-44b2-bb84-44d18e317041', 'message', '7b8f2ab5-3451-4013-9675-f6ad325b55dd', 'The door of the yard does not close ee060', '2024-11-09 02:00:00+00'),
    ('0acd8be1-46e4-4990-b0f9-70583f9d52f9', 'c6c80e2b-c8c6-44b2-bb84-44d18e317041', 'message', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'It is done, please tell us if not ee061', '2024-11-09 04:07:00+00'),
    ('73c1cd2c-81f9-4b52-9905-d591c5b2e75a', 'c6c80e2b-c8c6-44b2-bb84-44d18e317041', 'work_order', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'Please repair for at most 200 ee062', '2024-11-09 06:14:00+00'),
    ('e4ddf9b9-c28e-4907-8722-35c28fcd7f40', 'c6c80e2b-c8c6-44b2-bb84-44d18e317041', 'message', '7b8f2ab5-3451-4013-9675-f6ad325b55dd', 'Thank you, water under the bath ee063', '2024-11-09 08:21:00+00'),
    ('9b2bd6c0-816b-4e06-b92e-23399ccea098', '535b6a43-7178-4a0a-9038-f0b5e998d0ee', 'message', '9c3a23cd-e67a-4b75-bc39-47249fc2d0a1', 'The light on the stairs is out ee070', '2024-11-10 09:00:00+00'),
    ('46f5a1b4-b156-41ad-b30c-16a3831d03bf', '535b6a43-7178-4a0a-9038-f0b5e998d0ee', 'message', 'b6246771-c845-4070-a377-1407e8e72789', 'Please keep the flat accessible ee071', '2024-11-10 11:07:00+00'),
    ('ceaf4915-8885-44e8-8216-858f73ccef03', '535b6a43-7178-4a0a-9038-f0b5e998d0ee', 'contractor_report', 'a4a45eff-ccb5-43d9-9810-d60ea72991b9', 'Tenant was rude, costs 180 ee072', '2024-11-10 13:14:00+00'),
    ('3f665ede-f106-47ce-81fc-069e7a609683', '535b6a43-7178-4a0a-9038-f0b5e998d0ee', 'message', '9c3a23cd-e67a-4b75-bc39-47249fc2d0a1', 'Thank you, the tap in the kitchen drips ee073', '2024-11-10 15:21:00+00'),
    ('ec3b9605-4274-43eb-ad84-e91ef132bf2d', 'e040015c-e064-4114-85f1-115bb2fff17b', 'message', '149e259b-5d58-4705-b979-d04af47aebdd', 'Water under the bath ee080', '2024-11-11 16:00:00+00'),
    ('33dcd77f-f179-42d2-a48b-96628f3c4be3', 'e040015c-e064-4114-85f1-115bb2fff17b', 'message', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'Somebody will come tomorrow at nine ee081', '2024-11-11 18:07:00+00'),
    ('6aa8b9e0-231b-4e14-b291-35bdd70a39d1', 'e040015c-e064-4114-85f1-115bb2fff17b', 'message', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'Withheld: sent to the wrong flat ee082', '2024-11-11 20:14:00+00'),
    ('50e40d54-712e-46b3-a471-fde41f229dd0', 'e040015c-e064-4114-85f1-115bb2fff17b', 'message', '149e259b-5d58-4705-b979-d04af47aebdd', 'Thank you, no heating since the morning ee083', '2024-11-11 22:21:00+00'),
    ('4d82feac-ab62-46cd-b672-d6ae12b80aed', '6da79a87-3d9a-4079-abd0-d7fb12926185', 'message', '78572976-3a12-417c-9a26-f88938703800', 'The tap in the kitchen drips ee090', '2024-11-12 23:00:00+00'),
    ('c6e50df2-e5a3-463e-9f52-5265c8b007ee', '6da79a87-3d9a-4079-abd0-d7fb12926185', 'message', 'b6246771-c845-4070-a377-1407e8e72789', 'We ordered the part ee091', '2024-11-13 01:07:00+00'),
    ('a4b9a9c4-b753-41ee-b083-60852789d059', '6da79a87-3d9a-4079-abd0-d7fb12926185', 'phone', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'As agreed on the phone: We ordered the part ee092', '2024-11-13 03:14:00+00'),
    ('40cbacd0-249a-4584-9dbe-3023a906922f', '6da79a87-3d9a-4079-abd0-d7fb12926185', 'message', '78572976-3a12-417c-9a26-f88938703800', 'Thank you, the door of the yard does not close ee093', '2024-11-13 05:21:00+00'),
    ('18189af4-f3d7-4f82-bf26-8ea03836e865', '77bd891f-f7b1-43df-a323-1e1ee2015522', 'message', '7b8f2ab5-3451-4013-9675-f6ad325b55dd', 'No heating since the morning ee100', '2024-11-14 06:00:00+00'),
    ('29acf1a5-7cbd-4f5a-a28a-f60465f42986', '77bd891f-f7b1-43df-a323-1e1ee2015522', 'message', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'It is done, please tell us if not ee101', '2024-11-14 08:07:00+00'),
    ('3945336b-d51b-4815-aaf7-19f3fd68373b', '77bd891f-f7b1-43df-a323-1e1ee2015522', 'file_note', 'b6246771-c845-4070-a377-1407e8e72789', 'Behind with the rent, be careful ee102', '2024-11-14 10:14:00+00'),
    ('fe7b8ae4-6e78-46a4-b4d1-9ec12955d6f0', '77bd891f-f7b1-43df-a323-1e1ee2015522', 'message', '7b8f2ab5-3451-4013-9675-f6ad325b55dd', 'Thank you, the light on the stairs is out ee103', '2024-11-14 12:21:00+00'),
    ('179a071e-518a-4452-9b4b-1b75321c5296', '6bd8c676-56d0-40cd-a760-136783feb17b', 'message', '9c3a23cd-e67a-4b75-bc39-47249fc2d0a1', 'The door of the yard does not close ee110', '2024-11-15 13:00:00+00'),
    ('5685d624-04fc-4555-9daf-106db8dee081', '6bd8c676-56d0-40cd-a760-136783feb17b', 'message', 'b6246771-c845-4070-a377-1407e8e72789', 'Please keep the flat accessible ee111', '2024-11-15 15:07:00+00'),
    ('b401ba85-70c1-4ca1-b56b-72898dd63cb9', '6bd8c676-56d0-40cd-a760-136783feb17b', 'work_order', '1eb20109-a91c-4439-95ab-8b4d15b40aeb', 'Please repair for at most 200 ee112', '2024-11-15 17:14:00+00'),
    ('84768b8c-54dd-4ba5-a264-67ba04a10547', '6bd8c676-56d0-40cd-a760-136783feb17b', 'message', '9c3a23cd-e67a-4b75-bc39-47249fc2d0a1', 'Thank you, water under the bath ee113', '2024-11-15 19:21:00+00');
insert into entry_withheld (entry_id, withheld_by, reason) values
    ('d58dcdb4-6b44-4806-8b5a-b3ee4265bb31', 'b6246771-c845-4070-a377-1407e8e72789', 'wrong flat'),
    ('6aa8b9e0-231b-4e14-b291-35bdd70a39d1', 'b6246771-c845-4070-a377-1407e8e72789', 'wrong flat');
