//! Which rights the mapping needs (rule 17).
//!
//! Postgres tells exactly: each statement becomes the body of a function in a transaction that is rolled back, and the
//! parsed body that the catalog then holds says for each table which rights the executor will ask for, column by
//! column. Where that cannot be done (no right to make temporary things, a standby), the statement's words are
//! compared with the names of tables: rather a right too many than one too few.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

use super::mapped::{Mapped, Probe};
use crate::config::Config;
use crate::mapping::lexer::{Token, tokens};
use crate::model::RelationName;
use crate::postgres::{quote_ident, site};

/// Bits of `requiredPerms` (`parsenodes.h`).
const INSERT: u64 = 1;
const SELECT: u64 = 1 << 1;
const UPDATE: u64 = 1 << 2;
const DELETE: u64 = 1 << 3;

/// What is added to column numbers in a bitmap (`FirstLowInvalidHeapAttributeNumber`).
const COLUMN_OFFSET: i64 = 7;

/// Rights on one table.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct TableNeeds {
    pub(super) select: bool,
    pub(super) insert: bool,
    pub(super) delete: bool,
    /// UPDATE on the whole table, where the columns cannot be told.
    pub(super) update_all: bool,
    /// UPDATE on these columns.
    pub(super) update: BTreeSet<String>,
}

/// All rights.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) tables: BTreeMap<RelationName, TableNeeds>,
    /// USAGE on these schemas.
    pub(super) schemas: BTreeSet<String>,
    /// USAGE on these sequences.
    pub(super) sequences: BTreeSet<RelationName>,
    /// EXECUTE on these functions, as SQL names them.
    pub(super) functions: BTreeSet<String>,
    /// Some statement's tables were guessed from its words.
    pub(super) guessed: bool,
}

/// A line of a parsed body: table, rights, columns updated.
#[derive(Debug, PartialEq, Eq)]
struct Permission {
    table: u32,
    rights: u64,
    updated: Vec<i16>,
}

/// Finds out. `client` must see the tables (no right on them is needed).
pub(super) async fn find(
    client: &Client,
    config: &Config,
    mapped: &Mapped,
) -> Result<Needs, tokio_postgres::Error> {
    let mut needs = Needs::default();
    for table in &mapped.tables {
        needs.tables.entry(table.table.name.clone()).or_default().select = true;
    }
    let writes = config.reply.is_some() || config.status.is_some() || config.case.is_some();
    if let (true, Some(tickets)) = (writes, mapped.table("ticket"))
        && let Some(key) = tickets.shape.as_ref().and_then(|shape| shape.key.first())
    {
        // Every row lock needs UPDATE on one column (rule 2).
        needs
            .tables
            .entry(tickets.table.name.clone())
            .or_default()
            .update
            .insert(key.clone());
    }
    // Statements of one mapping ask for the same rights again and again.
    let mut asked: Vec<Permission> = Vec::new();
    for probe in &mapped.probes {
        match parsed(client, probe, &mut needs).await {
            Ok(permissions) => {
                for permission in permissions {
                    if !asked.contains(&permission) {
                        needs.add(client, &permission).await?;
                        asked.push(permission);
                    }
                }
            }
            Err(error) if error.as_db_error().is_some() => {
                tracing::debug!(%error, statement = probe.name, "the statement's tables are guessed");
                needs.guess(client, probe).await?;
            }
            Err(error) => return Err(error),
        }
    }
    needs
        .schemas
        .extend(needs.tables.keys().map(|table| table.schema.clone()));
    needs.schemas.retain(|schema| {
        schema != "pg_catalog" && schema != "information_schema" && schema != &config.postgres.schema
    });
    needs
        .tables
        .retain(|table, _| table.schema != "pg_catalog" && table.schema != "information_schema");
    needs.sequences(client).await?;
    Ok(needs)
}

