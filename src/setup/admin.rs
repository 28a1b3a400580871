//! The administrator's part: role, schema, rights, publications. What is missing is found out first, as a list of
//! [`AdminStep`]s; then the list is either carried out or printed as SQL.

use secrecy::ExposeSecret;
use tokio_postgres::Client;

use super::error::{ASK_ADMINISTRATOR, STREAMING_URL, SetupError, URL};
use super::mapped::Mapped;
use super::needs::{self, Needs};
use super::publication;
use crate::config::Config;
use crate::postgres::{ConnectUrl, describe, qualified, quote_ident, quote_literal, server_error};

/// One thing to be there.
#[derive(Debug, Clone)]
pub(super) enum AdminStep {
    /// It is there already.
    There(String),
    /// It is to be made.
    Make {
        /// Said once it is made.
        says: String,
        /// How.
        sql: String,
        /// What is printed instead, where the SQL holds a secret.
        printed: Option<String>,
    },
}

impl AdminStep {
    pub(super) fn make(says: impl Into<String>, sql: impl Into<String>) -> AdminStep {
        AdminStep::Make {
            says: says.into(),
            sql: sql.into(),
            printed: None,
        }
    }
}

/// The role as it is now.
struct RoleNow {
    /// It may replicate, in whatever way.
    replication: bool,
    /// It may by the attribute, and not as a superuser or as a member of another role.
    attribute: bool,
    superuser: bool,
}

/// What is missing, in the order in which it is to be made. The second URL is that of the role that streams; where it is
/// another one, it gets no right but that one, and the first gets all but that one.
pub(super) async fn plan(
    client: &Client,
    config: &Config,
    (url, streaming): (&ConnectUrl, &ConnectUrl),
    mapped: &Mapped,
) -> Result<Vec<AdminStep>, SetupError> {
    let mut steps = Vec::new();
    let role = url.user();
    let now = role_now(client, role).await?;
    let streams = streaming.user() == role;
    let given = (URL, streams);
    steps.extend(role_steps(client, url, given, now.as_ref()).await?);
    if !streams {
        let now = role_now(client, streaming.user()).await?;
        let given = (STREAMING_URL, true);
        steps.extend(role_steps(client, streaming, given, now.as_ref()).await?);
    }
    steps.extend(path_step(client, config, role, now.as_ref()).await?);
    steps.extend(schema_steps(client, config, role, now.is_some()).await?);
    if now.as_ref().is_none_or(|role| !role.superuser) {
        let needs = needs::find(client, config, mapped).await?;
        steps.extend(grant_steps(client, role, now.is_some(), &needs).await?);
    } else {
        steps.push(AdminStep::There(format!(
            "rights: {role} is a superuser and needs none; a user of its own is safer"
        )));
    }
    steps.extend(publication::steps(client, config, mapped).await?);
    Ok(steps)
}

async fn role_now(client: &Client, role: &str) -> Result<Option<RoleNow>, SetupError> {
    let sql = "SELECT r.rolreplication OR r.rolsuper OR EXISTS (SELECT FROM pg_catalog.pg_roles AS m \
          WHERE m.rolname = 'rds_replication' AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')) AS replication, \
          r.rolreplication, r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = $1::pg_catalog.text";
    let row = client.query_opt(sql, &[&role]).await?;
    row.map(|row| {
        Ok(RoleNow {
            replication: row.try_get("replication")?,
            attribute: row.try_get("rolreplication")?,
            superuser: row.try_get("rolsuper")?,
        })
    })
    .transpose()
}

