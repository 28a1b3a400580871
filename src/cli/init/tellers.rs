//! PURE: the ways of telling who wrote a message.

use super::catalog::Candidate;
use super::columns::{dotted, is_people, is_staff, literal, literals, sides};
use super::customers::{Customer, people_of};
use super::draft::Value;
use super::speech::{Set, Spoken, Writer, agent_of, table_name};
use super::words::{self, has};

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
                // A number says nothing of its side: what may be the answer leaves it open.
                let sides = words.iter().map(|word| format!(" when {word} then '…'"));
                let open = || Some(Value::Sql("…".to_owned()));
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
                        agent: open(),
                        customer: open(),
                    }],
                    verdicts: Vec::new(),
                    is_sure: false,
                    doubt: Some("which number means whom cannot be told".to_owned()),
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
            let sql = match agents.as_slice() {
                [agent] if agent == "agent" && customers == ["customer"] && skipped.is_empty() => {
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
            });
        }
        // A column that is named for it comes first.
        found.sort_by_key(|teller| !teller.used.iter().any(|name| has(name, words::AUTHOR)));
        found
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
                doubt: self.strangers(&verdicts),
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
        let verdict = |row: &Spoken| row.flag.as_deref().map(|word| flag.is_agent(word));
        let verdicts: Vec<Option<bool>> = self.spoken.iter().map(verdict).collect();
        Some(Teller {
            sql: format!("case when {is} then 'agent' when not ({is}) then 'customer' end"),
            why: format!("{} of whoever wrote it ({}) tells", flag.column, writer.column),
            used: vec![writer.column.clone()],
            join: Some(format!(
                "left join {} w on {} = {}",
                table_name(writer.people),
                dotted("w", &writer.key),
                dotted("m", &writer.column)
            )),
            sets: Vec::new(),
            doubt: self.strangers(&verdicts),
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
            verdicts: cells.iter().zip(self.spoken).map(verdict).collect(),
            is_sure: false,
            doubt: match () {
                () if has_nobody => Some(format!("{} is NULL in some rows", writer.column)),
                () if !self.is_customer_sure => Some("which stands on who the customer is".to_owned()),
                () => None,
            },
        })
    }
}