/// The rights that Postgres will ask for, out of the parsed statement.
async fn parsed(
    client: &Client,
    probe: &Probe,
    needs: &mut Needs,
) -> Result<Vec<Permission>, tokio_postgres::Error> {
    let create = format!(
        "create function pg_temp.deskie_cdc_probe({}) returns void language sql begin atomic\n{}\n; end",
        probe.types.join(", "),
        probe.sql
    );
    client.batch_execute("begin").await?;
    let read = async {
        // Only parsed, as the site would; nothing of it is run.
        let create = format!("{}; {create}; {}", site::ENTER_LOCAL, site::LEAVE_LOCAL);
        client.batch_execute(&create).await?;
        let sql = "SELECT p.prosqlbody::pg_catalog.text, p.oid FROM pg_catalog.pg_proc AS p \
            WHERE p.proname = 'deskie_cdc_probe' AND p.pronamespace = pg_catalog.pg_my_temp_schema()";
        let row = client.query_one(sql, &[]).await?;
        let body: String = row.try_get(0)?;
        let function: u32 = row.try_get(1)?;
        let sql = "SELECT n.nspname::pg_catalog.text, NULL::pg_catalog.text FROM pg_catalog.pg_depend AS d \
              JOIN pg_catalog.pg_type AS t ON t.oid = d.refobjid \
              JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace \
              WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = $1 \
                AND d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass \
            UNION SELECT n.nspname::pg_catalog.text, f.oid::pg_catalog.regprocedure::pg_catalog.text \
              FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_proc AS f ON f.oid = d.refobjid \
              JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace \
              WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = $1 \
                AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass";
        let mut used = Vec::new();
        for row in client.query(sql, &[&function]).await? {
            used.push((row.try_get::<_, String>(0)?, row.try_get::<_, Option<String>>(1)?));
        }
        Ok((body, used))
    };
    let result: Result<_, tokio_postgres::Error> = read.await;
    client.batch_execute("rollback").await?;
    let (body, used) = result?;
    for (schema, function) in used {
        if schema.starts_with("pg_") {
            continue;
        }
        needs.functions.extend(function);
        needs.schemas.insert(schema);
    }
    Ok(permissions(&body))
}

/// Reads the rights out of a `pg_node_tree`: `:relid 16397 … :requiredPerms 6 … :updatedCols (b 8 9)`. Up to 15 they
/// stand in the range table's entries, from 16 in nodes of their own; the order of these fields is the same.
fn permissions(tree: &str) -> Vec<Permission> {
    let mut words = tree
        .split(|c: char| c.is_whitespace() || "(){}".contains(c))
        .filter(|word| !word.is_empty())
        .peekable();
    let mut found = Vec::new();
    let (mut table, mut rights) = (0u32, 0u64);
    while let Some(word) = words.next() {
        let mut number = || words.peek().and_then(|word| word.parse::<u64>().ok());
        match word {
            ":relid" => table = number().and_then(|oid| u32::try_from(oid).ok()).unwrap_or(0),
            ":requiredPerms" => rights = number().unwrap_or(0),
            ":updatedCols" => {
                let mut updated = Vec::new();
                words.next_if_eq(&"b");
                while let Some(bit) = words.peek().and_then(|word| word.parse::<i64>().ok()) {
                    words.next();
                    updated.extend(
                        i16::try_from(bit - COLUMN_OFFSET)
                            .ok()
                            .filter(|column| *column > 0),
                    );
                }
                if table != 0 && rights != 0 {
                    found.push(Permission {
                        table,
                        rights,
                        updated,
                    });
                }
                (table, rights) = (0, 0);
            }
            _ => {}
        }
    }
    found
}

