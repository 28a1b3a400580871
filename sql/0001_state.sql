-- The connector's whole state. {schema} is put in by the program; nothing here touches the site's own tables.
-- Words: an *event* is a captured row change; a *link* is a row of the site that we know; a *ticket* is one lane;
-- a *delivery* is one call to be made to Deskie; a *remote* is a message that stands in Deskie; the *inbox* holds
-- webhooks. Times are the server's.

create table {schema}.meta (
    only_row        boolean primary key default true check (only_row),
    started_at      timestamptz not null default now(), -- the connector's start: older rows are not its business
    started_xid     xid8 not null default pg_current_xact_id(),  -- the same, for rows without created_at
    system_id       text,          -- which server our state belongs to (rule 11)
    timeline        integer,
    database_name   text,
    slot            text,
    captured_lsn    pg_lsn,        -- end of the last transaction whose rows stand in event; acknowledged at most
    captured_at     timestamptz,   -- its commit time
    captured_xid    xid8,
    gap_from        pg_lsn,        -- a slot was lost: where capture ended then, until the repair has closed the gap
    gap_since       timestamptz,   -- its commit time
    gap_xid         xid8,
    gap_by_keys     boolean not null default false, -- its transactions are another server's: they say nothing here
    gap_position    bigint,        -- the next of the numbers in event that are kept free for its rows
    repair_note     text,          -- what the repair is at, or what came of the last one
    created_at_kept boolean,       -- whether Deskie keeps the created_at that we send; null: not seen yet
    baseline        text,          -- which [message] expand the elements from before the start were noted for
    swept_to        timestamptz,   -- cases updated before this have been compared
    account         text,          -- which Deskie account our cases are of: its address (rule 11)
    account_since   timestamptz,   -- older cases of it are not the connector's business; null: since started_at
    copied_until    timestamptz    -- until then the server may turn out to be a copy of the one that sends
);
insert into {schema}.meta default values;

-- What goes wrong, told by its owner and read by everybody (rule 21). One that is over keeps its row for `retain`.
create table {schema}.trouble (
    id       bigint generated always as identity primary key,
    kind     text not null,
    subject  text not null default '',  -- a table, a section; '' where there is one of the kind only
    text     text not null,             -- for people: nothing is decided by it
    since    timestamptz not null default clock_timestamp(),
    seen_at  timestamptz not null default clock_timestamp(),
    count    bigint not null default 1, -- how often it was met
    ended_at timestamptz
);
create unique index trouble_now on {schema}.trouble (kind, subject) where ended_at is null;
create index trouble_prune on {schema}.trouble (ended_at) where ended_at is not null;

-- What a person has to decide before anything is sent, written or resolved: whether our state belongs to what is there
-- (rule 11). While a row stands here, only capture and the receivers work.
create table {schema}.hold (
    kind    text primary key check (kind in ('start', 'account', 'keys', 'copy')),
    reason  text not null,
    since   timestamptz not null default clock_timestamp()
);

-- The mapped tables as they were last seen in our publications: one that was away meanwhile left a gap (rule 12).
create table {schema}.published (
    relation    text primary key,      -- as the mapping calls it
    table_oid   oid,                   -- which table that is: one that was renamed is still the same (until restored)
    trouble     text,                  -- what a person is told of it
    member      oid not null,          -- what publishes it; another one: it was taken out and put in again
    is_away     boolean not null default false,
    since       timestamptz,           -- it was mapped later than the others: rows from before are not its business
    since_xid   xid8,
    checked_at  timestamptz not null default clock_timestamp(),   -- when it was last seen published
    checked_xid xid8 not null default pg_snapshot_xmin(pg_current_snapshot())
);

-- What created_at is worth (rule 22): how far it lay from the commit in the last rows whose INSERT was streamed.
create table {schema}.clock (
    section    text primary key check (section in ('ticket', 'message')),
    expression text not null,          -- of which created_at; another one is learned anew
    zoned      boolean not null,       -- its type has a time zone
    lags       float8[] not null default '{}',  -- seconds from created_at to the commit, the newest first
    last_xid   xid8,                   -- one row of a transaction is enough
    sampled_at timestamptz
);

