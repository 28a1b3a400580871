//! PURE: who a ticket's customer is.

use super::catalog::{Candidate, ForeignKey, Polymorphic};
use super::columns::{self, dotted, email, is_people, is_staff, literal, named};
use super::draft::{Section, Value};
use super::rivals;
use super::sections::Found;
use super::speech::table_name;
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

/// Who may be a ticket's customer.
#[derive(Debug, Clone)]
pub(super) enum Customer<'a> {
    /// The ticket's own row says it.
    Own,
    /// A row of this table, by this key.
    Row(&'a Candidate, &'a ForeignKey),
    /// A row of one of these tables, as a pair of the ticket's columns says.
    Kinds(&'a Polymorphic, Vec<(String, &'a Candidate)>),
    /// Whose the row is (an order, a booking) that the ticket names.
    Through(Path<'a>),
}

/// From a ticket over a row that is nobody to whoever that belongs to.
#[derive(Debug, Clone)]
pub(super) struct Path<'a> {
    /// The ticket's key.
    key: &'a ForeignKey,
    /// What it names.
    record: &'a Candidate,
    /// Its key.
    theirs: &'a ForeignKey,
    /// Whom that names.
    people: &'a Candidate,
}

/// The likeliest customers, all that are as likely as the likeliest.
pub(super) fn customers<'a>(ticket: &'a Candidate, tables: &'a [Candidate]) -> Vec<Customer<'a>> {
    let mut found: Vec<(usize, Customer<'a>)> = Vec::new();
    let has_own = has_address(ticket);
    if has_own {
        found.push((1, Customer::Own));
    }
    let rank_of = |column: &str| words::CUSTOMER_ID.iter().position(|list| has(column, list));
    let last = words::CUSTOMER_ID.len();
    for key in ticket.keys.iter().filter(|key| key.columns.len() == 1) {
        let column = key.columns.concat();
        let Some(target) = tables.iter().find(|other| other.table.oid == key.to) else {
            continue;
        };
        let rank = rank_of(&column);
        // The column that is named for the customer comes first even where the address stands elsewhere, unless the ticket
        // has one itself: else a mailbox's or an agent's would be taken for it.
        let is_nameless = rank == Some(0)
            && !has_own
            && has(&target.table.name.table, words::USER)
            && !has(&target.table.name.table, words::NOT_PERSON);
        if !(is_somebody(target, tables) || is_nameless)
            || has(&column, words::NOT_CUSTOMER)
            || only_agents(ticket, target, &column, tables)
        {
            continue;
        }
        found.push((rank.unwrap_or(last), Customer::Row(target, key)));
    }
    for (pair, kinds) in kinds(ticket, tables) {
        found.push((rank_of(&pair.id).unwrap_or(last), Customer::Kinds(pair, kinds)));
    }
    if found.is_empty() {
        found.extend(path(ticket, tables).map(|path| (last, Customer::Through(path))));
    }
    // Whoever has no account is named by the ticket itself: that is no other customer.
    let has_guests = found
        .iter()
        .any(|(_, of)| matches!(of, Customer::Row(people, key) if guests(ticket, people, key)));
    let is_said = |of: &Customer| has_guests && matches!(of, Customer::Own);
    found.retain(|(_, of)| !is_said(of));
    let best = found.iter().map(|(rank, _)| *rank).min().unwrap_or(last);
    found.retain(|(rank, _)| *rank == best);
    let mut found: Vec<Customer<'a>> = found.into_iter().map(|(_, customer)| customer).collect();
    if let [Customer::Row(_, key)] = found.as_slice() {
        let rivals = rivals::rivals(ticket, key, best, tables).into_iter();
        found.extend(rivals.map(|(people, key)| Customer::Row(people, key)));
    }
    found
}

fn has_address(of: &Candidate) -> bool {
    email(of).is_some() || phone(of).is_some()
}

/// Whether somebody stands behind the rows: an address of their own, or a key to people who have one.
pub(super) fn has_somebody(of: &Candidate, tables: &[Candidate]) -> bool {
    let is_key_of_somebody = |key: &ForeignKey| {
        let mut target = tables.iter().filter(|other| other.table.oid == key.to);
        target.any(|target| is_somebody(target, tables))
    };
    has_address(of)
        || of.keys.iter().any(is_key_of_somebody)
        || (has(&of.table.name.table, words::TICKET)
            && (!kinds(of, tables).is_empty() || path(of, tables).is_some()))
}

/// People who can be written to, and nothing that belongs to people: an order has its buyer's address, and is nobody.
pub(super) fn is_somebody(of: &Candidate, tables: &[Candidate]) -> bool {
    is_people(of) && !is_record(of, tables)
}

/// Whether the rows belong to people, and are none.
pub(super) fn is_record(of: &Candidate, tables: &[Candidate]) -> bool {
    let is_owner = |key: &ForeignKey| {
        let mut target = tables.iter().filter(|other| other.table.oid == key.to);
        key.columns.len() == 1
            && !has(&key.columns.concat(), words::NOT_CUSTOMER)
            && target.any(|target| has(&target.table.name.table, words::USER) && is_people(target))
    };
    !has(&of.table.name.table, words::USER) && of.keys.iter().any(is_owner)
}

/// The pairs of columns that name a row of people, each with its words and their tables.
fn kinds<'a>(
    ticket: &'a Candidate,
    tables: &'a [Candidate],
) -> Vec<(&'a Polymorphic, Vec<(String, &'a Candidate)>)> {
    let of_pair = |pair: &'a Polymorphic| {
        let column = ticket.table.column(&pair.kind)?;
        let people = |word: String| {
            let found =
                people_of(&word, tables).filter(|people| is_people(people) && email(people).is_some())?;
            Some((word, found))
        };
        let words = ticket.words(column);
        let found: Option<Vec<(String, &Candidate)>> = words.into_iter().map(people).collect();
        let found = found.filter(|found| !found.is_empty())?;
        (!has(&pair.id, words::NOT_CUSTOMER)).then_some((pair, found))
    };
    ticket.polymorphic.iter().filter_map(of_pair).collect()
}

