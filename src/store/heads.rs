//! The heads of all lanes, both ways, in one statement: what is to be sent or looked for, and which cases are to be read.

use crate::model::{DeliveryId, LaneId};
use std::collections::HashSet;
use std::time::Duration;

use super::delivery::{self, IS_HEAD, delivery};
use super::ticket::{self, ticket};
use super::{Deliveries, Delivery, Store, StoreError, Ticket};

/// What the lanes could do now.
#[derive(Debug, Default)]
pub struct Heads {
    /// What can be sent or looked for, the oldest first.
    pub deliveries: Vec<Delivery>,
    /// Those of them that nothing else of their tickets waits for: edits, notes and statuses of messages that Deskie has.
    pub follow_ups: HashSet<DeliveryId>,
    /// The tickets whose cases are to be read, the most urgent first.
    pub reads: Vec<Ticket>,
    /// When the time of the next one comes; `None`: nothing waits for a time.
    pub next_in: Option<Duration>,
}

/// A delivery that only follows up on what Deskie has, and before which nothing of its ticket waits.
const FOLLOWS_UP: &str = "(not d.backfill and d.act in ('edit', 'note', 'status') and not exists (
    select from {s}.delivery o where o.ticket_id = d.ticket_id and o.state in ('unresolved', 'queued', 'doubt')
        and o.act not in ('edit', 'note', 'status')))";

impl Deliveries<'_, Store> {
    /// The heads of lanes whose time has come: `limit` deliveries of live traffic, as many that follow up on others, as many
    /// of a backfill, and `limit` reads. Lanes with work under way (`busy`) are left out; there are none while something is held, and nothing to be sent
    /// while the way to Deskie is paused.
    pub async fn lane_heads(self, limit: u32, busy: &[LaneId]) -> Result<Heads, StoreError> {
        let some = |which: &str| {
            format!(
                "(select d.id, d.ticket_id from {{s}}.delivery d
                  where (d.state = 'doubt' or d.state = 'queued' and not exists (select from {{s}}.pause where way = 'to_deskie'))
                    and d.state in ('queued', 'doubt') and d.behind is null and {which} and d.not_before <= clock_timestamp()
                    and d.ticket_id <> all($1) and {IS_HEAD}
                    and not exists (select from {{s}}.ticket t where t.id = d.ticket_id
                                    and (t.ask_first or t.opened_by is not null or t.estranged is not null
                                        or exists (select from {{s}}.ticket o where o.case_id = t.merged_into and o.estranged is not null)))
                  order by d.id limit {limit})"
            )
        };
        let sql = format!(
            "select {}, {}, head.next, head.follows from (
                 select id, ticket_id, null::float8 as next, false as follows from ({} union all {}) sent
                 union all select id, ticket_id, null, true from {} follow
                 union all (select null, t.id, null, null from {{s}}.ticket t
                     where read_wanted is not null and case_id is not null and merged_into is null and not ask_first
                       and (read_not_before is null or read_not_before <= clock_timestamp()) and t.id <> all($1)
                     order by read_wanted, read_wanted_at limit {limit})
                 union all select null, null, (select extract(epoch from least(
                     (select min(not_before) from {{s}}.delivery where state in ('queued', 'doubt') and behind is null and not_before > now()),
                     (select min(read_not_before) from {{s}}.ticket
                         where read_wanted is not null and read_not_before > now())) - clock_timestamp())::float8), null) head
             left join {{s}}.delivery d on d.id = head.id
             left join {{s}}.ticket t on t.id = head.ticket_id
             where (select {{s}}.same_server()) and not exists (select from {{s}}.hold)
             order by d.id, t.read_wanted, t.read_wanted_at",
            delivery::COLUMNS,
            ticket::COLUMNS,
            some(&format!("not d.backfill and not {FOLLOWS_UP}")),
            some("d.backfill"),
            some(FOLLOWS_UP)
        );
        let mut heads = Heads::default();
        for row in self.0.query(&sql, &[&busy]).await? {
            let (id, lane): (Option<i64>, Option<LaneId>) = (row.get("id"), row.get("lane_id"));
            match (id, lane) {
                (Some(id), _) => {
                    heads.deliveries.push(delivery(&row)?);
                    let follows: Option<bool> = row.get("follows");
                    heads
                        .follow_ups
                        .extend((follows == Some(true)).then_some(DeliveryId(id)));
                }
                (None, Some(_)) => heads.reads.push(ticket(&row)),
                (None, None) => {
                    let seconds: Option<f64> = row.get("next");
                    heads.next_in = seconds.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e6)));
                }
            }
        }
        Ok(heads)
    }
}
