//! What is certain of a row for which the mapping as a whole has no answer.

use super::rows::Tables;
use super::{Foreseen, call};
use crate::cli::Failure;
use crate::decide::{Answers, Outputs, Question, Ruling};
use crate::model::Section;

impl Tables<'_> {
    /// What is certain of a row that the whole mapping has no answer for.
    pub(super) async fn verdict(
        &self,
        ask: impl Fn(&Answers) -> Result<Option<Ruling>, Question>,
        key: &str,
        ticket: &str,
    ) -> Result<Option<Foreseen>, Failure> {
        let mut answers = Answers::new();
        loop {
            let question = match ask(&answers) {
                Ok(found) => return Ok(found.and_then(|found| call::ready(found).err())),
                Err(question) => question,
            };
            let (shape, key) = match (question, &self.message) {
                (Question::Author | Question::Where(Section::Message, _), Some((_, shape, _)))
                | (Question::CreatedAt(Section::Message), Some((_, shape, _))) => (shape, key),
                _ => (&self.ticket, ticket),
            };
            let alone = question.alone(&self.deciding.0, self.deciding.1.as_ref());
            let told = match alone {
                // A statement that stands on fewer joins than it needs has no answer, as in a run.
                Some(alone) => match self.row("where", &alone.table, shape, key).await {
                    Ok(Outputs::Row(row)) => Some(row.into_iter().next().flatten()),
                    _ => None,
                },
                None => None,
            };
            answers.insert(question, told);
        }
    }
}
