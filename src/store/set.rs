//! What resolve does for many rows at once: one statement for each kind of thing, whatever the number of rows.
//!
//! Each statement does what its namesake for one row does, in the order in which the rows are given: numbers are drawn in
//! that order.

use std::collections::HashMap;

use serde_json::Value;
use tokio_postgres::types::ToSql;

use super::delivery::IS_HEAD;
use super::link::{COLUMNS as LINK, link};
use super::remote::{WRITTEN, Written, written};
use super::ticket::{COLUMNS, ticket};
use super::{
    CaseStatuses, CreatedAt, Deliveries, Events, Link, LinkState, Links, Opening, Skipped, Step, Store,
    StoreError, Ticket, Tickets, UNHELD,
};
use crate::model::{DeliveryId, DeliveryState, EventId, Kind, LaneId, LinkId, Section};
use crate::text::Body;

/// A key that becomes known.
#[derive(Debug, Clone)]
pub struct NewLink<'a> {
    pub section: Section,
    pub key: &'a str,
    /// How often the key has been used.
    pub generation: i32,
    pub ticket: Option<LaneId>,
    /// What becomes of it.
    pub state: LinkState,
    /// Why.
    pub reason: Option<&'a str>,
}

/// A part of a row that enters its lane; what is not there yet is `None`.
#[derive(Debug, Clone)]
pub struct NewRow<'a> {
    /// The row's event, which holds the image.
    pub event: EventId,
    /// 0 for the ticket's own row, else the event.
    pub position: i64,
    pub ticket: LaneId,
    /// Its place among the keys that become known with it.
    pub link: usize,
    pub section: Section,
    /// `Queued`, `Unresolved` or `Parked`.
    pub state: DeliveryState,
    /// Who wrote it.
    pub author: Option<Kind>,
    /// The body of this part.
    pub body: Option<&'a Body>,
    /// What create_case needs.
    pub opening: Option<&'a Opening>,
    /// When it was written, or committed; in seconds since 1970.
    pub written_at: i64,
    /// Which part, from 1.
    pub part: i32,
    /// Of how many.
    pub parts: i32,
    /// Unresolved, and its ticket is none of ours.
    pub dormant: bool,
    /// Why it waits, or is parked.
    pub error: Option<&'a str>,
}

impl NewRow<'_> {
    /// Whether it is a message that goes as it is to the case that its ticket has.
    fn is_plain(&self) -> bool {
        let is_whole = self.parts == 1 && self.opening.is_none();
        self.state == DeliveryState::Queued && is_whole && self.section == Section::Message
    }
}

/// A row of a run, of which it is asked what is known.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub section: Section,
    pub key: &'a str,
    /// A ticket of which it is asked as well, once in a run.
    pub lane: Option<&'a str>,
}

/// What is known of tickets.
#[derive(Debug, Default)]
pub struct Lanes {
    /// The newest lane of each key, gone or not.
    pub newest: HashMap<String, Ticket>,
    /// The replies that were written to them lately, where there are any.
    pub written: HashMap<LaneId, Vec<Written>>,
}

impl Lanes {
    /// Adds the lane that the row holds, and what of [`WRITTEN`] it names `written`.
    fn add(&mut self, row: &tokio_postgres::Row) {
        let lane = ticket(row);
        let written = written(row.get("written"));
        if !written.is_empty() {
            self.written.insert(lane.id, written);
        }
        self.newest.insert(lane.key.0.clone(), lane);
    }
}

/// What ends with the rows that enter their lanes.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The events that are dealt with so.
    pub events: &'a [EventId],
    /// Lanes of which something changed: what waits there is looked at again.
    pub wakes: &'a [LaneId],
    /// What was learned of a section's `created_at`.
    pub clock: Option<&'a CreatedAt>,
}

/// A row that has just entered its lane as its head.
#[derive(Debug, Clone, Copy)]
pub struct EnteredHead {
    pub id: DeliveryId,
    pub link: LinkId,
    /// When the mapping was asked for it.
    pub resolved_at: jiff::Timestamp,
}

/// What came of rows that entered their lanes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entered {
    /// Something that waits has become due.
    pub wakes: bool,
    /// The only row, where it is the head of its lane and may be sent now, and what it is known by.
    pub head: Option<EnteredHead>,
}

/// Where a statement runs.
#[derive(Clone, Copy)]
pub enum Within<'a> {
    /// By itself.
    Alone(&'a Store),
    /// In a transaction.
    Step(&'a Step<'a>),
}