/// The table that a class is named for: `App\Models\User` is one of users.
pub(super) fn people_of<'a>(word: &str, tables: &'a [Candidate]) -> Option<&'a Candidate> {
    let class = words::parts(word.rsplit(['\\', ':', '/']).next().unwrap_or(word)).concat();
    tables
        .iter()
        .find(|table| words::kin(&class, &words::parts(&table.table.name.table).concat()))
}

/// The first row that a ticket names and that belongs to somebody.
fn path<'a>(ticket: &'a Candidate, tables: &'a [Candidate]) -> Option<Path<'a>> {
    let is_way = |key: &&ForeignKey| {
        key.columns.len() == 1 && key.their.len() == 1 && !has(&key.columns.concat(), words::NOT_CUSTOMER)
    };
    ticket.keys.iter().filter(is_way).find_map(|key| {
        let is_record = |other: &&Candidate| {
            other.table.oid == key.to && !has(&other.table.name.table, words::NOT_PERSON)
        };
        let record = tables.iter().find(is_record)?;
        record.keys.iter().filter(is_way).find_map(|theirs| {
            let is_people = |other: &&Candidate| {
                other.table.oid == theirs.to && is_somebody(other, tables) && email(other).is_some()
            };
            Some(Path {
                key,
                record,
                theirs,
                people: tables.iter().find(is_people)?,
            })
        })
    })
}

/// Whether the ticket's own address is that of whoever the key does not name, of a guest: it stands alone in some rows, and beside
/// an account it is the account's.
fn guests(ticket: &Candidate, people: &Candidate, key: &ForeignKey) -> bool {
    let place = |of: &Candidate, name: &str| of.table.columns.iter().position(|column| column.name == name);
    let cell = |row: &'_ [Option<String>], place: Option<usize>| -> Option<String> {
        let text = row.get(place?)?.as_deref()?.trim();
        (!text.is_empty() && text != "0").then(|| text.to_lowercase())
    };
    let (ours, theirs) = (
        place(ticket, &key.columns.concat()),
        place(people, &key.their.concat()),
    );
    let pairs = [(email(ticket), email(people)), (phone(ticket), phone(people))];
    let pairs: Vec<(Option<usize>, Option<usize>)> = pairs
        .into_iter()
        .filter_map(|(own, their)| {
            let own = place(ticket, &own?.name);
            Some((own, their.and_then(|their| place(people, &their.name))))
        })
        .collect();
    let is_alone = ticket
        .rows
        .iter()
        .any(|row| cell(row, ours).is_none() && pairs.iter().any(|(own, _)| cell(row, *own).is_some()));
    let is_same = ticket.rows.iter().all(|row| {
        let Some(id) = cell(row, ours) else {
            return true;
        };
        let account = people
            .rows
            .iter()
            .find(|row| cell(row, theirs).as_ref() == Some(&id));
        pairs.iter().all(|(own, their)| match (cell(row, *own), account) {
            (Some(own), Some(account)) => cell(account, *their) == Some(own),
            _ => true,
        })
    });
    is_alone && is_same
}

fn phone(of: &Candidate) -> Option<&TableColumn> {
    named(of, words::PHONE, "S")
}

