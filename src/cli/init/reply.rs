//! PURE: how an answer of Deskie's becomes a row of the messages.

use std::collections::BTreeMap;

use super::catalog::Candidate;
use super::columns::{
    body, created, dotted, email, is_html, is_people, is_staff, json_body, literal, named, objects,
};
use super::customers::Customer;
use super::draft::{Section, Value};
use super::filled::{Beside, Rows};
use super::rivals::is_staffed;
use super::sections::{Found, Spoken};
use super::speech::{AS_AUTHOR, Set, agent_of};
use super::tables::Link;
use super::visible::Visible;
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

/// What a reply sets, for both kinds, for an agent's, for a customer's.
#[derive(Default)]
struct Sets {
    /// What a CASE has to be cast to, by column: the server would take it for text.
    casts: BTreeMap<String, String>,
    both: Vec<(String, Value, &'static str)>,
    agent: Vec<(String, Value)>,
    customer: Vec<(String, Value)>,
}

impl Sets {
    fn has(&self, column: &str) -> bool {
        let own = self.agent.iter().chain(&self.customer).map(|(name, _)| name);
        self.both
            .iter()
            .map(|(name, ..)| name)
            .chain(own)
            .any(|name| name == column)
    }

    fn both(&mut self, column: &str, value: Value, why: &'static str) {
        if !self.has(column) {
            self.both.push((column.to_owned(), value, why));
        }
    }

