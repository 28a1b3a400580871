-- The schema as an administrator reads it: what each table and column is for, names for what is checked, and the words that
-- a column may hold where only the program knew them.

alter table {schema}.delivery rename constraint delivery_check to delivery_of_a_row;
alter table {schema}.delivery rename constraint delivery_check1 to delivery_in_a_lane;
alter table {schema}.delivery rename constraint delivery_link_id_part_key to delivery_part_once;
alter table {schema}.delivery
    add constraint delivery_section_check check (section in ('ticket', 'message', 'attachment')),
    add constraint delivery_author_check check (author in ('agent', 'customer'));
alter table {schema}.parked_event
    add constraint parked_event_op_check check (op in ('I', 'U', 'D', 'T'));

-- The heads of the queues are found by partial indexes, in which what is over lies in the way until it is vacuumed: with the
-- server's defaults a fifth of all that there ever was.
alter table {schema}.event set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
alter table {schema}.delivery set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
alter table {schema}.remote set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
alter table {schema}.inbox set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
alter table {schema}.ticket set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

comment on table {schema}.meta is 'What the connector knows of the server that it works with, and of its own position: one row.';
comment on column {schema}.meta.only_row is 'There is one row.';
comment on column {schema}.meta.started_at is 'The connector''s start: older rows are not its business.';
comment on column {schema}.meta.started_xid is 'The same, for rows without created_at.';
comment on column {schema}.meta.system_id is 'Which server our state belongs to (rule 11).';
comment on column {schema}.meta.timeline is 'The server''s timeline.';
comment on column {schema}.meta.database_name is 'The database.';
comment on column {schema}.meta.slot is 'Our replication slot.';
comment on column {schema}.meta.captured_lsn is 'End of the last transaction whose rows stand in event; acknowledged at most.';
comment on column {schema}.meta.captured_at is 'When the last captured transaction was committed.';
comment on column {schema}.meta.captured_xid is 'The last captured transaction.';
comment on column {schema}.meta.gap_from is 'A slot was lost: where capture ended then, until the repair has closed the gap.';
comment on column {schema}.meta.gap_since is 'When the last transaction before the gap was committed.';
comment on column {schema}.meta.gap_xid is 'The last transaction before the gap.';
comment on column {schema}.meta.gap_by_keys is 'Its transactions are another server''s: they say nothing here.';
comment on column {schema}.meta.gap_position is 'The next of the numbers in event that are kept free for its rows.';
comment on column {schema}.meta.repair_note is 'What the repair is at, or what came of the last one.';
comment on column {schema}.meta.created_at_kept is 'Whether Deskie keeps the created_at that we send; null: not seen yet.';
comment on column {schema}.meta.baseline is 'Which [message] expand the elements from before the start were noted for.';
comment on column {schema}.meta.swept_to is 'Cases updated before this have been compared.';
comment on column {schema}.meta.account is 'Which Deskie account our cases are of: its address (rule 11).';
comment on column {schema}.meta.account_since is 'Older cases of it are not the connector''s business; null: since started_at.';
comment on column {schema}.meta.copied_until is 'Until then the server may turn out to be a copy of the one that sends.';