/// Whether all people whom a column names are staff.
pub(super) fn only_agents(
    ticket: &Candidate,
    people: &Candidate,
    column: &str,
    tables: &[Candidate],
) -> bool {
    let Some(flag) = columns::staff_flag(people, tables) else {
        return false;
    };
    let (Some(key), Some(place)) = (
        people
            .table
            .primary_key
            .first()
            .and_then(|key| people.table.columns.iter().position(|c| c.name == *key)),
        people
            .table
            .columns
            .iter()
            .position(|column| column.name == flag.column),
    ) else {
        return false;
    };
    let named = ticket.values(column);
    let known = people
        .rows
        .iter()
        .filter_map(|row| Some((row.get(key)?.as_deref()?, row.get(place)?.as_deref())));
    let flags: Vec<bool> = known
        .filter(|(key, _)| named.contains(key))
        .map(|(_, word)| word.is_some_and(|word| flag.verdict(word) == Some(true)))
        .collect();
    !flags.is_empty() && flags.into_iter().all(|is_agent| is_agent)
}

/// What a row says of somebody: `email`, `phone`, `name`, each as an expression over it.
fn parts_of(of: &Candidate, alias: &str) -> Vec<(&'static str, String)> {
    let mut parts = Vec::new();
    if let Some(column) = email(of) {
        parts.push(("email", dotted(alias, &column.name)));
    }
    if let Some(column) = phone(of) {
        parts.push(("phone", dotted(alias, &column.name)));
    }
    let exact = |word: &str| {
        of.table
            .columns
            .iter()
            .find(|column| column.type_category == 'S' && words::same(&column.name, word))
    };
    let both = words::FIRST_LAST
        .iter()
        .find_map(|(first, last)| Some((exact(first)?, exact(last)?)));
    let whole = words::each(words::NAME).find_map(exact);
    // What stands beside a ticket's address is the person's name, and not what the ticket is called.
    let beside = || {
        let names: Vec<String> = name_beside(of)?.iter().map(|name| dotted(alias, name)).collect();
        Some(match names.as_slice() {
            [one] => one.clone(),
            many => format!("concat_ws(' ', {})", many.join(", ")),
        })
    };
    let is_ticket = has(&of.table.name.table, words::TICKET);
    let of_person = is_ticket.then(beside).flatten();
    if let Some(name) = of_person {
        parts.push(("name", name));
    } else if let Some((first, last)) = both {
        parts.push((
            "name",
            format!(
                "concat_ws(' ', {}, {})",
                dotted(alias, &first.name),
                dotted(alias, &last.name)
            ),
        ));
    } else if let Some(column) = whole {
        parts.push(("name", dotted(alias, &column.name)));
    } else if let Some(name) = beside() {
        parts.push(("name", name));
    }
    parts
}

/// The name of whoever a ticket's own row names.
pub(super) fn name_of(ticket: &Candidate) -> Option<String> {
    let mut parts = parts_of(ticket, "t").into_iter();
    parts.find(|(part, _)| *part == "name").map(|(_, sql)| sql)
}

/// The name that stands beside the address: `guest_name` beside `guest_email`, or both parts of it.
fn name_beside(of: &Candidate) -> Option<Vec<String>> {
    let address = email(of).or_else(|| phone(of))?;
    let prefix = |name: &str| {
        let mut parts = words::parts(name);
        (parts.len() > 1).then(|| parts.remove(0))
    };
    let own = prefix(&address.name)?;
    let texts = of.table.columns.iter().filter(|column| {
        column.type_category == 'S'
            && column.name != address.name
            && prefix(&column.name).as_ref() == Some(&own)
    });
    let rest = |column: &TableColumn| words::parts(&column.name).split_off(1).concat();
    let texts: Vec<&TableColumn> = texts.collect();
    let find = |word: &str| {
        let word = words::parts(word).concat();
        texts.iter().find(|column| rest(column) == word)
    };
    let both = words::FIRST_LAST
        .iter()
        .find_map(|(first, last)| Some(vec![find(first)?.name.clone(), find(last)?.name.clone()]));
    both.or_else(|| {
        let whole = texts
            .iter()
            .find(|column| words::each(words::NAME_PART).any(|word| rest(column) == word));
        Some(vec![whole?.name.clone()])
    })
}