impl Within<'_> {
    fn store(&self) -> &Store {
        match self {
            Within::Alone(store) => store,
            Within::Step(step) => step.store,
        }
    }

    pub(super) async fn query(
        self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        match self {
            Within::Alone(store) => store.query(sql, params).await,
            Within::Step(step) => step.query(sql, params).await,
        }
    }

    /// The newest generation of each of these rows' keys, and the lanes that are asked about. `between`: when the rows were
    /// committed, in seconds since 1970; they may be copies of replies that were written within the hour before.
    pub async fn run_find(
        self,
        rows: &[Asked<'_>],
        between: (i64, i64),
    ) -> Result<(Vec<Option<Link>>, Lanes), StoreError> {
        let written_to = WRITTEN.replace("$FROM", "$4").replace("$TO", "$5");
        let sql = format!(
            "select u.n, {COLUMNS}, case when t.id is not null then {written_to} end as written, l.*
             from unnest($1::text[], $2::text[], $3::text[]) with ordinality u (section, key, lane, n)
             left join lateral (
                 select {LINK} from {{s}}.link where link.key = u.key and link.section = u.section order by generation desc limit 1) l on true
             left join lateral (
                 select * from {{s}}.ticket where ticket.key = u.lane order by generation desc limit 1) t on true"
        );
        let sections: Vec<&str> = rows.iter().map(|row| row.section.as_str()).collect();
        let keys: Vec<&str> = rows.iter().map(|row| row.key).collect();
        let wanted: Vec<Option<&str>> = rows.iter().map(|row| row.lane).collect();
        let mut links = vec![None; keys.len()];
        let mut lanes = Lanes::default();
        let values: [&(dyn ToSql + Sync); 5] = [&sections, &keys, &wanted, &between.0, &between.1];
        for row in self.query(&sql, &values).await? {
            let place = usize::try_from(row.get::<_, i64>("n") - 1).unwrap_or(usize::MAX);
            if row.get::<_, Option<LaneId>>("lane_id").is_some() {
                lanes.add(&row);
            }
            if let Some(found) = links.get_mut(place)
                && row.get::<_, Option<LinkId>>("link_id").is_some()
            {
                *found = Some(link(&row)?);
            }
        }
        Ok((links, lanes))
    }

    /// The lanes of these keys; `between` as in [`Within::run_find`].
    pub async fn lanes_find(self, keys: &[&str], between: (i64, i64)) -> Result<Lanes, StoreError> {
        let written_to = WRITTEN.replace("$FROM", "$2").replace("$TO", "$3");
        let sql = format!(
            "select {COLUMNS}, {written_to} as written from unnest($1::text[]) u (key)
             cross join lateral (select * from {{s}}.ticket where ticket.key = u.key order by generation desc limit 1) t"
        );
        let mut lanes = Lanes::default();
        for row in self.query(&sql, &[&keys, &between.0, &between.1]).await? {
            lanes.add(&row);
        }
        Ok(lanes)
    }

    /// Makes keys known, which are different, and puts rows of them into their lanes, each with what was found out about it:
    /// `links().add`, `deliveries().add` and what follows them, in one. With `ended` the statement fails where we do not lead any
    /// more, or while a person has to decide something. Whether anything that waits has become due by it.
    pub async fn enter(
        self,
        links: &[NewLink<'_>],
        rows: &[NewRow<'_>],
        ended: Option<Ended<'_>>,
    ) -> Result<Entered, StoreError> {
        let ends = match ended {
            None => "select true, false as due, null::int8 as head, null::int8 as link, null::timestamptz as resolved_at".to_owned(),
            Some(_) => format!(
                ", f as materialized (select {{s}}.fence($26)), e as (delete from {{s}}.event where id = any($21)),
                w as (update {{s}}.delivery set not_before = now()
                    where ticket_id = any($22) and state = 'unresolved' returning id),
                c as (update {{s}}.clock set lags = $24, last_xid = $25::text::xid8, sampled_at = clock_timestamp()
                    where section = $23),
                h as (select d.id, d.link_id, d.resolved_at from d join {{s}}.ticket t on t.id = d.ticket_id
                    where $27::bool and t.merged_into is null and not t.ask_first and t.opened_by is null and t.estranged is null
                      and (select {{s}}.same_server()) and not exists (select from {{s}}.hold)
                      and not exists (select from {{s}}.pause where way = 'to_deskie') and {IS_HEAD})
                select {UNHELD}, exists (select from w) as due, (select id from h) as head, (select link_id from h) as link,
                    (select resolved_at from h) as resolved_at
                from f"
            ),
        };
        let sql = format!(
            "with l as (
                insert into {{s}}.link (section, key, generation, ticket_id, state, reason)
                select section, key, generation, ticket_id, state, reason
                from unnest($1::text[], $2::text[], $3::int4[], $4::int8[], $5::text[], $6::text[])
                    with ordinality u (section, key, generation, ticket_id, state, reason, n)
                order by n returning id),
            known as materialized (select array_agg(id order by id) as ids from l),
            d as (
                insert into {{s}}.delivery (position, ticket_id, link_id, section, image, written_at, state, author, body,
                    opening, part, parts, error, dormant, attempts, waits_since, not_before)
                select u.position, u.ticket_id, (select ids from known)[u.link], u.section,
                    case when u.part = 1 then e.image end, u.written_at, u.state,
                    u.author, u.body::jsonb, u.opening::jsonb, u.part, u.parts, u.error, u.dormant,
                    case when u.state = 'unresolved' then 1 else 0 end,
                    case when u.state = 'unresolved' then clock_timestamp() end,
                    case when u.state = 'unresolved' then clock_timestamp() + interval '1 second' else now() end
                from unnest($7::int8[], $8::int8[], $9::int8[], $10::int4[], $11::text[], $12::int8[], $13::text[], $14::text[],
                        $15::text[], $16::text[], $17::int4[], $18::int4[], $19::text[], $20::bool[])
                    with ordinality u (event, position, ticket_id, link, section, written_at, state, author, body, opening,
                        part, parts, error, dormant, n)
                left join {{s}}.event e on e.id = u.event
                order by u.n returning id, ticket_id, link_id, position, part, resolved_at)
            {ends}"
        );
        fn column<'a, R, T>(rows: &'a [R], cell: impl Fn(&'a R) -> T) -> Vec<T> {
            rows.iter().map(cell).collect()
        }
        let json = |value: Result<Value, serde_json::Error>| {
            value
                .map(|value| value.to_string())
                .map_err(|error| StoreError::Damaged(error.to_string()))
        };
        let body = |row: &NewRow<'_>| row.body.map(|body| json(serde_json::to_value(body))).transpose();
        let bodies: Vec<Option<String>> = rows.iter().map(body).collect::<Result<_, _>>()?;
        let opening = |row: &NewRow<'_>| {
            let opening = row.opening.map(|opening| json(serde_json::to_value(opening)));
            opening.transpose()
        };
        let openings: Vec<Option<String>> = rows.iter().map(opening).collect::<Result<_, _>>()?;
        let link = |row: &NewRow<'_>| i32::try_from(row.link + 1).unwrap_or(i32::MAX);
        let columns: [Box<dyn ToSql + Sync + Send>; 20] = [
            Box::new(column(links, |link| link.section.as_str())),
            Box::new(column(links, |link| link.key)),
            Box::new(column(links, |link| link.generation)),
            Box::new(column(links, |link| link.ticket)),
            Box::new(column(links, |link| link.state.as_str())),
            Box::new(column(links, |link| link.reason)),
            Box::new(column(rows, |row| row.event.0)),
            Box::new(column(rows, |row| row.position)),
            Box::new(column(rows, |row| row.ticket)),
            Box::new(column(rows, link)),
            Box::new(column(rows, |row| row.section.as_str())),
            Box::new(column(rows, |row| row.written_at)),
            Box::new(column(rows, |row| row.state.as_str())),
            Box::new(column(rows, |row| row.author.map(Kind::as_str))),
            Box::new(bodies),
            Box::new(openings),
            Box::new(column(rows, |row| row.part)),
            Box::new(column(rows, |row| row.parts)),
            Box::new(column(rows, |row| row.error)),
            Box::new(column(rows, |row| row.dormant)),
        ];
        let mut values: Vec<&(dyn ToSql + Sync)> = Vec::new();
        for column in &columns {
            values.push(column.as_ref());
        }
        let of_clock = ended.and_then(|ended| ended.clock);
        let section = of_clock.map(|clock| clock.section.as_str());
        let lags = of_clock.map(|clock| clock.lags.as_slice());
        let xid = of_clock
            .and_then(|clock| clock.last_xid)
            .map(|xid| xid.to_string());
        let ids: Vec<i64> = ended.map_or_else(Vec::new, |ended| ended.events.iter().map(|id| id.0).collect());
        let epoch = self.store().epoch().0;
        let is_alone = matches!(rows, [row] if row.is_plain());
        if let Some(ended) = &ended {
            values.extend([
                &ids as &(dyn ToSql + Sync),
                &ended.wakes,
                &section,
                &lags,
                &xid,
                &epoch,
                &is_alone,
            ]);
        }
        let entered = self.query(&sql, &values).await?;
        let Some(entered) = entered.first() else {
            return Ok(Entered::default());
        };
        let head: Option<i64> = entered.get("head");
        Ok(Entered {
            wakes: entered.get("due"),
            head: head.map(|id| EnteredHead {
                id: DeliveryId(id),
                link: entered.get("link"),
                resolved_at: entered.get("resolved_at"),
            }),
        })
    }
}

