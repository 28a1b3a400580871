//! What stands behind something parked: marked, so that a look for work costs what there is to do, not what waits for a
//! person.
//!
//! The mark only leaves a row out of the look. Who may be sent is still decided by what is open before it ([`IS_HEAD`]), so a
//! mark that is missing costs time and nothing else; one that is wrong is taken away here.
//!
//! [`IS_HEAD`]: super::delivery

use super::{Deliveries, Store, StoreError};

/// So many lanes are marked in one statement, so that none runs long.
const LANES_AT_ONCE: i64 = 1000;

/// A mark that is no longer true: the row or what it stood behind has got another place since.
const UNMARK: &str = "update {s}.delivery d set behind = null where d.behind is not null
    and not exists (select from {s}.delivery p where p.id = d.behind and p.state = 'parked' and p.ticket_id = d.ticket_id
                    and p.act not in ('status', 'file') and (p.position, p.part, p.id) < (d.position, d.part, d.id))
    and not exists (select from {s}.parked_event p where p.id = -d.behind and p.ticket_id = d.ticket_id
                    and p.position < d.position)";

/// What is being decided at this moment is passed over: whoever holds its row takes the marks away that are there, and must
/// miss none.
const MARK: &str = "with p as materialized (
        select p.id, p.ticket_id, p.position, p.part from {s}.delivery p
        where p.state = 'parked' and p.lead is null and p.act not in ('status', 'file')
          and exists (select from {s}.delivery d where d.ticket_id = p.ticket_id and d.state in ('queued', 'doubt')
                      and d.behind is null and (d.position, d.part, d.id) > (p.position, p.part, p.id))
        limit $1 for share of p skip locked)
    update {s}.delivery d set behind = p.id from p
    where d.ticket_id = p.ticket_id and d.state in ('queued', 'doubt') and d.behind is null
      and (d.position, d.part, d.id) > (p.position, p.part, p.id)";

/// The same for captured changes that are parked.
const MARK_EVENTS: &str = "with p as materialized (
        select p.id, p.ticket_id, p.position from {s}.parked_event p
        where exists (select from {s}.delivery d where d.ticket_id = p.ticket_id and d.state in ('queued', 'doubt')
                      and d.behind is null and d.position > p.position)
        limit $1 for share of p skip locked)
    update {s}.delivery d set behind = -p.id from p
    where d.ticket_id = p.ticket_id and d.state in ('queued', 'doubt') and d.behind is null and d.position > p.position";

impl Deliveries<'_, Store> {
    /// Marks what stands behind something parked, and takes away marks that are no longer true.
    pub async fn mark_behind(self) -> Result<(), StoreError> {
        self.0.execute(UNMARK, &[]).await?;
        for mark in [MARK, MARK_EVENTS] {
            while self.0.execute(mark, &[&LANES_AT_ONCE]).await? > 0 {}
        }
        Ok(())
    }
}
