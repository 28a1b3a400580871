//! What the config may say already and this version does not do yet. It is never silently accepted: `check` and `run`
//! warn of it.

use super::{Config, Fault, ReplyAttachments, Span};

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
