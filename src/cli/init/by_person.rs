//! PURE: the ways of telling who wrote a message by who is named in it.

use std::collections::BTreeSet;

use super::catalog::ROWS;
use super::columns::{body, dotted, email, is_people, is_staff};
use super::customers::Customer;
use super::draft::Value;
use super::lookup::{self, Held, lookup};
use super::speech::{Set, Spoken, agent_of, table_name};
use super::tellers::{Ground, NOT_WRITER, Teller};
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

impl Ground<'_> {
    /// A column that names the agent, where one wrote it.
    pub(super) fn by_agent_key(&self) -> Vec<Teller> {
        let mut found = Vec::new();
        for column in self
            .message
            .table
            .columns
            .iter()
            .filter(|column| !self.link.contains(&column.name))
        {
            // Where the column has to be filled, 0 may be nobody's key.
            let has_zero = column.type_category == 'N' && self.cells(&column.name).contains(&Some("0"));
            if column.not_null && !has_zero {
                continue;
            }
            let is_key = self.message.key_of(&column.name).is_some()
                || words::parts(&column.name).last().is_some_and(|last| last == "id");
            let people = self
                .message
                .key_of(&column.name)
                .and_then(|key| self.tables.iter().find(|other| other.table.oid == key.to));
            // `user_id` of the table of administrators is an agent.
            let is_to_staff = people.is_some_and(|people| {
                is_staff(people) && (is_people(people) || has(&people.table.name.table, words::USER))
            });
            let is_other = has(&column.name, NOT_WRITER);
            if !is_key || is_other || !(has(&column.name, words::AGENT) || is_to_staff) {
                continue;
            }
            let keys = self.keys(&column.name).into_iter();
            let verdicts: Vec<Option<bool>> = keys.map(|key| Some(key.is_some())).collect();
            let both = self.of_two(&column.name);
            let name = dotted("m", &column.name);
            let agent = people
                .and_then(|people| agent_of(people, people.table.primary_key.first()?, None, Some("…")));
            found.push(Teller {
                sql: match has_zero {
                    true => format!("case when coalesce({name}, 0) <> 0 then 'agent' else 'customer' end"),
                    false => format!("case when {name} is not null then 'agent' else 'customer' end"),
                },
                why: format!("{} is the agent, where one wrote it", column.name),
                used: vec![column.name.clone()],
                join: None,
                sets: vec![Set {
                    column: column.name.clone(),
                    agent: agent.or(Some(Value::Todo {
                        question: "which row stands for an agent of Deskie's?".to_owned(),
                        offer: None,
                    })),
                    customer: (has_zero && column.not_null && !column.has_default)
                        .then(|| Value::Sql("0".to_owned())),
                }],
                is_of_two: both.is_some(),
                doubt: both.or_else(|| self.strangers(&verdicts)),
                verdicts,
                is_sure: false,
            });
        }
        found
    }

    /// A column that holds the name of the agent, where one wrote it.
    pub(super) fn by_agent_name(&self) -> Vec<Teller> {
        let lists = [words::AGENT, words::NAME_PART, words::AUTHOR, words::WRITTEN];
        let columns = self.message.table.columns.iter().filter(|column| {
            let mut parts = words::parts(&column.name).into_iter();
            column.type_category == 'S'
                && has(&column.name, words::AGENT)
                && !has(&column.name, words::HARMLESS)
                && parts.all(|part| lists.iter().any(|list| has(&part, list)))
        });
        let teller = |column: &TableColumn| {
            let cells = self.cells(&column.name);
            let is_filled = |cell: &Option<&str>| cell.is_some_and(|text| !text.trim().is_empty());
            let is_name = |text: &str| text.split_whitespace().count() <= 3 && text.chars().count() <= 40;
            let verdicts: Vec<Option<bool>> = cells.iter().map(|cell| Some(is_filled(cell))).collect();
            let is_named = cells.iter().flatten().all(|text| is_name(text));
            let is_told = verdicts.contains(&Some(true)) && verdicts.contains(&Some(false));
            (is_named && is_told).then(|| Teller {
                sql: format!(
                    "case when coalesce({}, '') <> '' then 'agent' else 'customer' end",
                    dotted("m", &column.name)
                ),
                why: format!("{} names the agent, where one wrote it", column.name),
                used: vec![column.name.clone()],
                join: None,
                sets: vec![Set {
                    column: column.name.clone(),
                    agent: Some(Value::Sql(":author_name".to_owned())),
                    customer: (column.not_null && !column.has_default).then(|| Value::Sql("''".to_owned())),
                }],
                is_of_two: false,
                doubt: self.strangers(&verdicts),
                verdicts,
                is_sure: false,
            })
        };
        columns.filter_map(teller).collect()
    }

    /// Whoever wrote it is staff, as the table of people says.
    pub(super) fn by_staff(&self) -> Option<Teller> {
        let writer = self.writer?;
        let flag = writer.flag.as_ref()?;
        let is = flag.sql("w");
        let verdict = |row: &Spoken| flag.verdict(row.flag.as_deref()?);
        let has_nobody = self.cells(&writer.column).contains(&None);
        let nobody = || format!("{} is NULL in some rows: whose are they?", writer.column);
        let others = flag.sides.doubt();
        let has_others = others.is_some() || !flag.sides.skipped.is_empty();
        let others = others.or_else(|| has_nobody.then(nobody));
        let verdicts: Vec<Option<bool>> = self.spoken.iter().map(verdict).collect();
        let name = dotted("w", &flag.column);
        let or_nobody = match has_nobody {
            true => format!(" when {} is null then '…'", dotted("m", &writer.column)),
            false => String::new(),
        };
        Some(Teller {
            sql: match has_others {
                true => flag.sides.sql(&name),
                false => {
                    format!("case when {is} then 'agent' when not ({is}) then 'customer'{or_nobody} end")
                }
            },
            why: format!("{} of whoever wrote it ({}) tells", flag.column, writer.column),
            used: vec![writer.column.clone()],
            join: Some(writer.join()),
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
        let role = writer.people.table.columns.iter().find_map(|column| {
            let mut held = writer.people.values(&column.name);
            held.sort_unstable();
            held.dedup();
            let is_role = has(&column.name, words::ROLE)
                && !matches!(column.type_category, 'B' | 'D')
                && (2..=8).contains(&held.len())
                && held.len() < writer.people.rows.len();
            is_role.then(|| format!("{} (it holds {})", dotted("w", &column.name), held.join(", ")))
        });
        let nobody = if has_nobody { " else '…'" } else { "" };
        // Somebody else may be the customer, too.
        let other = if self.is_customer_sure { "agent" } else { "…" };
        Some(Teller {
            sql: format!(
                "case when {of_message} = {of_ticket} then 'customer' when {of_message} is not null then '{other}'{nobody} end"
            ),
            why: format!(
                "who wrote it ({}) is the ticket's customer ({owner}), or not",
                writer.column
            ),
            used: vec![writer.column.clone()],
            // What is asked about can be answered with it.
            join: role.is_some().then(|| writer.join()),
            sets: Vec::new(),
            verdicts,
            is_sure: false,
            doubt: match () {
                () if is_of_customers => Some(
                    "some who wrote in tickets of others have tickets of their own: are they staff?"
                        .to_owned(),
                ),
                () if role.is_some() => role.map(|role| format!("does {role} say who is staff?")),
                () if has_nobody => Some(format!("{} is NULL in some rows", writer.column)),
                () if !self.is_customer_sure => Some("which stands on who the customer is".to_owned()),
                () => None,
            },
            is_of_two: false,
        })
    }

    /// Whoever wrote it is named by a row of a table of staff: an agent is a user, or a contact, as well.
    pub(super) fn by_staff_rows(&self) -> Option<Teller> {
        let writer = self.writer?;
        let (staff, column) = self.tables.iter().find_map(|staff| {
            // `support_tickets` are no staff: the last word counts.
            let name = words::parts(&staff.table.name.table);
            let is_named = name
                .last()
                .is_some_and(|last| has(last, words::AGENT) && !has(last, words::TICKET));
            let is_whole = is_named && !staff.rows.is_empty() && staff.rows.len() < ROWS;
            let key = staff.keys.iter().filter(|_| is_whole).find(|key| {
                key.columns.len() == 1
                    && key.to == writer.people.table.oid
                    && key.their.concat() == writer.key
            })?;
            Some((staff, key.columns.concat()))
        })?;
        let known: BTreeSet<&str> = staff.values(&column).into_iter().collect();
        let cells = self.cells(&writer.column);
        let verdicts: Vec<Option<bool>> = cells
            .iter()
            .map(|cell| cell.map(|cell| known.contains(cell)))
            .collect();
        let name = dotted("m", &writer.column);
        let has_nobody = cells.contains(&None);
        Some(Teller {
            sql: format!(
                "case when {name} in (select {} from {} g) then 'agent' when {name} is not null then 'customer'{} end",
                dotted("g", &column),
                table_name(staff),
                if has_nobody { " else '…'" } else { "" }
            ),
            why: format!(
                "{} names staff among those who wrote ({})",
                staff.table.name, writer.column
            ),
            used: vec![writer.column.clone()],
            join: None,
            sets: Vec::new(),
            doubt: match has_nobody {
                true => Some(format!("{} is NULL in some rows: whose are they?", writer.column)),
                false => self.strangers(&verdicts),
            },
            verdicts,
            is_sure: true,
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
                let groups = between.key_of(&column.name)?.to;
                let groups = self.tables.iter().find(|other| other.table.oid == groups)?;
                let is_role = has(&column.name, words::ROLE) || has(&groups.table.name.table, words::ROLE);
                let sides = lookup::sides(&lookup(between, column, self.tables)?);
                (is_role && !sides.agents.is_empty()).then_some((column, sides))
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

    /// Why rows that name an agent may not be his: a customer is named in them, too.
    fn of_two(&self, agents: &str) -> Option<String> {
        let agents = self.keys(agents);
        let count = |column: &str| {
            let rows = self.keys(column).into_iter().zip(&agents);
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
            let rows = self.keys(column).into_iter().zip(self.spoken).zip(verdicts);
            rows.filter(|(_, verdict)| **verdict == Some(false))
                .any(|((cell, row), _)| cell.is_some() && (owner != Some(to) || cell != row.owner.as_deref()))
        };
        let (column, _) = self.people().find(|(column, to)| is_strange(column, *to))?;
        Some(format!(
            "{column} is not the ticket's customer in some rows that are no agent's: whose are they?"
        ))
    }
}
