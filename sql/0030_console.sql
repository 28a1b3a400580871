-- What the console shows and keeps: samples for its charts, who did what, and which direction a person has paused.

-- How it was, a row a minute; one that was not written is a gap in the chart. Kept for two days.
create table {schema}.sample (
    at           timestamptz primary key,  -- the minute that ended
    sent         bigint not null,      -- messages that Deskie took in that minute
    written      bigint not null,      -- messages that were written to the site in it
    oldest       float8,               -- seconds that the oldest thing has waited; null: nothing waits
    lag          bigint,               -- bytes of WAL that are not captured; null: there is no slot
    parked       bigint not null,
    budget_used  integer,              -- of Deskie's quota, in units, within the last minute
    budget_limit integer
);

-- Who did what, in the console and by the commands: the newest ten thousand acts.
create table {schema}.audit (
    id     bigint generated always as identity primary key,
    at     timestamptz not null default clock_timestamp(),
    who    text not null,              -- as given at the log-in; empty: nobody said
    via    text not null check (via in ('console', 'program', 'command')),
    act    text not null check (act in ('log_in', 'retry', 'discard', 'pause', 'resume')),
    target text not null default '',   -- an item, a kind of items, a direction
    count  bigint not null default 1,  -- how many items
    reason text not null default ''
);

-- A direction that a person has paused: nothing new goes that way, over restarts too, until it is resumed.
create table {schema}.pause (
    direction text primary key check (direction in ('to_deskie', 'to_site')),
    since     timestamptz not null default clock_timestamp(),
    who       text not null default '',
    reason    text not null default ''
);

-- Is it paused? Asked wherever something would be taken to go that way.
create function {schema}.paused(way text) returns boolean language sql stable begin atomic
    select exists (select from {schema}.pause p where p.direction = way);
end;

-- Items of each kind in the order in which a person is shown them, however many there are.
create index delivery_parked on {schema}.delivery (queued_at, id) where state = 'parked' and lead is null;
create index remote_parked on {schema}.remote (seen_at, message_id) where state = 'parked';
create index parked_event_shown on {schema}.parked_event (parked_at, id) where state = 'parked';

-- By what a person looks for a ticket; values of any length (rule 19), hence by their hash.
create index ticket_number on {schema}.ticket using hash (case_number) where case_number is not null;
create index delivery_customer on {schema}.delivery using hash (lower(opening->>'email')) where opening is not null;
create index birth_customer on {schema}.birth using hash (lower(recipient));
create index inbox_case on {schema}.inbox (case_id);