-- The leader (rule 13). Its epoch is checked in each of its transactions.
create table {schema}.lease (
    only_row    boolean primary key default true check (only_row),
    epoch       bigint not null default 0,
    holder      text,
    renewed_at  timestamptz,
    server_started timestamptz         -- which run of the server has given it
);
insert into {schema}.lease default values;

-- Functions find their tables by what these are, not by a name that somebody may change or hide: a body in SQL is bound
-- when it is made, so it holds when the schema is renamed; what is in plpgsql names no table, and has a path of its own
-- (rule 4).

-- Raises an error of ours.
create function {schema}.refuse(what text, code text) returns boolean language plpgsql strict
set search_path = pg_catalog, pg_temp as $$
begin
    raise exception '%', what using errcode = code;
end $$;

-- Raises where the caller is no longer the leader. A take-over locks the row FOR UPDATE, so it waits for us; renewing
-- the lease does not.
create function {schema}.fence(expected bigint) returns boolean language sql begin atomic
    select case
        when (select l.only_row from {schema}.lease l where l.epoch = expected for key share) then true
        else {schema}.refuse(format('another instance has taken over (epoch %s is past)', expected), 'DC001')
    end;
end;

-- Raises where the term was begun on another server: this one was restarted, or was promoted and may lack our last steps.
-- Then nothing is sent before Deskie was asked again (rule 11).
create function {schema}.same_server() returns boolean language sql stable begin atomic
    select case
        when exists (select from {schema}.lease l where l.server_started <> pg_postmaster_start_time())
        then {schema}.refuse('the server was restarted, or another one has taken its place', 'DC001')
        else true
    end;
end;

-- The columns by which rows are known, as they were when their numbers were last believed (rule 11): a key that is made
-- anew, or a table that takes another one's place, numbers the rows anew, and the stream does not say so.
create table {schema}.key_column (
    section     text not null,         -- ticket, message, or the table of an attachment
    part        text not null check (part in ('key', 'parent')),   -- of the row itself, or of what it belongs to
    place       integer not null,
    schema_name text not null,
    table_name  text not null,
    column_name text not null,
    relation    oid not null,
    attnum      smallint not null,
    type        oid not null,
    is_primary  boolean not null,      -- the key is whatever the primary key is
    primary key (section, part, place)
);

-- What has changed of them, in words; null: nothing. Neither a table or column that is renamed or away (nothing can be
-- read by it then), nor a wider number or text, nor a table that became a partition of one in its place changes a key.
create function {schema}.keys_changed(sections text default '%') returns text language sql stable begin atomic
    with recursive now as (
        select k.*, c.oid as here
        from {schema}.key_column k
        join pg_catalog.pg_namespace n on n.nspname::text = k.schema_name
        join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname::text = k.table_name
        where k.section like sections),
    below as (
        select here, here as part from now
        union
        select b.here, i.inhrelid from below b join pg_catalog.pg_inherits i on i.inhparent = b.part),
    seen as (
        select now.*, a.attnum as attnum_now, a.atttypid as type_now,
               exists (select from below b where b.here = now.here and b.part = now.relation) as is_there
        from now left join pg_catalog.pg_attribute a on a.attrelid = case
                when exists (select from below b where b.here = now.here and b.part = now.relation) then now.relation
                else now.here end
            and a.attname::text = now.column_name and a.attnum > 0 and not a.attisdropped),
    primaries as (
        select s.section, s.here, array_agg(s.column_name order by s.place) as noted,
               (select array_agg(a.attname::text order by u.place)
                from pg_catalog.pg_index i, unnest(i.indkey::int2[]) with ordinality u (attnum, place)
                join pg_catalog.pg_attribute a on a.attrelid = s.here and a.attnum = u.attnum
                where i.indrelid = s.here and i.indisprimary) as found
        from seen s where s.part = 'key' and s.is_primary group by s.section, s.here)
    select what from (
        select 1 as place, schema_name || '.' || table_name || ' is another table than before' as what
            from seen where not is_there
        union all
        select 2, 'the column ' || column_name || ' of ' || schema_name || '.' || table_name || ' is another one than before'
            from seen where is_there and attnum_now <> attnum
        union all
        select 3, 'the column ' || column_name || ' of ' || schema_name || '.' || table_name || ' is of another type than before'
            from seen where is_there and attnum_now = attnum and type_now <> type
                and not (type in (20, 21, 23) and type_now in (20, 21, 23))
                and not (type in (25, 1043) and type_now in (25, 1043))
        union all
        select 4, 'the primary key of ' || here::regclass || ' is made of other columns than before'
            from primaries where found is not null and found <> noted) changed
    order by place, what limit 1;