/// A role of ours: which key of the config names it, and whether it is the one that streams.
async fn role_steps(
    client: &Client,
    url: &ConnectUrl,
    (key, streams): (&str, bool),
    now: Option<&RoleNow>,
) -> Result<Vec<AdminStep>, SetupError> {
    let (role, quoted) = (url.user(), quote_ident(url.user()));
    // Amazon RDS gives REPLICATION through a role of its own.
    let rds = client
        .query_opt(
            "SELECT FROM pg_catalog.pg_roles WHERE rolname = 'rds_replication'",
            &[],
        )
        .await?
        .is_some();
    let grant_rds = format!("grant rds_replication to {quoted}");
    Ok(match now {
        Some(now) if !streams => vec![without_replication(client, role, now).await?],
        Some(now) if now.replication => vec![AdminStep::There(format!("role {role}: there, may replicate"))],
        Some(_) if rds => vec![AdminStep::make(
            format!("role {role}: may replicate now (rds_replication)"),
            grant_rds,
        )],
        Some(_) => {
            vec![AdminStep::make(
                format!("role {role}: may replicate now"),
                format!("alter role {quoted} replication"),
            )]
        }
        None => {
            let attributes = match streams && !rds {
                true => "login replication",
                false => "login",
            };
            let create = format!("create role {quoted} {attributes}");
            let mut steps = match url.password() {
                // A verifier, so that the password itself reaches no log of the server.
                Some(password) => {
                    let verifier =
                        postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes());
                    vec![AdminStep::Make {
                        says: format!("role {role}: made ({attributes}, the password of {key})"),
                        sql: format!("{create} password {}", quote_literal(&verifier)),
                        printed: Some(format!(
                            "{create};\n-- {key} holds a password, which is not printed here. Give it to the role, in psql:\n\
                             --   \\password {quoted}\n-- or: psql -v password=… and then\n\
                             --   alter role {quoted} password :'password'"
                        )),
                    }]
                }
                None => vec![AdminStep::make(
                    format!("role {role}: made ({attributes})"),
                    create,
                )],
            };
            if rds && streams {
                steps.push(AdminStep::make(
                    format!("role {role}: may replicate (rds_replication)"),
                    grant_rds,
                ));
            }
            steps
        }
    })
}

/// The role that does not stream: a trigger of the site's that runs in our write-back runs with its rights.
async fn without_replication(client: &Client, role: &str, now: &RoleNow) -> Result<AdminStep, SetupError> {
    if now.superuser || !now.replication {
        return Ok(AdminStep::There(format!("role {role}: there")));
    }
    let quoted = quote_ident(role);
    let sql = match now.attribute {
        true => format!("alter role {quoted} noreplication"),
        false => format!("revoke rds_replication from {quoted}"),
    };
    // Who may not give it may not take it away either; `check` tells it then.
    let may = "SELECT r.rolsuper OR r.rolreplication AND r.rolcreaterole OR NOT $1::pg_catalog.bool \
        FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER AND r.rolname <> $2::pg_catalog.text";
    let may = client.query_opt(may, &[&now.attribute, &role]).await?;
    Ok(match may.map(|row| row.try_get(0)).transpose()? {
        Some(true) => AdminStep::make(format!("role {role}: may not replicate any more"), sql),
        _ => AdminStep::There(format!(
            "role {role}: there, and may replicate, which it does not need: {sql}"
        )),
    })
}

/// The path by which names without a schema are found: what holds for the database, less `"$user"`, since our own
/// schema bears the role's name by default and its `ticket` or `event` would hide the site's.
pub(super) async fn search_path(client: &Client) -> Result<String, SetupError> {
    let sql = "SELECT coalesce((SELECT pg_catalog.substr(e.entry, 13) FROM pg_catalog.pg_db_role_setting AS s \
          JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase AND d.datname = pg_catalog.current_database(), \
          pg_catalog.unnest(s.setconfig) AS e(entry) \
          WHERE s.setrole = 0 AND e.entry LIKE 'search\\_path=%' LIMIT 1), \
        (SELECT CASE WHEN p.source IN ('default', 'configuration file', 'command line', 'global') THEN p.reset_val \
          ELSE p.boot_val END FROM pg_catalog.pg_settings AS p WHERE p.name = 'search_path'))";
    let path: Option<String> = client.query_one(sql, &[]).await?.try_get(0)?;
    let path = path.unwrap_or_default();
    let parts = path
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty() && *part != "\"$user\"" && *part != "$user");
    let parts: Vec<&str> = parts.collect();
    Ok(if parts.is_empty() {
        "public".to_owned()
    } else {
        parts.join(", ")
    })
}

async fn path_step(
    client: &Client,
    config: &Config,
    role: &str,
    now: Option<&RoleNow>,
) -> Result<Option<AdminStep>, SetupError> {
    if role != config.postgres.schema || now.is_some_and(|now| now.superuser) {
        return Ok(None);
    }
    let sql = "SELECT FROM pg_catalog.pg_db_role_setting AS s JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole \
        WHERE r.rolname = $1::pg_catalog.text AND EXISTS (SELECT FROM pg_catalog.unnest(s.setconfig) AS e(entry) \
        WHERE e.entry LIKE 'search\\_path=%')";
    if client.query_opt(sql, &[&role]).await?.is_some() {
        return Ok(None);
    }
    let (path, database) = (search_path(client).await?, database(client).await?);
    let sql = format!(
        "alter role {} in database {} set search_path to {path}",
        quote_ident(role),
        quote_ident(&database)
    );
    Ok(Some(AdminStep::make(
        format!("role {role}: finds tables without a schema in {path}, as the site does"),
        sql,
    )))
}

