//! PURE: which table is which.

use std::collections::BTreeSet;

use super::catalog::{Candidate, ForeignKey, Polymorphic};
use super::columns::{body, dotted, email, named, said};
use super::customers::{has_somebody, is_record};
use super::words::{self, has};
use crate::postgres::catalog::TableColumn;

/// How the rows of a table name a row of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// These columns hold its key, in the order of that key.
    Key {
        columns: Vec<String>,
        /// No foreign key says so.
        guessed: bool,
    },
    /// A pair of columns, and the word by which the kind is meant.
    Polymorphic { pair: Polymorphic, word: String },
    /// Answers and what they answer are rows of one table.
    Own(Own),
}

impl Link {
    /// The columns that hold the key.
    pub(super) fn columns(&self) -> Vec<String> {
        match self {
            Link::Key { columns, .. } => columns.clone(),
            Link::Polymorphic { pair, .. } => vec![pair.id.clone()],
            Link::Own(own) => vec![own.column.clone()],
        }
    }

    fn why(&self, parent: &Candidate) -> String {
        let parent = &parent.table.name.table;
        match self {
            Link::Key { guessed: false, .. } => format!("its foreign key to {parent}"),
            Link::Key { columns, .. } => format!("every {} is a key of {parent}", columns.join(", ")),
            Link::Polymorphic { pair, word } => format!("{} names {parent} as {word}", pair.kind),
            Link::Own(own) => format!("{} names the row of the same table that it answers", own.column),
        }
    }
}

/// A column by which a table's rows name rows of the same table: an answer what it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    pub column: String,
    /// How a row says that it names none.
    pub root: Root,
    /// Some name a row that names another one.
    pub is_nested: bool,
}

/// How the first row of a thread is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// The column is NULL.
    Null,
    /// It is 0, or empty.
    Zero,
    /// It names its own row.
    Itself,
}

/// The column by which the rows of a table answer others of it, where some do and some do not; the flat one first.
pub(super) fn own(of: &Candidate) -> Option<Own> {
    let [key] = of.table.primary_key.as_slice() else {
        return None;
    };
    let place = |name: &str| of.table.columns.iter().position(|known| known.name == name);
    let key = place(key)?;
    let cell = |row: &Vec<Option<String>>, place: usize| row.get(place).cloned().flatten();
    let keys: BTreeSet<String> = of.rows.iter().filter_map(|row| cell(row, key)).collect();
    let of_key = |link: &ForeignKey| {
        let [column] = link.columns.as_slice() else {
            return None;
        };
        let ours = place(column)?;
        let rows: Vec<(String, Option<String>)> = of
            .rows
            .iter()
            .filter_map(|row| Some((cell(row, key)?, cell(row, ours))))
            .collect();
        let count = |fits: &dyn Fn(&String, Option<&str>) -> bool| {
            rows.iter().filter(|(id, to)| fits(id, to.as_deref())).count()
        };
        let none = count(&|_, to| to.is_none());
        let zero = count(&|_, to| matches!(to, Some("0" | "")));
        let itself = count(&|id, to| to == Some(id.as_str()));
        let root = match () {
            () if none > 0 => Root::Null,
            () if zero > 0 => Root::Zero,
            () if itself > 0 => Root::Itself,
            () => return None,
        };
        let is_root = |id: &str, to: Option<&str>| match root {
            Root::Null => to.is_none(),
            Root::Zero => matches!(to, None | Some("0" | "")),
            Root::Itself => to.is_none_or(|to| to == id),
        };
        let roots: BTreeSet<&str> = rows
            .iter()
            .filter(|(id, to)| is_root(id, to.as_deref()))
            .map(|(id, _)| id.as_str())
            .collect();
        let mut answers = rows
            .iter()
            .filter(|(id, to)| !is_root(id, to.as_deref()))
            .peekable();
        answers.peek()?;
        let is_nested = answers.any(|(_, to)| {
            let to = to.as_deref().unwrap_or_default();
            keys.contains(to) && !roots.contains(to)
        });
        Some(Own {
            column: column.clone(),
            root,
            is_nested,
        })
    };
    // Whoever answered last is no row that is answered, though his key may be one.
    let is_person = |link: &&ForeignKey| words::has_part(&link.columns.concat(), "by user author member");
    let links = of
        .keys
        .iter()
        .filter(|link| link.to == of.table.oid && !is_person(link));
    let mut found: Vec<Own> = links.filter_map(of_key).collect();
    found.sort_by_key(|own| own.is_nested);
    found.into_iter().next()
}

