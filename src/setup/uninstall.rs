//! Dropping slot, publications and schema of this connector, and nothing else. Each is dropped only if it is ours; what
//! is not there is none to drop, so it may be repeated.

use std::time::Duration;

use tokio_postgres::Client;

use super::error::SetupError;
use super::publication::publications;
use super::{own, own_url, streaming_url};
use crate::config::Config;
use crate::model::clock;
use crate::postgres::catalog;
use crate::postgres::{ConnectUrl, SessionOptions, describe, quote_ident, quote_literal, server_error};
use crate::store::own_objects;

/// How long a slot's user is waited for.
const SLOT_WAIT: Duration = Duration::from_secs(10);

/// What stands in the database now.
#[derive(Debug, Clone, Default)]
pub struct Removal {
    /// Slots of this database.
    pub slots: Vec<String>,
    pub publications: Vec<String>,
    /// What is dropped of our schema, in words.
    pub schema: Option<String>,
    /// The statements for publications and schema, in order, with what each drops.
    statements: Vec<(String, String)>,
    /// What is left alone, and why.
    pub left: Vec<String>,
    /// How to take the role's rights away, and the role.
    pub role: Vec<String>,
    database: String,
}

impl Removal {
    /// Nothing of ours is there.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.statements.is_empty()
    }

    /// One line for each thing that is dropped.
    pub fn lines(&self) -> Vec<String> {
        let slots = self.slots.iter().map(|slot| format!("slot {slot}"));
        slots
            .chain(self.statements.iter().map(|(what, _)| what.clone()))
            .collect()
    }
}

async fn connect(
    config: &Config,
    admin_url: Option<&ConnectUrl>,
) -> Result<(Client, ConnectUrl), SetupError> {
    let own = own_url(config)?;
    let url = admin_url.cloned().unwrap_or_else(|| own.clone());
    if url.database() != own.database() {
        return Err(SetupError::with(
            format!(
                "--admin-url leads to the database {}, postgres.url to {}",
                url.database(),
                own.database()
            ),
            "name the same database in both",
        ));
    }
    Ok((
        crate::postgres::connect(&url, &SessionOptions::new("uninstall")).await?,
        own,
    ))
}

/// Finds out what is there; reads only.
pub async fn removal(config: &Config, admin_url: Option<&ConnectUrl>) -> Result<Removal, SetupError> {
    let (client, own) = connect(config, admin_url).await?;
    find(&client, config, &own).await
}

/// The slot that our state knows, where there is a state.
async fn known_slot(client: &Client, config: &Config) -> Result<Option<String>, SetupError> {
    let meta = format!("{}.meta", quote_ident(&config.postgres.schema));
    let there = client
        .query_one("SELECT pg_catalog.to_regclass($1) IS NOT NULL", &[&meta])
        .await?;
    if !there.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let rows = client.query(&format!("SELECT slot FROM {meta}"), &[]).await?;
    Ok(rows.first().and_then(|row| row.get(0)))
}

async fn find(client: &Client, config: &Config, own: &ConnectUrl) -> Result<Removal, SetupError> {
    let row = client
        .query_one("SELECT pg_catalog.current_database()::pg_catalog.text", &[])
        .await?;
    let mut removal = Removal {
        database: row.try_get(0)?,
        ..Removal::default()
    };
    let known = known_slot(client, config).await?;
    let name = own::slot_name_here(config, client, &removal.database, known.as_deref()).await?;
    match catalog::slot(client, &name).await? {
        Some(slot) if !slot.is_this_database || slot.plugin.as_deref() != Some("pgoutput") => {
            let whose = slot.database.unwrap_or_else(|| "none".into());
            removal.left.push(format!(
                "slot {name}: belongs to the database {whose}, not to this connector"
            ));
        }
        Some(_) => removal.slots.push(name),
        None => {}
    }
    for name in publications(config) {
        if catalog::publication(client, &name).await?.is_some() {
            removal.statements.push((
                format!("publication {name}"),
                format!("drop publication if exists {}", quote_ident(&name)),
            ));
            removal.publications.push(name);
        }
    }
    schema(client, config, &mut removal).await?;
    removal.role = role_lines(client, own).await?;
    let streaming = streaming_url(config)?;
    if streaming.user() != own.user() {
        removal.role.extend(role_lines(client, &streaming).await?);
    }
    Ok(removal)
}