end;

-- Raises while a person has to decide whether our state belongs to what is there.
create function {schema}.unheld() returns boolean language sql stable begin atomic
    select coalesce({schema}.refuse('nothing is sent or written: ' || coalesce(
        (select h.reason from {schema}.hold h order by h.kind limit 1), {schema}.keys_changed()), 'DC005'), true);
end;

-- Raises where a statement of a write-back met no row: the transaction must not commit. DC002: a person has to mend
-- something; DC003: it had been written already; DC004: the row is just being changed.
create function {schema}.expect(met boolean, what text, code text default 'DC002') returns boolean language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
    if met is not true then
        raise exception '%', what using errcode = code;
    end if;
    return true;
end $$;

-- How many rows of a table of ours are in a state: counted in a table of up to 10000 rows; of a larger one that many are looked
-- at, whatever their states, and the server's statistics tell the rest.
create function {schema}.about(named regclass, wanted text) returns bigint language plpgsql stable
set search_path = pg_catalog, pg_temp as $$
declare
    counted bigint;
    looked_at bigint;
begin
    execute format('select count(*) filter (where state = $1), count(*) from (select state from %s limit 10000) c', named)
        into counted, looked_at using wanted;
    if looked_at < 10000 then
        return counted;
    end if;
    return greatest(counted, (
        select c.reltuples * coalesce((
            select u.share from pg_stats s, unnest(s.most_common_vals::text::text[], s.most_common_freqs) u (value, share)
            where s.schemaname = c.relnamespace::regnamespace::text and s.tablename = c.relname and s.attname = 'state'
              and u.value = wanted), 0)
        from pg_class c where c.oid = named)::bigint);
end $$;

-- What a person is told of a case that claims to be a ticket of the site.
create function {schema}.orphan(case_id bigint, claims text) returns text language sql immutable return
    'case ' || case_id || ' in Deskie says that it is ticket ' || claims || ', but the connector did not open it for '
        || 'that ticket: after a restore or a failover the key may be another customer''s now, or somebody has filled '
        || 'in the field. What is said in it is not written to the site; compare it in Deskie, then `failed discard`';

-- Row changes as captured, in commit order; deleted once resolved.
create table {schema}.event (
    id           bigint generated always as identity primary key,
    xid          xid8 not null,        -- taken only when visible to everybody (rule 7)
    commit_lsn   pg_lsn not null,
    committed_at timestamptz not null,
    schema_name  text not null,
    table_name   text not null,
    op           text not null check (op in ('I', 'U', 'D', 'T')),
    image        jsonb,                -- column to text or null; an unchanged or large cell is absent
    old_key      jsonb,                -- the old key, where the change sent one
    size         integer not null,     -- bytes of image and old_key: a round of resolving takes so much at most
    echo         boolean not null,     -- written by ourselves (rule 8)
    failures     smallint not null default 0, -- counted before it is tried again by itself: a process may die of it (rule 19)
    found        boolean not null default false        -- brought in by a look through the tables, not by the stream
);
-- Does a row of this key wait to be taken for deleted, or for renamed? Asked before each write-back (rule 6).
create index event_old_key on {schema}.event using gin (old_key jsonb_path_ops) where old_key is not null;
create index event_truncate on {schema}.event (schema_name, table_name) where op = 'T';

