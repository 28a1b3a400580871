//! What the catalog says of all tables that we may read, and what stands in their newest rows.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, Error};

use super::words;
use crate::postgres::catalog::{self, Table, TableColumn};
use crate::postgres::{qualified, quote_ident, site};

/// A table, where its keys lead, and some of its rows.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub table: Table,
    /// Its foreign keys, and columns that are some without being declared.
    pub keys: Vec<ForeignKey>,
    /// Pairs of columns that name a row of one of several tables.
    pub polymorphic: Vec<Polymorphic>,
    /// What a CHECK allows in a column.
    pub allowed: BTreeMap<String, Vec<String>>,
    /// Columns whose default is the present time.
    pub made_now: BTreeSet<String>,
    /// The defaults, as the server writes them.
    pub defaults: BTreeMap<String, String>,
    /// Columns in which a time of more than a day ahead stands.
    pub ahead: BTreeSet<String>,
    /// The newest rows, each as texts in the order of the columns.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ForeignKey {
    /// The table that it leads to.
    pub to: u32,
    /// Our columns.
    pub columns: Vec<String>,
    /// Its columns.
    pub their: Vec<String>,
    /// It is not declared: names and values say so.
    pub guessed: bool,
}

/// `commentable_type`, `commentable_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Polymorphic {
    /// The column with the kind.
    pub kind: String,
    /// The column with the key.
    pub id: String,
}

impl Candidate {
    /// What stands in a column, NULL left out.
    pub(super) fn values(&self, column: &str) -> Vec<&str> {
        let Some(place) = self.table.columns.iter().position(|known| known.name == column) else {
            return Vec::new();
        };
        let cells = self.rows.iter().filter_map(|row| row.get(place)?.as_deref());
        cells.collect()
    }

    /// The few words that a column may hold: of its enum, of its CHECK, of its rows. Empty where they are many, or are no
    /// words.
    pub(super) fn words(&self, column: &TableColumn) -> Vec<String> {
        let mut found: BTreeSet<String> = column.enum_labels.iter().cloned().collect();
        found.extend(self.allowed.get(&column.name).into_iter().flatten().cloned());
        found.extend(self.values(&column.name).into_iter().map(str::to_owned));
        if found.len() > 8 || !found.iter().all(|word| is_word(word)) {
            return Vec::new();
        }
        found.into_iter().collect()
    }

    /// Whether an enum or a CHECK says all that a column may hold.
    pub(super) fn is_closed(&self, column: &TableColumn) -> bool {
        !column.enum_labels.is_empty() || self.allowed.contains_key(&column.name)
    }

    /// The default of a column, as a bare word: `'public'::text` is public; `None`: there is none, or it is no word.
    pub(super) fn default_word(&self, column: &str) -> Option<String> {
        let default = self.defaults.get(column)?;
        let bare = default.split("::").next()?.trim().trim_matches(['(', ')', '\'']);
        Some(bare.to_lowercase())
    }

    /// How many of the rows that were read are NULL there.
    pub(super) fn nulls(&self, column: &str) -> usize {
        self.rows.len().saturating_sub(self.values(column).len())
    }

    /// The undeclared or declared key of one column.
    pub(super) fn key_of(&self, column: &str) -> Option<&ForeignKey> {
        self.keys.iter().find(|key| key.columns == [column])
    }
}

/// Whether a value may be a word of some list, and so may stand in a draft: an address, and what a person wrote, may not.
pub(super) fn is_word(value: &str) -> bool {
    let is_address = || {
        let host = value.split('/').next().unwrap_or_default();
        host.parse::<std::net::IpAddr>().is_ok() || value.contains('@') || value.contains("://")
    };
    value.chars().count() <= 40 && !value.contains(char::is_whitespace) && !is_address()
}

/// The most tables that are looked at.
const TABLES: i64 = 2000;
/// So many rows of each are read.
pub(super) const ROWS: usize = 300;
/// Of more tables only those are read whose names fit.
const READ_ALL: usize = 200;