impl Events<'_, Store> {
    /// Ends events that we caused ourselves, where each of the rows that they inserted is known: nothing follows from them.
    /// Else none is ended, and it is false. Fails like [`Within::enter`].
    pub async fn end_echoes(
        self,
        events: &[EventId],
        inserted: &[(Section, &str)],
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "with f as materialized (select {{s}}.fence($4)),
            known as (select coalesce(bool_and(coalesce(l.is_there, false)), true) as are_all
                from unnest($2::text[], $3::text[]) u (section, key)
                left join lateral (
                    select not gone as is_there from {{s}}.link where link.key = u.key and link.section = u.section
                    order by generation desc limit 1) l on true),
            e as (delete from {{s}}.event where id = any($1) and (select are_all from known) returning id)
            select {UNHELD}, exists (select from e) as are_ended from f"
        );
        let events: Vec<i64> = events.iter().map(|id| id.0).collect();
        let (sections, keys): (Vec<&str>, Vec<&str>) = inserted
            .iter()
            .map(|(section, key)| (section.as_str(), *key))
            .unzip();
        let values: [&(dyn ToSql + Sync); 4] = [&events, &sections, &keys, &self.0.epoch().0];
        let rows = self.0.query(&sql, &values).await?;
        Ok(rows.first().is_some_and(|row| row.get("are_ended")))
    }
}