async fn database(client: &Client) -> Result<String, SetupError> {
    Ok(client
        .query_one("SELECT pg_catalog.current_database()::pg_catalog.text", &[])
        .await?
        .try_get(0)?)
}

async fn schema_steps(
    client: &Client,
    config: &Config,
    role: &str,
    role_exists: bool,
) -> Result<Vec<AdminStep>, SetupError> {
    let (schema, quoted) = (&config.postgres.schema, quote_ident(role));
    let sql = "SELECT pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text FROM pg_catalog.pg_namespace AS n \
        WHERE n.nspname = $1::pg_catalog.text";
    if let Some(row) = client.query_opt(sql, &[schema]).await? {
        let owner: String = row.try_get(0)?;
        let may = role_exists
            && {
                let sql = "SELECT pg_catalog.has_schema_privilege($1::pg_catalog.text, $2::pg_catalog.text, 'CREATE, USAGE')";
                client.query_one(sql, &[&role, schema]).await?.try_get(0)?
            };
        if owner == role || may {
            return Ok(vec![AdminStep::There(format!("schema {schema}: there"))]);
        }
        // A connector's role may log in and is no superuser: what belongs to another role has been left behind.
        let left = "SELECT r.rolsuper OR NOT r.rolcanlogin FROM pg_catalog.pg_roles AS r WHERE r.rolname = $1::pg_catalog.text";
        let left: bool = client.query_one(left, &[&owner]).await?.try_get(0)?;
        let handing = hand_over(client, schema, role).await?;
        if left && !handing.is_empty() {
            return Ok(vec![AdminStep::make(
                format!(
                    "schema {schema}: of {role} now, with all that the connector has made in it; it was {owner}'s"
                ),
                handing.join(";\n"),
            )]);
        }
        let role_first = match role_exists {
            true => String::new(),
            false => format!("create role {quoted} login; "),
        };
        return Err(SetupError::with(
            format!("the schema {schema} exists and belongs to {owner}, not to {role}"),
            format!(
                "if that is the connector's former role, which is stopped: {role_first}reassign owned by {} to {quoted}; else \
                 name another schema with [postgres] schema",
                quote_ident(&owner)
            ),
        ));
    }
    let sql = "SELECT r.rolsuper OR r.rolname = $1::pg_catalog.text OR coalesce((SELECT pg_catalog.pg_has_role(r.oid, \
          m.oid, 'MEMBER') FROM pg_catalog.pg_roles AS m WHERE m.rolname = $1::pg_catalog.text), false), \
          r.rolname::pg_catalog.text FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER";
    let row = client.query_one(sql, &[&role]).await?;
    let create = format!(
        "create schema if not exists {} authorization {quoted}",
        quote_ident(schema)
    );
    let made = format!("schema {schema}: made, of {role}");
    Ok(match row.try_get::<_, bool>(0)? {
        true => vec![AdminStep::make(made, create)],
        // Only a member may make a schema for somebody else.
        false => {
            let me = quote_ident(row.try_get(1)?);
            vec![AdminStep::make(
                made,
                format!("grant {quoted} to {me};\n{create};\nrevoke {quoted} from {me}"),
            )]
        }
    })
}

