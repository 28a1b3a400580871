//! A case from before the connector, which a person has adopted (`setup --adopt` without the former schema), goes on with the
//! ticket that it names.
//!
//! Each is looked at once something is said in it, which the sweep tells. It becomes its ticket's where all agree: it alone
//! names that ticket, which is on the site and for Deskie, is the same customer's, and is not younger than the case (a key that
//! came again is another ticket). Else it is laid aside, and a person is shown it: no text of one customer reaches another.

use tokio_postgres::error::SqlState;

use super::Cases;
use super::sweep::{CLOCK_SKEW, Failed};
use crate::decide::{self, Opening, Outputs, Ruling, TicketRow, Times};
use crate::deskie::{Case, Identity, Outcome};
use crate::lanes::{self, CaseCandidate, CaseIntent, Class, CreatedAtKept, Lookup};
use crate::mapping::shape::key_values;
use crate::mapping::{Source, read};
use crate::model::{RowClock, Section, TicketKey, clock};
use crate::postgres::shape::load_shape;
use crate::postgres::{TextParam, describe, is_of_the_server, site};
use crate::store::{Adopted, Claim, Meta};
use crate::text::Parts;

impl Cases {
    /// The adopted cases of a page in which something may have been said since the start, and which ticket each names.
    pub(super) async fn adopted(&self, cases: &[Case], meta: &Meta) -> Result<Vec<(Case, Claim)>, Failed> {
        let start = meta.started_at.saturating_sub(CLOCK_SKEW);
        let start = start.unwrap_or(jiff::Timestamp::MIN);
        let fresh: Vec<&Case> = cases
            .iter()
            .filter(|case| case.updated_at.is_some_and(|at| at >= start))
            .collect();
        if fresh.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = fresh.iter().map(|case| case.case_id).collect();
        let claims = self.store.claims().adopted(&ids).await?;
        let with_case = |claim: Claim| {
            let case = fresh.iter().find(|case| case.case_id == claim.case_id)?;
            Some(((*case).clone(), claim))
        };
        Ok(claims.into_iter().filter_map(with_case).collect())
    }

    /// Gives these cases to the tickets that they name, or lays them aside. All pages are seen by now: another case that
    /// names the same ticket is known.
    pub(super) async fn take_adopted(&self, cases: &[(Case, Claim)], meta: &Meta) -> Result<(), Failed> {
        for (case, claim) in cases {
            let doubt = match self.ticket_of(claim).await? {
                Ok(opening) => self.take(case, claim, &opening, meta).await?,
                Err(why) => Some(why),
            };
            if let Some(why) = doubt {
                tracing::error!(
                    ticket = %claim.key, case = %case.case_id,
                    "an adopted case does not go on in the ticket that it names, and what is said in it stays in Deskie: {why}; \
                     see `failed show o{}`", case.case_id
                );
                self.store.claims().lay_aside(case.case_id).await?;
            }
        }
        Ok(())
    }

    /// What the mapping says of the ticket that a case names, or why it says nothing.
    async fn ticket_of(&self, claim: &Claim) -> Result<Result<Opening, String>, Failed> {
        let key = TicketKey(claim.key.clone());
        let times = Times {
            clock: RowClock::Right,
            ticket_clock: self.ticket_clock().await?,
            committed_at: clock::now().as_second(),
            now: clock::now().as_second() as f64,
            ages: false,
        };
        let outputs = match self.outputs_of(&key).await? {
            Ok(outputs) => outputs,
            Err(why) => return Ok(Err(why)),
        };
        // Its text does not matter.
        let row = TicketRow {
            key: &key,
            outputs: &outputs,
            times,
            body: Some(&Parts::default()),
        };
        Ok(match decide::ticket(&self.config, &row) {
            Ok(Ruling::Ready(ready)) => ready
                .opening
                .ok_or_else(|| "the mapping gives no customer".to_owned()),
            Ok(Ruling::NotNow(why) | Ruling::Never(why) | Ruling::Wait { why, .. } | Ruling::Park(why)) => {
                Err(why)
            }
            Err(_) => Err("the mapping cannot be asked about the ticket alone".to_owned()),
        })
    }

    async fn ticket_clock(&self) -> Result<RowClock, Failed> {
        let clocks = self.store.clocks().all().await?;
        let known = clocks.iter().find(|known| known.section == Section::Ticket);
        Ok(known.map_or(RowClock::Right, crate::store::CreatedAt::clock))
    }

