//! `check`: everything tested beforehand, nothing changed. Each test gives one [`Check`]; a failure of one does not keep
//! the others from being made, as far as they do not stand on it.

mod astray;
mod clock;
mod database;
mod deskie;
mod folders;
mod hosted;
mod lacking;
mod mapping;
mod outside;
mod rows;
mod summary;
mod trial;

pub use trial::sample_parameters;

use serde::Serialize;

use super::error::{SetupError, of_streaming, replication_mend};
use super::{mapped, own_url};
use crate::config::Config;
use crate::postgres::replication::{ReplicationConnection, ReplicationError};
use crate::postgres::{ConnectUrl, Provider, SessionOptions, catalog};

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
    /// What was found, as one of the codes that `docs/check.md` lists.
    pub code: String,
    /// What was tested, in a word or two.
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
struct Checks(Vec<Check>);

/// What is tested; where that alone does not say what was found, a code of its own.
struct Subject(&'static str, Option<&'static str>);

impl From<&'static str> for Subject {
    fn from(name: &'static str) -> Subject {
        Subject(name, None)
    }
}

impl From<(&'static str, &'static str)> for Subject {
    fn from((name, code): (&'static str, &'static str)) -> Subject {
        Subject(name, Some(code))
    }
}

impl Checks {
    fn add(
        &mut self,
        status: Status,
        subject: impl Into<Subject>,
        message: impl Into<String>,
        mend: Option<String>,
    ) {
        let Subject(name, code) = subject.into();
        self.0.push(Check {
            code: code.map_or_else(|| name.replace([' ', '-'], "_"), str::to_owned),
            name: name.to_owned(),
            status,
            message: message.into(),
            mend,
        });
    }

    fn ok(&mut self, name: &'static str, message: impl Into<String>) {
        self.add(Status::Ok, name, message, None);
    }

    fn warn(&mut self, name: impl Into<Subject>, message: impl Into<String>, mend: impl Into<String>) {
        self.add(Status::Warn, name, message, Some(mend.into()));
    }

    fn fail(&mut self, name: impl Into<Subject>, message: impl Into<String>, mend: impl Into<String>) {
        self.add(Status::Fail, name, message, Some(mend.into()));
    }

    fn error(&mut self, name: &'static str, error: SetupError) {
        match error {
            SetupError::Config(text) => self.add(Status::Fail, name, text, None),
            SetupError::Refused { message, mend, .. } => self.add(Status::Fail, name, message, mend),
        }
    }

    /// A failure of our own queries is a failed check as well.
    fn try_add(&mut self, name: &'static str, result: Result<(), SetupError>) {
        if let Err(error) = result {
            self.error(name, error);
        }
    }
}

/// Tests everything, the newest `rows` of each mapped table included.
pub async fn check(config: &Config, rows: u32) -> Vec<Check> {
    let mut found = Checks::default();
    found.ok(
        "config",
        format!(
            "{} holds no mistake that can be told without the database",
            config.source.path.display()
        ),
    );
    if let Some(exposed) = config.exposed() {
        found.warn(("config", "config_readable"), exposed.message, exposed.mend);
    }
    match own_url(config) {
        Ok(url) => with_database(config, &url, rows, &mut found).await,
        Err(error) => found.error("database", error),
    }
    folders::check(config, &mut found);
    deskie::check(config, &mut found).await;
    outside::check(config, &mut found).await;
    found.0
}

async fn with_database(config: &Config, url: &ConnectUrl, rows: u32, found: &mut Checks) {
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
        Err(error) => {
            hosted::provider(url, None, found);
            return found.error("database", hosted::unreachable(url, error));
        }
    };
    let facts = match catalog::server_facts(&client).await {
        Ok(facts) => facts,
        Err(error) => return found.error("database", error.into()),
    };
    found.ok("database", format!("{} answers", url.redacted()));
    hosted::provider(url, facts.provider, found);
    let streaming = match crate::setup::streaming_url(config) {
        Ok(streaming) => streaming,
        Err(error) => return found.error("direct connection", error),
    };
    if config.postgres.replication_url.is_some() {
        for warning in streaming.warnings() {
            let mend = "take the option out of postgres.replication_url";
            found.warn("direct connection", warning.clone(), mend);
        }
    }
    let identity = replication(config, &client, (&streaming, &facts), found).await;
    database::server(config, &facts, found);
    let urls = (url, &streaming);
    found_or(found, "role", database::role(&client, urls, facts.provider).await);
    // Through a pooler each question may be another session's: what it answers says nothing.
    if found.0.iter().any(|check| check.code == "pooler") {
        return;
    }
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
    let messages = mapped.table("message").and_then(|table| table.shape.as_ref());
    astray::late(config, messages, found);
    found_or(found, "keys", mapping::keys(&client, &mapped).await);
    found_or(
        found,
        "clock",
        clock::check(config, &client, url, &mapped, meta.is_some()).await,
    );
    found_or(found, "rows", rows::check(config, &client, &mapped, rows).await);
    let result = trial::write_back(config, url, &options, &mapped, found).await;
    found.try_add("write-back", result);
}