-- What a transaction leaves to be known until it is over, which may be several rounds and a restart later; and one that
-- would open more cases than [capture] max_new_cases, until a person has decided about all of them at once.
create table {schema}.bulk (
    xid        xid8 primary key,
    emptied    text[] not null default '{}',   -- sections whose tables it emptied: what it inserts is loaded again, not new
    held_since timestamptz                     -- its new cases wait for a person
);

-- One lane. A key that the site uses anew after a deletion is another ticket: its generation is higher (rule 6).
create table {schema}.ticket (
    id               bigint generated always as identity primary key,
    key              text not null,
    generation       integer not null default 1,
    gone             boolean not null default false,   -- the site deleted the row
    case_id          bigint unique,
    case_number      text,
    case_key         text,             -- what the case's ticket field holds: the key at its opening; null: the key
    merged_into      bigint,           -- messages go into this case, which is another ticket's
    child_of         bigint,           -- this parent is none that the case was merged into
    read_from        timestamptz,      -- what the case holds from before is another customer's, from before a merge
    customer_at      timestamptz,      -- when the customer's last message of ours came, by Deskie's clock
    user_id          bigint,           -- Deskie's number of the customer: add_message is never sent without it
    channel          text,             -- the custom channel of the case
    custom_id        text,             -- the customer's identity in it
    opened_at        timestamptz,
    read_wanted      smallint,         -- class of a wanted read of the case: 0 webhook, 2 sweep, 3 at leisure
    read_wanted_at   timestamptz,
    read_not_before  timestamptz,
    read_attempts    integer not null default 0,
    read_error       text,             -- why the last read failed
    read_refused     boolean not null default false,   -- and that it was Deskie's own word about this case
    read_surplus     integer,          -- messages that the case shows, less those that we know, when it was read whole
    case_updated_at  timestamptz,      -- what our last read of the case explains
    called_at        timestamptz,      -- when Deskie answered our last write to the case, by its own clock
    ask_first        boolean not null default false,   -- held: Deskie may have messages of ours that we forgot (rule 11)
    estranged        text,             -- held: why its case is another ticket's (rule 11)
    status           text,             -- the case's status that both sides have: sent by us, or written to the site
    status_at        timestamptz,      -- since when, by Deskie's clock: what it said before is past
    status_seen_at   timestamptz,      -- when we learned it; a message since then may have changed it
    site_status      text,             -- what [ticket] status last gave for the site's row
    opened_by        xid8,             -- the transaction that would open its case, while that is counted: nothing is sent
    created_at       timestamptz not null default now()
);
-- Keys are the site's, of any length: a btree refuses long ones (rule 19), so they are found and kept apart by their hash.
create unique index ticket_key_once on {schema}.ticket (pg_catalog.hashtextextended(key, 0), generation);
create index ticket_key on {schema}.ticket using hash (key);
create index ticket_opened_by on {schema}.ticket (opened_by) where opened_by is not null;
create index ticket_called on {schema}.ticket (called_at) where called_at is not null;
create index ticket_merged on {schema}.ticket (merged_into) where merged_into is not null;
create index ticket_estranged on {schema}.ticket (id) where estranged is not null;
create index ticket_ask on {schema}.ticket (id) where ask_first;
create index ticket_read on {schema}.ticket (read_wanted, read_wanted_at) where read_wanted is not null;