    async fn outputs_of(&self, key: &TicketKey) -> Result<Result<Outputs, String>, Failed> {
        let unasked = |error: &dyn std::fmt::Display| Failed::Site(error.to_string());
        let client = self.site.get().await.map_err(|error| unasked(&error))?;
        let config = &self.config.ticket;
        let shape = match load_shape(&client, &config.table, &config.key).await {
            Ok(shape) => shape,
            Err(error) if error.is_about_the_connection() => return Err(unasked(&error)),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let Some(values) = key_values(key.as_str(), shape.key.len()) else {
            return Ok(Err(format!("`{key}` is no key of {}", shape.relation)));
        };
        let values: Vec<TextParam> = values.into_iter().map(TextParam::new).collect();
        let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            values.iter().map(|value| value as _).collect();
        let sql = read::ticket(config, &shape, Source::Table).sql;
        let rows = match site::query_sql(&client, &sql, &values).await {
            Ok(rows) => rows,
            Err(error) if is_passing(&error) => return Err(unasked(&describe(&error))),
            Err(error) => return Ok(Err(describe(&error))),
        };
        Ok(Ok(match rows.as_slice() {
            [] => Outputs::NoRow,
            [row] => Outputs::Row(
                (0..row.len())
                    .map(|n| row.try_get(n).unwrap_or_default())
                    .collect(),
            ),
            _ => Outputs::SeveralRows,
        }))
    }

    /// Makes it its ticket's, or says why that is not certain.
    async fn take(
        &self,
        case: &Case,
        claim: &Claim,
        opening: &Opening,
        meta: &Meta,
    ) -> Result<Option<String>, Failed> {
        let Some(user) = case.user_id.filter(|_| case.parent_case_id.is_none()) else {
            return Ok(Some(
                "the case names no customer, or is part of another one".to_owned(),
            ));
        };
        let identity = Identity {
            email: opening.email.as_deref(),
            phone: opening.phone.as_deref(),
            custom_id: opening.custom_id.as_deref(),
        };
        let is_of = case.is_of(identity, &self.client, &self.meter, Class::Sweep);
        let same_customer = match is_of.await {
            Ok(same) => same,
            Err(error) if error.outcome() == Outcome::Refused => return Ok(Some(error.to_string())),
            Err(error) => return Err(Failed::Unanswered(Box::new(error))),
        };
        let made = opening
            .created_at
            .and_then(|at| jiff::Timestamp::from_second(at).ok());
        let candidate = CaseCandidate {
            case_id: case.case_id,
            ticket_field: Some(claim.key.clone()),
            same_customer,
            created_at: case.created_at,
            deleted: case.deleted,
            known: false,
        };
        let intent = CaseIntent {
            ticket: TicketKey(claim.key.clone()),
            created_at: None,
            not_before: made.unwrap_or(jiff::Timestamp::MIN),
            kept: CreatedAtKept::No,
        };
        if lanes::match_cases(&[candidate], &intent) != Lookup::One(case.case_id) {
            let why = match (same_customer, case.deleted) {
                (false, _) => "it is another customer's than the ticket",
                (_, true) => "it lies in the trash",
                (true, false) => "it is older than the ticket, whose key may have come again",
            };
            return Ok(Some(why.to_owned()));
        }
        let held = case.claims(self.config.deskie.ticket_field).unwrap_or_default();
        let mut client = self.store.client().await?;
        let step = self.store.step(&mut client).await?;
        let known = (case.case_number.as_str(), held, user);
        match step.claims().take(claim, known, opening, meta.started_at).await? {
            Adopted::Taken(lane) => {
                step.case_statuses()
                    .opened(lane, None, case.status.as_str(), case.updated_at)
                    .await?;
                step.commit().await?;
                tracing::info!(ticket = %claim.key, case = %case.case_id, "an adopted case goes on in its ticket");
                self.store.wake.lanes.notify_one();
                Ok(None)
            }
            Adopted::NotYet => Ok(None),
            Adopted::Disputed => Ok(Some(
                "the ticket has another case, or another case names it as well".to_owned(),
            )),
        }
    }
}

/// The connection, the server or a lock is at fault, and not this ticket.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else { return true };
    is_of_the_server(code.code()) && *code != SqlState::QUERY_CANCELED
}