    fn by_kind(&mut self, set: &Set) {
        if self.has(&set.column) {
            return;
        }
        let plain = |value: &Option<Value>| match value {
            Some(Value::Sql(sql)) => Some(sql.clone()),
            _ => None,
        };
        match (plain(&set.agent).as_deref(), plain(&set.customer).as_deref()) {
            (Some("true"), Some("false")) => self.both(&set.column, Value::Sql(":kind = 'agent'".into()), ""),
            (Some("false"), Some("true")) => {
                self.both(&set.column, Value::Sql(":kind = 'customer'".into()), "")
            }
            (Some("'agent'"), Some("'customer'")) => self.both(&set.column, Value::Sql(":kind".into()), ""),
            _ => {
                let open = |value: &Option<Value>| value.as_ref().is_some_and(Value::is_open);
                // One question is enough where both sides are open.
                if open(&set.agent) && open(&set.customer) {
                    let (agent, customer) = (offer(&set.agent), offer(&set.customer));
                    let offer = format!("case when :kind = 'agent' then {agent} else {customer} end");
                    let offer = match self.casts.get(&set.column) {
                        Some(cast) => format!("({offer})::{cast}"),
                        None => offer,
                    };
                    self.both(&set.column, Value::todo(question(&set.agent), offer), "");
                    return;
                }
                self.agent
                    .extend(set.agent.clone().map(|value| (set.column.clone(), value)));
                self.customer
                    .extend(set.customer.clone().map(|value| (set.column.clone(), value)));
            }
        }
    }
}

/// What is asked of both sides at once.
fn question(value: &Option<Value>) -> String {
    match value {
        Some(Value::Todo { question, .. }) if question != AS_AUTHOR => question.clone(),
        _ => "what says here who wrote it, as author reads it?".to_owned(),
    }
}

fn offer(value: &Option<Value>) -> String {
    match value {
        Some(Value::Todo {
            offer: Some(offer), ..
        })
        | Some(Value::Sql(offer)) => offer.clone(),
        _ => "…".to_owned(),
    }
}

/// `[reply.set]`, and what differs for an agent's and a customer's.
pub(super) fn reply(found: &Found<'_>, message: &Spoken<'_>, seen: &Visible) -> Vec<Section> {
    let of = message.table;
    let ticket = found.ticket.0;
    let is_cast = |column: &&TableColumn| !matches!(column.type_category, 'S' | 'N' | 'B');
    let casts = of.table.columns.iter().filter(is_cast);
    let mut sets = Sets {
        casts: casts
            .map(|column| (column.name.clone(), column.type_text.clone()))
            .collect(),
        ..Sets::default()
    };
    let rows = Rows::new(found, message);
    for (ours, theirs) in message.link.columns().iter().zip(&ticket.table.primary_key) {
        sets.both(ours, Value::Sql(dotted("t", theirs)), "");
    }
    if let Link::Polymorphic { pair, word } = &message.link {
        sets.both(&pair.kind, Value::Sql(literal(word)), "");
    }
    for set in &message.author.sets {
        sets.by_kind(set);
    }
    let owner = match found.customers.as_slice() {
        [customer @ Customer::Row(people, key)] if !is_staffed(customer, found) => key
            .columns
            .first()
            .map(|column| (people.table.oid, dotted("t", column))),
        _ => None,
    };
    writers(found, message, owner.as_ref(), &rows, &mut sets);
    if let Some(text) = body(of) {
        let value = if is_html(of, text) { ":html" } else { ":text" };
        sets.both(&text.name, Value::Sql(value.into()), "");
        // The default of a column that says what the body is may be plain text.
        for column in of.table.columns.iter().filter(|column| column.name != text.name) {
            if is_html(of, text)
                && let Some(html) = html_word(of, column)
            {
                sets.both(&column.name, Value::Sql(literal(html)), "the body is HTML");
            }
        }
    } else if let Some((column, key)) = json_body(of) {
        sets.both(&column.name, json_reply(of, column, &key), "");
    }
    for (name, value) in &seen.sets {
        // What differs by who wrote it is not one for both.
        let by_side = of
            .table
            .column(name)
            .and_then(|column| match column.type_category {
                // The customer's own rows need no leave, and were sent by nobody.
                'D' => rows.is_left_empty(name).then(|| Set {
                    column: name.clone(),
                    agent: Some(value.clone()),
                    customer: None,
                }),
                _ => rows.by_side(column),
            });
        match by_side {
            Some(set) => sets.by_kind(&set),
            None => sets.both(name, value.clone(), ""),
        }
    }
    let made = created(of).map(|column| column.name.clone());
    for column in &of.table.columns {
        let is_needed =
            column.not_null && !column.has_default && !column.generated && column.identity.is_none();
        let is_unset_time = Some(&column.name) == made.as_ref() && !column.has_default;
        if sets.has(&column.name) {
            continue;
        }
        let filled = rows.filled(column, body(of).map(|column| column.name.as_str()));
        if is_needed || is_unset_time {
            let (value, why) = needed(column, of, ticket);
            match (&value, &filled.agent, &filled.customer) {
                (Value::Todo { .. }, Some(agent), Some(customer)) if agent == customer => {
                    sets.both(&column.name, agent.clone(), why);
                }
                (Value::Todo { .. }, Some(_), Some(_)) => sets.by_kind(&filled),
                _ => sets.both(&column.name, value, why),
            }
        } else if words::each(words::AUTHOR_NAME).any(|word| words::same(&column.name, word)) {
            sets.both(&column.name, Value::Sql(":author_name".into()), "");
        } else {
            const ALWAYS: &str = "the site's own rows have it";
            match (&filled.agent, &filled.customer) {
                (Some(agent), Some(customer)) if agent == customer => {
                    sets.both(&column.name, agent.clone(), ALWAYS);
                }
                _ => sets.by_kind(&filled),
            }
        }
    }
    let mut both = Section::new(
        "[reply.set]",
        "how an answer from Deskie becomes a row of the message table",
    );
    for (column, value, why) in sets.both {
        both.value(&column, value, why);
    }
    let touched: Vec<&str> = ticket
        .table
        .columns
        .iter()
        .filter(|column| {
            has(&column.name, "last updated count replies unread answered") && column.type_category != 'B'
        })
        .map(|column| column.name.as_str())
        .collect();
    if !touched.is_empty() {
        both.question(format!(
            "The site may expect its ticket to change with a reply ({}): [reply] after = [\"update … where … = :ticket\"].",
            touched.join(", ")
        ));
    }
    let mut sections = vec![both];
    for (header, set) in [
        ("[reply.agent.set]", sets.agent),
        ("[reply.customer.set]", sets.customer),
    ] {
        if !set.is_empty() {
            let mut section = Section::new(header, "");
            for (column, value) in set {
                section.value(&column, value, "");
            }
            sections.push(section);
        }
    }
    sections
}

/// The word by which a column says in each row that the body is HTML.
fn html_word<'a>(of: &'a Candidate, column: &TableColumn) -> Option<&'a str> {
    let words = ["text/html", "html"];
    let held = of.values(&column.name);
    let first = held
        .first()
        .filter(|first| words.contains(&first.to_lowercase().as_str()))?;
    (column.type_category == 'S' && held.iter().all(|word| word == first)).then_some(*first)
}

