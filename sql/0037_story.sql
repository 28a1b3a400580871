-- A ticket's story, and whether an agent has said something on it, are asked by the ticket: over ten million messages too.
create index remote_ticket on {schema}.remote (ticket_id);

-- What waits for being written, counted at each look and each beat, however many replies are parked.
create index remote_waiting on {schema}.remote (seen_at) include (not_before) where state = 'pending';
