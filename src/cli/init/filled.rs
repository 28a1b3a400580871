//! PURE: what the rows that the customer sees have in a column of the messages, for a reply to have it as well.

use std::collections::BTreeSet;

use super::catalog::{Candidate, is_word};
use super::columns::{created, dotted, email, epoch, is_counted, is_prose};
use super::draft::Value;
use super::lookup;
use super::sections::{Found, Spoken};
use super::speech::{self, Set, agent_of, table_name};
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

/// So many rows of a side have to be filled, for a reply of that side to be.
const OF_A_SIDE: usize = 3;
/// So many rows of all have to be.
const OF_ALL: usize = 4;

/// The rows of the messages, by who wrote them.
pub(super) struct Rows<'a> {
    found: &'a Found<'a>,
    message: &'a Spoken<'a>,
}

type Cells<'a> = Vec<Option<&'a str>>;

/// What stands beside an agent's own column.
pub(super) enum Beside {
    Nothing,
    /// The same as in this column of the ticket.
    Tickets(String),
    /// Something else: the question.
    Something(String),
}

impl<'a> Rows<'a> {
    pub(super) fn new(found: &'a Found<'a>, message: &'a Spoken<'a>) -> Rows<'a> {
        Rows { found, message }
    }

    fn of(&self) -> &'a Candidate {
        self.message.table
    }

    /// The cells of a column: of one side, or of all rows.
    fn cells(&self, column: &str, side: Option<bool>) -> Cells<'a> {
        let Some(place) = self.place(column) else {
            return Vec::new();
        };
        let verdicts = &self.message.author.verdicts;
        let is_told = verdicts.len() == self.message.rows.len();
        // What is neither side's is the system's, where the sides are known.
        let fits = |n: usize| match (side, verdicts.get(n)) {
            (None, Some(verdict)) if is_told => verdict.is_some() || !verdicts.iter().any(Option::is_some),
            (None, _) => true,
            (Some(_), _) if !is_told => false,
            (side, verdict) => verdict.is_some_and(|verdict| *verdict == side),
        };
        let rows = self.message.rows.iter().enumerate().filter(|(n, _)| fits(*n));
        rows.map(|(_, row)| row.cells.get(place)?.as_deref()).collect()
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.of()
            .table
            .columns
            .iter()
            .position(|known| known.name == column)
    }

    /// Whether a column's values are not simply those of the ticket's column of the same name.
    pub(super) fn is_new(&self, column: Option<&TableColumn>) -> bool {
        column.is_some_and(|column| self.of_ticket(column, &|_| true).as_ref() != Some(&column.name))
    }

    /// What stands in a column where an agent is named in one of his own beside it, if one is in any row.
    pub(super) fn beside_agent(&self, column: &TableColumn, agent: &str) -> Option<Beside> {
        let (ours, theirs) = (self.place(&column.name)?, self.place(agent)?);
        let cell = |row: &speech::Spoken, place: usize| row.cells.get(place).cloned().flatten();
        let is_nobody = |cell: Option<String>| cell.is_none_or(|text| matches!(text.trim(), "" | "0"));
        let is_agents = |row: &speech::Spoken| !is_nobody(cell(row, theirs));
        let mut rows = self.message.rows.iter().filter(|row| is_agents(row)).peekable();
        rows.peek()?;
        if rows.all(|row| is_nobody(cell(row, ours))) {
            return Some(Beside::Nothing);
        }
        Some(match self.of_ticket(column, &is_agents) {
            Some(of_ticket) => Beside::Tickets(of_ticket),
            None => Beside::Something(self.question(&column.name)),
        })
    }

    /// Whether no row of the customer's has anything there, and rows of agents' do.
    pub(super) fn is_left_empty(&self, column: &str) -> bool {
        let customers = self.cells(column, Some(false));
        customers.len() >= OF_A_SIDE
            && customers.iter().all(Option::is_none)
            && self.cells(column, Some(true)).iter().any(Option::is_some)
    }

    /// What a column holds where it has one value in every agent's row and another in every customer's.
    pub(super) fn by_side(&self, column: &TableColumn) -> Option<Set> {
        let is_name = words::each(words::AUTHOR_NAME).any(|word| words::same(&column.name, word))
            || has(&column.name, words::NAME)
            || has(&column.name, words::EMAIL);
        let key = self.of().key_of(&column.name);
        let is_kind = matches!(column.type_category, 'S' | 'E' | 'N' | 'B')
            && !is_name
            && (key.is_none() || lookup::lookup(self.of(), column, self.found.tables).is_some())
            && !self.of().table.primary_key.contains(&column.name)
            && !(column.has_default && has(&column.name, words::HARMLESS));
        if !is_kind {
            return None;
        }
        let (agents, customers) = (
            self.cells(&column.name, Some(true)),
            self.cells(&column.name, Some(false)),
        );
        let known = |cells: &Cells| -> Option<BTreeSet<String>> {
            let held: Option<BTreeSet<String>> = cells.iter().map(|cell| cell.map(str::to_owned)).collect();
            held.filter(|held| !held.is_empty() && cells.len() >= 2)
        };
        let (ours, theirs) = (known(&agents)?, known(&customers)?);
        let count = ours.len() + theirs.len();
        if !ours.is_disjoint(&theirs)
            || (ours.len() > 1 && theirs.len() > 1)
            || count > 6
            || agents.len() + customers.len() < 2 * count
            || !ours.iter().chain(&theirs).all(|word| is_word(word))
        {
            return None;
        }
        let is_sure = count == 2 && agents.len() >= OF_A_SIDE && customers.len() >= OF_A_SIDE;
        let value = |held: &BTreeSet<String>| {
            let one = match held.iter().collect::<Vec<_>>().as_slice() {
                [one] => lookup::value_of(column, one),
                _ => "…".to_owned(),
            };
            Some(match is_sure {
                true => Value::Sql(one),
                false => Value::todo(self.question(&column.name), one),
            })
        };
        Some(Set {
            column: column.name.clone(),
            agent: value(&ours),
            customer: value(&theirs),
        })
    }

    fn question(&self, column: &str) -> String {
        let known = self.of().table.column(column);
        let words = known.map(|column| self.of().words(column)).unwrap_or_default();
        let held = match words.is_empty() {
            true => String::new(),
            false => format!(" ({})", words.join(", ")),
        };
        format!(
            "the site's own rows have it{held}: what stands here in a reply? Take the line out where it may stay empty"
        )
    }

    /// What a reply has to give in a column that the site's own rows have filled, and nothing else gives; an entry that is
    /// `None` on both sides: nothing.
    pub(super) fn filled(&self, column: &TableColumn, text: Option<&str>) -> Set {
        let mut set = Set {
            column: column.name.clone(),
            agent: None,
            customer: None,
        };
        if let Some(by_side) = self.by_side(column) {
            return by_side;
        }
        if column.has_default || column.generated || column.identity.is_some() {
            return set;
        }
        let is_full = |side: Option<bool>, least: usize| {
            let cells = self.cells(&column.name, side);
            cells.len() >= least && cells.iter().all(|cell| cell.is_some_and(|text| !text.is_empty()))
        };
        let all = is_full(None, OF_ALL);
        let (agents, customers) = (
            all || is_full(Some(true), OF_A_SIDE),
            all || is_full(Some(false), OF_A_SIDE),
        );
        if agents {
            set.agent = Some(self.value(column, Some(true), text));
        }
        if customers {
            set.customer = Some(self.value(column, Some(false), text));
        }
        set
    }

    /// What may stand in a column of a reply of that side.
    fn value(&self, column: &TableColumn, side: Option<bool>, text: Option<&str>) -> Value {
        let name = column.name.as_str();
        let sql = |sql: &str| Value::Sql(sql.to_owned());
        if let Some(of_ticket) = self.of_ticket(column, &|_| true) {
            return Value::Sql(dotted("t", &of_ticket));
        }
        if let Some(next) = self.counted(column) {
            return Value::todo(self.question(name), next);
        }
        let cells: Vec<&str> = match self.cells(name, side) {
            // Which rows are whose is not known.
            cells if cells.is_empty() => self.cells(name, None),
            cells => cells,
        }
        .into_iter()
        .flatten()
        .collect();
        let held: BTreeSet<&str> = cells.iter().copied().collect();
        if let Some(people) = self.people(name) {
            let agent = (side == Some(true))
                .then(|| agent_of(people, people.table.primary_key.first()?, None, Some("…")))
                .flatten();
            return agent.unwrap_or_else(|| Value::Todo {
                question: self.question(name),
                offer: None,
            });
        }
        if epoch(self.of()).is_some_and(|made| made.name == column.name) {
            return Value::Sql(format!(
                "extract(epoch from :created_at::timestamptz)::{}",
                column.type_text
            ));
        }
        match column.type_category {
            'D' if self.is_created(name) || has(name, words::OTHER_AT) => return sql(":created_at"),
            'D' => return Value::todo(self.question(name), ":created_at"),
            'U' if column.type_text == "uuid"
                && held.len() == cells.len()
                && self.of().key_of(name).is_none() =>
            {
                return sql("gen_random_uuid()");
            }
            'S' if words::each(words::AUTHOR_NAME).any(|word| words::same(name, word)) => {
                return sql(":author_name");
            }
            'S' if has(name, words::EMAIL)
                && !words::has_part(name, words::NOT_EMAIL)
                && cells.iter().all(|text| text.contains('@')) =>
            {
                return sql(":author_email");
            }
            'S' if has(name, words::AUTHOR) && !cells.iter().all(|text| is_word(text)) => {
                return Value::todo(self.question(name), ":author_name");
            }
            'S' if text.is_some() && is_prose(&cells) => {
                let tagged = cells
                    .iter()
                    .any(|text| text.contains("</") || text.contains("<br"));
                let value = if tagged || has(name, "html") {
                    ":html"
                } else {
                    ":text"
                };
                return match self.is_twin(name, text.unwrap_or_default()) {
                    true => sql(value),
                    false => Value::todo(self.question(name), value),
                };
            }
            _ => {}
        }
        let offer = match held.iter().collect::<Vec<_>>().as_slice() {
            [one] if is_word(one) => Some(lookup::value_of(column, one)),
            _ => None,
        };
        Value::Todo {
            question: self.question(name),
            offer,
        }
    }

    fn people(&self, column: &str) -> Option<&'a Candidate> {
        let key = self.of().key_of(column)?;
        let people = self.found.tables.iter().find(|other| other.table.oid == key.to)?;
        email(people).is_some().then_some(people)
    }

    /// Whether a time is that of the row itself in all rows.
    fn is_created(&self, column: &str) -> bool {
        created(self.of()).is_some_and(|made| {
            let pairs = self.cells(column, None).into_iter();
            let mut pairs = pairs.zip(self.cells(&made.name, None)).peekable();
            pairs.peek().is_some() && pairs.all(|(time, made)| time == made)
        })
    }

    /// Whether the words of a column are those of the body, but for tags.
    fn is_twin(&self, column: &str, body: &str) -> bool {
        let bare = |text: &str| {
            let mut is_tag = false;
            let letters = text.chars().filter(|c| {
                match c {
                    '<' => is_tag = true,
                    '>' => {
                        is_tag = false;
                        return false;
                    }
                    _ => {}
                }
                !is_tag && c.is_alphanumeric()
            });
            letters.take(60).collect::<String>()
        };
        let pairs = self.cells(column, None).into_iter().zip(self.cells(body, None));
        let pairs: Vec<(&str, &str)> = pairs.filter_map(|(left, right)| Some((left?, right?))).collect();
        // The cells are cut at a hundred letters, tags included.
        let same = pairs.iter().filter(|(left, right)| {
            let (left, right) = (bare(left), bare(right));
            left.starts_with(&right) || right.starts_with(&left)
        });
        !pairs.is_empty() && same.count() == pairs.len()
    }

    /// The next number of the ticket's messages, where they are numbered.
    fn counted(&self, column: &TableColumn) -> Option<String> {
        let [link] = <[String; 1]>::try_from(self.message.link.columns()).ok()?;
        let [key] = self.found.ticket.0.table.primary_key.as_slice() else {
            return None;
        };
        is_counted(self.of(), column, &link).then(|| {
            format!(
                "(select coalesce(max({}), 0) + 1 from {} x where {} = {})",
                dotted("x", &column.name),
                table_name(self.of()),
                dotted("x", &link),
                dotted("t", key)
            )
        })
    }

    /// The ticket's column that has the same value as each of these of its messages has here. A time of the ticket's is none of a
    /// later answer's.
    fn of_ticket(&self, column: &TableColumn, is_one: &dyn Fn(&speech::Spoken) -> bool) -> Option<String> {
        let ticket = self.found.ticket.0;
        let places = |of: &Candidate, names: &[String]| -> Vec<usize> {
            let place = |name: &String| of.table.columns.iter().position(|known| known.name == *name);
            names.iter().filter_map(place).collect()
        };
        let cell = |row: &[Option<String>], place: &usize| row.get(*place).cloned().flatten();
        let ours = places(self.of(), &self.message.link.columns());
        let theirs = places(ticket, &ticket.table.primary_key);
        let place = self.place(&column.name).filter(|_| column.type_category != 'D')?;
        let of_row = |row: &speech::Spoken| {
            let key: Vec<_> = ours.iter().map(|place| cell(&row.cells, place)).collect();
            let is_its = |of: &&Vec<Option<String>>| {
                theirs.iter().map(|place| cell(of, place)).eq(key.iter().cloned())
            };
            Some((cell(&row.cells, &place), ticket.rows.iter().find(is_its)?))
        };
        let rows = self.message.rows.iter().filter(|row| is_one(row));
        let pairs: Vec<(Option<String>, &Vec<Option<String>>)> = rows.filter_map(of_row).collect();
        let held: BTreeSet<&String> = pairs.iter().filter_map(|(value, _)| value.as_ref()).collect();
        let is_key = self.of().key_of(&column.name).is_some() || column.type_category == 'U';
        let fits = |(n, of): &(usize, &TableColumn)| {
            let least = match (of.name == column.name, is_key) {
                (true, _) => 1,
                (false, true) => 2,
                // Few values of another name may be the same by chance.
                (false, false) => 3,
            };
            of.type_category == column.type_category
                && pairs.len() >= OF_A_SIDE
                && held.len() >= least
                && pairs.iter().all(|(value, row)| *value == cell(row, n))
        };
        let columns = || ticket.table.columns.iter().enumerate();
        let same = columns().filter(|(_, of)| of.name == column.name).find(fits);
        same.or_else(|| columns().find(fits))
            .map(|(_, of)| of.name.clone())
    }
}