/// The JSON of an answer, made after the newest message: what has the same value in most of them has it in a reply, too.
fn json_reply(of: &Candidate, column: &TableColumn, body: &str) -> Value {
    let objects = objects(of, column);
    let newest = objects.iter().find(|object| object.contains_key(body));
    let usual = |key: &str, value: &serde_json::Value| {
        let same = objects
            .iter()
            .filter(|object| object.get(key) == Some(value))
            .count();
        same * 2 > objects.len()
    };
    let pairs = newest.into_iter().flatten().filter_map(|(key, value)| {
        let value = match value {
            _ if key == body => ":text".to_owned(),
            serde_json::Value::String(text) if usual(key, value) => literal(text),
            serde_json::Value::Bool(_) | serde_json::Value::Number(_) if usual(key, value) => {
                value.to_string()
            }
            _ => return None,
        };
        Some(format!("{}, {value}", literal(key)))
    });
    let pairs: Vec<String> = pairs.collect();
    let make = match column.type_text.as_str() {
        "json" => "json_build_object",
        _ => "jsonb_build_object",
    };
    Value::todo(
        "JSON: what stands here in a reply?",
        format!("{make}({})", pairs.join(", ")),
    )
}

/// The columns that name people: who wrote it.
fn writers(
    found: &Found<'_>,
    message: &Spoken<'_>,
    owner: Option<&(u32, String)>,
    rows: &Rows<'_>,
    sets: &mut Sets,
) {
    let of = message.table;
    for key in of.keys.iter().filter(|key| key.columns.len() == 1) {
        let column = key.columns.concat();
        let Some(people) = found.tables.iter().find(|other| other.table.oid == key.to) else {
            continue;
        };
        // A message belongs to the account, the inbox of its ticket: what stands there is read off the rows below.
        let is_someone = is_people(people)
            || (has(&people.table.name.table, words::USER) && rows.is_new(of.table.column(&column)))
            || is_staff(people);
        let is_writer = message
            .writer
            .as_ref()
            .is_some_and(|writer| writer.column == column);
        let is_required = of
            .table
            .column(&column)
            .is_some_and(|column| column.not_null && !column.has_default);
        // Where nothing else tells who wrote it, whoever is named does.
        let tells = message.author.used.contains(&column) || (is_writer && message.author.used.is_empty());
        if !is_writer && !tells && !is_someone {
            continue;
        }
        let of_owner = owner.filter(|(people, _)| *people == key.to);
        // A column of the customers alone, beside one of the agents.
        if !is_writer && !is_required {
            if let Some((_, owner)) = of_owner.filter(|_| has(&column, words::CUSTOMER)) {
                sets.by_kind(&Set {
                    column,
                    agent: None,
                    customer: Some(Value::Sql(owner.clone())),
                });
            } else if message.author.filled.contains(&column) {
                let customer = Some(whose(found, &column, people));
                sets.by_kind(&Set {
                    column,
                    agent: None,
                    customer,
                });
            }
            continue;
        }
        let flag = message
            .writer
            .as_ref()
            .filter(|_| is_writer)
            .and_then(|writer| writer.flag.as_ref());
        let key_column = key.their.concat();
        let agents_here = flag.is_some() || names_agents(message);
        // An agent is named in a column of his own: here stands what stands beside it.
        let own = message
            .author
            .sets
            .iter()
            .find(|set| set.column != column && set.agent.is_some() && set.customer.is_none());
        let beside = own.and_then(|own| rows.beside_agent(of.table.column(&column)?, &own.column));
        let agent = match beside {
            Some(Beside::Tickets(column)) => Some(Value::Sql(dotted("t", &column))),
            Some(Beside::Nothing) if !is_required => None,
            Some(Beside::Something(question)) if !is_required && !tells => Some(Value::Todo {
                question,
                offer: owner
                    .filter(|(people, _)| *people == key.to)
                    .map(|(_, owner)| owner.clone()),
            }),
            _ if !is_required && !tells && !agents_here => None,
            _ => agent_of(people, &key_column, flag, (is_required || tells).then_some("…")),
        };
        let question = |who: &str| Value::Todo {
            question: format!("which row of {} stands for {who}?", people.table.name),
            offer: None,
        };
        let is_filled = message.author.filled.contains(&column);
        let customer = of_owner
            .map(|(_, owner)| Value::Sql(owner.clone()))
            .or_else(|| is_filled.then(|| whose(found, &column, people)));
        sets.by_kind(&Set {
            column,
            agent: agent.or_else(|| (is_required || tells).then(|| question("an agent"))),
            customer: customer.or_else(|| (is_required || tells).then(|| question("the customer"))),
        });
    }
}

