//! PURE: the ways of telling who wrote a message.

use super::catalog::Candidate;
use super::columns::{is_people, is_staff};
use super::customers::Customer;
use super::speech::{Set, Spoken, Writer};
use super::words::{self, has};

/// A column of people with one of these does not say who wrote it.
pub(super) const NOT_WRITER: &str = "assign approved deleted updated edited modified read seen";

/// One way of telling.
pub(super) struct Teller {
    pub sql: String,
    pub why: String,
    pub used: Vec<String>,
    pub join: Option<String>,
    pub sets: Vec<Set>,
    /// By row: true for an agent.
    pub verdicts: Vec<Option<bool>>,
    /// It is sure even where the rows show one side alone.
    pub is_sure: bool,
    /// Why a person has to say it.
    pub doubt: Option<String>,
    /// It is in doubt because rows name a person of each side: what another way tells has to agree with it.
    pub is_of_two: bool,
}

impl Teller {
    pub(super) fn sees(&self, side: bool) -> bool {
        self.verdicts.contains(&Some(side))
    }

    pub(super) fn sees_both(&self) -> bool {
        self.sees(true) && self.sees(false)
    }
}

/// What the tellers stand on.
pub(super) struct Ground<'a> {
    pub message: &'a Candidate,
    pub link: &'a [String],
    pub writer: Option<&'a Writer<'a>>,
    pub customer: &'a Customer<'a>,
    /// Nobody else is as likely to be the customer.
    pub is_customer_sure: bool,
    pub tables: &'a [Candidate],
    pub spoken: &'a [Spoken],
}

impl Ground<'_> {
    pub(super) fn cells(&self, column: &str) -> Vec<Option<&str>> {
        let place = self
            .message
            .table
            .columns
            .iter()
            .position(|known| known.name == column);
        let cell = |row: &'_ Spoken| -> Option<usize> {
            place.filter(|place| row.cells.get(*place).is_some_and(Option::is_some))
        };
        self.spoken
            .iter()
            .map(|row| row.cells.get(cell(row)?)?.as_deref())
            .collect()
    }

    /// The keys in a column; 0 and the empty text are the key of nobody.
    pub(super) fn keys(&self, column: &str) -> Vec<Option<&str>> {
        let cells = self.cells(column).into_iter();
        cells
            .map(|cell| cell.filter(|key| !matches!(key.trim(), "" | "0")))
            .collect()
    }

    /// Whether the column is neither a link nor a key.
    pub(super) fn free(&self, column: &str) -> bool {
        !self.link.iter().any(|link| link == column) && self.message.key_of(column).is_none()
    }

    /// The columns of people who are not staff, as they are filled in the rows that are the customer's; in all rows, where
    /// nothing tells which are.
    pub(super) fn filled(&self, verdicts: &[Option<bool>]) -> Vec<String> {
        let is_customers = |place: usize| verdicts.is_empty() || verdicts.get(place) == Some(&Some(false));
        let is_filled = |column: &&str| {
            let cells = self.cells(column);
            cells
                .iter()
                .enumerate()
                .any(|(place, cell)| cell.is_some() && is_customers(place))
        };
        self.people()
            .map(|(column, _)| column)
            .filter(is_filled)
            .map(str::to_owned)
            .collect()
    }

    /// The columns of people who are not staff, and the tables of these.
    pub(super) fn people(&self) -> impl Iterator<Item = (&str, u32)> {
        self.message.keys.iter().filter_map(|key| {
            let [column] = key.columns.as_slice() else {
                return None;
            };
            let people = self.tables.iter().find(|other| other.table.oid == key.to)?;
            let is_writer = !self.link.contains(column)
                && !has(column, words::AGENT)
                && !has(column, words::NOT_CUSTOMER)
                && !has(column, NOT_WRITER)
                && !is_staff(people)
                && (is_people(people) || has(&people.table.name.table, words::USER))
                && !has(&people.table.name.table, words::NOT_PERSON);
            is_writer.then_some((column.as_str(), people.table.oid))
        })
    }
}
