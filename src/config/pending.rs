//! What the config may say already and this version does not do yet. It is never silently accepted: `check` and `run`
//! warn of it.

use super::{AttachmentOf, Config, Fault, Span};

impl Config {
    /// One fault for each setting that this version does not act on.
    pub fn pending(&self) -> Vec<Fault> {
        let mut found: Vec<(&Span, &str)> = Vec::new();
        let of_lists = self
            .message
            .as_ref()
            .is_some_and(|message| message.expand.is_some());
        for attachment in &self.attachments {
            if of_lists && attachment.of == AttachmentOf::Message {
                found.push((
                    &attachment.table.span,
                    "`[[attachment]]` of = \"message\": with `expand` a message is no row that a file could name; use \"ticket\"",
                ));
            }
        }
        found
            .into_iter()
            .map(|(span, text)| self.fault(span, text, None))
            .collect()
    }
}