-- A row of the site that we know, for ever: this is what keeps an effect from happening twice (rule 5).
create table {schema}.link (
    id         bigint generated always as identity primary key,
    section    text not null check (section in ('ticket', 'message', 'attachment')),
    key        text not null,
    generation integer not null default 1,
    ticket_id  bigint references {schema}.ticket,
    state      text not null check (state in ('seen', 'queued', 'delivered', 'skipped', 'parked', 'discarded', 'written')),
    reason     text,
    gone       boolean not null default false,
    row_key    text,                  -- with [message] expand: the row that this message stands in
    gone_xid   xid8,                  -- the transaction that deleted it: if it comes back within, it was moved (rule 6)
    created_at timestamptz not null default now()
);
create unique index link_key_once on {schema}.link (section, pg_catalog.hashtextextended(key, 0), generation);
create index link_key on {schema}.link using hash (key);
create index link_ticket on {schema}.link (ticket_id);
create index link_row on {schema}.link using hash (row_key) where row_key is not null;

-- A row change that could not be taken: it is out of the way of all others, and waits for a person. Columns as in event.
create table {schema}.parked_event (
    id           bigint primary key,
    xid          xid8 not null,
    commit_lsn   pg_lsn not null,
    committed_at timestamptz not null,
    schema_name  text not null,
    table_name   text not null,
    op           text not null,
    image        jsonb,
    old_key      jsonb,
    echo         boolean not null,
    found        boolean not null,
    failures     smallint not null default 0,
    ticket_key   text,
    ticket_id    bigint references {schema}.ticket,    -- its lane, where it can be told: later things wait behind it
    position     bigint not null,      -- its place there
    state        text not null default 'parked' check (state in ('parked', 'retry')),
    error        text not null,
    parked_at    timestamptz not null default now()
);
create index parked_event_lane on {schema}.parked_event (ticket_id) where ticket_id is not null;

-- One call to Deskie: create_case where the ticket has no case yet, else add_message. Within a ticket in order of
-- (position, part); the ticket's own row comes first whenever it becomes eligible.
create table {schema}.delivery (
    id           bigint generated always as identity primary key,
    position     bigint not null,      -- 0 for the ticket's own row, else the event that made the row eligible
    ticket_id    bigint references {schema}.ticket,    -- null: parked, since the mapping could not tell the ticket
    link_id      bigint references {schema}.link,
    section      text not null,
    act          text not null default 'message' check (act in ('message', 'status', 'edit', 'note', 'file', 'held')),
    backfill     boolean not null default false,       -- behind live traffic
    part         integer not null default 1,           -- negative: it follows up on a message that was sent
    parts        integer not null default 1,
    lead         bigint references {schema}.delivery,  -- it goes in the call of this one, joined to its text
    author       text,                 -- customer or agent
    body         jsonb,                -- {text, html}; null once delivered and past retain
    files        jsonb,                -- files that go along, by link; act file: a message of its own that came late
    edited       text,                 -- the mapped text that an edit brings, or a note of it
    opening      jsonb,                -- what create_case needs besides the body
    image        jsonb,                -- the row, while unresolved
    written_at   bigint,               -- created_at as sent, in seconds since 1970
    state        text not null check (state in
                   ('unresolved', 'queued', 'sending', 'doubt', 'delivered', 'skipped', 'parked', 'discarded')),
    call         text check (call in ('create_case', 'add_message', 'add_note', 'update_case', 'edit_message')),
    attempts     integer not null default 0,
    failures     smallint not null default 0,  -- of ours, counted before it is tried again by itself (rule 19)
    not_before   timestamptz not null default now(),
    waits_since  timestamptz,          -- since when something of the site is waited for
    dormant      boolean not null default false,       -- unresolved, and its ticket is none of ours: nothing waits for it
    intent_at    timestamptz,          -- when the intent was made durable
    send_before  timestamptz,          -- no call is begun after this
    epoch        bigint,
    doubt_since  timestamptz,          -- since when it is not known whether Deskie did it; kept when parked (rule 9)
    looks        integer not null default 0,
    ask          text check (ask in ('first', 'asked')),   -- first: one look decides whether Deskie has it (rule 11)
    error        text,
    message_id   bigint unique,
    queued_at    timestamptz not null default now(),
    done_at      timestamptz,
    unique (link_id, part),
    check (link_id is not null or act in ('status', 'held')),
    check (ticket_id is not null or state not in ('queued', 'sending', 'doubt', 'delivered'))
);
-- A status is a state: only the newest counts, so a ticket has one row for it.
create unique index delivery_status on {schema}.delivery (ticket_id) where act = 'status';
create index delivery_open on {schema}.delivery (ticket_id, position, part, id) include (state, act)
    where state in ('unresolved', 'queued', 'sending', 'doubt', 'parked');
