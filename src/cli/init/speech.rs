//! PURE: who wrote a message, and what a reply has to give so that it is read as what it is.

use super::catalog::{Candidate, ForeignKey};
use super::columns::{StaffFlag, dotted, email, is_people, is_staff, staff_flag};
use super::customers::Customer;
use super::draft::Value;
use super::tellers::{Ground, NOT_WRITER, Teller};
use super::words::{self, has};

/// A row of messages with what is known of its ticket and its writer.
#[derive(Debug, Clone, Default)]
pub(super) struct Spoken {
    /// The cells, in the order of the table's columns.
    pub cells: Vec<Option<String>>,
    /// The ticket's customer, as its key stands in the ticket.
    pub owner: Option<String>,
    /// What the staff flag of whoever wrote it says.
    pub flag: Option<String>,
}

/// A column of people in the messages: who wrote it.
#[derive(Debug, Clone)]
pub(super) struct Writer<'a> {
    /// Our column.
    pub column: String,
    pub people: &'a Candidate,
    /// The key that it holds.
    pub key: String,
    /// How staff are told among them.
    pub flag: Option<StaffFlag>,
}

impl Writer<'_> {
    /// Whoever wrote a message, as `w`.
    pub(super) fn join(&self) -> String {
        format!(
            "left join {} w on {} = {}",
            table_name(self.people),
            dotted("w", &self.key),
            dotted("m", &self.column)
        )
    }
}

/// A column that a reply sets.
#[derive(Debug, Clone)]
pub(super) struct Set {
    pub column: String,
    /// For an agent's; `None`: it is left out.
    pub agent: Option<Value>,
    /// For a customer's.
    pub customer: Option<Value>,
}

/// How one tells who wrote a message.
#[derive(Debug, Clone)]
pub(super) struct Author {
    /// The expression.
    pub value: Value,
    pub why: String,
    /// A join that it needs.
    pub join: Option<String>,
    /// The columns that it is told by.
    pub used: Vec<String>,
    /// What a reply sets.
    pub sets: Vec<Set>,
    /// By row: true for an agent; none where it cannot be told.
    pub verdicts: Vec<Option<bool>>,
    /// Columns of people that are filled where the customer wrote.
    pub filled: Vec<String>,
}

/// The column of the messages that names who wrote them.
pub(super) fn writer<'a>(
    message: &Candidate,
    ticket_columns: &[String],
    tables: &'a [Candidate],
) -> Option<Writer<'a>> {
    let mut found: Vec<(usize, Writer<'a>)> = Vec::new();
    for ForeignKey {
        to, columns, their, ..
    } in &message.keys
    {
        let ([column], [key]) = (columns.as_slice(), their.as_slice()) else {
            continue;
        };
        let Some(people) = tables.iter().find(|other| other.table.oid == *to) else {
            continue;
        };
        let is_other = ticket_columns.contains(column) || has(column, NOT_WRITER);
        if is_other
            || is_staff(people)
            || has(column, words::AGENT)
            || !(is_people(people) || staff_flag(people, tables).is_some())
        {
            continue;
        }
        let rank = [words::AUTHOR, words::CUSTOMER]
            .iter()
            .position(|list| has(column, list))
            .unwrap_or(2);
        let flag = staff_flag(people, tables);
        found.push((
            rank,
            Writer {
                column: column.clone(),
                people,
                key: key.clone(),
                flag,
            },
        ));
    }
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().next().map(|(_, writer)| writer)
}

/// A user of the site for an agent of Deskie's, by the e-mail address; `fallback` stands in where there is none.
pub(super) fn agent_of(
    people: &Candidate,
    key: &str,
    flag: Option<&StaffFlag>,
    required: Option<&str>,
) -> Option<Value> {
    let address = email(people)?;
    let only_staff = flag.map_or(String::new(), |flag| format!(" and {}", flag.sql("a")));
    let sql = format!(
        "(select {} from {} a where lower({} collate \"C\") = lower(:agent_email){only_staff} limit 1)",
        dotted("a", key),
        table_name(people),
        dotted("a", &address.name)
    );
    Some(match required {
        None => Value::Sql(sql),
        Some(example) => Value::todo(
            format!(
                "which row of {} stands for an agent of Deskie's whom the site does not know?",
                people.table.name
            ),
            format!("coalesce({sql}, {example})"),
        ),
    })
}

/// A table's name for the config and for SQL, quoted only where it has to be.
pub(super) fn table_name(of: &Candidate) -> String {
    let plain = |name: &str| dotted("", name).trim_start_matches('.').to_owned();
    format!("{}.{}", plain(&of.table.name.schema), plain(&of.table.name.table))
}

