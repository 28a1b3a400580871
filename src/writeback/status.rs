//! A case's status to the site: `[status]`, in one pipelined transaction like a reply's.

use std::sync::Arc;
use std::time::Duration;

use super::WriteBack;
use super::contended::Item;
use super::gate::Meaning;
use super::neutral::Neutral;
use super::pipeline::{Claim, Planned, begin, run_all, text};
use super::refusal::WriteError;
use super::same_row::{Sighting, until_sure};
use super::write::{ALREADY, prepare};
use crate::config::Config;
use crate::lanes::backoff;
use crate::mapping::shape::Shape;
use crate::mapping::{Parameters, Statement, write};
use crate::model::CrashPoint;
use crate::postgres::shape::{load_table, shape_of};
use crate::store::{StatusWrite, StoreError, Ticket};

/// The statements of `[status]` for the ticket table as it is now.
#[derive(Debug, Clone)]
pub(super) struct StatusStatements {
    tickets: Shape,
    /// Whether its row security holds for us.
    has_policies: bool,
    sql: Vec<Statement>,
}

impl StatusStatements {
    async fn load(client: &tokio_postgres::Client, config: &Config) -> Result<StatusStatements, WriteError> {
        let table = load_table(client, &config.ticket.table).await?;
        let tickets = shape_of(&table, &config.ticket.key)?;
        let names = write::reply_names(&tickets, None);
        let mut sql = Vec::new();
        for expr in config.status.iter().flat_map(|status| &status.sql) {
            let mut statement = write::statement(expr, &names, None)
                .map_err(|fault| WriteError::Refused(format!("{}: {fault}", expr.name)))?;
            prepare(client, &mut statement).await?;
            sql.push(statement);
        }
        let has_policies = table.row_security;
        Ok(StatusStatements {
            tickets,
            has_policies,
            sql,
        })
    }
}

impl WriteBack {
    /// Writes the statuses that wait; true where something was tried.
    pub async fn status_round(&self) -> Result<bool, StoreError> {
        if self.config.status.is_none() || self.status_gate.is_shut() {
            return Ok(false);
        }
        let waiting = self.store.status_writes().heads(16).await?;
        let some = !waiting.is_empty();
        for write in waiting {
            self.write_status(&write).await?;
        }
        Ok(some)
    }

    async fn write_status(&self, write: &StatusWrite) -> Result<(), StoreError> {
        let Some(ticket) = self.store.tickets().get(write.ticket_id).await? else {
            return Ok(());
        };
        let map = self.config.status.as_ref().map(|status| &status.map);
        let value = match map.filter(|map| !map.is_empty()) {
            None => write.status.clone(),
            Some(map) => match map.get(&write.status) {
                Some(value) => value.clone(),
                None => {
                    return self
                        .store
                        .status_writes()
                        .skip(write, "[status] map has no value for it")
                        .await;
                }
            },
        };
        if ticket.gone {
            return self
                .store
                .status_writes()
                .skip(write, "the ticket was deleted on the site")
                .await;
        }
        let mut tried = self.status_until_sure(write, &ticket, &value).await;
        if let Err(WriteError::Stale(_)) = tried {
            self.forget_statements().await;
            tried = self.status_until_sure(write, &ticket, &value).await;
        }
        let item = Item::Status(ticket.id.0);
        if !matches!(tried, Err(WriteError::Locked(_) | WriteError::Passing(_))) {
            self.contended.ended(item);
        }
        match tried {
            Ok(()) => {
                CrashPoint::StatusWritten.reached();
                self.status_gate.passed(ticket.id.0, &value, &self.store).await?;
                tracing::info!(ticket = %ticket.key, status = write.status, "status written");
                Ok(())
            }
            Err(WriteError::Already | WriteError::NotLeader | WriteError::Unsure) => Ok(()),
            Err(WriteError::Locked(error)) => {
                let (times, after) = self.contended.met(item);
                if times.is_power_of_two() && times >= 4 {
                    tracing::warn!(ticket = %ticket.key, times, "the status could not be written yet: {error}");
                }
                self.store.status_writes().retry(write, &error, after).await?;
                self.contended.rings_in(after);
                Ok(())
            }
            Err(WriteError::Passing(error)) => {
                *self.status_statements.lock().await = None;
                let after = backoff::retry_delay(write.attempts.unsigned_abs() + 1, rand::random());
                tracing::warn!(ticket = %ticket.key, "the status could not be written yet: {error}");
                let after = after.min(Duration::from_secs(30));
                self.store.status_writes().retry(write, &error, after).await
            }
            Err(WriteError::Taken { text, .. }) => match self.status_gate.clashed(ticket.id.0) {
                Some(after) => {
                    tracing::warn!(ticket = %ticket.key, "the status is tried again: {text}");
                    self.store.status_writes().retry(write, &text, after).await?;
                    self.contended.rings_in(after);
                    Ok(())
                }
                None => self.park_status(write, &ticket, &text).await,
            },
            Err(WriteError::Mapping(error) | WriteError::Folder(error) | WriteError::Stale(error)) => {
                self.forget_statements().await;
                match self
                    .status_gate
                    .refused((ticket.id.0, &value), &error, &self.store)
                    .await?
                {
                    Meaning::Stopped => Ok(()),
                    Meaning::Again => {
                        let after = Duration::from_secs(1);
                        self.store.status_writes().retry(write, &error, after).await
                    }
                    Meaning::Own => self.park_status(write, &ticket, &error).await,
                }
            }
            Err(
                WriteError::Refused(error)
                | WriteError::Hidden(error)
                | WriteError::Value { text: error, .. }
                | WriteError::Missed(error)
                | WriteError::NoValue { text: error, .. },
            ) => self.park_status(write, &ticket, &error).await,
        }
    }

