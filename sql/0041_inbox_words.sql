-- What became of a webhook, by the words that the program knows: none has ever failed, an unreadable one is refused.
alter table {schema}.inbox drop constraint inbox_state_check,
    add constraint inbox_state_check check (state in ('waiting', 'done', 'foreign'));
