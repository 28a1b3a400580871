//! Whose matter it is that the site refuses a value: a body column of another type, a renamed label of an enum, a CHECK that no
//! kind of author meets refuse every item alike, and parking them one by one would leave each for a person.
//!
//! So a neutral item is tried: of the same kind, with a plain text, and by a writer and on a ticket that were taken last. The site
//! rolls it back. What refuses that for the same cause stops the part as a whole. What a trial may set off outside of the
//! transaction is bounded: a few trials a minute, and what one of them has shown holds for a minute.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::WriteBack;
use super::gate::Gate;
use super::pipeline::{End, Planned, text, transact};
use super::refusal::{WriteError, classify};
use super::same_row::key;
use crate::mapping::lexer::{Token, tokens};
use crate::mapping::{Batch, Parameters, Shape, Statement, write};
use crate::model::{LaneId, clock};
use crate::postgres::site;
use crate::store::{StoreError, Ticket};

/// The text of a neutral item, as that of `check`.
const TEXT: &str = "deskie-cdc check";

/// So many trials a minute at most.
const TRIALS: usize = 10;

/// How long a trial's answer holds.
const HOLDS: Duration = Duration::from_secs(60);

/// What is told of the writer and of the customer.
const PERSONS: [&str; 6] = [
    "author_name",
    "author_email",
    "agent_id",
    "agent_email",
    "customer_name",
    "customer_email",
];

/// What trials have shown of one part of the mapping.
#[derive(Default)]
pub(super) struct Trials {
    made: VecDeque<Instant>,
    /// What refuses every item of a group, and since when that is known.
    refused: Vec<(String, Cause, Instant)>,
    /// The ticket of the last item of each group that was taken, and its persons.
    taken: BTreeMap<String, (LaneId, Parameters)>,
}

/// By what a refusal is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cause(String);

/// What a neutral item is made of.
pub(super) struct Neutral<'a> {
    pub(super) ticket: &'a Ticket,
    pub(super) tickets: &'a Shape,
    /// Those of the item that was refused.
    pub(super) parameters: &'a Parameters,
    /// What is asked of it before; a value it refuses is refused as well.
    pub(super) filter: Option<&'a Statement>,
    pub(super) statements: Vec<&'a Statement>,
    /// One of the statements has to give a row.
    pub(super) gives_a_row: bool,
}

impl Trials {
    /// An item was taken.
    pub(super) fn took(&mut self, group: &str, ticket: &Ticket, parameters: &Parameters) {
        self.refused.retain(|(of, _, _)| of != group);
        let mut persons = Parameters::default();
        for name in PERSONS {
            persons.copy(name, parameters);
        }
        self.taken.insert(group.to_owned(), (ticket.id, persons));
    }

    fn knows(&mut self, group: &str, cause: &Cause, now: Instant) -> bool {
        self.refused
            .retain(|(_, _, since)| now.duration_since(*since) < HOLDS);
        self.refused
            .iter()
            .any(|(of, known, _)| of == group && known == cause)
    }

    /// Whether one more may be made now; else how long until it may.
    fn may(&mut self, now: Instant) -> Result<(), Duration> {
        while self
            .made
            .front()
            .is_some_and(|made| now.duration_since(*made) >= HOLDS)
        {
            self.made.pop_front();
        }
        match self.made.front() {
            Some(first) if self.made.len() >= TRIALS => Err(HOLDS.saturating_sub(now.duration_since(*first))),
            _ => {
                self.made.push_back(now);
                Ok(())
            }
        }
    }
}

impl WriteError {
    /// By what it is known again; `None`: it is none that a neutral item tells of.
    fn cause(&self) -> Option<Cause> {
        match self {
            WriteError::Value { code, .. } => Some(Cause(code.clone())),
            WriteError::NoValue { column, .. } => Some(Cause(format!("23502 {column}"))),
            WriteError::Taken { schema, index, .. } => Some(Cause(format!("23 {schema}.{index}"))),
            _ => None,
        }
    }

    /// Only a writer who is known to the site shows whether his value is there at all.
    fn hangs_on_the_writer(&self) -> bool {
        matches!(self, WriteError::NoValue { .. } | WriteError::Taken { .. })
    }

    fn of_the_mapping(self) -> WriteError {
        match self {
            WriteError::Value { text, .. }
            | WriteError::NoValue { text, .. }
            | WriteError::Taken { text, .. } => WriteError::Mapping(text),
            other => other,
        }
    }
}

impl WriteBack {
    /// The refusal of an item, of a group that a gate knows by its number, as the mapping's where the site refuses a neutral one for
    /// the same cause. What meets what others write just now is tried again first.
    pub(super) async fn of_everybody(
        &self,
        (gate, group, number): (&Gate, &str, i64),
        error: WriteError,
        item: &Neutral<'_>,
    ) -> WriteError {
        if matches!(error, WriteError::Taken { .. }) && !gate.has_clashed_out(number) {
            return error;
        }
        match self.judged(gate, group, error, item).await {
            Ok(error) => error,
            Err(error) => WriteError::from(error),
        }
    }

