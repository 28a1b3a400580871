//! What the config may say already and this version does not do yet. It is never silently accepted: `check` and `run`
//! warn of it.

use super::{Config, Fault, OnDelete, OnEdit, ReplyAttachments, Span};

impl Config {
    /// One fault for each setting that this version does not act on.
    pub fn pending(&self) -> Vec<Fault> {
        let mut found: Vec<(&Span, &str)> = Vec::new();
        for attachment in &self.attachments {
            found.push((
                &attachment.table.span,
                "`[[attachment]]`: files of the site are not sent yet",
            ));
        }
        if let Some(message) = &self.message {
            let span = &message.table.span;
            if message.on_edit != OnEdit::Ignore {
                found.push((span, "`message.on_edit`: edits on the site are not sent yet"));
            }
            if message.on_delete != OnDelete::Ignore {
                found.push((
                    span,
                    "`message.on_delete`: deletions on the site are not sent yet",
                ));
            }
            if message.coalesce {
                found.push((span, "`message.coalesce`: messages are sent one by one for now"));
            }
            if let Some(expand) = &message.expand {
                found.push((&expand.span, "`message.expand` is not there yet"));
            }
        }
        if let Some(statement) = self.case.as_ref().and_then(|case| case.sql.first()) {
            found.push((
                &statement.span,
                "`[case]`: cases born in Deskie are left alone for now",
            ));
        }
        if let Some(reply) = &self.reply
            && matches!(reply.attachments, ReplyAttachments::Statements(_))
        {
            let span = reply
                .both
                .after
                .first()
                .or(reply.both.set.first().map(|(_, expr)| expr))
                .map(|expr| &expr.span);
            found.push((
                span.unwrap_or(&(0..0)),
                "`reply.attachments`: statements are not run yet; use \"links\" or \"json\"",
            ));
        }
        found
            .into_iter()
            .map(|(span, text)| self.fault(span, text, None))
            .collect()
    }
}
