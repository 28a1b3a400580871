-- What stands behind something parked of its ticket is nothing that a look for work has to pass over again and again, however
-- much it is: it bears the number of what it stands behind (a captured change's is negative), given once a minute, taken
-- away at once when that one is parked no more, whoever decided so.
alter table {schema}.delivery add column behind bigint;
drop index {schema}.delivery_live, {schema}.delivery_backfill, {schema}.delivery_next;
create index delivery_live on {schema}.delivery (id) where state in ('queued', 'doubt') and not backfill and behind is null;
create index delivery_backfill on {schema}.delivery (id) where state in ('queued', 'doubt') and backfill and behind is null;
create index delivery_next on {schema}.delivery (not_before) where state in ('queued', 'doubt') and behind is null;
create index delivery_behind on {schema}.delivery (behind) where behind is not null;

create function {schema}.nothing_before() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    update {schema}.delivery set behind = null where behind = case tg_argv[0] when 'event' then -old.id else old.id end;
    return null;
end $$;
create trigger delivery_not_parked after update of state on {schema}.delivery for each row
    when (old.state = 'parked' and new.state <> 'parked') execute function {schema}.nothing_before('delivery');
create trigger delivery_deleted after delete on {schema}.delivery for each row
    when (old.state = 'parked') execute function {schema}.nothing_before('delivery');
create trigger parked_event_deleted after delete on {schema}.parked_event for each row
    execute function {schema}.nothing_before('event');