impl Own {
    /// What holds for the first row of a thread.
    pub(super) fn is_first(&self, of: &Candidate, alias: &str) -> String {
        let name = dotted(alias, &self.column);
        match self.root {
            Root::Null => format!("{name} is null"),
            Root::Zero => match of.table.column(&self.column) {
                Some(column) if column.type_category == 'N' => format!("coalesce({name}, 0) = 0"),
                _ => format!("coalesce({name}, '') = ''"),
            },
            Root::Itself => {
                let key = of.table.primary_key.concat();
                format!("{name} = {}", dotted(alias, &key))
            }
        }
    }

    /// The first row of a message's thread, NULL for that row itself.
    pub(super) fn ticket(&self, of: &Candidate) -> String {
        let (name, key) = (dotted("m", &self.column), of.table.primary_key.concat());
        match (self.is_nested, self.root) {
            (false, Root::Null) => self.column.clone(),
            (false, _) => format!("case when not ({}) then {name} end", self.is_first(of, "m")),
            (true, _) => {
                let (ours, theirs) = (dotted("", &self.column), dotted("", &key));
                let (ours, theirs) = (ours.trim_start_matches('.'), theirs.trim_start_matches('.'));
                let table = super::speech::table_name(of);
                format!(
                    "case when not ({}) then (with recursive up as (select x.{theirs}, x.{ours} from {table} x where x.{theirs} = {name} \
                     union select x.{theirs}, x.{ours} from {table} x join up on x.{theirs} = up.{ours}) \
                     select up.{theirs} from up where {} limit 1) end",
                    self.is_first(of, "m"),
                    self.is_first(of, "up")
                )
            }
        }
    }
}

/// What was chosen, or why nothing was.
pub(super) enum Choice<'a> {
    /// This one, and why.
    One(&'a Candidate, String),
    /// Several that are as likely.
    Several(Vec<&'a Candidate>),
    None,
}

/// How a table names another one's rows.
pub(super) fn link(of: &Candidate, parent: &Candidate) -> Option<Link> {
    if of.table.oid == parent.table.oid {
        return None;
    }
    for key in of.keys.iter().filter(|key| key.to == parent.table.oid) {
        let place = |column: &String| key.their.iter().position(|their| their == column);
        let columns: Option<Vec<String>> = parent
            .table
            .primary_key
            .iter()
            .map(|column| key.columns.get(place(column)?).cloned())
            .collect();
        if let Some(columns) = columns {
            return Some(Link::Key {
                columns,
                guessed: key.guessed,
            });
        }
    }
    let [_] = parent.table.primary_key.as_slice() else {
        return None;
    };
    of.polymorphic.iter().find_map(|pair| {
        let kinds = of.values(&pair.kind);
        let word = kinds.into_iter().find(|word| is_class_of(word, parent))?;
        Some(Link::Polymorphic {
            pair: pair.clone(),
            word: word.to_owned(),
        })
    })
}

/// How a table names another one's rows, or its own.
pub(super) fn between(of: &Candidate, parent: &Candidate) -> Option<Link> {
    match of.table.oid == parent.table.oid {
        true => own(of).map(Link::Own),
        false => link(of, parent),
    }
}

/// `Request`, `App\Models\SupportRequest` → requests, support_requests.
fn is_class_of(word: &str, table: &Candidate) -> bool {
    let class = word.rsplit(['\\', ':', '.', '/']).next().unwrap_or(word);
    let name = words::parts(&table.table.name.table).concat();
    // `helpdesk.ticket` is a row of helpdesk_ticket.
    [class, word]
        .iter()
        .any(|class| words::kin(&words::parts(class).concat(), &name))
}

/// The children that hold what people say about the rows of `parent`, those that are surely none left out.
pub(super) fn speaking<'a>(parent: &Candidate, tables: &'a [Candidate]) -> Vec<&'a Candidate> {
    let fits = |other: &&Candidate| {
        let name = &other.table.name.table;
        link(other, parent).is_some()
            && !other.table.primary_key.is_empty()
            && !has(name, words::ASIDE)
            && !has(name, words::FILE)
            && said(other, "m").is_some()
    };
    tables.iter().filter(fits).collect()
}

/// All children of a table that were not taken.
pub(super) fn children<'a>(parent: &Candidate, taken: &[u32], tables: &'a [Candidate]) -> Vec<&'a Candidate> {
    let fits = |other: &&Candidate| link(other, parent).is_some() && !taken.contains(&other.table.oid);
    tables.iter().filter(fits).collect()
}