-- The next ones to send, of live traffic and of a backfill; when the next one's time comes; what is to be resolved.
create index delivery_live on {schema}.delivery (id) where state in ('queued', 'doubt') and not backfill;
create index delivery_backfill on {schema}.delivery (id) where state in ('queued', 'doubt') and backfill;
create index delivery_next on {schema}.delivery (not_before) where state in ('queued', 'doubt');
create index delivery_unresolved on {schema}.delivery (not_before) where state = 'unresolved';
create index delivery_doubt on {schema}.delivery (ticket_id) where state in ('sending', 'doubt');
create index delivery_ticket on {schema}.delivery (ticket_id);
create index delivery_lead on {schema}.delivery (lead) where lead is not null;
create index delivery_prune on {schema}.delivery (done_at) where body is not null;

-- Rows that a repair found and could not tell from old ones: they wait for a person, all of them as one delivery.
create table {schema}.held (
    id           bigint generated always as identity primary key,
    delivery_id  bigint not null references {schema}.delivery,
    schema_name  text not null,
    table_name   text not null,
    image        jsonb not null,
    committed_at timestamptz           -- their created_at stands for it
);
create index held_delivery on {schema}.held (delivery_id);

-- A message that stands in Deskie. Set difference over message_id decides what is new, never a high-water mark.
create table {schema}.remote (
    message_id  bigint primary key,
    seq         bigint generated always as identity,   -- the order in which it goes to the site
    case_id     bigint not null,
    ticket_id   bigint references {schema}.ticket,
    state       text not null check (state in ('ours', 'note', 'skipped', 'pending', 'written', 'parked', 'discarded')),
    reason      text,
    kind        text check (kind in ('agent', 'customer')),
    payload     jsonb,                 -- the message, while it is not written
    delivery_id bigint references {schema}.delivery,
    row_key     text,                  -- the site's row that it became
    said        text[],                -- fingerprints of the text as written: a copy of it is no new message (rule 8)
    copied      boolean not null default false,  -- a message of the site said the same afterwards
    via_rule    boolean,               -- a rule of Deskie wrote it
    attempts    integer not null default 0,
    not_before  timestamptz not null default now(),
    error       text,
    told        boolean not null default false,        -- ours: the webhook that it causes itself has come
    seen_at     timestamptz not null default now(),
    done_at     timestamptz
);
create index remote_open on {schema}.remote (ticket_id, seq) where state in ('pending', 'parked');
create index remote_prune on {schema}.remote (done_at) where payload is not null;
create index remote_said on {schema}.remote (ticket_id, done_at) where said is not null;
create index remote_case on {schema}.remote (case_id);

-- A case's status on its way to the site: the newest counts, so one row a ticket; deleted once it is written.
create table {schema}.status_write (
    ticket_id   bigint primary key references {schema}.ticket,
    status      text not null,         -- open, waiting or closed, as Deskie says it
    at          timestamptz not null,  -- when Deskie changed the case
    state       text not null default 'pending' check (state in ('pending', 'parked')),
    attempts    integer not null default 0,
    not_before  timestamptz not null default now(),
    error       text,
    seen_at     timestamptz not null default now()
);
create index status_write_order on {schema}.status_write (not_before) where state = 'pending';