/// The statements that give a role the schema of a connector, with the tables and functions in it; none where it is no
/// connector's.
async fn hand_over(client: &Client, schema: &str, role: &str) -> Result<Vec<String>, SetupError> {
    let sql = "SELECT pg_catalog.format('alter %s owner to %I', o.named, $2::pg_catalog.text) FROM (
            SELECT 0 AS place, pg_catalog.format('schema %I', n.nspname) AS named, n.oid AS schema FROM pg_catalog.pg_namespace AS n
            UNION ALL SELECT 1, pg_catalog.format('table %I.%I', $1::pg_catalog.text, c.relname), c.relnamespace
                FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('r', 'p', 'v')
            UNION ALL SELECT 2, pg_catalog.format('function %I.%I(%s)', $1::pg_catalog.text, p.proname,
                    pg_catalog.pg_get_function_identity_arguments(p.oid)), p.pronamespace FROM pg_catalog.pg_proc AS p) AS o
        WHERE o.schema = (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = $1::pg_catalog.text)
          AND EXISTS (SELECT FROM pg_catalog.pg_class AS m WHERE m.relnamespace = o.schema AND m.relname = 'migration')
        ORDER BY o.place, o.named";
    let rows = client.query(sql, &[&schema, &role]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// One right: what it is, the SQL, and whether the role has it.
pub(super) struct Grant {
    pub(super) what: String,
    pub(super) sql: String,
    pub(super) held: bool,
}

/// Every right that is needed.
pub(super) async fn grants(
    client: &Client,
    role: &str,
    role_exists: bool,
    needs: &Needs,
) -> Result<Vec<Grant>, SetupError> {
    let to = quote_ident(role);
    let mut grants = Vec::new();
    let held = async |sql: &str,
                      values: &[&(dyn tokio_postgres::types::ToSql + Sync)]|
           -> Result<bool, SetupError> {
        if !role_exists {
            return Ok(false);
        }
        Ok(client
            .query_one(sql, values)
            .await?
            .try_get::<_, Option<bool>>(0)?
            .unwrap_or(false))
    };
    for schema in &needs.schemas {
        let sql = "SELECT pg_catalog.has_schema_privilege($1::pg_catalog.text, $2::pg_catalog.text, 'USAGE')";
        grants.push(Grant {
            what: format!("USAGE on schema {schema}"),
            sql: format!("grant usage on schema {} to {to}", quote_ident(schema)),
            held: held(sql, &[&role, schema]).await?,
        });
    }
    for (name, table) in &needs.tables {
        let quoted = qualified(name);
        let whole = [
            ("SELECT", table.select),
            ("INSERT", table.insert),
            ("DELETE", table.delete),
            ("UPDATE", table.update_all),
        ];
        for (right, _) in whole.iter().filter(|(_, needed)| *needed) {
            let held = table_right(client, role, role_exists, name, right).await?;
            grants.push(Grant {
                what: format!("{right} on {name}"),
                sql: format!("grant {} on {quoted} to {to}", right.to_lowercase()),
                held,
            });
        }
        if !table.update_all && !table.update.is_empty() {
            let sql = "SELECT pg_catalog.bool_and(pg_catalog.has_column_privilege($1::pg_catalog.text, a.attrelid, \
                a.attnum, 'UPDATE')) FROM pg_catalog.pg_attribute AS a \
                JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid \
                JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
                WHERE n.nspname = $2::pg_catalog.text AND c.relname = $3::pg_catalog.text \
                AND a.attname = ANY ($4::pg_catalog.text[])";
            let columns: Vec<&String> = table.update.iter().collect();
            let names: Vec<String> = table.update.iter().map(|column| quote_ident(column)).collect();
            let plain: Vec<&str> = table.update.iter().map(String::as_str).collect();
            grants.push(Grant {
                what: format!("UPDATE ({}) on {name}", plain.join(", ")),
                sql: format!("grant update ({}) on {quoted} to {to}", names.join(", ")),
                held: held(sql, &[&role, &name.schema, &name.table, &columns]).await?,
            });
        }
    }
    for sequence in &needs.sequences {
        let sql = "SELECT pg_catalog.has_sequence_privilege($1::pg_catalog.text, c.oid, 'USAGE') \
            FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
            WHERE n.nspname = $2::pg_catalog.text AND c.relname = $3::pg_catalog.text";
        grants.push(Grant {
            what: format!("USAGE on sequence {sequence}"),
            sql: format!("grant usage on sequence {} to {to}", qualified(sequence)),
            held: held(sql, &[&role, &sequence.schema, &sequence.table]).await?,
        });
    }
    for function in &needs.functions {
        let sql = "SELECT pg_catalog.has_function_privilege(coalesce(r.oid, 0), f.oid, 'EXECUTE') \
            FROM (SELECT $2::pg_catalog.text::pg_catalog.regprocedure::pg_catalog.oid AS oid) AS f \
            LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = $1::pg_catalog.text";
        // PUBLIC may execute a function unless somebody took that away, so a new role is asked for, too.
        let may: Option<bool> = client.query_one(sql, &[&role, function]).await?.try_get(0)?;
        grants.push(Grant {
            what: format!("EXECUTE on {function}"),
            sql: format!("grant execute on function {function} to {to}"),
            held: may.unwrap_or(false),
        });
    }
    Ok(grants)
}

async fn grant_steps(
    client: &Client,
    role: &str,
    role_exists: bool,
    needs: &Needs,
) -> Result<Vec<AdminStep>, SetupError> {
    let grants = grants(client, role, role_exists, needs).await?;
    let (there, missing): (Vec<Grant>, Vec<Grant>) = grants.into_iter().partition(|grant| grant.held);
    let mut steps = Vec::new();
    if !there.is_empty() {
        let list: Vec<&str> = there.iter().map(|grant| grant.what.as_str()).collect();
        steps.push(AdminStep::There(format!("rights: there: {}", list.join(", "))));
    }
    steps.extend(
        missing
            .into_iter()
            .map(|grant| AdminStep::make(format!("right: granted {}", grant.what), grant.sql)),
    );
    Ok(steps)
}

async fn table_right(
    client: &Client,
    role: &str,
    role_exists: bool,
    name: &crate::model::RelationName,
    right: &str,
) -> Result<bool, SetupError> {
    if !role_exists {
        return Ok(false);
    }
    let sql = "SELECT pg_catalog.has_table_privilege($1::pg_catalog.text, c.oid, $4::pg_catalog.text) \
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
        WHERE n.nspname = $2::pg_catalog.text AND c.relname = $3::pg_catalog.text";
    let row = client
        .query_opt(sql, &[&role, &name.schema, &name.table, &right])
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
}

/// Makes what is missing, one line each.
pub(super) async fn carry_out(
    client: &Client,
    steps: &[AdminStep],
    by_administrator: bool,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), SetupError> {
    for step in steps {
        match step {
            AdminStep::There(says) => say(says),
            AdminStep::Make { says, sql, .. } => {
                if let Err(error) = client.batch_execute(sql).await {
                    // What holds a secret is not repeated.
                    return Err(refused(says, &error, by_administrator));
                }
                say(says);
            }
        }
    }
    Ok(())
}

fn refused(says: &str, error: &tokio_postgres::Error, by_administrator: bool) -> SetupError {
    let message = format!("this could not be done: {says}: {}", describe(error));
    let code = server_error(error).map(|server| server.code).unwrap_or_default();
    match code.as_str() {
        "42501" if by_administrator => SetupError::with(
            message,
            "the user of --admin-url may not do this: use the tables' owner who may also make roles, or a superuser; or \
             hand the output of `deskie-cdc setup --print-sql --admin-url …` to one",
        ),
        "42501" => SetupError::with(message, ASK_ADMINISTRATOR),
        "55P03" => SetupError::with(message, "somebody holds a lock on the table; run setup again"),
        _ => SetupError::new(message),
    }
}

/// The same as SQL for `psql -f`.
pub(super) fn printed(
    config: &Config,
    (url, streaming): (&ConnectUrl, &ConnectUrl),
    steps: &[AdminStep],
    notes: &[String],
) -> String {
    let (users, slot) = match streaming.user() == url.user() {
        true => (format!("user {}", url.user()), String::new()),
        false => (
            format!("user {}, and {}, which streams", url.user(), streaming.user()),
            format!(" ({} the slot)", streaming.user()),
        ),
    };
    let mut text = format!(
        "-- deskie-cdc: the administrator's part for {} ({users}).\n\
         -- Run it in the database {} as the owner of the tables who may make roles, or as a superuser:\n\
         --   psql -v ON_ERROR_STOP=1 -d {} -f THIS_FILE\n\
         -- Then `deskie-cdc setup` makes the tables in the schema {} and the slot with the user's own rights{slot}.\n",
        url.database(),
        url.database(),
        url.database(),
        config.postgres.schema,
    );
    for note in notes {
        text.push_str(&format!("-- {note}\n"));
    }
    for step in steps {
        if let AdminStep::There(says) = step {
            text.push_str(&format!("-- {}\n", says.replace('\n', " ")));
        }
    }
    let missing: Vec<String> = steps
        .iter()
        .filter_map(|step| match step {
            AdminStep::Make { sql, printed, .. } => Some(format!("{};\n", printed.as_ref().unwrap_or(sql))),
            AdminStep::There(_) => None,
        })
        .collect();
    if missing.is_empty() {
        text.push_str("-- Nothing is missing.\n");
    } else {
        text.push_str(&format!("begin;\n{}commit;\n", missing.concat()));
    }
    text
}