/// Who wrote a message. What two ways tell differently, or one that saw only one side, is a question.
pub(super) fn author(
    message: &Candidate,
    link: &[String],
    writer: Option<&Writer<'_>>,
    customers: &[Customer<'_>],
    tables: &[Candidate],
    spoken: &[Spoken],
) -> Author {
    let ground = Ground {
        message,
        link,
        writer,
        customer: customers.first().unwrap_or(&Customer::Own),
        is_customer_sure: customers.len() == 1,
        tables,
        spoken,
    };
    let mut author = told(&ground);
    // Where an agent's rows name him in a column of his own, a reply does so, too, whatever else the author is told by.
    for teller in ground
        .by_agent_key()
        .into_iter()
        .filter(|teller| teller.sees(true))
    {
        let is_set = |set: &Set| author.sets.iter().any(|own| own.column == set.column);
        let own: Vec<Set> = teller.sets.into_iter().filter(|set| !is_set(set)).collect();
        author.sets.extend(own);
    }
    author.filled = ground.filled(&author.verdicts);
    author
}

fn told(ground: &Ground<'_>) -> Author {
    let mut tellers = ground.by_words();
    // A column that is named for it comes first.
    tellers.sort_by_key(|teller| !teller.used.iter().any(|name| has(name, words::AUTHOR)));
    tellers.extend(ground.by_flags());
    tellers.extend(ground.by_kind());
    tellers.extend(ground.by_agent_key());
    tellers.extend(ground.by_agent_name());
    tellers.extend(ground.by_staff());
    tellers.extend(ground.by_staff_rows());
    tellers.extend(ground.by_membership());
    tellers.extend(ground.by_json());
    let owner = ground.by_owner();
    let chosen = tellers
        .iter()
        .position(|teller| teller.doubt.is_none() && teller.sees_both())
        .or_else(|| {
            tellers
                .iter()
                .position(|teller| teller.doubt.is_none() && teller.is_sure)
        });
    let chosen = match chosen {
        Some(chosen) => chosen,
        None => match owner {
            Some(owner) if tellers.is_empty() && owner.doubt.is_none() && owner.sees_both() => {
                return owner.into_author(None);
            }
            Some(owner) if tellers.is_empty() => {
                let doubt = owner
                    .doubt
                    .clone()
                    .unwrap_or_else(|| "the rows show one side alone".to_owned());
                return owner.into_author(Some(format!("who wrote a message? {doubt}")));
            }
            _ if !tellers.is_empty() => {
                let teller = tellers.swap_remove(0);
                let doubt = teller
                    .doubt
                    .clone()
                    .unwrap_or_else(|| "the rows show one side alone".to_owned());
                let question = format!("who wrote a message? {}: {doubt}", teller.why);
                return teller.into_author(Some(question));
            }
            _ => {
                return Author {
                    value: Value::todo(
                        "nothing tells who wrote a message, and without author every one counts as the customer's",
                        "case when … then 'agent' else 'customer' end",
                    ),
                    why: String::new(),
                    join: None,
                    used: Vec::new(),
                    sets: Vec::new(),
                    verdicts: Vec::new(),
                    filled: Vec::new(),
                };
            }
        },
    };
    let conflict = tellers
        .iter()
        .enumerate()
        .filter(|(place, other)| {
            *place != chosen && other.sees_both() && (other.doubt.is_none() || other.is_of_two)
        })
        .find(|(_, other)| differs(&tellers[chosen], other))
        .map(|(_, other)| other.why.clone())
        .or_else(|| {
            let owner = owner
                .as_ref()
                .filter(|owner| owner.doubt.is_none() && contradicts(&tellers[chosen], owner))?;
            Some(owner.why.clone())
        });
    let teller = tellers.swap_remove(chosen);
    if let Some((mixed, question)) = ground.mixed(&teller).filter(|_| conflict.is_none()) {
        return mixed.into_author(Some(question));
    }
    let question = conflict.map(|other| format!("who wrote a message? {}, but: {other}", teller.why));
    teller.into_author(question)
}

fn differs(left: &Teller, right: &Teller) -> bool {
    let pairs = left.verdicts.iter().zip(&right.verdicts);
    pairs
        .into_iter()
        .any(|(left, right)| left.is_some() && right.is_some() && left != right)
}

/// Whether the owner's rows are said to be an agent's, or nobody is said to be an agent though others wrote.
fn contradicts(chosen: &Teller, owner: &Teller) -> bool {
    let pairs = || chosen.verdicts.iter().zip(&owner.verdicts);
    let agents = pairs().filter(|(chosen, _)| **chosen == Some(true)).count();
    let own = pairs()
        .filter(|(chosen, owner)| **chosen == Some(true) && **owner == Some(false))
        .count();
    own * 5 > agents || (!chosen.sees(true) && owner.sees(true))
}

impl Teller {
    fn into_author(self, question: Option<String>) -> Author {
        let is_open = question.is_some();
        let sets = self.sets.into_iter().map(|set| match is_open {
            false => set,
            // What is left out on one side stays so.
            true => Set {
                agent: set.agent.map(as_author),
                customer: set.customer.map(as_author),
                column: set.column,
            },
        });
        Author {
            value: match question {
                None => Value::Sql(self.sql),
                Some(question) => Value::todo(question, self.sql),
            },
            why: self.why,
            join: self.join,
            used: self.used,
            sets: sets.collect(),
            verdicts: self.verdicts,
            filled: Vec::new(),
        }
    }
}

/// What is asked of a column by which the author is told.
pub(super) const AS_AUTHOR: &str = "as author says it";

fn as_author(value: Value) -> Value {
    match value {
        Value::Sql(sql) => Value::todo(AS_AUTHOR, sql),
        open => open,
    }
}
