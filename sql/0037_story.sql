-- A ticket's story, and whether an agent has said something on it, are asked by the ticket: over ten million messages too.
create index remote_ticket on {schema}.remote (ticket_id);
