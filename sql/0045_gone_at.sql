-- A table that is emptied, or a row that is deleted, in one transaction and loaded again in another holds the rows that were there:
-- their created_at lies before their deletion, as that of a row which takes a key over does not.
alter table {schema}.link add column gone_at timestamptz;
comment on column {schema}.link.gone_at is 'When the site deleted the row.';
