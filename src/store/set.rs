//! What resolve does for many rows at once: one statement for each kind of thing, whatever the number of rows.
//!
//! Each statement does what its namesake for one row does, in the order in which the rows are given: numbers are drawn in
//! that order.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::link::link;
use super::ticket::{COLUMNS, ticket};
use super::{Link, LinkState, Opening, Step, StoreError, Ticket};
use crate::model::{EventId, LinkId, Section};
use crate::text::Body;

/// A key that becomes known.
#[derive(Debug, Clone)]
pub struct NewLink<'a> {
    /// Its section.
    pub section: Section,
    /// The key.
    pub key: &'a str,
    /// How often the key has been used.
    pub generation: i32,
    /// Its lane.
    pub ticket: Option<i64>,
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
    /// The lane.
    pub ticket: i64,
    /// The row.
    pub link: LinkId,
    /// Its section.
    pub section: Section,
    /// `queued`, `unresolved` or `parked`.
    pub state: &'static str,
    /// `customer` or `agent`.
    pub author: Option<&'static str>,
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

impl Step<'_> {
    /// The newest generation of each of these keys.
    pub async fn link_find_all(&self, keys: &[(Section, &str)]) -> Result<Vec<Option<Link>>, StoreError> {
        let sql = "select u.n, l.* from unnest($1::text[], $2::text[]) with ordinality u (section, key, n)
            cross join lateral (
                select id, generation, state, gone, ticket_id, gone_xid::text, coalesce(reason = 'baseline', false)
                from {s}.link where link.key = u.key and link.section = u.section order by generation desc limit 1) l";
        let (sections, keys): (Vec<&str>, Vec<&str>) =
            keys.iter().map(|(section, key)| (section.as_str(), *key)).unzip();
        let mut found = vec![None; keys.len()];
        for row in self.query(sql, &[&sections, &keys]).await? {
            let place = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(usize::MAX);
            if let Some(found) = found.get_mut(place) {
                *found = Some(link(&row, 1)?);
            }
        }
        Ok(found)
    }

    /// The newest lane of each of these keys, gone or not, by key; and to which of them a reply was written within the hour
    /// before any moment of `between`, in seconds since 1970: a row of theirs may be a copy of it.
    pub async fn ticket_newest_all(
        &self,
        keys: &[&str],
        between: (i64, i64),
    ) -> Result<(HashMap<String, Ticket>, HashSet<i64>), StoreError> {
        let sql = format!(
            "select {COLUMNS}, exists (select from {{s}}.remote r
                where r.ticket_id = t.id and r.state = 'written' and r.said is not null
                  and r.done_at between to_timestamp($2::int8::float8) - interval '1 hour'
                                    and to_timestamp($3::int8::float8) + interval '2 seconds')
             from unnest($1::text[]) u (key)
             cross join lateral (select * from {{s}}.ticket where ticket.key = u.key order by generation desc limit 1) t"
        );
        let rows = self.query(&sql, &[&keys, &between.0, &between.1]).await?;
        let heard = rows.iter().filter(|row| row.get::<_, bool>(row.len() - 1));
        let heard = heard.map(|row| ticket(row).id).collect();
        Ok((by_key(&rows), heard))
    }

    /// Makes a lane for each of these keys, which are different; the lanes by key.
    pub async fn ticket_add_all(&self, keys: &[&str]) -> Result<HashMap<String, Ticket>, StoreError> {
        let sql = format!(
            "insert into {{s}}.ticket as t (key, generation)
             select u.key, coalesce((select max(o.generation) from {{s}}.ticket o where o.key = u.key), 0) + 1
             from unnest($1::text[]) with ordinality u (key, n) order by u.n returning {COLUMNS}"
        );
        Ok(by_key(&self.query(&sql, &[&keys]).await?))
    }

    /// Makes keys known, which are different; their numbers by section and key.
    pub async fn link_add_all(
        &self,
        links: &[NewLink<'_>],
    ) -> Result<HashMap<(Section, String), LinkId>, StoreError> {
        let sql = "insert into {s}.link (section, key, generation, ticket_id, state, reason)
            select section, key, generation, ticket_id, state, reason
            from unnest($1::text[], $2::text[], $3::int4[], $4::int8[], $5::text[], $6::text[])
                with ordinality u (section, key, generation, ticket_id, state, reason, n)
            order by n returning id, key, section = 'ticket'";
        let sections: Vec<&str> = links.iter().map(|link| link.section.as_str()).collect();
        let keys: Vec<&str> = links.iter().map(|link| link.key).collect();
        let generations: Vec<i32> = links.iter().map(|link| link.generation).collect();
        let tickets: Vec<Option<i64>> = links.iter().map(|link| link.ticket).collect();
        let states: Vec<&str> = links.iter().map(|link| link.state.as_str()).collect();
        let reasons: Vec<Option<&str>> = links.iter().map(|link| link.reason).collect();
        let rows = self
            .query(
                sql,
                &[&sections, &keys, &generations, &tickets, &states, &reasons],
            )
            .await?;
        let read = |row: &tokio_postgres::Row| {
            let section = match row.get::<_, bool>(2) {
                true => Section::Ticket,
                false => Section::Message,
            };
            ((section, row.get(1)), LinkId(row.get(0)))
        };
        Ok(rows.iter().map(read).collect())
    }

    /// Writes down what became of known rows: the row, its lane, its state, and why.
    pub async fn link_set_all(&self, links: &[(LinkId, i64, LinkState, &str)]) -> Result<(), StoreError> {
        let sql = "update {s}.link l set ticket_id = u.ticket_id, state = u.state, reason = u.reason
            from unnest($1::int8[], $2::int8[], $3::text[], $4::text[]) u (id, ticket_id, state, reason) where l.id = u.id";
        let ids: Vec<i64> = links.iter().map(|(id, ..)| id.0).collect();
        let tickets: Vec<i64> = links.iter().map(|(_, ticket, ..)| *ticket).collect();
        let states: Vec<&str> = links.iter().map(|(_, _, state, _)| state.as_str()).collect();
        let reasons: Vec<&str> = links.iter().map(|(.., reason)| *reason).collect();
        self.execute(sql, &[&ids, &tickets, &states, &reasons]).await?;
        Ok(())
    }

    /// Puts rows into their lanes, each with what was found out about it: `delivery_add` and what follows it, in one.
    pub async fn delivery_add_all(&self, rows: &[NewRow<'_>]) -> Result<(), StoreError> {
        let sql = "insert into {s}.delivery (position, ticket_id, link_id, section, image, written_at, state, author, body,
                opening, part, parts, error, dormant, attempts, waits_since, not_before)
            select u.position, u.ticket_id, u.link_id, u.section, case when u.part = 1 then e.image end, u.written_at, u.state,
                u.author, u.body::jsonb, u.opening::jsonb, u.part, u.parts, u.error, u.dormant,
                case when u.state = 'unresolved' then 1 else 0 end,
                case when u.state = 'unresolved' then clock_timestamp() end,
                case when u.state = 'unresolved' then clock_timestamp() + interval '1 second' else now() end
            from unnest($1::int8[], $2::int8[], $3::int8[], $4::int8[], $5::text[], $6::int8[], $7::text[], $8::text[],
                    $9::text[], $10::text[], $11::int4[], $12::int4[], $13::text[], $14::bool[])
                with ordinality u (event, position, ticket_id, link_id, section, written_at, state, author, body, opening,
                    part, parts, error, dormant, n)
            left join {s}.event e on e.id = u.event
            order by u.n";
        fn column<'a, T>(rows: &'a [NewRow<'a>], cell: impl Fn(&'a NewRow<'a>) -> T) -> Vec<T> {
            rows.iter().map(cell).collect()
        }
        let json = |value: Result<Value, serde_json::Error>| {
            value
                .map(|value| value.to_string())
                .map_err(|error| StoreError::Damaged(error.to_string()))
        };
        let bodies: Vec<Option<String>> = rows
            .iter()
            .map(|row| row.body.map(|body| json(serde_json::to_value(body))).transpose())
            .collect::<Result<_, _>>()?;
        let openings: Vec<Option<String>> = rows
            .iter()
            .map(|row| {
                row.opening
                    .map(|opening| json(serde_json::to_value(opening)))
                    .transpose()
            })
            .collect::<Result<_, _>>()?;
        self.execute(
            sql,
            &[
                &column(rows, |row| row.event.0),
                &column(rows, |row| row.position),
                &column(rows, |row| row.ticket),
                &column(rows, |row| row.link.0),
                &column(rows, |row| row.section.as_str()),
                &column(rows, |row| row.written_at),
                &column(rows, |row| row.state),
                &column(rows, |row| row.author),
                &bodies,
                &openings,
                &column(rows, |row| row.part),
                &column(rows, |row| row.parts),
                &column(rows, |row| row.error),
                &column(rows, |row| row.dormant),
            ],
        )
        .await?;
        Ok(())
    }

    /// What the mapping last gave for the statuses of these lanes, which are different.
    pub async fn status_of_site_all(&self, statuses: &[(i64, &str)]) -> Result<(), StoreError> {
        let sql = "update {s}.ticket t set site_status = u.status
            from unnest($1::int8[], $2::text[]) u (id, status) where t.id = u.id";
        let (ids, words): (Vec<i64>, Vec<&str>) = statuses.iter().copied().unzip();
        self.execute(sql, &[&ids, &words]).await?;
        Ok(())
    }

    /// Something of these tickets changed: what waits in their lanes is looked at again.
    pub async fn delivery_wake_all(&self, tickets: &[i64]) -> Result<(), StoreError> {
        let sql =
            "update {s}.delivery set not_before = now() where ticket_id = any($1) and state = 'unresolved'";
        self.execute(sql, &[&tickets]).await?;
        Ok(())
    }

    /// Counts rows that were passed over, by reasons that are different.
    pub async fn skipped_add(&self, counts: &[(&str, usize)]) -> Result<(), StoreError> {
        let sql = "insert into {s}.skipped (reason, count) select * from unnest($1::text[], $2::int8[])
            on conflict (reason) do update set count = skipped.count + excluded.count";
        let (reasons, counts): (Vec<&str>, Vec<i64>) = counts
            .iter()
            .map(|(reason, count)| (*reason, i64::try_from(*count).unwrap_or(i64::MAX)))
            .unzip();
        self.execute(sql, &[&reasons, &counts]).await?;
        Ok(())
    }
}

fn by_key(rows: &[tokio_postgres::Row]) -> HashMap<String, Ticket> {
    let found = rows.iter().map(ticket);
    found.map(|ticket| (ticket.key.0.clone(), ticket)).collect()
}
