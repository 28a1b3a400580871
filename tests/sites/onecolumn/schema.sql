-- A contact form with one row a question: the answer is a column of it, and what was said later a JSON array.
create table questions (
    id          serial primary key,
    email       text not null,
    question    text not null,
    answer      text,
    answered_by text,
    answered_at timestamp,
    followups   jsonb not null default '[]',
    version     int not null default 1
);
