//! PURE: the ways of telling who wrote a message.

use std::collections::BTreeSet;

use super::catalog::Candidate;
use super::columns::{
    body, dotted, email, is_people, is_staff, json_value, literal, literals, objects, sides,
};
use super::customers::{Customer, people_of};
use super::draft::Value;
use super::lookup::{self, Held, lookup};
use super::speech::{Set, Spoken, Writer, agent_of, table_name};
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

/// A column of people with one of these does not say who wrote it.
const NOT_WRITER: &str = "assign approved deleted updated read seen";

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

    /// Whether the column is neither a link nor a key.
    pub(super) fn free(&self, column: &str) -> bool {
        !self.link.iter().any(|link| link == column) && self.message.key_of(column).is_none()
    }

    /// The word that stands most often in the rows.
    fn usual(&self, column: &str, words: &[String]) -> String {
        let cells = self.cells(column);
        let count = |word: &&String| cells.iter().filter(|cell| **cell == Some(word.as_str())).count();
        words.iter().rev().max_by_key(count).cloned().unwrap_or_default()
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
    fn people(&self) -> impl Iterator<Item = (&str, u32)> {
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

    /// Why rows that name an agent may not be his: a customer is named in them, too.
    fn of_two(&self, agents: &str) -> Option<String> {
        let agents = self.cells(agents);
        let count = |column: &str| {
            let rows = self.cells(column).into_iter().zip(&agents);
            rows.filter(|(cell, agent)| cell.is_some() && agent.is_some())
                .count()
        };
        let (column, rows) = self
            .people()
            .map(|(column, _)| (column, count(column)))
            .find(|(_, rows)| *rows > 0)?;
        Some(format!(
            "in {rows} rows {column} is filled as well: which of the two wrote them?"
        ))
    }

    /// Why rows that are no agent's may not be the customer's: somebody else stands in one.
    fn strangers(&self, verdicts: &[Option<bool>]) -> Option<String> {
        let owner = match self.customer {
            Customer::Row(people, _) => Some(people.table.oid),
            Customer::Own | Customer::Kinds(..) | Customer::Through(_) => None,
        };
        let is_strange = |column: &str, to: u32| {
            let rows = self.cells(column).into_iter().zip(self.spoken).zip(verdicts);
            rows.filter(|(_, verdict)| **verdict == Some(false))
                .any(|((cell, row), _)| cell.is_some() && (owner != Some(to) || cell != row.owner.as_deref()))
        };
        let (column, _) = self.people().find(|(column, to)| is_strange(column, *to))?;
        Some(format!(
            "{column} is not the ticket's customer in some rows that are no agent's: whose are they?"
        ))
    }

    /// A column with a word for each side.
    pub(super) fn by_words(&self) -> Vec<Teller> {
        let mut found = Vec::new();
        let is_kind = |name: &str| self.message.polymorphic.iter().any(|pair| pair.kind == name);
        for column in self
            .message
            .table
            .columns
            .iter()
            .filter(|column| self.free(&column.name) && !is_kind(&column.name))
        {
            let is_named = has(&column.name, words::AUTHOR) && !has(&column.name, words::AUTHOR_NAME);
            let words = self.message.words(column);
            if column.type_category == 'N'
                && is_named
                && words.len() >= 2
                && !has(&column.name, words::KEY_PART)
            {
                // A number says nothing of its side: what may be the answer rests on who is named beside it, and else leaves it
                // open.
                let known = self.beside(&column.name);
                let side = |word: &String| match () {
                    () if known.0.as_ref() == Some(word) => "agent",
                    () if known.1.as_ref() == Some(word) => "customer",
                    () => "…",
                };
                let sides = words
                    .iter()
                    .map(|word| format!(" when {word} then '{}'", side(word)));
                let open = |word: &Option<String>| Some(Value::Sql(word.clone().unwrap_or("…".to_owned())));
                found.push(Teller {
                    sql: format!(
                        "case {}{} end",
                        dotted("m", &column.name),
                        sides.collect::<String>()
                    ),
                    why: format!("{} holds {}", column.name, words.join(", ")),
                    used: vec![column.name.clone()],
                    join: None,
                    sets: vec![Set {
                        column: column.name.clone(),
                        agent: open(&known.0),
                        customer: open(&known.1),
                    }],
                    verdicts: Vec::new(),
                    is_sure: false,
                    doubt: Some("which number means whom cannot be told".to_owned()),
                    is_of_two: false,
                });
                continue;
            }
            if !matches!(column.type_category, 'S' | 'E') || words.is_empty() {
                continue;
            }
            let (agents, customers, others) = sides(&words);
            if agents.is_empty() || customers.is_empty() {
                if is_named && words.len() > 1 {
                    found.push(Teller {
                        sql: format!(
                            "case {} when '…' then 'customer' when '…' then 'agent' end",
                            dotted("m", &column.name)
                        ),
                        why: format!("{} holds {}", column.name, words.join(", ")),
                        used: vec![column.name.clone()],
                        join: None,
                        sets: vec![Set {
                            column: column.name.clone(),
                            agent: Some(Value::Sql("'…'".to_owned())),
                            customer: Some(Value::Sql("'…'".to_owned())),
                        }],
                        verdicts: Vec::new(),
                        is_sure: false,
                        doubt: Some("which word means whom cannot be told".to_owned()),
                        is_of_two: false,
                    });
                }
                continue;
            }
            let (skipped, unknown): (Vec<String>, Vec<String>) = others
                .into_iter()
                .partition(|word| has(word, words::MACHINE) || has(word, words::INTERNAL));
            let name = dotted("m", &column.name);
            let skip = if skipped.is_empty() {
                String::new()
            } else {
                format!(" when {name} in ({}) then 'skip'", literals(&skipped))
            };
            let (bots, unsaid): (Vec<&String>, Vec<&String>) =
                unknown.iter().partition(|word| has(word, words::BOT));
            let open = |words: &[&String], side: &str| match words {
                [] => String::new(),
                words => {
                    let words: Vec<String> = words.iter().map(|word| (*word).clone()).collect();
                    format!(" when {name} in ({}) then '{side}'", literals(&words))
                }
            };
            let skip = format!("{skip}{}{}", open(&bots, "skip"), open(&unsaid, "…"));
            let sql = match agents.as_slice() {
                [agent] if agent == "agent" && customers == ["customer"] && skip.is_empty() => {
                    column.name.clone()
                }
                _ => format!(
                    "case when {name} in ({}) then 'customer' when {name} in ({}) then 'agent'{skip} end",
                    literals(&customers),
                    literals(&agents)
                ),
            };
            let verdict = |cell: Option<&str>| {
                let cell = cell?.to_owned();
                if agents.contains(&cell) {
                    Some(true)
                } else {
                    customers.contains(&cell).then_some(false)
                }
            };
            let set = |words: &[String]| Some(Value::Sql(literal(&self.usual(&column.name, words))));
            found.push(Teller {
                sql,
                why: format!("{} holds {}", column.name, words.join(", ")),
                used: vec![column.name.clone()],
                join: None,
                sets: vec![Set {
                    column: column.name.clone(),
                    agent: set(&agents),
                    customer: set(&customers),
                }],
                verdicts: self.cells(&column.name).into_iter().map(verdict).collect(),
                is_sure: self.message.is_closed(column),
                doubt: (!unknown.is_empty()).then(|| format!("whose is {}?", unknown.join(", "))),
                is_of_two: false,
            });
        }
        found
    }

    /// The one value of an agent's rows, and of a customer's, as those tell who are named in them.
    fn beside(&self, column: &str) -> (Option<String>, Option<String>) {
        let ways = self.by_flags().into_iter().chain(self.by_agent_key());
        let mut ways = ways.chain(self.by_staff()).chain(self.by_owner());
        let Some(way) = ways.find(Teller::sees_both) else {
            return (None, None);
        };
        let cells = self.cells(column);
        let of_side = |side: bool| -> BTreeSet<&str> {
            let rows = cells.iter().zip(&way.verdicts);
            rows.filter(|(_, verdict)| **verdict == Some(side))
                .filter_map(|(cell, _)| *cell)
                .collect()
        };
        let (agents, customers) = (of_side(true), of_side(false));
        let only = |own: &BTreeSet<&str>, other: &BTreeSet<&str>| {
            let mut own = own.iter();
            let one = own.next().filter(|one| !other.contains(*one))?;
            own.next().is_none().then(|| (*one).to_owned())
        };
        (only(&agents, &customers), only(&customers, &agents))
    }

    /// A column that leads to a list of kinds of writers.
    pub(super) fn by_lookups(&self) -> Vec<Teller> {
        let mut found = Vec::new();
        for column in &self.message.table.columns {
            if self.link.contains(&column.name) {
                continue;
            }
            let Some(held) = lookup(self.message, column, self.tables) else {
                continue;
            };
            let named = has(&column.name, words::AUTHOR) && !has(&column.name, words::AUTHOR_NAME);
            let sides = lookup::sides(&held);
            if held.len() < 2 || !(named || sides.has_both()) {
                continue;
            }
            let set = |own: &[Held]| {
                let cells = self.cells(&column.name);
                let count = |one: &&Held| {
                    cells
                        .iter()
                        .filter(|cell| **cell == Some(one.value.as_str()))
                        .count()
                };
                let usual = own.iter().rev().max_by_key(count);
                Some(Value::Sql(usual.map_or("…".to_owned(), |one| one.sql.clone())))
            };
            let doubt = match sides.has_both() {
                true => sides.doubt(),
                false => Some("which of them means whom cannot be told".to_owned()),
            };
            found.push(Teller {
                sql: sides.sql(&dotted("m", &column.name)),
                why: format!("{} leads to {}", column.name, lookup::shown(&held)),
                used: vec![column.name.clone()],
                join: None,
                sets: vec![Set {
                    column: column.name.clone(),
                    agent: set(&sides.agents),
                    customer: set(&sides.customers),
                }],
                verdicts: self
                    .cells(&column.name)
                    .into_iter()
                    .map(|cell| sides.verdict(cell))
                    .collect(),
                is_sure: true,
                doubt,
                is_of_two: false,
            });
        }
        found
    }

    /// A key of JSON with words of both sides: whether it is what it seems is a question.
    pub(super) fn by_json(&self) -> Vec<Teller> {
        let is_json = |column: &&TableColumn| column.type_text.starts_with("json");
        let columns = self.message.table.columns.iter().filter(is_json);
        let of_column = |column: &TableColumn| -> Vec<Teller> {
            let objects = objects(self.message, column);
            let keys: BTreeSet<&String> = objects.iter().flat_map(|object| object.keys()).collect();
            let teller = |key: &String| {
                let words: BTreeSet<&str> = objects
                    .iter()
                    .filter_map(|object| object.get(key)?.as_str())
                    .collect();
                let held: Vec<Held> = words
                    .iter()
                    .map(|word| Held {
                        value: (*word).to_owned(),
                        sql: literal(word),
                        words: (*word).to_owned(),
                    })
                    .collect();
                let sides = lookup::sides(&held);
                let name = format!("({})", json_value("m", column, key));
                (held.len() <= 8 && sides.has_both()).then(|| Teller {
                    sql: sides.sql(&name),
                    why: format!(
                        "{key} in the JSON of {} holds {}",
                        column.name,
                        lookup::shown(&held)
                    ),
                    used: Vec::new(),
                    join: None,
                    sets: Vec::new(),
                    verdicts: Vec::new(),
                    is_sure: false,
                    doubt: Some(sides.doubt().unwrap_or("is it who wrote the message?".to_owned())),
                    is_of_two: false,
                })
            };
            keys.into_iter().filter_map(teller).collect()
        };
        columns.flat_map(of_column).collect()
    }

    /// A boolean that is named for one side.
    pub(super) fn by_flags(&self) -> Vec<Teller> {
        let mut found = Vec::new();
        for column in self
            .message
            .table
            .columns
            .iter()
            .filter(|column| column.type_category == 'B')
        {
            if words::has_part(&column.name, words::NOT_AUTHOR)
                || has(&column.name, words::INTERNAL)
                || has(&column.name, words::PUBLIC)
            {
                continue;
            }
            let (agent, customer) = (
                has(&column.name, words::AGENT),
                has(&column.name, words::CUSTOMER),
            );
            if agent == customer {
                continue;
            }
            let name = dotted("m", &column.name);
            let (yes, no) = if agent {
                ("agent", "customer")
            } else {
                ("customer", "agent")
            };
            let set = |is_agent: bool| Some(Value::Sql((is_agent == agent).to_string()));
            found.push(Teller {
                sql: format!("case when {name} then '{yes}' else '{no}' end"),
                why: format!("{} tells", column.name),
                used: vec![column.name.clone()],
                join: None,
                sets: vec![Set {
                    column: column.name.clone(),
                    agent: set(true),
                    customer: set(false),
                }],
                verdicts: self
                    .cells(&column.name)
                    .into_iter()
                    .map(|cell| Some((cell == Some("true")) == agent))
                    .collect(),
                is_sure: true,
                doubt: None,
                is_of_two: false,
            });
        }
        found
    }

    /// `author_type`, `author_id`.
    pub(super) fn by_kind(&self) -> Vec<Teller> {
        let mut found = Vec::new();
        for pair in self
            .message
            .polymorphic
            .iter()
            .filter(|pair| !self.link.contains(&pair.id))
        {
            let Some(column) = self.message.table.column(&pair.kind) else {
                continue;
            };
            let words = self.message.words(column);
            let (agents, customers, unknown) = sides(&words);
            let (Some(agent), Some(customer)) = (agents.first(), customers.first()) else {
                continue;
            };
            let name = dotted("m", &pair.kind);
            let people_of = |word: &str| people_of(word, self.tables);
            // A kind without its row names nobody.
            let agent_id = people_of(agent).and_then(|people| {
                let key = people.table.primary_key.first()?;
                agent_of(people, key, None, Some("…"))
            });
            let word = |word: &String| Some(Value::Sql(literal(word)));
            let (customer_kind, customer_id) = match self.customer {
                Customer::Row(people, key)
                    if people_of(customer).is_some_and(|found| found.table.oid == people.table.oid) =>
                {
                    let id = key.columns.first().map(|column| Value::Sql(dotted("t", column)));
                    (word(customer), id)
                }
                Customer::Kinds(of_ticket, _) => (
                    Some(Value::Sql(dotted("t", &of_ticket.kind))),
                    Some(Value::Sql(dotted("t", &of_ticket.id))),
                ),
                _ if customers.len() > 1 => {
                    let question = format!("which of {} is the ticket's customer?", customers.join(", "));
                    (
                        Some(Value::Todo {
                            question,
                            offer: None,
                        }),
                        None,
                    )
                }
                _ => (word(customer), None),
            };
            let verdict = |cell: Option<&str>| {
                let cell = cell?.to_owned();
                if agents.contains(&cell) {
                    Some(true)
                } else {
                    customers.contains(&cell).then_some(false)
                }
            };
            let cells = self.cells(&pair.kind);
            let has_nobody = cells.contains(&None);
            let doubt = match () {
                () if !unknown.is_empty() => Some(format!("whose is {}?", unknown.join(", "))),
                () if has_nobody => {
                    Some("it is NULL in some rows: are they the system's, which go to nobody?".to_owned())
                }
                () => None,
            };
            let which = |question: &str| {
                Some(Value::Todo {
                    question: question.to_owned(),
                    offer: None,
                })
            };
            found.push(Teller {
                sql: format!(
                    "case when {name} in ({}) then 'customer' when {name} in ({}) then 'agent'{} end",
                    literals(&customers),
                    literals(&agents),
                    if has_nobody {
                        format!(" when {name} is null then 'skip'")
                    } else {
                        String::new()
                    }
                ),
                why: format!("{} holds {}", pair.kind, words.join(", ")),
                used: vec![pair.kind.clone(), pair.id.clone()],
                join: None,
                sets: vec![
                    Set {
                        column: pair.kind.clone(),
                        agent: word(agent),
                        customer: customer_kind,
                    },
                    Set {
                        column: pair.id.clone(),
                        agent: agent_id.or_else(|| which("which row stands for an agent?")),
                        customer: customer_id.or_else(|| which("which row is the customer?")),
                    },
                ],
                verdicts: cells.iter().copied().map(verdict).collect(),
                is_sure: false,
                doubt,
                is_of_two: false,
            });
        }
        found
    }

    /// A column that names the agent, where one wrote it.
    pub(super) fn by_agent_key(&self) -> Vec<Teller> {
        let mut found = Vec::new();
        for column in self
            .message
            .table
            .columns
            .iter()
            .filter(|column| !column.not_null && !self.link.contains(&column.name))
        {
            let is_key = self.message.key_of(&column.name).is_some()
                || words::parts(&column.name).last().is_some_and(|last| last == "id");
            let is_other = has(&column.name, NOT_WRITER);
            if !is_key || is_other || !has(&column.name, words::AGENT) {
                continue;
            }
            let cells = self.cells(&column.name).into_iter();
            let verdicts: Vec<Option<bool>> = cells.map(|cell| Some(cell.is_some())).collect();
            let both = self.of_two(&column.name);
            let people = self
                .message
                .key_of(&column.name)
                .and_then(|key| self.tables.iter().find(|other| other.table.oid == key.to));
            let agent = people
                .and_then(|people| agent_of(people, people.table.primary_key.first()?, None, Some("…")));
            found.push(Teller {
                sql: format!(
                    "case when {} is not null then 'agent' else 'customer' end",
                    dotted("m", &column.name)
                ),
                why: format!("{} is the agent, where one wrote it", column.name),
                used: vec![column.name.clone()],
                join: None,
                sets: vec![Set {
                    column: column.name.clone(),
                    agent: agent.or(Some(Value::Todo {
                        question: "which row stands for an agent of Deskie's?".to_owned(),
                        offer: None,
                    })),
                    customer: None,
                }],
                is_of_two: both.is_some(),
                doubt: both.or_else(|| self.strangers(&verdicts)),
                verdicts,
                is_sure: false,
            });
        }
        found
    }

    /// Whoever wrote it is staff, as the table of people says.
    pub(super) fn by_staff(&self) -> Option<Teller> {
        let writer = self.writer?;
        let flag = writer.flag.as_ref()?;
        let is = flag.sql("w");
        let verdict = |row: &Spoken| flag.verdict(row.flag.as_deref()?);
        let others = flag.sides.doubt();
        let has_others = others.is_some() || !flag.sides.skipped.is_empty();
        let verdicts: Vec<Option<bool>> = self.spoken.iter().map(verdict).collect();
        Some(Teller {
            sql: match has_others {
                true => flag.sides.sql(&dotted("w", &flag.column)),
                false => format!("case when {is} then 'agent' when not ({is}) then 'customer' end"),
            },
            why: format!("{} of whoever wrote it ({}) tells", flag.column, writer.column),
            used: vec![writer.column.clone()],
            join: Some(format!(
                "left join {} w on {} = {}",
                table_name(writer.people),
                dotted("w", &writer.key),
                dotted("m", &writer.column)
            )),
            sets: Vec::new(),
            is_of_two: false,
            doubt: others.or_else(|| self.strangers(&verdicts)),
            verdicts,
            is_sure: true,
        })
    }

    /// Whoever wrote it is the ticket's customer, or not.
    pub(super) fn by_owner(&self) -> Option<Teller> {
        let writer = self.writer?;
        let Customer::Row(people, key) = self.customer else {
            return None;
        };
        let owner = key
            .columns
            .first()
            .filter(|_| people.table.oid == writer.people.table.oid)?;
        let cells = self.cells(&writer.column);
        let verdict = |(cell, row): (&Option<&str>, &Spoken)| Some(*cell.as_ref()? != row.owner.as_deref()?);
        let (of_message, of_ticket) = (dotted("m", &writer.column), dotted("t", owner));
        let has_nobody = cells.contains(&None);
        let owners: BTreeSet<&str> = self
            .spoken
            .iter()
            .filter_map(|row| row.owner.as_deref())
            .collect();
        let verdicts: Vec<Option<bool>> = cells.iter().zip(self.spoken).map(verdict).collect();
        let mut others = cells
            .iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| **verdict == Some(true));
        let is_of_customers = others.any(|(cell, _)| cell.is_some_and(|cell| owners.contains(cell)));
        let role = writer.people.table.columns.iter().find(|column| {
            let mut held = writer.people.values(&column.name);
            held.sort_unstable();
            held.dedup();
            has(&column.name, words::ROLE)
                && !matches!(column.type_category, 'B' | 'D')
                && (2..=8).contains(&held.len())
                && held.len() < writer.people.rows.len()
        });
        let nobody = if has_nobody { " else '…'" } else { "" };
        Some(Teller {
            sql: format!(
                "case when {of_message} = {of_ticket} then 'customer' when {of_message} is not null then 'agent'{nobody} end"
            ),
            why: format!(
                "who wrote it ({}) is the ticket's customer ({owner}), or not",
                writer.column
            ),
            used: vec![writer.column.clone()],
            join: None,
            sets: Vec::new(),
            verdicts,
            is_sure: false,
            doubt: match () {
                () if is_of_customers => Some(
                    "some who wrote in tickets of others have tickets of their own: are they staff?"
                        .to_owned(),
                ),
                () if role.is_some() => role.map(|role| {
                    format!(
                        "does {} of {} say who is staff?",
                        role.name, writer.people.table.name
                    )
                }),
                () if has_nobody => Some(format!("{} is NULL in some rows", writer.column)),
                () if !self.is_customer_sure => Some("which stands on who the customer is".to_owned()),
                () => None,
            },
            is_of_two: false,
        })
    }

    /// Whoever wrote it belongs to a group of staff, as rows between people and groups say. Which groups are the staff's is a
    /// question.
    pub(super) fn by_membership(&self) -> Option<Teller> {
        let writer = self.writer?;
        if writer.flag.is_some() {
            return None;
        }
        self.tables.iter().find_map(|between| {
            let to_people = between
                .keys
                .iter()
                .find(|key| key.columns.len() == 1 && key.to == writer.people.table.oid)?;
            let (column, sides) = between.table.columns.iter().find_map(|column| {
                let sides = lookup::sides(&lookup(between, column, self.tables)?);
                (!sides.agents.is_empty()).then_some((column, sides))
            })?;
            if body(between).is_some() || email(between).is_some() {
                return None;
            }
            let member = format!(
                "exists (select from {} g where {} = {} and {} in ({}))",
                table_name(between),
                dotted("g", &to_people.columns.concat()),
                dotted("m", &writer.column),
                dotted("g", &column.name),
                lookup::list(&sides.agents)
            );
            let known = sides.agents.iter().chain(&sides.customers);
            let known: Vec<Held> = known.chain(&sides.unknown).chain(&sides.bots).cloned().collect();
            Some(Teller {
                sql: format!(
                    "case when {member} then 'agent' when {} is not null then 'customer' end",
                    dotted("m", &writer.column)
                ),
                why: format!(
                    "{} says to which groups whoever wrote it ({}) belongs",
                    between.table.name, writer.column
                ),
                used: vec![writer.column.clone()],
                join: None,
                sets: Vec::new(),
                verdicts: Vec::new(),
                is_sure: false,
                doubt: Some(format!(
                    "which of these are the staff's: {}?",
                    lookup::shown(&known)
                )),
                is_of_two: false,
            })
        })
    }
}
