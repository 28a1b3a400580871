//! The two publications. `publish` belongs to a whole publication, so tables without a replica identity go into a
//! second one that takes their INSERTs only: in the first one the site's own UPDATE would fail (rule 1, fault 1).

use tokio_postgres::Client;

use super::admin::AdminStep;
use super::error::SetupError;
use super::mapped::{Mapped, MappedTable};
use crate::config::Config;
use crate::postgres::catalog::{self, Publication, PublishedTable};
use crate::postgres::{qualified, quote_ident};

/// The publication's name, and that of the tables without a replica identity. Both are always there, and streamed: a
/// publication that is made after the slot would stop the slot for ever (fault 7).
pub fn publications(config: &Config) -> [String; 2] {
    let name = &config.postgres.publication;
    [name.clone(), format!("{name}_insert")]
}

/// What is wrong with a publication as a whole, and the SQL that mends it.
pub(super) fn wrong(publication: &Publication, for_inserts: bool) -> Vec<(String, String)> {
    let name = quote_ident(&publication.name);
    let mut found = Vec::new();
    if publication.all_tables {
        found.push((
            "is FOR ALL TABLES: a table of the site without a primary key could not be updated any more"
                .to_owned(),
            format!("drop publication {name}, and run `deskie-cdc setup` again"),
        ));
    }
    found.extend(leaves_out(publication, for_inserts));
    for table in &publication.tables {
        if table.has_filter {
            found.push(filtered(publication, table));
        }
        if table.has_columns {
            let what = format!(
                "has a column list on {}: the site's DROP COLUMN may fail",
                table.name
            );
            found.push((what, put_anew(publication, table)));
        }
    }
    found
}

/// What a publication leaves out of every table, and the SQL that mends it.
fn leaves_out(publication: &Publication, for_inserts: bool) -> Vec<(String, String)> {
    let name = quote_ident(&publication.name);
    let mut found = Vec::new();
    if !publication.via_partition_root {
        found.push((
            "does not publish partitions under their root's name".to_owned(),
            format!("alter publication {name} set (publish_via_partition_root = true)"),
        ));
    }
    let flags = publication.publish;
    if for_inserts && (flags.update || flags.delete || !flags.insert) {
        found.push((
            "must publish inserts, and neither updates nor deletes".to_owned(),
            format!("alter publication {name} set (publish = 'insert')"),
        ));
    }
    let all = flags.insert && flags.update && flags.delete && flags.truncate;
    if !(for_inserts || all) {
        found.push((
            "does not publish all of insert, update, delete and truncate".to_owned(),
            format!("alter publication {name} set (publish = 'insert, update, delete, truncate')"),
        ));
    }
    found
}

fn filtered(publication: &Publication, table: &PublishedTable) -> (String, String) {
    let what = format!(
        "has a row filter on {}: the site's own UPDATE may fail",
        table.name
    );
    (what, put_anew(publication, table))
}

fn put_anew(publication: &Publication, table: &PublishedTable) -> String {
    let (name, quoted) = (quote_ident(&publication.name), qualified(&table.name));
    format!("alter publication {name} drop table {quoted}; alter publication {name} add table {quoted}")
}

/// Why not all is streamed of a table that is published, and the mend; `None`: all is. `publications`: both, the one for
/// INSERTs last; `oid`: the table.
pub(super) fn falls_short(publications: &[Option<Publication>; 2], oid: u32) -> Option<(String, String)> {
    let [main, inserts] = publications;
    let whole = [(main, false), (inserts, true)];
    let short = whole.into_iter().filter_map(|(publication, for_inserts)| {
        let publication = publication.as_ref()?;
        let table = publication.tables.iter().find(|table| table.oid == oid)?;
        let filter = table.has_filter.then(|| filtered(publication, table));
        let found = leaves_out(publication, for_inserts).into_iter().next().or(filter);
        Some((publication, found))
    });
    let mut short: Vec<_> = short.collect();
    // One of them streams all that the other leaves out.
    if short.iter().any(|(_, found)| found.is_none()) {
        return None;
    }
    let (publication, found) = short.pop()?;
    let (what, mend) = found?;
    Some((format!("the publication {} {what}", publication.name), mend))
}