/// A table with texts, whose rows name those of a child that has none, and no ticket.
pub(super) fn text_of<'a>(
    child: &Candidate,
    children: &[&Candidate],
    tables: &'a [Candidate],
) -> Option<(&'a Candidate, Link)> {
    let is_child = |of: &Candidate| children.iter().any(|child| child.table.oid == of.table.oid);
    let texts = tables
        .iter()
        .filter(|of| !is_child(of) && said(of, "m").is_some() && !has(&of.table.name.table, words::FILE));
    texts.into_iter().find_map(|of| Some((of, link(of, child)?)))
}

/// Tables that may be the tickets by their names alone, those first that most others name.
pub(super) fn likely(tables: &[Candidate]) -> Vec<&Candidate> {
    let is_named = |of: &&Candidate| {
        let name = &of.table.name.table;
        has(name, words::TICKET)
            && !is_container(of)
            && ![words::FILE, words::ASIDE].iter().any(|list| has(name, list))
    };
    let mut found: Vec<&Candidate> = tables.iter().filter(is_named).collect();
    found.sort_by_key(|of| std::cmp::Reverse(children(of, &[], tables).len()));
    found.truncate(3);
    found
}

/// Whether the rows are somebody who has an address: people, agents, queues.
fn has_addresses(of: &Candidate, tables: &[Candidate]) -> bool {
    let is_spoken_of = named(of, words::SUBJECT, "S").is_some() && !speaking(of, tables).is_empty();
    (email(of).is_some() || named(of, words::PHONE, "S").is_some())
        && !has(&of.table.name.table, words::TICKET)
        && !is_spoken_of
        && !is_record(of, tables)
}

/// Whether the last word that a table's name has says that its rows have tickets, and are none: `helpdesk_queue`.
fn is_container(of: &Candidate) -> bool {
    let name = of.table.name.table.to_lowercase();
    let last = |list: &'static str| {
        words::each(list)
            .filter(|word| word.chars().count() > 3)
            .filter_map(|word| name.rfind(word))
            .max()
    };
    let end = words::parts(&name).last().map_or(0, String::len);
    let is_end = |place: usize| place + end >= name.len();
    last(words::NOT_PERSON)
        .is_some_and(|place| is_end(place) && last(words::TICKET).is_none_or(|ticket| ticket < place))
}

/// Whether a table's name is another one's and a word more: `thread` and `thread_entry`.
fn is_named_after(of: &Candidate, parent: &Candidate) -> bool {
    let (ours, theirs) = (
        words::parts(&of.table.name.table),
        words::parts(&parent.table.name.table),
    );
    ours.len() > theirs.len()
        && ours
            .iter()
            .zip(&theirs)
            .all(|(our, their)| words::kin(our, their) || our == their)
}

/// The tickets: whose name says so, behind whose rows somebody stands, and about which something is said, in rows of a
/// child or in the row itself.
pub(super) fn tickets(tables: &[Candidate]) -> Choice<'_> {
    let has_form = |of: &&Candidate| {
        !of.table.primary_key.is_empty()
            && !is_container(of)
            && !has(&words::last(&of.table.name.table), words::USER)
            && has_somebody(of, tables)
            && (body(of).is_some() || !speaking(of, tables).is_empty())
    };
    let of_form: Vec<&Candidate> = tables.iter().filter(has_form).collect();
    let is_named = |of: &&&Candidate| {
        let name = &of.table.name.table;
        has(name, words::TICKET)
            && ![words::FILE, words::ASIDE]
                .into_iter()
                .any(|aside| has(name, aside))
    };
    let mut found: Vec<&Candidate> = of_form.iter().filter(is_named).copied().collect();
    // What other rows belong to comes before what belongs to them: a message names its ticket. A ticket may name people,
    // queues and orders, too, which does not make it a part of theirs.
    let is_part = |of: &Candidate| {
        let is_entry = |parent: &Candidate| {
            has(&parent.table.name.table, words::TICKET)
                && is_named_after(of, parent)
                && link(of, parent).is_some()
        };
        tables.iter().any(is_entry)
            || of_form.iter().any(|parent| {
                link(of, parent).is_some()
                    && !has_addresses(parent, tables)
                    && (has(&parent.table.name.table, words::TICKET)
                        || has(&of.table.name.table, words::MESSAGE))
            })
    };
    let whole: Vec<&Candidate> = of_form
        .iter()
        .filter(|of| !is_part(of) && !has_addresses(of, tables))
        .copied()
        .collect();
    let parts: Vec<&Candidate> = found.iter().filter(|of| is_part(of)).copied().collect();
    found.retain(|of| !is_part(of));
    if found.is_empty() {
        // The name may stand on the messages alone: `thread` and `ticket_message`.
        found = whole
            .iter()
            .filter(|of| parts.iter().any(|part| link(part, of).is_some()))
            .copied()
            .collect();
    }
    let with_children: Vec<&Candidate> = found
        .iter()
        .filter(|of| !speaking(of, tables).is_empty())
        .copied()
        .collect();
    if with_children.is_empty() {
        // About rows of another name (orders) messages are written: they may be the tickets as well.
        let is_spoken_of = |of: &&&Candidate| {
            let mut children = speaking(of, tables).into_iter();
            children.any(|child| !child.rows.is_empty() && has(&child.table.name.table, words::MESSAGE))
        };
        let spoken_of: Vec<&Candidate> = whole.iter().filter(is_spoken_of).copied().collect();
        found.extend(spoken_of);
    } else {
        found = with_children;
    }
    let filled: Vec<&Candidate> = found.iter().filter(|of| !of.rows.is_empty()).copied().collect();
    if filled.len() == 1 {
        found = filled;
    }
    match found.as_slice() {
        [one] => Choice::One(one, why(one, tables)),
        [] if whole.is_empty() => Choice::None,
        [] => Choice::Several(likeliest_first(whole, tables)),
        _ => Choice::Several(likeliest_first(found, tables)),
    }
}

