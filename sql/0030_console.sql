-- What the console shows and keeps: samples for its charts, and who did what.

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
    target text not null default '',   -- an item, the letter of a kind of items, or a direction
    count  bigint not null default 1,  -- how many items
    reason text not null default ''
);

-- The directions that a person has paused: what is captured and what Deskie says is stored, and waits.
create table {schema}.pause (
    way   text primary key check (way in ('to_deskie', 'to_site')),
    since timestamptz not null default clock_timestamp()
);

-- A person looks for a ticket by its case's number or its customer's address. Such texts are of any length (rule 19).
create index ticket_case_number on {schema}.ticket using hash (case_number);
create index delivery_email on {schema}.delivery using hash (lower((opening->>'email') collate "C")) where opening is not null;
create index birth_recipient on {schema}.birth using hash (lower(recipient collate "C"));

-- What is on its way, counted at each look at the console and at each scrape, however much is parked or done.
create index delivery_waiting on {schema}.delivery (queued_at)
    where state in ('unresolved', 'queued', 'sending', 'doubt') and not dormant;

-- Items of each kind in the order in which a person is shown them, however many there are.
create index delivery_parked on {schema}.delivery (queued_at, id) where state = 'parked' and lead is null;
create index remote_parked on {schema}.remote (seen_at, message_id) where state = 'parked';
create index parked_event_shown on {schema}.parked_event (parked_at, id) where state = 'parked';

-- What was written in a minute: a message's text goes once its case was read again, so remote_prune does not find it.
create index remote_written on {schema}.remote (done_at) where state = 'written';

-- A ticket's story names its webhooks.
create index inbox_case on {schema}.inbox (case_id);
