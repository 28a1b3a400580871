//! `check`: everything tested beforehand, nothing changed. Each test gives one [`Check`]; a failure of one does not keep
//! the others from being made, as far as they do not stand on it.

mod database;
mod deskie;
mod folders;
mod mapping;
mod trial;

pub use trial::sample_parameters;

use serde::Serialize;

use super::error::{SetupError, replication_mend};
use super::{mapped, own_url};
use crate::config::Config;
use crate::postgres::replication::{ReplicationConnection, ReplicationError};
use crate::postgres::{ConnectUrl, SessionOptions, catalog};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, but not as well or as safely as it could.
    Warn,
    /// It will not work.
    Fail,
}

/// One thing that was tested.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What, in a word or two.
    pub name: String,
    /// How it came out.
    pub status: Status,
    /// What was found; for a failure the cause.
    pub message: String,
    /// What to do about it.
    pub mend: Option<String>,
}

/// What was found so far.
#[derive(Default)]
struct Found(Vec<Check>);

impl Found {
    fn add(&mut self, status: Status, name: &str, message: impl Into<String>, mend: Option<String>) {
        self.0.push(Check {
            name: name.to_owned(),
            status,
            message: message.into(),
            mend,
        });
    }

    fn ok(&mut self, name: &str, message: impl Into<String>) {
        self.add(Status::Ok, name, message, None);
    }

    fn warn(&mut self, name: &str, message: impl Into<String>, mend: impl Into<String>) {
        self.add(Status::Warn, name, message, Some(mend.into()));
    }

    fn fail(&mut self, name: &str, message: impl Into<String>, mend: impl Into<String>) {
        self.add(Status::Fail, name, message, Some(mend.into()));
    }

    fn error(&mut self, name: &str, error: SetupError) {
        match error {
            SetupError::Config(text) => self.add(Status::Fail, name, text, None),
            SetupError::Refused { message, mend } => self.add(Status::Fail, name, message, mend),
        }
    }

    /// A failure of our own queries is a failed check as well.
    fn try_add(&mut self, name: &str, result: Result<(), SetupError>) {
        if let Err(error) = result {
            self.error(name, error);
        }
    }
}

/// Tests everything.
pub async fn check(config: &Config) -> Vec<Check> {
    let mut found = Found::default();
    found.ok(
        "config",
        format!(
            "{} holds no mistake that can be told without the database",
            config.source.path.display()
        ),
    );
    match own_url(config) {
        Ok(url) => with_database(config, &url, &mut found).await,
        Err(error) => found.error("database", error),
    }
    folders::check(config, &mut found);
    deskie::check(config, &mut found).await;
    webhooks(config, &mut found);
    found.0
}

async fn with_database(config: &Config, url: &ConnectUrl, found: &mut Found) {
    for warning in url.warnings() {
        found.warn("database", warning.clone(), "take the option out of postgres.url");
    }
    let session: Vec<String> = config
        .capture
        .session
        .iter()
        .map(|statement| statement.sql.clone())
        .collect();
    let options = SessionOptions::new("check").with_statements(session);
    let client = match crate::postgres::connect(url, &options).await {
        Ok(client) => client,
        Err(error) => return found.error("database", error.into()),
    };
    let facts = match catalog::server_facts(&client).await {
        Ok(facts) => facts,
        Err(error) => return found.error("database", error.into()),
    };
    found.ok("database", format!("{} answers", url.redacted()));
    let identity = replication(&client, url, found).await;
    database::server(&facts, found);
    found_or(found, "role", database::role(&client, url).await);
    let state = database::state(config, &client, url, identity.as_ref(), &facts).await;
    let meta = match state {
        Ok((checks, meta)) => {
            found.0.extend(checks);
            meta
        }
        Err(error) => {
            found.error("state", error);
            None
        }
    };
    let mapped = match mapped::read(&client, config).await {
        Ok(mapped) => mapped,
        Err(error) => return found.error("mapping", error.into()),
    };
    mapping::faults(config, &mapped, found);
    found_or(
        found,
        "publication",
        database::publications(config, &client, &mapped).await,
    );
    found_or(
        found,
        "slot",
        database::slot(config, &client, &facts, meta.as_ref()).await,
    );
    found_or(found, "rights", mapping::rights(config, &client, &mapped).await);
    mapping::row_security(&mapped, found);
    mapping::lists(config, &mapped, found);
    found_or(found, "keys", mapping::keys(&client, &mapped).await);
    let result = trial::write_back(config, url, &options, &mapped, found).await;
    found.try_add("write-back", result);
}

fn found_or(found: &mut Found, name: &str, result: Result<Found, SetupError>) {
    match result {
        Ok(more) => found.0.extend(more.0),
        Err(error) => found.error(name, error),
    }
}

/// Why nothing is replicated to us.
enum Refusal {
    Setup(SetupError),
    Replication(ReplicationError),
}

impl From<SetupError> for Refusal {
    fn from(error: SetupError) -> Refusal {
        Refusal::Setup(error)
    }
}

impl From<ReplicationError> for Refusal {
    fn from(error: ReplicationError) -> Refusal {
        Refusal::Replication(error)
    }
}

/// A pooler does not know IDENTIFY_SYSTEM.
async fn replication(
    client: &tokio_postgres::Client,
    url: &ConnectUrl,
    found: &mut Found,
) -> Option<crate::postgres::replication::SystemIdentity> {
    let identify = async {
        crate::setup::refuse_pgpool(client).await?;
        let mut connection = ReplicationConnection::connect(url, "deskie-cdc check").await?;
        let identity = connection.identify_system().await?;
        connection.close().await;
        Ok::<_, Refusal>(identity)
    };
    match identify.await {
        Ok(identity) => {
            found.ok(
                "direct connection",
                format!("the server replicates to us (system id {})", identity.system_id),
            );
            Some(identity)
        }
        Err(Refusal::Setup(error)) => {
            found.error("direct connection", error);
            None
        }
        Err(Refusal::Replication(error)) => {
            let mend = replication_mend(&error);
            let text = if error.not_a_replication_server() {
                format!("a connection pooler answers, not the server itself: {error}")
            } else {
                error.to_string()
            };
            found.add(Status::Fail, "direct connection", text, mend);
            None
        }
    }
}

fn webhooks(config: &Config, found: &mut Found) {
    match config.server.webhook_secrets.len() {
        0 => found.warn(
            "webhooks",
            format!(
                "no webhook_secret is set: replies are found only by asking Deskie every {:?}",
                config.deskie.sweep
            ),
            "set [server] webhook_secret, then see `deskie-cdc rules`",
        ),
        1 => found.ok("webhooks", "a webhook_secret is set"),
        count => found.ok("webhooks", format!("{count} webhook secrets are set")),
    }
}