impl Needs {
    async fn add(&mut self, client: &Client, permission: &Permission) -> Result<(), tokio_postgres::Error> {
        let sql = "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
            ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute AS a \
              WHERE a.attrelid = c.oid AND a.attnum = ANY ($2::pg_catalog.int2[])) \
            FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1";
        let Some(row) = client
            .query_opt(sql, &[&permission.table, &permission.updated])
            .await?
        else {
            return Ok(());
        };
        let name = RelationName {
            schema: row.try_get(0)?,
            table: row.try_get(1)?,
        };
        let columns: Vec<String> = row.try_get(2)?;
        let table = self.tables.entry(name).or_default();
        let has = |right: u64| permission.rights & right != 0;
        table.select |= has(SELECT);
        table.insert |= has(INSERT);
        table.delete |= has(DELETE);
        // `for update` in the user's own SQL names no column.
        table.update_all |= has(UPDATE) && columns.is_empty() && table.update.is_empty();
        table.update.extend(columns);
        Ok(())
    }

    /// By the statement's words.
    async fn guess(&mut self, client: &Client, probe: &Probe) -> Result<(), tokio_postgres::Error> {
        self.guessed = true;
        for (before, name) in relations(&probe.sql) {
            let found = crate::postgres::catalog::table_by_text(client, &name).await;
            let table = match found {
                Ok(Some(table)) => table,
                Ok(None) => continue,
                Err(error) if error.as_db_error().is_some() => continue,
                Err(error) => return Err(error),
            };
            let needs = self.tables.entry(table.name).or_default();
            needs.select = true;
            match before.as_str() {
                "into" => needs.insert = true,
                "update" => needs.update_all = true,
                "delete" => needs.delete = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// Sequences that defaults of inserted tables read; those of identity columns need no right.
    async fn sequences(&mut self, client: &Client) -> Result<(), tokio_postgres::Error> {
        let inserted: Vec<&RelationName> = self
            .tables
            .iter()
            .filter(|(_, needs)| needs.insert)
            .map(|(name, _)| name)
            .collect();
        let sql = "SELECT DISTINCT sn.nspname::pg_catalog.text, s.relname::pg_catalog.text \
            FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
            JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = c.oid \
            JOIN pg_catalog.pg_depend AS p ON p.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
              AND p.objid = d.oid AND p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
            JOIN pg_catalog.pg_class AS s ON s.oid = p.refobjid AND s.relkind = 'S' \
            JOIN pg_catalog.pg_namespace AS sn ON sn.oid = s.relnamespace \
            WHERE n.nspname = $1::pg_catalog.text AND c.relname = $2::pg_catalog.text";
        for table in inserted {
            for row in client.query(sql, &[&table.schema, &table.table]).await? {
                let name = RelationName {
                    schema: row.try_get(0)?,
                    table: row.try_get(1)?,
                };
                self.schemas.insert(name.schema.clone());
                self.sequences.insert(name);
            }
        }
        Ok(())
    }
}

/// Names that stand where a table may stand, with the word before them.
fn relations(sql: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut before, mut name): (String, Option<String>) = (String::new(), None);
    let mut deleting = false;
    for token in tokens(sql) {
        let Token::Ident(word, dotted) = token else {
            (before, name) = (String::new(), None);
            continue;
        };
        if let Some(schema) = name.take() {
            found.push((before.clone(), format!("{schema}.{}", quote_ident(&word))));
            before.clear();
        } else if ["from", "join", "into", "update", "using"].contains(&before.as_str()) && word != "only" {
            if dotted {
                name = Some(quote_ident(&word));
                continue;
            }
            let before = if deleting && before == "from" {
                "delete".to_owned()
            } else {
                before.clone()
            };
            found.push((before, quote_ident(&word)));
        }
        deleting = word == "delete" || (deleting && (word == "from" || word == "only"));
        if word != "only" {
            before = word;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_out_of_both_forms() {
        let before_16 = "({RTE :alias <> :rtekind 0 :relid 16397 :relkind r :inh true :requiredPerms 6 :checkAsUser 0 \
            :selectedCols (b 8 12) :insertedCols (b) :updatedCols (b 13 15) :extraUpdatedCols (b) :securityQuals <>})";
        let from_16 = "{PERMISSIONINFO :relid 16397 :inh true :requiredPerms 6 :checkAsUser 0 :selectedCols (b 8 12) \
            :insertedCols (b) :updatedCols (b 13 15)}";
        for tree in [before_16, from_16] {
            assert_eq!(
                permissions(tree),
                [Permission {
                    table: 16397,
                    rights: 6,
                    updated: vec![6, 8]
                }]
            );
        }
    }

    #[test]
    fn tables_are_guessed_from_words() {
        let found = |sql: &str| {
            relations(sql)
                .into_iter()
                .map(|(before, name)| format!("{before} {name}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found("update only tickets set a = 1 from shop.users u join b on true"),
            ["update \"tickets\"", "from \"shop\".\"users\"", "join \"b\""]
        );
        assert_eq!(
            found("insert into \"My T\" (a) select 'from x'"),
            ["into \"My T\""]
        );
        assert_eq!(found("delete from x where y"), ["delete \"x\""]);
    }
}