impl Tickets<'_, Step<'_>> {
    /// Makes a lane for each of these keys, which are different; the lanes by key.
    pub async fn add_all(self, keys: &[&str]) -> Result<HashMap<String, Ticket>, StoreError> {
        let sql = format!(
            "insert into {{s}}.ticket as t (key, generation)
             select u.key, coalesce((select max(o.generation) from {{s}}.ticket o where o.key = u.key), 0) + 1
             from unnest($1::text[]) with ordinality u (key, n) order by u.n returning {COLUMNS}"
        );
        Ok(by_key(&self.0.query(&sql, &[&keys]).await?))
    }
}

impl Links<'_, Step<'_>> {
    /// Writes down what became of known rows: the row, its lane, its state, and why.
    pub async fn set_all(self, links: &[(LinkId, LaneId, LinkState, &str)]) -> Result<(), StoreError> {
        let sql = "update {s}.link l set ticket_id = u.ticket_id, state = u.state, reason = u.reason
            from unnest($1::int8[], $2::int8[], $3::text[], $4::text[]) u (id, ticket_id, state, reason) where l.id = u.id";
        let ids: Vec<i64> = links.iter().map(|(id, ..)| id.0).collect();
        let tickets: Vec<LaneId> = links.iter().map(|(_, ticket, ..)| *ticket).collect();
        let states: Vec<&str> = links.iter().map(|(_, _, state, _)| state.as_str()).collect();
        let reasons: Vec<&str> = links.iter().map(|(.., reason)| *reason).collect();
        self.0.execute(sql, &[&ids, &tickets, &states, &reasons]).await?;
        Ok(())
    }
}

impl CaseStatuses<'_, Step<'_>> {
    /// What the mapping last gave for the statuses of these lanes, which are different.
    pub async fn set_of_site_all(self, statuses: &[(LaneId, &str)]) -> Result<(), StoreError> {
        let sql = "update {s}.ticket t set site_status = u.status
            from unnest($1::int8[], $2::text[]) u (id, status) where t.id = u.id";
        let (ids, words): (Vec<LaneId>, Vec<&str>) = statuses.iter().copied().unzip();
        self.0.execute(sql, &[&ids, &words]).await?;
        Ok(())
    }
}

impl Deliveries<'_, Step<'_>> {
    /// Something of these tickets changed: what waits in their lanes is looked at again.
    pub async fn wake_all(self, tickets: &[LaneId]) -> Result<(), StoreError> {
        let sql =
            "update {s}.delivery set not_before = now() where ticket_id = any($1) and state = 'unresolved'";
        self.0.execute(sql, &[&tickets]).await?;
        Ok(())
    }
}

impl Skipped<'_, Step<'_>> {
    /// Counts rows that were passed over, by reasons that are different.
    pub async fn add(self, counts: &[(&str, usize)]) -> Result<(), StoreError> {
        let sql = "insert into {s}.skipped (reason, count) select * from unnest($1::text[], $2::int8[])
            on conflict (reason) do update set count = skipped.count + excluded.count";
        let (reasons, counts): (Vec<&str>, Vec<i64>) = counts
            .iter()
            .map(|(reason, count)| (*reason, i64::try_from(*count).unwrap_or(i64::MAX)))
            .unzip();
        self.0.execute(sql, &[&reasons, &counts]).await?;
        Ok(())
    }
}

fn by_key(rows: &[tokio_postgres::Row]) -> HashMap<String, Ticket> {
    let found = rows.iter().map(ticket);
    found.map(|ticket| (ticket.key.0.clone(), ticket)).collect()
}
