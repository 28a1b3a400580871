//! `[[attachment]]` against the live catalog.

use super::blame;
use super::mapped::Reader;
use crate::config::{Attachment, AttachmentOf, Expr};
use crate::mapping::attachment::{self, Around};
use crate::mapping::{Shape, Source, list, value_sql};

impl Reader<'_> {
    /// Prepares every statement that a section compiles to.
    pub(super) async fn attachment(
        &mut self,
        section: &Attachment,
        shape: &Shape,
        tickets: &Shape,
        messages: Option<&Shape>,
    ) -> Result<(), tokio_postgres::Error> {
        let config = self.config;
        let around = Around {
            ticket: (&config.ticket, tickets),
            message: config.message.as_ref().zip(messages),
        };
        let Some(parent) = around.parent(section) else {
            return Ok(());
        };
        let span = section.table.span.clone();
        if section.parent.len() != parent.key.len() {
            let message = format!(
                "`parent` has {} expressions, but the key of {} has {} columns ({})",
                section.parent.len(),
                parent.relation,
                parent.key.len(),
                parent.key.join(", ")
            );
            let place = section.parent.first().map_or(span, |expr| expr.span.clone());
            self.fault(&place, message, None);
            return Ok(());
        }
        let mut from = format!("from {} a cross join {} t", shape.sql(), tickets.sql());
        if let (AttachmentOf::Message, Some(messages)) = (section.of, messages) {
            from.push_str(&format!(" cross join {} m", messages.sql()));
        }
        let lateral = section.expand.as_ref().map(|list| Expr {
            sql: list::lateral(list),
            ..list.clone()
        });
        let joins = [
            lateral.as_ref(),
            config.ticket.join.as_ref(),
            section.join.as_ref(),
        ];
        let mut parts = blame::Part::joins(&from, &joins);
        let joined = blame::joined(&from, &joins);
        let values: Vec<&Expr> = [&section.filter, &section.name, &section.mime]
            .into_iter()
            .flatten()
            .chain(section.parent.iter().chain(&section.element))
            .chain([attachment::source(section)])
            .collect();
        parts.extend(
            values
                .iter()
                .map(|expr| blame::Part::value(expr, &value_sql(expr, "a", shape), &joined)),
        );
        let readings = [
            Some(attachment::of_parent(section, shape, &around)),
            Some(attachment::by_key(section, shape, &around)),
            Some(attachment::parent_of(section, shape, parent)),
            attachment::content(section, shape, &around),
            attachment::of_row(section, shape, &around, Source::Image),
            attachment::of_row(section, shape, &around, Source::Table),
        ];
        for reading in readings.into_iter().flatten() {
            if !self.prepare("attachment", &reading.sql, &span, &parts).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}