/// Rows of the customer's fill the column; which of the ticket's columns says whom it names is a question.
fn whose(found: &Found<'_>, column: &str, people: &Candidate) -> Value {
    // Where the customer himself is a question, his key is none of the answers.
    let of_ticket = match found.customers.as_slice() {
        [customer @ Customer::Row(of, key)] if of.table.oid == people.table.oid => {
            key.columns.first().filter(|_| !is_staffed(customer, found))
        }
        _ => None,
    };
    Value::Todo {
        question: format!(
            "{column} names a row of {}: which one where the customer wrote? Take the line out where it stays empty",
            people.table.name
        ),
        offer: of_ticket.map(|column| dotted("t", column)),
    }
}

/// Whether agents are named in the messages as people of the site.
fn names_agents(message: &Spoken<'_>) -> bool {
    message
        .writer
        .as_ref()
        .is_some_and(|writer| email(writer.people).is_some())
}

/// A column that has to be given.
fn needed(column: &TableColumn, of: &Candidate, ticket: &Candidate) -> (Value, &'static str) {
    const NEEDED: &str = "there is no default";
    let name = column.name.as_str();
    let is_key = of.table.primary_key.contains(&column.name);
    let sql = |sql: &str| Value::Sql(sql.to_owned());
    let value = match column.type_category {
        'D' => sql(":created_at"),
        'U' if column.type_text == "uuid" => sql("gen_random_uuid()"),
        'S' if is_key => sql("gen_random_uuid()::text"),
        'S' if words::each(words::AUTHOR_NAME).any(|word| words::same(name, word)) => sql(":author_name"),
        'S' if has(name, words::SUBJECT) => match named(ticket, words::SUBJECT, "S") {
            Some(subject) => Value::todo("what stands here in a reply?", dotted("t", &subject.name)),
            None => sql(":subject"),
        },
        'S' if has(name, words::EMAIL) && !words::has_part(name, words::NOT_EMAIL) => sql(":author_email"),
        _ => Value::Todo {
            question: format!(
                "{}, NOT NULL without a default: what stands here in a reply?",
                column.type_text
            ),
            offer: None,
        },
    };
    (value, NEEDED)
}