/// The likeliest tickets first; what is named for a log or a list only where there is nothing else.
fn likeliest_first<'a>(mut found: Vec<&'a Candidate>, tables: &[Candidate]) -> Vec<&'a Candidate> {
    let is_aside =
        |of: &Candidate| has(&of.table.name.table, words::ASIDE) || has(&of.table.name.table, words::FILE);
    if found.iter().any(|of| !is_aside(of)) {
        found.retain(|of| !is_aside(of));
    }
    let points = |of: &Candidate| {
        let children = speaking(of, tables);
        let is_message = |child: &&Candidate| has(&child.table.name.table, words::MESSAGE);
        let points = [
            (children.iter().any(is_message), 4),
            (has(&of.table.name.table, words::TICKET), 3),
            (own(of).is_some(), 3),
            (named(of, words::SUBJECT, "S").is_some(), 2),
            (!children.is_empty(), 1),
            (!of.rows.is_empty(), 1),
            (has(&of.table.name.table, words::MESSAGE), -2),
            (has(&of.table.name.table, words::USER), -4),
        ];
        points
            .iter()
            .filter(|(holds, _)| *holds)
            .map(|(_, points)| points)
            .sum::<i32>()
    };
    found.sort_by_key(|of| -points(of));
    found
}

/// Why a table may be the tickets.
pub(super) fn why(of: &Candidate, tables: &[Candidate]) -> String {
    let mut why = Vec::new();
    if has(&of.table.name.table, words::TICKET) {
        why.push("its name".to_owned());
    }
    if let Some(column) = named(of, words::SUBJECT, "S") {
        why.push(format!("its column {}", column.name));
    }
    if let Some(own) = own(of) {
        why.push(format!("its rows answer others of it ({})", own.column));
    }
    let to_people = of.keys.iter().find(|key| {
        let mut target = tables.iter().filter(|other| other.table.oid == key.to);
        target.any(|target| has(&target.table.name.table, words::USER))
    });
    if let Some(key) = to_people {
        why.push(format!("{} names people", key.columns.concat()));
    }
    let children: Vec<&str> = speaking(of, tables)
        .iter()
        .map(|child| child.table.name.table.as_str())
        .collect();
    match children.as_slice() {
        [] if body(of).is_some() => why.push("a text in its row".to_owned()),
        [] => {}
        [one] => why.push(format!("{one} refers to it")),
        many => why.push(format!("{} refer to it", many.join(", "))),
    }
    why.join(", ")
}