comment on table {schema}.trouble is 'What goes wrong, told by its owner and read by everybody (rule 21). One that is over keeps its row for `retain`.';
comment on column {schema}.trouble.id is 'Its number.';
comment on column {schema}.trouble.kind is 'What is wrong, as docs/troubles.md names it.';
comment on column {schema}.trouble.subject is 'A table, a section; '''' where there is one of the kind only.';
comment on column {schema}.trouble.text is 'For people: nothing is decided by it.';
comment on column {schema}.trouble.since is 'Since when.';
comment on column {schema}.trouble.seen_at is 'When it was met last.';
comment on column {schema}.trouble.count is 'How often it was met.';
comment on column {schema}.trouble.ended_at is 'When it was over; null: it lasts.';

comment on table {schema}.hold is 'What a person has to decide before anything is sent, written or resolved: whether our state belongs to what is there (rule 11). While a row stands here, only capture and the receivers work.';
comment on column {schema}.hold.kind is 'What is to be decided.';
comment on column {schema}.hold.reason is 'Why, for people.';
comment on column {schema}.hold.since is 'Since when.';

comment on table {schema}.published is 'The mapped tables as they were last seen in our publications: one that was away meanwhile left a gap (rule 12).';
comment on column {schema}.published.relation is 'As the mapping calls it.';
comment on column {schema}.published.table_oid is 'Which table that is: one that was renamed is still the same (until restored).';
comment on column {schema}.published.trouble is 'What a person is told of it.';
comment on column {schema}.published.member is 'What publishes it; another one: it was taken out and put in again.';
comment on column {schema}.published.is_away is 'It is not published at this moment.';
comment on column {schema}.published.since is 'It was mapped later than the others: rows from before are not its business.';
comment on column {schema}.published.since_xid is 'The same as a transaction, for rows without created_at.';
comment on column {schema}.published.checked_at is 'When it was last seen published.';
comment on column {schema}.published.checked_xid is 'The oldest transaction that was open then.';

comment on table {schema}.clock is 'What created_at is worth (rule 22): how far it lay from the commit in the last rows whose INSERT was streamed.';
comment on column {schema}.clock.section is 'Whose created_at.';
comment on column {schema}.clock.expression is 'Of which created_at; another one is learned anew.';
comment on column {schema}.clock.zoned is 'Its type has a time zone.';
comment on column {schema}.clock.lags is 'Seconds from created_at to the commit, the newest first.';
comment on column {schema}.clock.last_xid is 'One row of a transaction is enough.';
comment on column {schema}.clock.sampled_at is 'When a row was looked at last.';

comment on table {schema}.lease is 'The leader (rule 13). Its epoch is checked in each of its transactions.';
comment on column {schema}.lease.only_row is 'There is one row.';
comment on column {schema}.lease.epoch is 'The term of office, raised at each take-over.';
comment on column {schema}.lease.holder is 'Which instance leads.';
comment on column {schema}.lease.renewed_at is 'When it said so last; null: it has given the lease back.';
comment on column {schema}.lease.server_started is 'Which run of the server has given it.';

comment on table {schema}.key_column is 'The columns by which rows are known, as they were when their numbers were last believed (rule 11): a key that is made anew, or a table that takes another one''s place, numbers the rows anew, and the stream does not say so.';
comment on column {schema}.key_column.section is 'Ticket, message, or the table of an attachment.';
comment on column {schema}.key_column.part is 'Of the row itself, or of what it belongs to.';
comment on column {schema}.key_column.place is 'Its place in the key.';
comment on column {schema}.key_column.schema_name is 'The table''s schema.';
comment on column {schema}.key_column.table_name is 'The table.';
comment on column {schema}.key_column.column_name is 'The column.';
comment on column {schema}.key_column.relation is 'The table''s OID.';
comment on column {schema}.key_column.attnum is 'The column''s number.';
comment on column {schema}.key_column.type is 'The OID of the column''s type.';
comment on column {schema}.key_column.is_primary is 'The key is whatever the primary key is.';

comment on table {schema}.event is 'Row changes as captured, in commit order; deleted once resolved.';
comment on column {schema}.event.id is 'Its place in commit order.';
comment on column {schema}.event.xid is 'Taken only when visible to everybody (rule 7).';
comment on column {schema}.event.commit_lsn is 'The position of its commit.';
comment on column {schema}.event.committed_at is 'When it was committed.';
comment on column {schema}.event.schema_name is 'The schema of the row''s table.';
comment on column {schema}.event.table_name is 'The row''s table.';
comment on column {schema}.event.op is 'I, U, D or T: INSERT, UPDATE, DELETE, TRUNCATE.';
comment on column {schema}.event.image is 'Column to text or null; an unchanged or large cell is absent.';
comment on column {schema}.event.old_key is 'The old key, where the change sent one.';
comment on column {schema}.event.size is 'Bytes of image and old_key: a round of resolving takes so much at most.';
comment on column {schema}.event.echo is 'Written by ourselves (rule 8).';
comment on column {schema}.event.failures is 'Counted before it is tried again by itself: a process may die of it (rule 19).';
comment on column {schema}.event.found is 'Brought in by a look through the tables, not by the stream.';

comment on table {schema}.bulk is 'What a transaction leaves to be known until it is over, which may be several rounds and a restart later; and one that would open more cases than [capture] max_new_cases, until a person has decided about all of them at once.';
comment on column {schema}.bulk.xid is 'The transaction.';
comment on column {schema}.bulk.emptied is 'Sections whose tables it emptied: what it inserts is loaded again, not new.';
comment on column {schema}.bulk.held_since is 'Its new cases wait for a person.';

comment on table {schema}.ticket is 'One lane. A key that the site uses anew after a deletion is another ticket: its generation is higher (rule 6).';
comment on column {schema}.ticket.id is 'The lane''s number.';
comment on column {schema}.ticket.key is 'The site''s key as text; a JSON array of texts where it has several columns.';
comment on column {schema}.ticket.generation is 'How often the key was used anew, from 1.';
comment on column {schema}.ticket.gone is 'The site deleted the row.';
comment on column {schema}.ticket.case_id is 'Deskie''s case; null: there is none yet.';
comment on column {schema}.ticket.case_number is 'The number of the case that people see.';
comment on column {schema}.ticket.case_key is 'What the case''s ticket field holds: the key at its opening; null: the key.';
comment on column {schema}.ticket.merged_into is 'Messages go into this case, which is another ticket''s.';
comment on column {schema}.ticket.child_of is 'This parent is none that the case was merged into.';
comment on column {schema}.ticket.read_from is 'What the case holds from before is another customer''s, from before a merge.';
comment on column {schema}.ticket.customer_at is 'When the customer''s last message of ours came, by Deskie''s clock.';
comment on column {schema}.ticket.user_id is 'Deskie''s number of the customer: add_message is never sent without it.';
comment on column {schema}.ticket.channel is 'The custom channel of the case.';
comment on column {schema}.ticket.custom_id is 'The customer''s identity in it.';
comment on column {schema}.ticket.opened_at is 'When we opened the case.';
comment on column {schema}.ticket.read_wanted is 'Class of a wanted read of the case: 0 webhook, 2 sweep, 3 at leisure.';
comment on column {schema}.ticket.read_wanted_at is 'Since when the read is wanted.';
comment on column {schema}.ticket.read_not_before is 'The case is not read before this.';
comment on column {schema}.ticket.read_attempts is 'How often reading it failed.';
comment on column {schema}.ticket.read_error is 'Why the last read failed.';
comment on column {schema}.ticket.read_refused is 'And that it was Deskie''s own word about this case.';
comment on column {schema}.ticket.read_surplus is 'Messages that the case shows, less those that we know, when it was read whole.';
comment on column {schema}.ticket.case_updated_at is 'What our last read of the case explains.';
comment on column {schema}.ticket.called_at is 'When Deskie answered our last write to the case, by its own clock.';
comment on column {schema}.ticket.ask_first is 'Held: Deskie may have messages of ours that we forgot (rule 11).';
comment on column {schema}.ticket.estranged is 'Held: why its case is another ticket''s (rule 11).';
comment on column {schema}.ticket.status is 'The case''s status that both sides have: sent by us, or written to the site.';
comment on column {schema}.ticket.status_at is 'Since when, by Deskie''s clock: what it said before is past.';
comment on column {schema}.ticket.status_seen_at is 'When we learned it; a message since then may have changed it.';
comment on column {schema}.ticket.site_status is 'What [ticket] status last gave for the site''s row.';
comment on column {schema}.ticket.opened_by is 'The transaction that would open its case, while that is counted: nothing is sent.';
comment on column {schema}.ticket.created_at is 'When we came to know the ticket.';
comment on column {schema}.ticket.hidden is 'Its row left `where` after it was sent (on_hide).';

comment on table {schema}.link is 'A row of the site that we know, for ever: this is what keeps an effect from happening twice (rule 5).';
comment on column {schema}.link.id is 'Its number.';
comment on column {schema}.link.section is 'The part of the mapping that the row belongs to.';
comment on column {schema}.link.key is 'The row''s key, as ticket.key.';
comment on column {schema}.link.generation is 'How often the key was used anew, from 1.';
comment on column {schema}.link.ticket_id is 'Its ticket, once that is known.';
comment on column {schema}.link.state is 'What became of the row (docs/states.md).';
comment on column {schema}.link.reason is 'Why.';
comment on column {schema}.link.gone is 'The site deleted the row.';
comment on column {schema}.link.row_key is 'With [message] expand: the row that this message stands in.';
comment on column {schema}.link.gone_xid is 'The transaction that deleted it: if it comes back within, it was moved (rule 6).';
comment on column {schema}.link.created_at is 'When we came to know the row.';
comment on column {schema}.link.hidden is 'Its row left `where` after it was sent (on_hide).';

comment on table {schema}.parked_event is 'A row change that could not be taken: it is out of the way of all others, and waits for a person. Columns as in event.';
comment on column {schema}.parked_event.id is 'As in event.';
comment on column {schema}.parked_event.xid is 'As in event.';
comment on column {schema}.parked_event.commit_lsn is 'As in event.';
comment on column {schema}.parked_event.committed_at is 'As in event.';
comment on column {schema}.parked_event.schema_name is 'As in event.';
comment on column {schema}.parked_event.table_name is 'As in event.';
comment on column {schema}.parked_event.op is 'As in event.';
comment on column {schema}.parked_event.image is 'As in event.';
comment on column {schema}.parked_event.old_key is 'As in event.';
comment on column {schema}.parked_event.echo is 'As in event.';
comment on column {schema}.parked_event.found is 'As in event.';
comment on column {schema}.parked_event.failures is 'As in event.';
comment on column {schema}.parked_event.ticket_key is 'The key of its ticket, where it can be told.';
comment on column {schema}.parked_event.ticket_id is 'Its lane, where it can be told: later things wait behind it.';
comment on column {schema}.parked_event.position is 'Its place there.';
comment on column {schema}.parked_event.state is 'It waits for a person, or is tried again.';
comment on column {schema}.parked_event.error is 'Why it is parked, for people.';
comment on column {schema}.parked_event.parked_at is 'Since when.';

comment on table {schema}.delivery is 'One call to Deskie: create_case where the ticket has no case yet, else add_message and the like. Within a ticket in order of (position, part); the ticket''s own row comes first whenever it becomes eligible.';
comment on column {schema}.delivery.id is 'Its number.';
comment on column {schema}.delivery.position is '0 for the ticket''s own row, else the event that made the row eligible.';
comment on column {schema}.delivery.ticket_id is 'Null: parked, since the mapping could not tell the ticket.';
comment on column {schema}.delivery.link_id is 'The site''s row; null: it is of none (a status, rows that are held).';
comment on column {schema}.delivery.section is 'The part of the mapping that the row belongs to.';
comment on column {schema}.delivery.act is 'What it brings to Deskie.';
comment on column {schema}.delivery.backfill is 'Behind live traffic.';
comment on column {schema}.delivery.part is 'Which part of the text, from 1; negative: it follows up on a message that was sent.';
comment on column {schema}.delivery.parts is 'Of how many parts the text is.';
comment on column {schema}.delivery.lead is 'It goes in the call of this one, joined to its text.';
comment on column {schema}.delivery.author is 'Who wrote the message: customer or agent.';
comment on column {schema}.delivery.body is '{text, html}; null once delivered and past retain.';
comment on column {schema}.delivery.files is 'Files that go along, by link; act file: a message of its own that came late.';
comment on column {schema}.delivery.edited is 'The mapped text that an edit brings, or a note of it.';
comment on column {schema}.delivery.opening is 'What create_case needs besides the body.';
comment on column {schema}.delivery.image is 'The row, while unresolved.';
comment on column {schema}.delivery.written_at is 'created_at as sent, in seconds since 1970.';
comment on column {schema}.delivery.state is 'Where it stands (docs/states.md).';
comment on column {schema}.delivery.call is 'The call that was begun last.';
comment on column {schema}.delivery.attempts is 'How often the call was begun.';
comment on column {schema}.delivery.failures is 'Failures of our own work on it, counted before it is tried again by itself (rule 19).';
comment on column {schema}.delivery.not_before is 'It is not tried before this.';
comment on column {schema}.delivery.waits_since is 'Since when something of the site is waited for.';
comment on column {schema}.delivery.dormant is 'Unresolved, and its ticket is none of ours: nothing waits for it.';
comment on column {schema}.delivery.intent_at is 'When the intent was made durable.';
comment on column {schema}.delivery.send_before is 'No call is begun after this.';
comment on column {schema}.delivery.epoch is 'Who began it: the leader of this term.';
comment on column {schema}.delivery.doubt_since is 'Since when it is not known whether Deskie did it; kept when parked (rule 9).';
comment on column {schema}.delivery.looks is 'How often it was looked for in Deskie.';
comment on column {schema}.delivery.ask is 'First: one look decides whether Deskie has it (rule 11).';
comment on column {schema}.delivery.error is 'Why it failed last, for people.';
comment on column {schema}.delivery.message_id is 'Deskie''s message that it became.';
comment on column {schema}.delivery.queued_at is 'When it was put into its lane.';
comment on column {schema}.delivery.done_at is 'When it was over.';
comment on column {schema}.delivery.behind is 'What is parked before it in its lane: a delivery, or, negative, a captured change.';

comment on table {schema}.held is 'Rows that a repair found and could not tell from old ones: they wait for a person, all of them as one delivery.';
comment on column {schema}.held.id is 'Its number.';
comment on column {schema}.held.delivery_id is 'The delivery that stands for all of them.';
comment on column {schema}.held.schema_name is 'The schema of the row''s table.';
comment on column {schema}.held.table_name is 'The row''s table.';
comment on column {schema}.held.image is 'The row: column to text or null.';
comment on column {schema}.held.committed_at is 'Their created_at stands for it.';

comment on table {schema}.remote is 'A message that stands in Deskie. Set difference over message_id decides what is new, never a high-water mark.';
comment on column {schema}.remote.message_id is 'Deskie''s number of the message; negative: it was another account''s.';
comment on column {schema}.remote.seq is 'The order in which it goes to the site.';
comment on column {schema}.remote.case_id is 'Its case.';
comment on column {schema}.remote.ticket_id is 'Its ticket.';
comment on column {schema}.remote.state is 'What it is to us (docs/states.md).';
comment on column {schema}.remote.reason is 'Why it is skipped.';
comment on column {schema}.remote.kind is 'Who wrote it: agent or customer.';
comment on column {schema}.remote.payload is 'The message, while it is not written.';
comment on column {schema}.remote.delivery_id is 'Our delivery that it is.';
comment on column {schema}.remote.row_key is 'The site''s row that it became.';
comment on column {schema}.remote.said is 'Fingerprints of the text as written: a copy of it is no new message (rule 8).';
comment on column {schema}.remote.copied is 'A message of the site said the same afterwards.';
comment on column {schema}.remote.via_rule is 'A rule of Deskie wrote it.';
comment on column {schema}.remote.attempts is 'How often it was tried and failed.';
comment on column {schema}.remote.not_before is 'It is not tried before this.';
comment on column {schema}.remote.error is 'Why it failed last, for people.';
comment on column {schema}.remote.told is 'Ours: the webhook that it causes itself has come.';
comment on column {schema}.remote.seen_at is 'When it was first seen.';
comment on column {schema}.remote.done_at is 'When it was over.';

comment on table {schema}.status_write is 'A case''s status on its way to the site: the newest counts, so one row a ticket; deleted once it is written.';
comment on column {schema}.status_write.ticket_id is 'The ticket.';
comment on column {schema}.status_write.status is 'Open, waiting or closed, as Deskie says it.';
comment on column {schema}.status_write.at is 'When Deskie changed the case.';
comment on column {schema}.status_write.state is 'It waits, or waits for a person.';
comment on column {schema}.status_write.attempts is 'How often it was tried and failed.';
comment on column {schema}.status_write.not_before is 'It is not tried before this.';
comment on column {schema}.status_write.error is 'Why it failed last, for people.';
comment on column {schema}.status_write.seen_at is 'When it was first seen.';

comment on table {schema}.inbox is 'Webhooks, stored before they are answered. Equal ones that wait are one row.';
comment on column {schema}.inbox.id is 'Its number.';
comment on column {schema}.inbox.received_at is 'When it came.';
comment on column {schema}.inbox.digest is 'A digest of what it says: equal ones that wait are one.';
comment on column {schema}.inbox.repeats is 'How many equal ones came while it waited.';
comment on column {schema}.inbox.kind is 'A rule''s, or a custom channel''s.';
comment on column {schema}.inbox.case_id is 'The case that it speaks of.';
comment on column {schema}.inbox.message_id is 'The newest message, as far as a rule webhook tells.';
comment on column {schema}.inbox.message is 'A custom channel''s message, whole.';
comment on column {schema}.inbox.ticket_key is 'The ticket that a rule''s template names: a hint, believed after a look.';
comment on column {schema}.inbox.state is 'What became of it (docs/states.md).';
comment on column {schema}.inbox.attempts is 'How often it was tried and failed.';
comment on column {schema}.inbox.not_before is 'It is not tried before this.';
comment on column {schema}.inbox.error is 'Why it failed last, for people.';
comment on column {schema}.inbox.done_at is 'When it was over.';

comment on table {schema}.foreign_case is 'Cases that are none of ours: asked about once. One that claims to be a ticket of the site is shown to a person: our own state went back, the site uses the key anew, or somebody in Deskie has filled in the field (rule 11).';
comment on column {schema}.foreign_case.case_id is 'The case.';
comment on column {schema}.foreign_case.claims is 'What its ticket field holds.';
comment on column {schema}.foreign_case.seen_by is 'The person who has dealt with it, or why it needs none.';
comment on column {schema}.foreign_case.checked_at is 'When it was asked about.';

comment on table {schema}.birth is 'Cases born in Deskie that are to become tickets of the site ([case]); one row a case, for ever.';
comment on column {schema}.birth.case_id is 'The case; negative: it was another account''s.';
comment on column {schema}.birth.case_number is 'The number of the case that people see.';
comment on column {schema}.birth.subject is 'Its subject.';
comment on column {schema}.birth.user_id is 'Deskie''s number of the customer.';
comment on column {schema}.birth.recipient is 'The customer''s address, where it is one.';
comment on column {schema}.birth.channel is 'The channel that it came by.';
comment on column {schema}.birth.status is 'Its status.';
comment on column {schema}.birth.changed_at is 'When the case was changed last, by Deskie''s clock.';
comment on column {schema}.birth.created_at is 'When the case was opened, by Deskie''s clock.';
comment on column {schema}.birth.opening is 'As delivery.opening: the subject and the customer.';
comment on column {schema}.birth.state is 'What became of it (docs/states.md).';
comment on column {schema}.birth.ticket_id is 'The ticket that it became.';
comment on column {schema}.birth.attempts is 'How often it was tried and failed.';
comment on column {schema}.birth.not_before is 'It is not tried before this.';
comment on column {schema}.birth.error is 'Why it failed last, for people.';
comment on column {schema}.birth.seen_at is 'When it was first seen.';
comment on column {schema}.birth.done_at is 'When it was over.';

comment on table {schema}.risk is 'Work that may end the process, noted before it begins: what was begun three times without an end is done another way.';
comment on column {schema}.risk.kind is 'Body: a message''s HTML.';
comment on column {schema}.risk.key is 'Which one.';
comment on column {schema}.risk.begun is 'How often it was begun without an end.';
comment on column {schema}.risk.at is 'When it was begun last.';

comment on table {schema}.journal is 'The story of each ticket, for `trace`.';
comment on column {schema}.journal.id is 'Its number.';
comment on column {schema}.journal.at is 'When.';
comment on column {schema}.journal.ticket_id is 'The ticket; null: of none.';
comment on column {schema}.journal.what is 'What happened.';
comment on column {schema}.journal.detail is 'More of it.';

comment on table {schema}.skipped is 'Rows that were passed over, counted by reason.';
comment on column {schema}.skipped.reason is 'Why.';
comment on column {schema}.skipped.count is 'How many.';

comment on table {schema}.sample is 'How it was, a row a minute; one that was not written is a gap in the chart. Kept for two days.';
comment on column {schema}.sample.at is 'The minute that ended.';
comment on column {schema}.sample.sent is 'Messages that Deskie took in that minute.';
comment on column {schema}.sample.written is 'Messages that were written to the site in it.';
comment on column {schema}.sample.oldest is 'Seconds that the oldest thing has waited; null: nothing waits.';
comment on column {schema}.sample.lag is 'Bytes of WAL that are not captured; null: there is no slot.';
comment on column {schema}.sample.parked is 'How much waited for a person.';
comment on column {schema}.sample.budget_used is 'Of Deskie''s quota, in units, within the last minute.';
comment on column {schema}.sample.budget_limit is 'Deskie''s quota, in units a minute.';

comment on table {schema}.audit is 'Who did what, in the console and by the commands: the newest ten thousand acts.';
comment on column {schema}.audit.id is 'Its number.';
comment on column {schema}.audit.at is 'When.';
comment on column {schema}.audit.who is 'As given at the log-in; empty: nobody said.';
comment on column {schema}.audit.via is 'By which way.';
comment on column {schema}.audit.act is 'What.';
comment on column {schema}.audit.target is 'An item, the letter of a kind of items, or a direction.';
comment on column {schema}.audit.count is 'How many items.';
comment on column {schema}.audit.reason is 'Why, in that person''s words.';

comment on table {schema}.pause is 'The directions that a person has paused: what is captured and what Deskie says is stored, and waits.';
comment on column {schema}.pause.way is 'Which.';
comment on column {schema}.pause.since is 'Since when.';
