//! PURE: what tells the author as two sides, while a column beside it knows more than two.

use std::collections::BTreeSet;

use super::columns::{dotted, literal, sides};
use super::draft::Value;
use super::speech::Set;
use super::tellers::{Ground, Teller};
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

impl Ground<'_> {
    /// A column that is named for the author, and whose words are more than the two sides that `chosen` tells: of the words on
    /// one side one may be the system's. Gives the same with each such word left open, and the question.
    pub(super) fn mixed(&self, chosen: &Teller) -> Option<(Teller, String)> {
        let is_author = |column: &&TableColumn| {
            has(&column.name, words::AUTHOR)
                && !has(&column.name, words::AUTHOR_NAME)
                && matches!(column.type_category, 'S' | 'E' | 'N')
                && self.free(&column.name)
                && !chosen.used.contains(&column.name)
        };
        let mut columns = self.message.table.columns.iter().filter(is_author);
        columns.find_map(|column| {
            let words = self.message.words(column);
            let cells = self.cells(&column.name);
            let of_side = |side: bool| -> BTreeSet<&str> {
                let rows = cells.iter().zip(&chosen.verdicts);
                rows.filter(|(_, verdict)| **verdict == Some(side))
                    .filter_map(|(cell, _)| *cell)
                    .collect()
            };
            let (agents, customers) = (of_side(true), of_side(false));
            if words.is_empty() || (agents.len() < 2 && customers.len() < 2) {
                return None;
            }
            let value = |word: &str| match column.type_category {
                'N' => word.to_owned(),
                _ => literal(word),
            };
            let only = |own: &BTreeSet<&str>, other: &BTreeSet<&str>| match own
                .iter()
                .collect::<Vec<_>>()
                .as_slice()
            {
                [one] if !other.contains(*one) => Some((**one).to_owned()),
                _ => None,
            };
            let (agent, customer) = (only(&agents, &customers), only(&customers, &agents));
            // What a word says by itself comes before what it stands beside.
            let (by_name, of_customer, _) = match column.type_category {
                'N' => Default::default(),
                _ => sides(&words),
            };
            let side = |word: &String| match () {
                () if has(word, words::MACHINE) || has(word, words::INTERNAL) => "skip",
                () if by_name.contains(word) || Some(word) == agent.as_ref() => "agent",
                () if of_customer.contains(word) || Some(word) == customer.as_ref() => "customer",
                () => "…",
            };
            let whens = words
                .iter()
                .map(|word| format!(" when {} then '{}'", value(word), side(word)));
            let sql = format!(
                "case {}{} end",
                dotted("m", &column.name),
                whens.collect::<String>()
            );
            let question = format!(
                "who wrote a message? {}, but {} holds {}: which of them goes to nobody ('skip')?",
                chosen.why,
                column.name,
                words.join(", ")
            );
            let set = |word: &Option<String>, named: &[String]| {
                let named = if let [one] = named { Some(one) } else { None };
                let sql = named.or(word.as_ref()).map_or("…".to_owned(), |word| value(word));
                Some(Value::Sql(sql))
            };
            let mut sets = chosen.sets.clone();
            sets.push(Set {
                column: column.name.clone(),
                agent: set(&agent, &by_name),
                customer: set(&customer, &of_customer),
            });
            let mut used = chosen.used.clone();
            used.push(column.name.clone());
            let mixed = Teller {
                sql,
                why: chosen.why.clone(),
                used,
                join: None,
                sets,
                verdicts: chosen.verdicts.clone(),
                is_sure: false,
                doubt: None,
            };
            Some((mixed, question))
        })
    }
}
