//! What the config may say already and this version does not do yet. It is never silently accepted: `check` and `run`
//! warn of it.

use super::{Config, Fault, Span};

impl Config {
    /// One fault for each setting that this version does not act on.
    pub fn pending(&self) -> Vec<Fault> {
        let mut found: Vec<(&Span, &str)> = Vec::new();
        if let Some(message) = &self.message {
            let span = &message.table.span;
            if message.coalesce {
                found.push((span, "`message.coalesce`: messages are sent one by one for now"));
            }
            if let Some(expand) = &message.expand {
                found.push((&expand.span, "`message.expand` is not there yet"));
            }
        }
        found
            .into_iter()
            .map(|(span, text)| self.fault(span, text, None))
            .collect()
    }
}