/// The tables of the site that we may read: no partitions, none of the system, none of ours.
pub(super) async fn tables(client: &Client) -> Result<Vec<Candidate>, Error> {
    let sql = "SELECT c.oid FROM pg_catalog.pg_class AS c \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p' \
          AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_' \
          AND pg_catalog.to_regclass(pg_catalog.quote_ident(n.nspname) || '.lease') IS NULL \
          AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') \
        ORDER BY n.nspname, c.relname LIMIT $1";
    let oids = client.query(sql, &[&TABLES]).await?;
    let tomorrow =
        "select pg_catalog.to_char(pg_catalog.now() + '1 day'::pg_catalog.interval, 'YYYY-MM-DD HH24:MI:SS')";
    let tomorrow: String = client.query_one(tomorrow, &[]).await?.try_get(0)?;
    let mut found = Vec::new();
    for row in &oids {
        let Some(table) = catalog::table_by_oid(client, row.try_get(0)?).await? else {
            continue;
        };
        let lists = [words::TICKET, words::MESSAGE, words::USER, words::FILE];
        let is_read = oids.len() <= READ_ALL || lists.iter().any(|list| words::has(&table.name.table, list));
        let defaults = defaults(client, table.oid).await?;
        let rows = match is_read {
            true => rows(client, &table).await,
            false => Vec::new(),
        };
        found.push(Candidate {
            keys: foreign_keys(client, table.oid).await?,
            polymorphic: polymorphic(&table),
            allowed: allowed(client, table.oid).await?,
            made_now: made_now(&defaults),
            ahead: ahead(&table, &rows, &tomorrow),
            defaults,
            rows,
            table,
        });
    }
    Ok(found)
}

async fn foreign_keys(client: &Client, table: u32) -> Result<Vec<ForeignKey>, Error> {
    let names = |columns: &str, relation: &str| {
        format!(
            "ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(k.{columns}) WITH ORDINALITY AS u(number, place) \
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.{relation} AND a.attnum = u.number ORDER BY u.place)"
        )
    };
    let sql = format!(
        "SELECT k.confrelid, {} AS columns, {} AS their FROM pg_catalog.pg_constraint AS k \
         WHERE k.contype = 'f' AND k.conrelid = $1 ORDER BY k.conname",
        names("conkey", "conrelid"),
        names("confkey", "confrelid")
    );
    let rows = client.query(&sql, &[&table]).await?;
    rows.iter()
        .map(|row| {
            Ok(ForeignKey {
                to: row.try_get("confrelid")?,
                columns: row.try_get("columns")?,
                their: row.try_get("their")?,
                guessed: false,
            })
        })
        .collect()
}

/// The words of a CHECK over one column that is a list of them, as the server writes it back.
async fn allowed(client: &Client, table: u32) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let sql = "SELECT a.attname::pg_catalog.text, pg_catalog.pg_get_expr(k.conbin, k.conrelid) \
        FROM pg_catalog.pg_constraint AS k \
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] \
        WHERE k.conrelid = $1 AND k.contype = 'c' AND pg_catalog.cardinality(k.conkey) = 1";
    let mut found = BTreeMap::new();
    for row in client.query(sql, &[&table]).await? {
        let (column, expression): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let is_list = expression.contains("= ANY (") && !expression.contains("NOT ");
        let words = literals(&expression);
        if is_list && !words.is_empty() {
            found.insert(column, words);
        }
    }
    Ok(found)
}

/// The quoted texts in an expression.
fn literals(expression: &str) -> Vec<String> {
    let doubled = expression.replace("''", "\u{0}");
    let inside = doubled.split('\'').skip(1).step_by(2);
    inside.map(|text| text.replace('\u{0}', "'")).collect()
}