/// The schema, if it is ours alone; of a schema that holds other things only what we made in it.
async fn schema(client: &Client, config: &Config, removal: &mut Removal) -> Result<(), SetupError> {
    let schema = &config.postgres.schema;
    let quoted = quote_ident(schema);
    if catalog::may_schema(client, schema, "USAGE").await?.is_none() {
        return Ok(());
    }
    let sql = "SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class AS c \
          JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1::pg_catalog.text \
          AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
        UNION ALL SELECT f.proname || '()' FROM pg_catalog.pg_proc AS f \
          JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace WHERE n.nspname = $1::pg_catalog.text";
    let mut there: Vec<String> = Vec::new();
    for row in client.query(sql, &[schema]).await? {
        there.push(row.try_get(0)?);
    }
    let own = own_objects();
    let is_own = |name: &String| {
        let (bare, is_function) = match name.strip_suffix("()") {
            Some(bare) => (bare, true),
            None => (name.as_str(), false),
        };
        own.iter()
            .any(|(kind, names)| (*kind == "function") == is_function && names.contains(&bare))
    };
    let set_up = there.iter().any(|name| name == "migration") && there.iter().any(|name| name == "meta");
    let foreign: Vec<&String> = there.iter().filter(|name| !is_own(name)).collect();
    match (set_up, foreign.is_empty()) {
        (true, true) if schema != "public" => {
            removal.schema = Some(schema.clone());
            removal.statements.push((
                format!("schema {schema}, with the connector's state"),
                format!("drop schema if exists {quoted} cascade"),
            ));
        }
        (true, _) => {
            removal.schema = Some(format!("the connector's tables in {schema}"));
            let what =
                format!("the connector's tables in the schema {schema}, which holds other things as well");
            // Each kind at once, since they stand on each other. What a version has replaced is not there any more.
            let of_kind = |(kind, names): &(&str, Vec<&str>)| {
                let there: Vec<String> = names
                    .iter()
                    .map(|name| format!("{quoted}.{}", quote_ident(name)))
                    .collect();
                format!("drop {kind} if exists {}", there.join(", "))
            };
            let sql = own.iter().map(of_kind).collect::<Vec<_>>().join("; ");
            removal.statements.push((what, sql));
        }
        // Made by `setup`, which came no further.
        (false, true) if there.is_empty() && schema != "public" => {
            removal.schema = Some(schema.clone());
            removal.statements.push((
                format!("schema {schema}, which is empty"),
                format!("drop schema if exists {quoted}"),
            ));
        }
        (false, _) => removal
            .left
            .push(format!("schema {schema}: does not hold the connector's state")),
    }
    Ok(())
}

/// The role is kept: it may be used for other things. These lines drop it.
async fn role_lines(client: &Client, own: &ConnectUrl) -> Result<Vec<String>, SetupError> {
    let role = own.user();
    let sql = "SELECT r.oid, r.rolsuper OR r.rolcreaterole OR r.rolname = CURRENT_USER AND EXISTS (SELECT FROM \
          pg_catalog.pg_class AS c WHERE c.relowner = r.oid AND c.relnamespace NOT IN \
          (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspowner = r.oid)) \
        FROM pg_catalog.pg_roles AS r WHERE r.rolname = $1::pg_catalog.text";
    let Some(row) = client.query_opt(sql, &[&role]).await? else {
        return Ok(Vec::new());
    };
    let oid: u32 = row.try_get(0)?;
    if row.try_get::<_, Option<bool>>(1)?.unwrap_or(false) {
        // An administrator or the tables' owner, whom we did not make.
        return Ok(Vec::new());
    }
    let quoted = quote_ident(role);
    let sql = "SELECT kind, name FROM ( \
        SELECT 1 AS place, CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind, \
          pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name \
          FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
          WHERE c.relowner <> $1 AND (EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) AS a WHERE a.grantee = $1) \
            OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS t, pg_catalog.aclexplode(t.attacl) AS a \
              WHERE t.attrelid = c.oid AND a.grantee = $1)) \
        UNION SELECT 2, 'function', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(f.proname) || '(' \
            || pg_catalog.pg_get_function_identity_arguments(f.oid) || ')' \
          FROM pg_catalog.pg_proc AS f JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace \
          WHERE f.proowner <> $1 AND EXISTS (SELECT FROM pg_catalog.aclexplode(f.proacl) AS a WHERE a.grantee = $1) \
        UNION SELECT 3, 'schema', pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_namespace AS n \
          WHERE n.nspowner <> $1 AND EXISTS (SELECT FROM pg_catalog.aclexplode(n.nspacl) AS a WHERE a.grantee = $1) \
        ) AS held ORDER BY place, name";
    let mut lines = Vec::new();
    for row in client.query(sql, &[&oid]).await? {
        let (kind, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        lines.push(format!("revoke all on {kind} {name} from {quoted}"));
    }
    lines.push(format!("drop role {quoted}"));
    Ok(lines)
}

