//! The statements that write to the site, prepared: `[reply]`, `[status]`, `[case]`.

use super::blame;
use super::mapped::{MappingFault, Probe, Reader, type_sql};
use crate::config::Expr;
use crate::mapping::write::{self, UnknownParameter};
use crate::mapping::{Shape, Statement};
use crate::model::Kind;
use crate::postgres::site::prepare_typed;

impl Reader<'_> {
    pub(super) async fn replies(
        &mut self,
        tickets: &Shape,
        messages: Option<&Shape>,
    ) -> Result<(), tokio_postgres::Error> {
        let config = self.config;
        if let Some(reply) = &config.reply {
            let mut batches = Vec::new();
            for kind in [Kind::Agent, Kind::Customer] {
                match write::reply(reply, kind, tickets, messages) {
                    Ok(batch) => batches.push(batch),
                    Err((expr, unknown)) => self.unknown(&expr, &unknown),
                }
            }
            for batch in &mut batches {
                let all = batch
                    .filter
                    .iter_mut()
                    .chain(batch.insert.iter_mut())
                    .chain(batch.after.iter_mut())
                    .chain(batch.files.iter_mut());
                for statement in all {
                    self.write(statement, tickets, messages).await?;
                }
            }
            self.mapped.reply = <[write::Batch; 2]>::try_from(batches).ok();
        }
        let mut names = write::reply_names(tickets, None);
        if let Some(status) = &config.status {
            self.statements(&status.sql, &names, tickets, None).await?;
        }
        if let Some(case) = &config.case {
            names.retain(|name| name != "ticket" && !name.starts_with("ticket_"));
            self.statements(&case.sql, &names, tickets, None).await?;
        }
        Ok(())
    }

    async fn statements(
        &mut self,
        exprs: &[Expr],
        names: &[String],
        tickets: &Shape,
        row: Option<&Shape>,
    ) -> Result<(), tokio_postgres::Error> {
        for expr in exprs {
            match write::statement(expr, names, row) {
                Ok(mut statement) => self.write(&mut statement, tickets, row).await?,
                Err(unknown) => self.unknown(expr, &unknown),
            }
        }
        Ok(())
    }

    fn unknown(&mut self, expr: &Expr, unknown: &UnknownParameter) {
        let hint = unknown
            .nearest
            .as_ref()
            .map(|near| format!("did you mean `:{near}`?"));
        let known = |fault: &MappingFault| fault.span == expr.span;
        if !self.mapped.faults.iter().any(known) {
            self.fault(&expr.span.clone(), unknown.to_string(), hint);
        }
    }

    /// Prepares one statement of the write-back; parameters that Postgres cannot type get their own type.
    async fn write(
        &mut self,
        statement: &mut Statement,
        tickets: &Shape,
        messages: Option<&Shape>,
    ) -> Result<(), tokio_postgres::Error> {
        match prepare_typed(self.client, statement).await {
            Ok(prepared) => {
                let types = prepared.params().iter().map(type_sql).collect();
                let probe = Probe {
                    name: statement.name.clone(),
                    sql: statement.sql(),
                    types,
                };
                if !self.mapped.probes.iter().any(|other| other.sql == probe.sql) {
                    self.mapped.probes.push(probe);
                }
                Ok(())
            }
            Err(error) => {
                let parts = match (statement.name.as_str(), messages) {
                    ("reply.set", Some(messages)) => blame::Part::assignments(self.config, tickets, messages),
                    _ => Vec::new(),
                };
                let span = blame::span_of(self.config, &statement.name);
                self.blame(error, &statement.sql(), &span, &parts).await
            }
        }
    }
}
