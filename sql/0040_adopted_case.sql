-- A case from before the connector, which a person has adopted, has no delivery that says what its customer is called on the
-- site: replies are written with it all the same.
alter table {schema}.ticket add column opening jsonb;
comment on column {schema}.ticket.opening is 'What its customer is called on the site, where the case was adopted and not opened by us.';

comment on column {schema}.delivery.edited is 'The mapped text that an edit brings, or a note of it; of a message that waits: an edit of it waits as well, so that it joins no other.';