-- Webhooks, stored before they are answered. Equal ones that wait are one row.
create table {schema}.inbox (
    id          bigint generated always as identity primary key,
    received_at timestamptz not null default clock_timestamp(),
    digest      bytea not null,
    repeats     integer not null default 0,
    kind        text not null check (kind in ('rule', 'channel')),
    case_id     bigint not null,
    message_id  bigint,                -- the newest message, as far as a rule webhook tells
    message     jsonb,                 -- a custom channel's message, whole
    ticket_key  text,                  -- the ticket that a rule's template names: a hint, believed after a look
    state       text not null default 'waiting' check (state in ('waiting', 'done', 'foreign', 'failed')),
    attempts    integer not null default 0,
    not_before  timestamptz not null default now(),
    error       text,
    done_at     timestamptz
);
create unique index inbox_waiting on {schema}.inbox (digest) where state = 'waiting';
create index inbox_order on {schema}.inbox (id) where state = 'waiting';

create index inbox_prune on {schema}.inbox (done_at) where state <> 'waiting';

-- Cases that are none of ours: asked about once. One that claims to be a ticket of the site is shown to a person: our
-- own state went back, the site uses the key anew, or somebody in Deskie has filled in the field (rule 11).
create table {schema}.foreign_case (
    case_id    bigint primary key,
    claims     text,                   -- what its ticket field holds
    seen_by    text,                   -- the person who has dealt with it, or why it needs none
    checked_at timestamptz not null default now()
);
create index foreign_case_claims on {schema}.foreign_case using hash (claims) where claims is not null;
create index foreign_case_open on {schema}.foreign_case (case_id) where claims is not null and seen_by is null;
create index foreign_case_prune on {schema}.foreign_case (checked_at) where claims is null or seen_by is not null;

-- Cases born in Deskie that are to become tickets of the site ([case]); one row a case, for ever.
create table {schema}.birth (
    case_id     bigint primary key,
    case_number text not null,
    subject     text not null,
    user_id     bigint,
    recipient   text not null,         -- the customer's address, where it is one
    channel     text not null,
    status      text not null,
    changed_at  timestamptz,           -- by Deskie's clock
    created_at  timestamptz,
    opening     jsonb,                 -- as delivery.opening: the subject and the customer
    state       text not null default 'pending' check (state in ('pending', 'done', 'parked', 'discarded')),
    ticket_id   bigint references {schema}.ticket,
    attempts    integer not null default 0,
    not_before  timestamptz not null default now(),
    error       text,
    seen_at     timestamptz not null default now(),
    done_at     timestamptz
);
create index birth_open on {schema}.birth (not_before) where state in ('pending', 'parked');
create index birth_ticket on {schema}.birth (ticket_id);

-- Work that may end the process, noted before it begins: what was begun three times without an end is done another way.
create table {schema}.risk (
    kind  text not null,               -- body: a message's HTML
    key   text not null,
    begun integer not null default 1,
    at    timestamptz not null default clock_timestamp(),
    primary key (kind, key)
);

-- The story of each ticket, for `trace`.
create table {schema}.journal (
    id        bigint generated always as identity primary key,
    at        timestamptz not null default clock_timestamp(),
    ticket_id bigint,
    what      text not null,
    detail    text
);
create index journal_prune on {schema}.journal (at);
create index journal_ticket on {schema}.journal (ticket_id, id);

-- Rows that were passed over, counted by reason.
create table {schema}.skipped (
    reason text primary key,
    count  bigint not null default 0
);

-- What a person is told of a transaction whose new cases are held. Last, since it reads the tables above.
create function {schema}.held(held xid8) returns text language sql stable as $$
    select 'one transaction of the site would open ' || count(*) || ' new cases at once, tickets ' || min(t.key) || ' to '
        || max(t.key) || ': an import? Nothing is sent for any of them. If they are for Deskie, `failed retry` opens all; '
        || 'else `failed discard` drops all. [capture] max_new_cases says how many are too many'
    from {schema}.ticket t where t.opened_by = held
$$;
