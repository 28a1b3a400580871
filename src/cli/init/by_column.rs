//! PURE: the ways of telling who wrote a message by what a column says of it.

use std::collections::BTreeSet;

use super::columns::{dotted, is_people, json_value, literal, literals, objects};
use super::customers::{Customer, people_of};
use super::draft::Value;
use super::lookup::{self, Held, lookup};
use super::speech::{Set, agent_of};
use super::tellers::{Ground, Teller};
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

impl Ground<'_> {
    /// A column with a word for each side: its own, or one of the list that it leads to.
    pub(super) fn by_words(&self) -> Vec<Teller> {
        let is_kind = |name: &str| self.message.polymorphic.iter().any(|pair| pair.kind == name);
        let columns = self.message.table.columns.iter();
        let columns = columns.filter(|column| !self.link.contains(&column.name) && !is_kind(&column.name));
        columns.filter_map(|column| self.by_words_of(column)).collect()
    }

    fn by_words_of(&self, column: &TableColumn) -> Option<Teller> {
        // For whom it is, is not by whom.
        if has(&column.name, words::AUDIENCE) {
            return None;
        }
        let is_named = has(&column.name, words::AUTHOR) && !has(&column.name, words::AUTHOR_NAME);
        let listed = lookup(self.message, column, self.tables);
        if listed.is_none() && !self.free(&column.name) {
            return None;
        }
        if listed.is_none() && column.type_category == 'N' {
            return self.by_number(column).filter(|_| is_named);
        }
        let held = match &listed {
            Some(held) => held.clone(),
            None => lookup::held(self.message, column, self.tables),
        };
        let sides = lookup::sides(&held);
        if held.len() < 2 || !(is_named || sides.has_both()) {
            return None;
        }
        let cells = self.cells(&column.name);
        // The word that stands most often in the rows.
        let set = |own: &[Held]| {
            let count = |one: &&Held| {
                let its = cells.iter().filter(|cell| **cell == Some(one.value.as_str()));
                its.count()
            };
            let usual = own.iter().rev().max_by_key(count);
            Some(Value::Sql(usual.map_or("…".to_owned(), |one| one.sql.clone())))
        };
        let is = |own: &[Held], word: &str| matches!(own, [one] if one.value == word && one.words == word);
        let is_plain = held.len() == 2 && is(&sides.agents, "agent") && is(&sides.customers, "customer");
        let holds = if listed.is_some() { "leads to" } else { "holds" };
        Some(Teller {
            sql: match is_plain {
                true => column.name.clone(),
                false => sides.sql(&dotted("m", &column.name)),
            },
            why: format!("{} {holds} {}", column.name, lookup::shown(&held)),
            used: vec![column.name.clone()],
            join: None,
            sets: vec![Set {
                column: column.name.clone(),
                agent: set(&sides.agents),
                customer: set(&sides.customers),
            }],
            verdicts: cells.iter().map(|cell| sides.verdict(*cell)).collect(),
            is_sure: listed.is_some() || self.message.is_closed(column),
            doubt: match sides.has_both() {
                true => sides.doubt(),
                false => Some("which of them means whom cannot be told".to_owned()),
            },
            is_of_two: false,
        })
    }

    /// A number says nothing of its side: what may be the answer rests on who is named beside it, and else leaves it open.
    fn by_number(&self, column: &TableColumn) -> Option<Teller> {
        let words = self.message.words(column);
        if words.len() < 2 || has(&column.name, words::KEY_PART) {
            return None;
        }
        let (agent, customer) = self.beside(&column.name);
        let side = |word: &String| match () {
            () if agent.as_ref() == Some(word) => "agent",
            () if customer.as_ref() == Some(word) => "customer",
            () => "…",
        };
        let sides = words
            .iter()
            .map(|word| format!(" when {word} then '{}'", side(word)));
        let open = |word: &Option<String>| Some(Value::Sql(word.clone().unwrap_or("…".to_owned())));
        Some(Teller {
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
                agent: open(&agent),
                customer: open(&customer),
            }],
            verdicts: Vec::new(),
            is_sure: false,
            doubt: Some("which number means whom cannot be told".to_owned()),
            is_of_two: false,
        })
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

    /// A flag that is named for one side: a boolean, or 0 and 1.
    pub(super) fn by_flags(&self) -> Vec<Teller> {
        let columns = self.message.table.columns.iter();
        columns.filter_map(|column| self.by_flag(column)).collect()
    }

    fn by_flag(&self, column: &TableColumn) -> Option<Teller> {
        let held = self.message.values(&column.name);
        let is_number = column.type_category == 'N'
            && !has(&column.name, words::KEY_PART)
            && self.free(&column.name)
            && ["0", "1"].iter().all(|value| held.contains(value))
            && held.iter().all(|value| ["0", "1"].contains(value));
        if !(column.type_category == 'B' || is_number)
            || words::has_part(&column.name, words::NOT_AUTHOR)
            || has(&column.name, words::INTERNAL)
            || has(&column.name, words::PUBLIC)
        {
            return None;
        }
        let is_agents = has(&column.name, words::AGENT);
        if is_agents == has(&column.name, words::CUSTOMER) {
            return None;
        }
        let (side, yes, no) = match is_agents {
            true => (words::AGENT, "agent", "customer"),
            false => (words::CUSTOMER, "customer", "agent"),
        };
        // `seen_by_customer` names a side, too: a word that is neither the side's nor of writing leaves it open.
        let lists = [side, words::AUTHOR, words::MESSAGE, words::WRITTEN];
        let mut parts = words::parts(&column.name).into_iter();
        let is_plain = parts.all(|part| lists.iter().any(|list| has(&part, list)));
        let (condition, true_word, false_word) = match is_number {
            true => (format!("{} = 1", dotted("m", &column.name)), "1", "0"),
            false => (dotted("m", &column.name), "true", "false"),
        };
        let set = |is_agent: bool| {
            let word = if is_agent == is_agents {
                true_word
            } else {
                false_word
            };
            Some(Value::Sql(word.to_owned()))
        };
        let cells = self.cells(&column.name).into_iter();
        Some(Teller {
            sql: format!("case when {condition} then '{yes}' else '{no}' end"),
            why: format!("{} tells", column.name),
            used: vec![column.name.clone()],
            join: None,
            sets: vec![Set {
                column: column.name.clone(),
                agent: set(true),
                customer: set(false),
            }],
            verdicts: cells
                .map(|cell| Some((cell == Some(true_word)) == is_agents))
                .collect(),
            is_sure: true,
            doubt: (!is_plain).then(|| "does it say who wrote it?".to_owned()),
            is_of_two: false,
        })
    }

    /// The classes of agents, of customers, and of whoever else. Where one is that of the ticket's customer, other people are none,
    /// whatever they are called; a bot is no agent.
    fn sides_of_kinds(&self, words: &[String]) -> (Vec<String>, Vec<String>, Vec<String>) {
        let (agents, customers, mut unknown) = sides(words);
        let table = |word: &String| people_of(word, self.tables);
        let Customer::Row(owner, _) = self.customer else {
            return (agents, customers, unknown);
        };
        let is_owner = |word: &String| table(word).is_some_and(|of| of.table.oid == owner.table.oid);
        if !customers.iter().any(is_owner) {
            return (agents, customers, unknown);
        }
        let (own, others): (Vec<String>, Vec<String>) = customers.into_iter().partition(is_owner);
        let (others, rest): (Vec<String>, Vec<String>) = others
            .into_iter()
            .partition(|word| table(word).is_some_and(is_people));
        let (bots, agents): (Vec<String>, Vec<String>) =
            agents.into_iter().partition(|word| has(word, words::BOT));
        unknown.extend(rest.into_iter().chain(bots));
        (others.into_iter().chain(agents).collect(), own, unknown)
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
            let people_of = |word: &str| people_of(word, self.tables);
            let (agents, customers, unknown) = self.sides_of_kinds(&words);
            // By its name a class may be the customers', and is the staff's by its table alone.
            let renamed: Vec<&String> = agents.iter().filter(|word| !has(word, words::AGENT)).collect();
            let (Some(agent), Some(customer)) = (agents.first(), customers.first()) else {
                continue;
            };
            let name = dotted("m", &pair.kind);
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
                    let id = key.columns.first().map(|column| match self.is_customer_sure {
                        true => Value::Sql(dotted("t", column)),
                        false => Value::todo("which row is the customer?", dotted("t", column)),
                    });
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
            let nobody = if has_nobody {
                " It is NULL in some rows: they may be the system's."
            } else {
                ""
            };
            let doubt = match () {
                () if !unknown.is_empty() => Some(format!("whose is {}?{nobody}", unknown.join(", "))),
                () if !renamed.is_empty() => {
                    renamed.first().map(|one| format!("is {one} the staff?{nobody}"))
                }
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
                    "case when {name} in ({}) then 'customer' when {name} in ({}) then 'agent'{}{} end",
                    literals(&customers),
                    literals(&agents),
                    match unknown.as_slice() {
                        [] => String::new(),
                        some => format!(" when {name} in ({}) then '…'", literals(some)),
                    },
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
}

/// Words that mean agents, customers, and neither.
fn sides(found: &[String]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (mut agents, mut customers, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for word in found {
        // `AdminUser` is no customer.
        let word_parts = word.rsplit(['\\', ':', '/']).next().unwrap_or(word);
        match (has(word_parts, words::AGENT), has(word_parts, words::CUSTOMER)) {
            (true, _) => agents.push(word.clone()),
            (false, true) => customers.push(word.clone()),
            (false, false) => others.push(word.clone()),
        }
    }
    (agents, customers, others)
}
