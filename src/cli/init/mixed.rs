//! PURE: what tells the author as two sides, while a column beside it knows more than two.

use std::collections::BTreeSet;

use super::columns::dotted;
use super::draft::Value;
use super::lookup::{self, Held, lookup};
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
                && (lookup(self.message, column, self.tables).is_some()
                    || (matches!(column.type_category, 'S' | 'E' | 'N') && self.free(&column.name)))
                && !chosen.used.contains(&column.name)
        };
        let mut columns = self.message.table.columns.iter().filter(is_author);
        columns.find_map(|column| {
            let held = lookup::held(self.message, column, self.tables);
            let cells = self.cells(&column.name);
            let of_side = |side: bool| -> BTreeSet<&str> {
                let rows = cells.iter().zip(&chosen.verdicts);
                rows.filter(|(_, verdict)| **verdict == Some(side))
                    .filter_map(|(cell, _)| *cell)
                    .collect()
            };
            let (agents, customers) = (of_side(true), of_side(false));
            if held.is_empty() || (agents.len() < 2 && customers.len() < 2) {
                return None;
            }
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
            let sides = lookup::sides(&held);
            let is_in = |of: &[Held], one: &Held| of.contains(one);
            let side = |one: &Held| match () {
                () if is_in(&sides.skipped, one) || is_in(&sides.bots, one) => "skip",
                () if is_in(&sides.agents, one) || Some(&one.value) == agent.as_ref() => "agent",
                () if is_in(&sides.customers, one) || Some(&one.value) == customer.as_ref() => "customer",
                () => "…",
            };
            let whens = held
                .iter()
                .map(|one| format!(" when {} then '{}'", one.sql, side(one)));
            let sql = format!(
                "case {}{} end",
                dotted("m", &column.name),
                whens.collect::<String>()
            );
            let question = format!(
                "who wrote a message? {}, but {} holds {}: which of them goes to nobody ('skip')?",
                chosen.why,
                column.name,
                lookup::shown(&held)
            );
            let set = |value: &Option<String>, named: &[Held]| {
                let sql = match named {
                    [one] => one.sql.clone(),
                    _ => value
                        .as_ref()
                        .map_or("…".to_owned(), |value| lookup::value_of(column, value)),
                };
                Some(Value::Sql(sql))
            };
            let mut sets = chosen.sets.clone();
            sets.push(Set {
                column: column.name.clone(),
                agent: set(&agent, &sides.agents),
                customer: set(&customer, &sides.customers),
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
                is_of_two: false,
            };
            Some((mixed, question))
        })
    }
}
