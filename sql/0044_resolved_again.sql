-- What waits to be sent is resolved again when the site changes the row that it was made of: a call goes only as it was resolved last.
alter table {schema}.delivery add column resolved_at timestamptz not null default now();
comment on column {schema}.delivery.resolved_at is 'When the mapping was asked for it last: a call is made only as it was resolved then.';