/// Whether the publication takes the table.
pub(super) fn takes(publication: &Publication, table: &MappedTable) -> bool {
    publication
        .tables
        .iter()
        .any(|published| published.oid == table.table.oid)
        || publication.streams_table(&table.table.name)
        || table
            .table
            .root
            .as_ref()
            .is_some_and(|root| publication.streams_table(root))
}

/// The table, and why its updates and deletes are not published where they are not.
fn named(table: &MappedTable) -> String {
    match table.has_identity() {
        true => table.table.name.to_string(),
        false => format!(
            "{} (updates and deletes are not seen: {})",
            table.table.name,
            table.lacks()
        ),
    }
}

/// What is missing.
pub(super) async fn steps(
    client: &Client,
    config: &Config,
    mapped: &Mapped,
) -> Result<Vec<AdminStep>, SetupError> {
    let [main, inserts] = publications(config);
    let captured = mapped.captured();
    let (with, without): (Vec<&MappedTable>, Vec<&MappedTable>) =
        captured.into_iter().partition(|table| table.has_identity());
    let mut steps = Vec::new();
    for (name, tables, for_inserts) in [(&main, &with, false), (&inserts, &without, true)] {
        let quoted = quote_ident(name);
        let Some(now) = catalog::publication(client, name).await? else {
            let publish = if for_inserts {
                "insert"
            } else {
                "insert, update, delete, truncate"
            };
            let list: Vec<String> = tables.iter().map(|table| qualified(&table.table.name)).collect();
            let of = if list.is_empty() {
                String::new()
            } else {
                format!(" for table {}", list.join(", "))
            };
            let names: Vec<String> = tables.iter().map(|table| named(table)).collect();
            let says = match (names.is_empty(), for_inserts) {
                (true, _) => format!("publication {name}: made, without a table"),
                (false, false) => format!("publication {name}: made for {}", names.join(", ")),
                (false, true) => format!("publication {name}: made for the INSERTs of {}", names.join(", ")),
            };
            let with = format!("with (publish = '{publish}', publish_via_partition_root = true)");
            steps.push(AdminStep::make(
                says,
                format!("create publication {quoted}{of} {with}"),
            ));
            continue;
        };
        if let Some((what, mend)) = wrong(&now, for_inserts).into_iter().next() {
            return Err(SetupError::with(format!("the publication {name} {what}"), mend));
        }
        let missing: Vec<&&MappedTable> = tables.iter().filter(|table| !takes(&now, table)).collect();
        if missing.is_empty() {
            let names: Vec<String> = tables.iter().map(|table| table.table.name.to_string()).collect();
            let of = if names.is_empty() {
                String::new()
            } else {
                format!(", with {}", names.join(", "))
            };
            steps.push(AdminStep::There(format!("publication {name}: there{of}")));
        }
        for table in missing {
            steps.push(AdminStep::make(
                format!("publication {name}: added {}", named(table)),
                format!(
                    "alter publication {quoted} add table {}",
                    qualified(&table.table.name)
                ),
            ));
        }
    }
    // A mapped table that lost its identity stops the site's own UPDATE while it stands in the first publication.
    if let Some(now) = catalog::publication(client, &main).await? {
        for table in without
            .iter()
            .filter(|table| now.tables.iter().any(|other| other.oid == table.table.oid))
        {
            steps.push(AdminStep::make(
                format!(
                    "publication {main}: took out {}, whose UPDATE and DELETE the server would refuse to the site",
                    table.table.name
                ),
                format!(
                    "alter publication {} drop table {}",
                    quote_ident(&main),
                    qualified(&table.table.name)
                ),
            ));
        }
    }
    Ok(steps)
}