    async fn status_until_sure(
        &self,
        write: &StatusWrite,
        ticket: &Ticket,
        value: &str,
    ) -> Result<(), WriteError> {
        match until_sure(|| self.try_status(write, ticket, value)).await {
            Err(error @ WriteError::Hidden(_)) => {
                let statements = self.status_statements().await?;
                Err(self.of_row_security(error, ticket, &statements.tickets).await)
            }
            done => done,
        }
    }

    async fn park_status(&self, write: &StatusWrite, ticket: &Ticket, error: &str) -> Result<(), StoreError> {
        *self.status_statements.lock().await = None;
        tracing::error!(ticket = %ticket.key, "the status is parked: {error}; `deskie-cdc failed show s{}`", ticket.id);
        self.store.status_writes().park(write, error).await
    }

    async fn status_statements(&self) -> Result<Arc<StatusStatements>, WriteError> {
        let mut statements = self.status_statements.lock().await;
        if let Some(found) = statements.as_ref() {
            return Ok(found.clone());
        }
        let client = self
            .site
            .get()
            .await
            .map_err(|error| WriteError::Passing(error.to_string()))?;
        let made = Arc::new(StatusStatements::load(&client, &self.config).await?);
        *statements = Some(made.clone());
        Ok(made)
    }

    async fn try_status(&self, write: &StatusWrite, ticket: &Ticket, value: &str) -> Result<(), WriteError> {
        let statements = self.status_statements().await?;
        let parameters = self
            .status_parameters(ticket, value, statements.tickets.key.len())
            .await?;
        let (store, tickets) = (&self.store, &statements.tickets);
        let sighting: Sighting = self.sight(ticket, tickets, statements.has_policies).await?;
        let id = ticket.id.0.to_string();
        // A status of the site that was queued meanwhile has deleted what we are about to write.
        let ctes = "held as (select id from {s}.ticket where id = $3::text::int8 for no key update),
            written as (delete from {s}.status_write w using held
                where w.ticket_id = held.id and w.status = $4::text and w.state = 'pending' returning w.*),
            noted as (update {s}.ticket t set status = w.status, status_at = w.at,
                status_seen_at = clock_timestamp() from written w
                where t.id = w.ticket_id),
            told as (insert into {s}.journal (ticket_id, what, detail)
                select ticket_id, 'status written', status || ' as ' || $5::text from written)";
        let query = format!("select {{s}}.expect(count(*) = 1, '{ALREADY}', 'DC003') from written");
        let values = vec![text(&id), text(&write.status), text(value)];
        let own = sighting.own(ticket, tickets, 3 + values.len())?;
        let claim = Claim {
            ctes,
            query: &query,
            values,
        };
        let patience = self.contended.patience(Item::Status(ticket.id.0));
        let mut plan = vec![
            begin(
                store,
                &format!("status {id}"),
                claim,
                Some(own),
                Some(patience.limit()),
            ),
            sighting.locked(store, ticket, tickets, patience)?,
        ];
        for statement in &statements.sql {
            plan.push(Planned::site(statement, &parameters));
        }
        let Err(error) = run_all(&self.site, plan).await else {
            self.status_gate.trials().took(value, ticket, &parameters);
            return Ok(());
        };
        let error = error.of_statements(&statements.sql);
        let item = Neutral {
            ticket,
            tickets,
            parameters: &parameters,
            filter: None,
            statements: statements.sql.iter().collect(),
            gives_a_row: false,
        };
        let place = (&self.status_gate, value, ticket.id.0);
        Err(self.of_everybody(place, error, &item).await)
    }

    async fn status_parameters(
        &self,
        ticket: &Ticket,
        value: &str,
        columns: usize,
    ) -> Result<Parameters, WriteError> {
        let opening = self
            .store
            .deliveries()
            .opening(ticket.id)
            .await?
            .unwrap_or_default();
        let mut parameters = Parameters::default();
        parameters.set_ticket(&ticket.key, columns);
        parameters.set("status", value);
        parameters.set("created_at", crate::model::clock::now().to_string());
        for (name, value) in [
            ("case_id", ticket.case_id.map(|case| case.to_string())),
            ("case_number", ticket.case_number.clone()),
            ("subject", Some(opening.subject).filter(|text| !text.is_empty())),
            ("customer_email", opening.email),
            ("customer_name", opening.name),
        ] {
            if let Some(value) = value {
                parameters.set(name, value);
            }
        }
        Ok(parameters)
    }
}