    async fn judged(
        &self,
        gate: &Gate,
        group: &str,
        error: WriteError,
        item: &Neutral<'_>,
    ) -> Result<WriteError, StoreError> {
        let Some(cause) = error.cause() else {
            return Ok(error);
        };
        let now = clock::monotonic();
        let taken = {
            let mut trials = gate.trials();
            if trials.knows(group, &cause, now) {
                return Ok(error.of_the_mapping());
            }
            trials.taken.get(group).cloned()
        };
        if taken.is_none() && error.hangs_on_the_writer() || !item.can_be_tried() {
            return Ok(error);
        }
        if let Err(after) = gate.trials().may(now) {
            // Whose matter it is shows later.
            return Ok(WriteError::Passing(format!(
                "{error}; whose matter it is shows in {} s",
                after.as_secs()
            )));
        }
        // A ticket of its own may be what is refused.
        let known = self.store.tickets();
        let mut other = match &taken {
            Some((id, _)) => known.get(*id).await?.filter(|ticket| !ticket.gone),
            None => None,
        };
        if other.is_none() {
            let mut newest = known.newest(2).await?.into_iter();
            other = newest.find(|ticket| ticket.id != item.ticket.id);
        }
        let ticket = other.as_ref().unwrap_or(item.ticket);
        let persons = taken.as_ref().map(|(_, persons)| persons);
        let parameters = neutral(item.parameters, persons, ticket, item.tickets);
        Ok(match self.try_neutral(item, &parameters).await {
            Err(refused) if refused.cause().as_ref() == Some(&cause) => {
                gate.trials().refused.push((group.to_owned(), cause, now));
                error.of_the_mapping()
            }
            _ => error,
        })
    }

    async fn try_neutral(&self, item: &Neutral<'_>, parameters: &Parameters) -> Result<(), WriteError> {
        if let Some(filter) = item.filter {
            let client = self
                .site
                .get()
                .await
                .map_err(|error| WriteError::Passing(error.to_string()))?;
            super::write::holds(&client, filter, parameters)
                .await
                .map_err(|error| classify(&error))?;
        }
        let mut plan: Vec<Planned> = Vec::new();
        plan.extend(
            item.statements
                .iter()
                .map(|statement| Planned::site(statement, parameters)),
        );
        if item.gives_a_row {
            plan.push(Planned::on_site(
                self.store.sql(&format!(
                    "select {{s}}.expect(pg_catalog.current_setting('{}', true) OPERATOR(pg_catalog.<>) '', $1::pg_catalog.text, 'DC008')",
                    write::ROW_SETTING
                )),
                vec![text("")],
            ));
        }
        let all = item.statements.iter().copied();
        transact(&self.site, plan, End::Rollback)
            .await
            .map_err(|error| error.of_statements(all))
    }

    /// A ticket's row that could not be locked: the mapping's matter where row security hides the rows of other tickets that we
    /// know as well, whatever was done to them.
    pub(super) async fn of_row_security(
        &self,
        error: WriteError,
        ticket: &Ticket,
        tickets: &Shape,
    ) -> WriteError {
        let WriteError::Hidden(why) = error else {
            return error;
        };
        match self.hides_all(ticket, tickets).await {
            Ok(true) => WriteError::Mapping(format!(
                "row security of {} hides every known ticket from the connector's user; give it a policy for SELECT and UPDATE, \
                 or BYPASSRLS",
                tickets.relation
            )),
            Ok(false) => WriteError::Refused(why),
            Err(error) => error,
        }
    }

    async fn hides_all(&self, ticket: &Ticket, tickets: &Shape) -> Result<bool, WriteError> {
        let known = self.store.tickets().newest(WITNESSES).await?;
        let client = self
            .site
            .get()
            .await
            .map_err(|error| WriteError::Passing(error.to_string()))?;
        let sql = "select pg_catalog.row_security_active($1::pg_catalog.text)";
        let is_active: bool = client
            .query_one(sql, &[&tickets.sql()])
            .await
            .map_err(|error| classify(&error))?
            .get(0);
        if !is_active {
            return Ok(false);
        }
        let sql = format!(
            "select 1 from {} t where {} for no key update skip locked",
            tickets.sql(),
            tickets.key_condition("t", 1)
        );
        for known in std::iter::once(ticket).chain(&known) {
            let values = key(known, tickets)?;
            let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
                values.iter().map(|value| value as _).collect();
            let rows = site::query_cached(&client, &sql, &values).await;
            if !rows.map_err(|error| classify(&error))?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// So many other tickets tell whether row security hides all of them.
const WITNESSES: i64 = 5;

impl<'a> Neutral<'a> {
    /// Of a reply without files.
    pub(super) fn of(
        ticket: &'a Ticket,
        tickets: &'a Shape,
        parameters: &'a Parameters,
        batch: &'a Batch,
    ) -> Neutral<'a> {
        Neutral {
            ticket,
            tickets,
            parameters,
            filter: batch.filter.as_ref(),
            statements: batch.insert.iter().chain(&batch.after).collect(),
            gives_a_row: batch.insert.is_some(),
        }
    }

    /// What ends its transaction by itself would leave its rows.
    fn can_be_tried(&self) -> bool {
        self.statements
            .iter()
            .all(|statement| match tokens(&statement.sql()).first() {
                Some(Token::Ident(word, _)) => {
                    !["commit", "end", "rollback", "abort", "prepare"].contains(&word.as_str())
                }
                _ => true,
            })
    }
}

/// The item's own values, but for what a person has written, on another ticket. `known`: those of one that was taken.
fn neutral(own: &Parameters, known: Option<&Parameters>, ticket: &Ticket, tickets: &Shape) -> Parameters {
    let mut parameters = own.clone();
    for (name, value) in [
        ("text", TEXT),
        ("html", "<p>deskie-cdc check</p>"),
        ("markdown", TEXT),
        ("subject", TEXT),
        ("attachments", "[]"),
    ] {
        if parameters.get(name).is_some() {
            parameters.set(name, value);
        }
    }
    for name in PERSONS {
        match (known, parameters.get(name).is_some()) {
            (Some(known), _) => parameters.copy(name, known),
            (None, true) if name.ends_with("_name") => parameters.set(name, "Sample"),
            (None, _) => {}
        }
    }
    parameters.set_ticket(&ticket.key, tickets.key.len());
    parameters
}