/// The ticket's own words beside those of an account that it may lack.
fn or_own(parts: Vec<(&'static str, String)>, ticket: &Candidate) -> Vec<(&'static str, String)> {
    let own = parts_of(ticket, "t");
    let mut all: Vec<(&'static str, String)> = Vec::new();
    for name in ["email", "phone", "name"] {
        let of = |parts: &[(&'static str, String)]| {
            let found = parts.iter().find(|(part, _)| *part == name);
            found.map(|(_, sql)| sql.clone())
        };
        // An empty text is none.
        let sql = match (of(&parts), of(&own)) {
            (Some(theirs), Some(own)) => format!("coalesce(nullif({theirs}, ''), {own})"),
            (theirs, own) => match theirs.or(own) {
                Some(one) => one,
                None => continue,
            },
        };
        all.push((name, sql));
    }
    all
}

/// The same as an expression over the ticket's row alone, without a join.
fn alone(people: &Candidate, key: &ForeignKey) -> Vec<(&'static str, String)> {
    let parts = parts_of(people, "u").into_iter();
    let (theirs, ours) = (
        dotted("u", &key.their.concat()),
        dotted("t", &key.columns.concat()),
    );
    let select = |sql: String| {
        format!(
            "(select {sql} from {} u where {theirs} = {ours})",
            table_name(people)
        )
    };
    parts.map(|(part, sql)| (part, select(sql))).collect()
}

/// What a config says of that customer; for [`Customer::Row`] over a join `u`, where there is one.
fn customer_parts(
    customer: &Customer<'_>,
    ticket: &Candidate,
    is_joined: bool,
) -> Vec<(&'static str, String)> {
    match customer {
        Customer::Own => parts_of(ticket, "t"),
        Customer::Row(people, key) => {
            let parts = match is_joined {
                true => parts_of(people, "u"),
                false => alone(people, key),
            };
            match guests(ticket, people, key) {
                true => or_own(parts, ticket),
                false => parts,
            }
        }
        Customer::Kinds(pair, kinds) => {
            let case = |name: &'static str| {
                let whens = kinds.iter().filter_map(|(word, people)| {
                    let (_, sql) = parts_of(people, "u")
                        .into_iter()
                        .find(|(part, _)| *part == name)?;
                    Some(format!(
                        "when {} then (select {sql} from {} u where {}::text = {}::text)",
                        literal(word),
                        table_name(people),
                        dotted("u", people.table.primary_key.first()?),
                        dotted("t", &pair.id)
                    ))
                });
                let whens: Vec<String> = whens.collect();
                let sql = format!("case {} {} end", dotted("t", &pair.kind), whens.join(" "));
                (!whens.is_empty()).then_some((name, sql))
            };
            ["email", "phone", "name"].into_iter().filter_map(case).collect()
        }
        Customer::Through(path) => {
            let parts = parts_of(path.people, "u").into_iter();
            let from = format!(
                "from {} r join {} u on {} = {} where {} = {}",
                table_name(path.record),
                table_name(path.people),
                dotted("u", &path.theirs.their.concat()),
                dotted("r", &path.theirs.columns.concat()),
                dotted("r", &path.key.their.concat()),
                dotted("t", &path.key.columns.concat())
            );
            parts
                .map(|(part, sql)| (part, format!("(select {sql} {from})")))
                .collect()
        }
    }
}

/// Why the likeliest customer may be none.
pub(super) fn doubt(customer: &Customer<'_>, found: &Found<'_>) -> Option<String> {
    let ticket = found.ticket.0;
    let column = match customer {
        Customer::Own => {
            if let Some(empty) = without_address(ticket) {
                return Some(empty);
            }
            email(ticket)?.name.clone()
        }
        Customer::Row(_, key) => key.columns.first()?.clone(),
        Customer::Kinds(..) => return None,
        Customer::Through(path) => {
            return Some(format!(
                "is it whoever the row of {} belongs to, {} ({})?",
                path.record.table.name,
                path.people.table.name,
                path.theirs.columns.concat()
            ));
        }
    };
    let values: Vec<String> = ticket
        .values(&column)
        .into_iter()
        .map(str::to_lowercase)
        .collect();
    if values.len() >= 2 && values.iter().all(|value| Some(value) == values.first()) {
        return Some(
            "all tickets lead to one address, which looks like a mailbox of the site's: whose is the customer's?"
                .to_owned(),
        );
    }
    let Customer::Row(people, key) = customer else {
        return None;
    };
    if let Some(doubt) = rivals::staff_doubt(people, key, found) {
        return Some(doubt);
    }
    if !has(&column, words::CUSTOMER_ID[0])
        && writes(people, found)
        && values.len() < ticket.rows.len()
        && !guests(ticket, people, key)
    {
        return Some(format!(
            "{column} is NULL in some tickets, and {} has the people of the messages, too: is it the customer, or whoever the ticket is assigned to?",
            people.table.name
        ));
    }
    let is_named = words::CUSTOMER_ID.iter().any(|list| has(&column, list));
    let other = found.message.as_ref().and_then(|message| {
        let leads_to = |of: &Candidate| message.table.keys.iter().any(|key| key.to == of.table.oid);
        let is_other = |of: &&Candidate| {
            of.table.oid != people.table.oid
                && leads_to(of)
                && !is_staff(of)
                && (is_people(of) || has(&of.table.name.table, words::USER))
        };
        found.tables.iter().find(is_other).filter(|_| !leads_to(people))
    });
    let other = other.filter(|_| !is_named)?;
    Some(format!(
        "who is the customer: {} ({column}), or {}, whom the messages name? It may need a join",
        people.table.name, other.table.name
    ))
}

/// Whether the messages name the same people.
fn writes(people: &Candidate, found: &Found<'_>) -> bool {
    let message = found.message.as_ref();
    message.is_some_and(|message| message.table.keys.iter().any(|key| key.to == people.table.oid))
}

/// How many tickets have no address in their own row.
fn without_address(ticket: &Candidate) -> Option<String> {
    let own = [email(ticket), phone(ticket)];
    let own: Vec<&str> = own
        .into_iter()
        .flatten()
        .map(|column| column.name.as_str())
        .collect();
    let is_empty = |row: &&Vec<Option<String>>| {
        let mut cells = ticket.table.columns.iter().zip(row.iter());
        !cells.any(|(column, cell)| {
            own.contains(&column.name.as_str()) && cell.as_deref().is_some_and(|text| !text.trim().is_empty())
        })
    };
    let empty = ticket.rows.iter().filter(is_empty).count();
    (empty > 0).then(|| {
        format!(
            "{} is empty in {empty} of {} tickets: who is the customer there?",
            own.join(", "),
            ticket.rows.len()
        )
    })
}

/// The lines of `[ticket]` for the customer. An offer is never joined: with a question open there is no join.
pub(super) fn lines(section: &mut Section, found: &Found<'_>, doubt: Option<String>) {
    let ticket = found.ticket.0;
    let way = path(ticket, found.tables).map(Customer::Through);
    let offer = |customer: &Customer<'_>, part: &str| {
        let of = |customer: &Customer<'_>| {
            let mut parts = customer_parts(customer, ticket, false).into_iter();
            parts.find(|(key, _)| *key == part).map(|(_, sql)| sql)
        };
        match (customer, way.as_ref().and_then(of)) {
            (Customer::Own, Some(theirs)) => {
                Some(of(customer).map_or(theirs.clone(), |own| format!("coalesce({theirs}, {own})")))
            }
            _ => of(customer),
        }
    };
    let (question, likeliest) = match found.customers.as_slice() {
        [one] if doubt.is_none() => {
            let parts = customer_parts(one, ticket, true);
            if parts.iter().any(|(key, _)| *key != "name") {
                for (key, value) in parts {
                    section.line(&format!("customer.{key}"), value, "");
                }
                return;
            }
            ("which expression gives the customer's address?".to_owned(), None)
        }
        [one] => (doubt.unwrap_or_default(), Some(one)),
        [] => (
            "who is the customer? No address was found; it may need a join".to_owned(),
            None,
        ),
        many => {
            let name = |customer: &Customer<'_>| match customer {
                Customer::Own => "the ticket's own address".to_owned(),
                Customer::Row(people, key) => format!("{} ({})", people.table.name, key.columns.concat()),
                Customer::Kinds(pair, _) => format!("whoever {} names", pair.id),
                Customer::Through(path) => path.people.table.name.to_string(),
            };
            let names: Vec<String> = many.iter().map(name).collect();
            (
                format!("who is the customer: {}? It may need a join", names.join(", or ")),
                many.iter()
                    .find(|customer| !matches!(customer, Customer::Own) && !rivals::is_rivalled(many)),
            )
        }
    };
    let open = |question: String, offer: Option<String>| Value::Todo { question, offer };
    let likeliest = likeliest.filter(|customer| !rivals::is_staffed(customer, found));
    let email = likeliest.and_then(|customer| offer(customer, "email"));
    let email = email.or_else(|| rivals::either(found));
    section.value("customer.email", open(question, email), "");
    // Over another row nothing is said without a question.
    let is_far = matches!(likeliest, Some(Customer::Own | Customer::Through(_))) && way.is_some();
    if let Some(phone) = likeliest
        .filter(|_| is_far)
        .and_then(|customer| offer(customer, "phone"))
    {
        let question = "and his telephone? It names him where there is no address";
        section.value("customer.phone", open(question.to_owned(), Some(phone)), "");
    }
}