async fn defaults(client: &Client, table: u32) -> Result<BTreeMap<String, String>, Error> {
    let sql = "SELECT a.attname::pg_catalog.text, pg_catalog.pg_get_expr(d.adbin, d.adrelid) \
        FROM pg_catalog.pg_attrdef AS d \
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
        WHERE d.adrelid = $1 AND a.attgenerated = ''";
    let rows = client.query(sql, &[&table]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

fn made_now(defaults: &BTreeMap<String, String>) -> BTreeSet<String> {
    let now = [
        "now(",
        "current_timestamp",
        "localtimestamp",
        "clock_timestamp",
        "transaction_timestamp",
    ];
    let is_now = |default: &str| now.iter().any(|now| default.to_lowercase().contains(now));
    let columns = defaults.iter().filter(|(_, default)| is_now(default));
    columns.map(|(column, _)| column.clone()).collect()
}

fn ahead(table: &Table, rows: &[Vec<Option<String>>], tomorrow: &str) -> BTreeSet<String> {
    let is_ahead = |place: usize| {
        let cells = rows.iter().filter_map(|row| row.get(place)?.as_deref());
        let is_date = |text: &&str| text.chars().nth(4) == Some('-') && !text.ends_with("BC");
        let mut ahead = cells.filter(|text| *text == "infinity" || (is_date(text) && *text > tomorrow));
        ahead.next().is_some()
    };
    let columns = table.columns.iter().enumerate();
    columns
        .filter(|(place, column)| column.type_category == 'D' && is_ahead(*place))
        .map(|(_, column)| column.name.clone())
        .collect()
}

fn polymorphic(table: &Table) -> Vec<Polymorphic> {
    let kind_of = |id: &TableColumn| {
        let mut wanted = words::parts(&id.name);
        (wanted.pop()? == "id" && !wanted.is_empty()).then_some(())?;
        wanted.push("type".to_owned());
        let kinds = table
            .columns
            .iter()
            .filter(|column| matches!(column.type_category, 'S' | 'E'));
        let kind = kinds
            .into_iter()
            .find(|column| words::parts(&column.name) == wanted)?;
        Some(Polymorphic {
            kind: kind.name.clone(),
            id: id.name.clone(),
        })
    };
    let named = |(kind, id): &(&str, &str)| {
        let column = |name: &str| table.columns.iter().find(|column| column.name == name);
        let kind = column(kind).filter(|kind| matches!(kind.type_category, 'S' | 'E'))?;
        Some(Polymorphic {
            kind: kind.name.clone(),
            id: column(id)?.name.clone(),
        })
    };
    // Odoo's and others' words for it.
    let pairs = [
        ("model", "res_id"),
        ("res_model", "res_id"),
        ("model", "model_id"),
        ("model", "record_id"),
        ("table_name", "record_id"),
        ("entity", "entity_id"),
    ];
    let found = table.columns.iter().filter_map(kind_of);
    found.chain(pairs.iter().filter_map(named)).collect()
}

/// The newest rows as texts; none where they cannot be read.
async fn rows(client: &Client, table: &Table) -> Vec<Vec<Option<String>>> {
    let text = |column: &TableColumn| match column.type_text.as_str() {
        "bytea" => "null::pg_catalog.text".to_owned(),
        _ => format!(
            "pg_catalog.left(s.{}::pg_catalog.text, 400)",
            quote_ident(&column.name)
        ),
    };
    let outputs: Vec<String> = table.columns.iter().map(text).collect();
    let order: Vec<String> = table
        .primary_key
        .iter()
        .map(|key| format!("{} desc", quote_ident(key)))
        .collect();
    let order = if order.is_empty() {
        String::new()
    } else {
        format!("order by {}", order.join(", "))
    };
    let sql = format!(
        "select {} from (select * from {} {order} limit {ROWS}) s",
        outputs.join(", "),
        qualified(&table.name)
    );
    texts(client, &sql).await
}

/// The rows that a statement over the site's tables gives, as texts; none where it fails.
pub(super) async fn texts(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let Ok(rows) = site::query_sql(client, sql, &[]).await else {
        return Vec::new();
    };
    let cells = |row: &tokio_postgres::Row| (0..row.len()).map(|n| row.try_get(n).ok().flatten()).collect();
    rows.iter().map(cells).collect()
}

/// Adds the keys that are not declared: a column whose name names a table, and whose values are keys of it.
pub(super) async fn add_guessed_keys(client: &Client, tables: &mut [Candidate]) {
    let mut added = Vec::new();
    for (place, of) in tables.iter().enumerate() {
        for column in &of.table.columns {
            let is_taken = of.key_of(&column.name).is_some()
                || of.table.primary_key == [column.name.as_str()]
                || of.polymorphic.iter().any(|pair| pair.id == column.name);
            if is_taken || !(matches!(column.type_category, 'N' | 'S') || column.type_text == "uuid") {
                continue;
            }
            let Some(target) = named(&column.name, column, of, tables) else {
                if is_parent(of, column) {
                    let key = ForeignKey {
                        to: of.table.oid,
                        columns: vec![column.name.clone()],
                        their: of.table.primary_key.clone(),
                        guessed: true,
                    };
                    added.push((place, key));
                }
                continue;
            };
            let Some(key) = target.table.primary_key.first() else {
                continue;
            };
            let sql = format!(
                "select pg_catalog.count(*)::pg_catalog.text, (pg_catalog.count(*) filter (where exists (select from {} x where \
                 x.{}::pg_catalog.text OPERATOR(pg_catalog.=) s.v::pg_catalog.text)))::pg_catalog.text \
                 from (select {} as v from {} where {2} is not null and {2}::pg_catalog.text OPERATOR(pg_catalog.<>) '0' and \
                 {2}::pg_catalog.text OPERATOR(pg_catalog.<>) '' limit 50) s",
                qualified(&target.table.name),
                quote_ident(key),
                quote_ident(&column.name),
                qualified(&of.table.name)
            );
            let told = texts(client, &sql).await;
            if let Some([Some(all), Some(there)]) = told.first().map(Vec::as_slice)
                && all == there
            {
                let key = ForeignKey {
                    to: target.table.oid,
                    columns: vec![column.name.clone()],
                    their: vec![key.clone()],
                    guessed: true,
                };
                added.push((place, key));
            }
        }
    }
    for (place, key) in added {
        if let Some(of) = tables.get_mut(place) {
            of.keys.push(key);
        }
    }
}

/// Whether a column is named for the row of the same table that a row answers, and names such rows: what it holds beside 0,
/// the empty text and its own key are keys of others.
fn is_parent(of: &Candidate, column: &TableColumn) -> bool {
    let [key] = of.table.primary_key.as_slice() else {
        return false;
    };
    let keys: BTreeSet<&str> = of.values(key).into_iter().collect();
    let values = of.values(&column.name).into_iter();
    let mut named = values.filter(|value| !matches!(*value, "0" | "")).peekable();
    words::has(&column.name, words::PARENT)
        && !words::has(&column.name, words::HARMLESS)
        && of
            .table
            .column(key)
            .is_some_and(|key| key.cast_oid == column.cast_oid)
        && named.peek().is_some()
        && named.all(|value| keys.contains(value))
}

/// The table that a column's name names, if it names one alone.
fn named<'a>(
    name: &str,
    column: &TableColumn,
    of: &Candidate,
    tables: &'a [Candidate],
) -> Option<&'a Candidate> {
    let mut said = words::parts(name);
    let is_key = said.len() > 1
        && said
            .last()
            .is_some_and(|last| words::each(words::KEY_PART).any(|part| part == last));
    if is_key {
        said.pop();
    }
    // `userid`, in one word.
    let glued = match said.as_slice() {
        [one] if !is_key => one.strip_suffix("id").filter(|rest| rest.chars().count() > 2),
        _ => None,
    };
    let is_key = is_key || glued.is_some();
    if let Some(glued) = glued.map(str::to_owned) {
        said = vec![glued];
    }
    let fits = |other: &&Candidate| {
        let [key] = other.table.primary_key.as_slice() else {
            return false;
        };
        let theirs = other.table.column(key);
        let alike = |their: &TableColumn| {
            their.cast_oid == column.cast_oid
                || (their.type_category == column.type_category && matches!(column.type_category, 'N' | 'S'))
        };
        other.table.oid != of.table.oid && theirs.is_some_and(alike)
    };

    let (whole, last) = (said.concat(), said.last()?.clone());
    let closeness = |other: &Candidate| {
        let theirs = words::parts(&other.table.name.table);
        let end = theirs.last().cloned().unwrap_or_default();
        match () {
            () if words::kin(&whole, &theirs.concat()) => 4,
            () if words::kin(&whole, &end) => 3,
            () if is_key && words::kin(&last, &end) => 2,
            () if is_key && theirs.first().is_some_and(|first| words::kin(&whole, first)) => 1,
            () => 0,
        }
    };
    let mut found: Vec<(i32, &Candidate)> = tables
        .iter()
        .filter(fits)
        .map(|other| (closeness(other), other))
        .collect();
    found.retain(|(closeness, _)| *closeness > 0);
    found.sort_by_key(|(closeness, _)| -closeness);
    match found.as_slice() {
        [(_, one)] => return Some(one),
        [(best, one), (next, _), ..] if best > next => return Some(one),
        [_, _, ..] => return None,
        [] => {}
    }
    // A role: whoever wrote it is one of the only people that there are.
    let roles = words::CUSTOMER_ID
        .into_iter()
        .chain([words::AUTHOR, words::AGENT]);
    let name = said.join("_");
    if !is_key || !roles.into_iter().any(|list| words::has(&name, list)) {
        return None;
    }
    let mut people = tables
        .iter()
        .filter(fits)
        .filter(|other| words::has(&other.table.name.table, words::USER));
    people.next().filter(|_| people.next().is_none())
}
