-- A ticket whose case is open may be given to another customer on the site: its case would go on as the former one's.
alter table {schema}.ticket
    add column named_by jsonb,
    add column given_to jsonb,
    add column absorbed_at timestamptz;
comment on column {schema}.ticket.named_by is 'The cells of the site''s row that say who the customer is, and when it was made, as they were when the case was taken for his.';
comment on column {schema}.ticket.given_to is 'As delivery.opening: whose the ticket is on the site now, while its case is another customer''s.';
comment on column {schema}.ticket.absorbed_at is 'Until when its case may hold what was said in other customers'' cases, which are no tickets and were merged into it then.';

-- What is forgotten of deleted tickets is looked for by the time of their deletion.
create index link_gone on {schema}.link (gone_at) where section = 'ticket' and gone;
