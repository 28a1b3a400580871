-- ASP.NET with Identity and Entity Framework: everything in Pascal case, enums as integers.
create table "AspNetUsers" ("Id" text primary key, "UserName" varchar(256), "Email" varchar(256), "EmailConfirmed" boolean not null, "PhoneNumber" text, "TwoFactorEnabled" boolean not null);
create table "AspNetRoles" ("Id" text primary key, "Name" varchar(256));
create table "AspNetUserRoles" ("UserId" text not null references "AspNetUsers", "RoleId" text not null references "AspNetRoles", primary key ("UserId", "RoleId"));
create table "SupportTickets" ("Id" uuid primary key, "Title" text not null, "CreatedById" text not null references "AspNetUsers", "AssignedToId" text references "AspNetUsers", "Priority" int not null, "CreatedAtUtc" timestamp with time zone not null);
create table "TicketMessages" ("Id" uuid primary key, "TicketId" uuid not null references "SupportTickets", "SenderId" text not null references "AspNetUsers", "Text" text not null, "Visibility" int not null, "SentAtUtc" timestamp with time zone not null, "RowVersion" bytea);
insert into "AspNetUsers" values ('u1', 'ada', 'ada@example.com', true, null, false), ('u2', 'bob', 'bob@example.com', true, null, false), ('s1', 'staff', 'staff@site.example', true, null, false);
insert into "AspNetRoles" values ('r1', 'Support'); insert into "AspNetUserRoles" values ('s1', 'r1');
insert into "SupportTickets" values ('30000000-0000-4000-8000-000000000001', 'Login', 'u1', 's1', 1, '2026-05-01'), ('30000000-0000-4000-8000-000000000002', 'Export', 'u2', 's1', 0, '2026-05-02');
insert into "TicketMessages" values ('40000000-0000-4000-8000-000000000001', '30000000-0000-4000-8000-000000000001', 'u1', 'The login page shows an error.', 0, '2026-05-01', null), ('40000000-0000-4000-8000-000000000002', '30000000-0000-4000-8000-000000000001', 's1', 'We have corrected it, try again.', 0, '2026-05-02', null),
    ('40000000-0000-4000-8000-000000000003', '30000000-0000-4000-8000-000000000001', 's1', 'It was the certificate once more.', 1, '2026-05-02', null), ('40000000-0000-4000-8000-000000000004', '30000000-0000-4000-8000-000000000002', 'u2', 'How do I export all of my data?', 0, '2026-05-02', null);