/// So many rows a draft is tried on.
const DRAFT_ROWS: u32 = 200;

/// Tries a mapping that is no config of the connector's yet, over that URL: whether it fits the catalog, and, where asked,
/// whether a reply can be written and comes back as what it is. Nothing is changed.
pub async fn try_draft(config: &Config, url: &ConnectUrl, with_reply: bool) -> Vec<Check> {
    let mut found = Checks::default();
    let session = config.capture.session.iter();
    let options =
        SessionOptions::new("init").with_statements(session.map(|statement| statement.sql.clone()).collect());
    let mapped = match crate::postgres::connect(url, &options).await {
        Ok(client) => mapped::read(&client, config).await.map_err(SetupError::from),
        Err(error) => Err(error.into()),
    };
    match mapped {
        Err(error) => found.error("mapping", error),
        Ok(mapped) => {
            mapping::faults(config, &mapped, &mut found);
            match crate::postgres::connect(url, &options).await {
                Ok(client) => found_or(
                    &mut found,
                    "rows",
                    rows::check(config, &client, &mapped, DRAFT_ROWS).await,
                ),
                Err(error) => found.error("rows", error.into()),
            }
            if with_reply {
                let result = trial::write_back(config, url, &options, &mapped, &mut found).await;
                found.try_add("write-back", result);
            }
        }
    }
    found.0
}

/// What the server says is wrong with the mapping of a draft, each with its mend.
pub async fn draft_faults(
    config: &Config,
    client: &tokio_postgres::Client,
) -> Result<Vec<String>, SetupError> {
    let mapped = mapped::read(client, config).await?;
    let text = |fault: &mapped::MappingFault| match &fault.hint {
        Some(hint) => format!("{}\nhint: {hint}", fault.message),
        None => fault.message.clone(),
    };
    Ok(mapped.faults.iter().map(text).collect())
}

fn found_or(found: &mut Checks, name: &'static str, result: Result<Checks, SetupError>) {
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
    config: &Config,
    client: &tokio_postgres::Client,
    (url, facts): (&ConnectUrl, &catalog::ServerFacts),
    found: &mut Checks,
) -> Option<crate::postgres::replication::SystemIdentity> {
    let identify = async {
        crate::setup::refuse_pgpool(client).await?;
        let mut connection = ReplicationConnection::connect(url, "deskie-cdc check").await?;
        let identity = connection.identify_system().await?;
        connection.close().await;
        crate::setup::same_server(config, facts, &identity)?;
        Ok::<_, Refusal>(identity)
    };
    match identify.await {
        Ok(identity) => {
            let whom = match config.postgres.replication_url {
                Some(_) => format!("{} (postgres.replication_url)", url.user()),
                None => "us".to_owned(),
            };
            found.ok(
                "direct connection",
                format!(
                    "the server replicates to {whom} (system id {})",
                    identity.system_id
                ),
            );
            Some(identity)
        }
        Err(Refusal::Setup(error)) => {
            found.error("direct connection", error);
            None
        }
        Err(Refusal::Replication(error)) => {
            let (subject, text, mend) = match error.not_a_replication_server() {
                true => (
                    Subject("direct connection", Some("pooler")),
                    format!("a connection pooler answers, not the server itself: {error}"),
                    Provider::of_host(&url.host()).map(|provider| provider.direct().to_owned()),
                ),
                false => (Subject("direct connection", None), error.to_string(), None),
            };
            let mend = mend.or_else(|| replication_mend(&error));
            let (text, mend) = of_streaming(config, text, mend);
            found.add(Status::Fail, subject, text, mend);
            None
        }
    }
}