/// Drops it. `say` hears one line for each thing dropped. What only an administrator may drop is in the error.
pub async fn uninstall(
    config: &Config,
    admin_url: Option<&ConnectUrl>,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Removal, SetupError> {
    let (client, own) = connect(config, admin_url).await?;
    let removal = find(&client, config, &own).await?;
    let streaming = match (admin_url, &config.postgres.replication_url) {
        (None, Some(_)) if !removal.slots.is_empty() => Some(streaming_client(config).await?),
        _ => None,
    };
    for slot in &removal.slots {
        drop_slot(streaming.as_ref().unwrap_or(&client), slot).await?;
        say(&format!("dropped: slot {slot}"));
    }
    let mut refused: Vec<(String, String)> = Vec::new();
    for (what, sql) in &removal.statements {
        match client.batch_execute(sql).await {
            Ok(()) => say(&format!("dropped: {what}")),
            Err(error) if server_error(&error).is_some_and(|error| error.code == "42501") => {
                refused.push((sql.clone(), describe(&error)));
            }
            Err(error) => {
                return Err(SetupError::new(format!(
                    "{what} could not be dropped: {}",
                    describe(&error)
                )));
            }
        }
    }
    if let Some((_, why)) = refused.first() {
        let sql: Vec<&str> = refused.iter().map(|(sql, _)| sql.as_str()).collect();
        return Err(SetupError::with(
            format!("not all could be dropped: {why}"),
            format!(
                "run `deskie-cdc uninstall --admin-url URL`, or have an administrator run this in the database {}:\n{};",
                removal.database,
                sql.join(";\n")
            ),
        ));
    }
    Ok(removal)
}

/// As the role that may drop the slot.
async fn streaming_client(config: &Config) -> Result<Client, SetupError> {
    let url = streaming_url(config)?;
    crate::postgres::connect(&url, &SessionOptions::new("uninstall"))
        .await
        .map_err(|error| SetupError::from(error).of_streaming(config))
}

async fn drop_slot(client: &Client, name: &str) -> Result<(), SetupError> {
    let until = clock::monotonic() + SLOT_WAIT;
    loop {
        let pid = catalog::slot(client, name)
            .await?
            .and_then(|slot| slot.active_pid);
        match pid {
            None => match catalog::slot_drop(client, name).await {
                Ok(_) => return Ok(()),
                // Somebody was quicker.
                Err(error) if server_error(&error).is_some_and(|error| error.code == "55006") => {}
                Err(error) => {
                    return Err(SetupError::with(
                        format!("the slot {name} could not be dropped: {}", describe(&error)),
                        "run `deskie-cdc uninstall --admin-url URL` with a user who may replicate",
                    ));
                }
            },
            Some(pid) if clock::monotonic() >= until => {
                let sql = "SELECT coalesce(a.application_name, ''), coalesce(a.usename::pg_catalog.text, ''), \
                    coalesce(a.client_addr::pg_catalog.text, 'this machine') \
                    FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = $1";
                let who = match client.query_opt(sql, &[&pid]).await? {
                    Some(row) => format!(
                        "pid {pid} ({}, user {}, from {})",
                        row.try_get::<_, String>(0)?,
                        row.try_get::<_, String>(1)?,
                        row.try_get::<_, String>(2)?
                    ),
                    None => format!("pid {pid}"),
                };
                return Err(SetupError::with(
                    format!("the slot {name} is in use by {who}; nothing was dropped"),
                    "stop the connector (all instances), then run uninstall again",
                ));
            }
            Some(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// All of it as SQL, the role's lines as comments; nothing is changed.
pub fn removal_sql(removal: &Removal) -> String {
    let mut text = format!(
        "-- deskie-cdc: removal from the database {}. Stop the connector first.\n",
        removal.database
    );
    for line in &removal.left {
        text.push_str(&format!("-- left alone: {line}\n"));
    }
    for slot in &removal.slots {
        text.push_str(&format!(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = {} and database = \
             current_database();\n",
            quote_literal(slot)
        ));
    }
    for (_, sql) in &removal.statements {
        text.push_str(&format!("{sql};\n"));
    }
    if removal.is_empty() {
        text.push_str("-- Nothing of this connector is here.\n");
    }
    if !removal.role.is_empty() {
        text.push_str("-- The role is kept. To drop it as well:\n");
        for line in &removal.role {
            text.push_str(&format!("-- {line};\n"));
        }
    }
    text
}
