-- What Deskie answered to a delivery that it refused, for the person who looks at it.
alter table {schema}.delivery add column answer text;
comment on column {schema}.delivery.answer is 'What Deskie answered when it refused this: HTTP status and the beginning of the body.';
