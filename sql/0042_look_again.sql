-- A publication that takes a table in waits for nobody: what a transaction wrote before, and commits after it, is neither streamed
-- nor there to be found until then. The gap is looked through once more when all who were at work have ended.
alter table {schema}.published
    add column again_xid xid8,
    add column again_since timestamptz,
    add column again_from xid8;
comment on column {schema}.published.again_xid is 'It came back while transactions were open: when all before this one have ended, its gap is looked through again.';
comment on column {schema}.published.again_since is 'When that gap began.';
comment on column {schema}.published.again_from is 'The oldest transaction that was open then.';
