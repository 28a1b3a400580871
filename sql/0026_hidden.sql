-- Rows that left `where` after they were sent (on_hide): told once, and once more when they come back.
alter table {schema}.link add column hidden boolean not null default false;
alter table {schema}.ticket add column hidden boolean not null default false;