/// The messages of the tickets.
pub(super) fn messages<'a>(ticket: &'a Candidate, tables: &'a [Candidate]) -> Choice<'a> {
    let found = speaking(ticket, tables);
    let named: Vec<&Candidate> = found
        .iter()
        .filter(|of| has(&of.table.name.table, words::MESSAGE))
        .copied()
        .collect();
    let (chosen, is_named) = if named.is_empty() {
        (found, false)
    } else {
        (named, true)
    };
    // Answers may be rows of the tickets' own table.
    let is_own = own(ticket).is_some() && body(ticket).is_some();
    match chosen.as_slice() {
        [] if is_own => {
            let how = between(ticket, ticket)
                .map(|link| link.why(ticket))
                .unwrap_or_default();
            Choice::One(ticket, how)
        }
        [] => Choice::None,
        [one] => {
            let how = link(one, ticket).map(|link| link.why(ticket)).unwrap_or_default();
            Choice::One(one, if is_named { format!("its name, {how}") } else { how })
        }
        _ => Choice::Several(chosen),
    }
}

/// Tables that are named for messages and hold texts, but name no row that they may be about.
pub(super) fn unlinked(tables: &[Candidate]) -> Vec<&Candidate> {
    let is_message = |of: &&Candidate| {
        let name = &of.table.name.table;
        has(name, words::MESSAGE) && !has(name, words::ASIDE) && !has(name, words::FILE) && body(of).is_some()
    };
    // Whoever wrote it is not what it is about.
    let is_linked = |of: &Candidate| {
        let mut others = tables
            .iter()
            .filter(|other| !has(&words::last(&other.table.name.table), words::USER));
        others.any(|other| link(of, other).is_some())
    };
    tables
        .iter()
        .filter(is_message)
        .filter(|of| !is_linked(of))
        .collect()
}

/// A table of files of messages or tickets, and where a row says that its file is.
#[derive(Debug)]
pub(super) struct Files<'a> {
    pub table: &'a Candidate,
    /// They are the messages'.
    pub of_message: bool,
    pub link: Link,
    pub place: Place<'a>,
}

/// Where a file is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    Url(&'a TableColumn),
    Bytes(&'a TableColumn),
    Path(&'a TableColumn),
}

fn place(of: &Candidate) -> Option<Place<'_>> {
    // A column that no row fills says nothing.
    let is_filled = |column: &&TableColumn| of.rows.is_empty() || !of.values(&column.name).is_empty();
    let texts = |words: &'static str| named(of, words, "S").filter(is_filled);
    // `file` is where it is; where nothing that could be a file stands in it, it is a key or a kind.
    let itself = || {
        let columns = of
            .table
            .columns
            .iter()
            .filter(|column| column.type_category == 'S');
        columns.filter(is_filled).find(|column| {
            words::each(words::FILE_ITSELF).any(|word| words::same(&column.name, word))
                && of
                    .values(&column.name)
                    .iter()
                    .all(|text| text.contains(['.', '/']))
        })
    };
    let bytes = || of.table.columns.iter().find(|column| column.type_text == "bytea");
    texts(words::FILE_URL)
        .map(Place::Url)
        .or_else(|| bytes().map(Place::Bytes))
        .or_else(|| texts(words::FILE_PATH).map(Place::Path))
        .or_else(|| itself().map(Place::Path))
}

/// The table of files that can be mapped, those of messages first; and the tables that are named for files, and cannot, each with
/// the reason.
pub(super) fn files<'a>(
    ticket: &Candidate,
    message: Option<&Candidate>,
    tables: &'a [Candidate],
) -> (Option<Files<'a>>, Vec<(&'a Candidate, &'static str)>) {
    let (mut found, mut rest) = (Vec::new(), Vec::new());
    let is_taken = |of: &Candidate| {
        of.table.oid == ticket.table.oid || message.is_some_and(|message| of.table.oid == message.table.oid)
    };
    let is_files = |of: &&Candidate| has(&of.table.name.table, words::FILE) && !is_taken(of);
    for table in tables.iter().filter(is_files) {
        let of_message = message.and_then(|message| link(table, message));
        let is_of_message = of_message.is_some();
        let link = of_message.or_else(|| link(table, ticket));
        match (link, place(table)) {
            (Some(_), _) if table.table.primary_key.is_empty() => rest.push((table, "it has no primary key")),
            (Some(link), Some(place)) => found.push(Files {
                table,
                of_message: is_of_message,
                link,
                place,
            }),
            (Some(_), None) => rest.push((table, "no column is known to say where a file is")),
            (None, _) => rest.push((table, "no column is known to name a message or a ticket")),
        }
    }
    found.sort_by_key(|files| !files.of_message);
    let mut found = found.into_iter();
    let first = found.next();
    rest.extend(found.map(|files| (files.table, "another table of files is mapped")));
    (first, rest)
}
