//! Making, checking and removing what the connector needs in the database.
//!
//! [`prepare`] is idempotent and has two parts. The administrator's (role, schema, rights, publications) is planned from
//! the live catalog and either carried out or printed; the connector's own (tables, slot, position) is always done by
//! its own user. Publications come before the slot: a slot that is older than its publication is stuck for ever.
//!
//! Invariants: the site's tables, rows and rights of others are never changed; a slot of another database is never
//! touched; no password is printed, or sent to the server other than as its verifier.

mod admin;
mod attached;
mod baseline;
mod bind;
mod blame;
mod check;
mod compare;
mod error;
mod mapped;
mod named;
mod needs;
mod neighbour;
mod own;
mod publication;
mod uninstall;
mod watch;
mod written;

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Client;

pub use bind::note_mapped;
pub use check::{Check, Status, check, draft_faults, sample_parameters, try_draft};
pub use error::SetupError;
pub use own::{SlotOutcome, slot_name};
pub use publication::publications;
pub use uninstall::{Removal, removal, removal_sql, uninstall};
pub use watch::{Published, look_at_publications};

use crate::config::{Config, Span};
use crate::mapping::lexer;
use crate::postgres::catalog::{self, ServerFacts};
use crate::postgres::replication::SystemIdentity;
use crate::postgres::{ConnectUrl, Provider, SessionOptions};

/// How [`prepare`] goes about it.
#[derive(Debug, Clone)]
pub struct Options {
    /// This database is a restore or a clone, and may send (rule 11).
    pub adopt: bool,
    /// What became of the numbers of the site's rows, where their keys were made anew.
    pub rekey: Option<Rekey>,
    /// The mapping means the columns that are there now.
    pub remap: bool,
    /// How long the slot's creation may wait for open transactions.
    pub slot_wait: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            adopt: false,
            rekey: None,
            remap: false,
            slot_wait: Duration::from_secs(30),
        }
    }
}

/// What a person says of keys that were made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Rekey {
    /// The rows have kept their numbers.
    Same,
    /// The rows were numbered anew: what is known by the former numbers is known no more.
    Anew,
}

/// What [`prepare`] left behind.
#[derive(Debug, Clone)]
pub struct Report {
    /// The slot.
    pub slot: String,
    /// What became of it.
    pub outcome: SlotOutcome,
}

/// The config's database.
pub(crate) fn own_url(config: &Config) -> Result<ConnectUrl, SetupError> {
    let postgres = &config.postgres;
    parsed_url(config, &postgres.url, &postgres.url_span)
}

/// The same database as the role that streams: that of `replication_url` where there is one. It alone makes, reads and
/// drops the slot.
pub(crate) fn streaming_url(config: &Config) -> Result<ConnectUrl, SetupError> {
    let own = own_url(config)?;
    let Some(address) = &config.postgres.replication_url else {
        return Ok(own);
    };
    let url = parsed_url(config, &address.url, &address.span)?;
    if url.database() != own.database() {
        let why = format!(
            "`postgres.replication_url` leads to the database {}, `postgres.url` to {}",
            url.database(),
            own.database()
        );
        let fault = config.fault(
            &address.span,
            why,
            Some("name the same database in both".to_owned()),
        );
        return Err(SetupError::Config(fault.to_string()));
    }
    Ok(url)
}

/// Two URLs that lead to two servers would stream what is not written to the tables here.
pub(super) fn same_server(
    config: &Config,
    facts: &ServerFacts,
    identity: &SystemIdentity,
) -> Result<(), SetupError> {
    match &facts.system_id {
        Some(own) if config.postgres.replication_url.is_some() && *own != identity.system_id => {
            Err(SetupError::with(
                format!(
                    "postgres.url leads to the server {own} (system id), postgres.replication_url to {}",
                    identity.system_id
                ),
                "name the same server in both",
            ))
        }
        _ => Ok(()),
    }
}

fn parsed_url(config: &Config, text: &SecretString, span: &Span) -> Result<ConnectUrl, SetupError> {
    ConnectUrl::parse(text.expose_secret())
        .map_err(|error| SetupError::Config(config.fault(span, error.to_string(), None).to_string()))
}

/// Makes what is missing; `say` hears one line for each thing made or found.
pub async fn prepare(
    config: &Config,
    admin_url: Option<&ConnectUrl>,
    options: &Options,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Report, SetupError> {
    let url = own_url(config)?;
    let (client, facts) = reach(config, &url, admin_url).await?;
    if let Some((what, mend)) = unfit(&facts) {
        return Err(SetupError::with(what, mend));
    }
    // Before anything is made: the publications may be the other one's as well.
    let known = neighbour::own_slot(config, &client, &facts.database).await?;
    neighbour::refuse(config, &client, &facts.database, known.as_deref()).await?;
    let mapped = read_mapping(&client, config, admin_url.is_some()).await?;
    let had_publications = has_publications(&client, config).await?;
    let urls = (&url, &streaming_url(config)?);
    let steps = admin::plan(&client, config, urls, &mapped).await?;
    admin::carry_out(&client, &steps, admin_url.is_some(), say).await?;
    drop(client);
    let (slot, outcome) = own::prepare(config, &url, &facts, options, !had_publications, say).await?;
    bind::settle(config, &url, options, say).await?;
    Ok(Report { slot, outcome })
}

/// The connector's own part alone, at each start: a slot that is gone, or whose WAL the server has thrown away, is made
/// anew, and what it would have brought is noted as a gap. Refuses on a restore or a clone (rule 11).
pub async fn keep_slot(
    config: &Config,
    url: &ConnectUrl,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Report, SetupError> {
    let client = crate::postgres::connect(url, &SessionOptions::new("start")).await?;
    let facts = catalog::server_facts(&client).await?;
    drop(client);
    if let Some((what, mend)) = unfit(&facts) {
        let error = SetupError::with(what, mend);
        // A standby is promoted, or another server answers.
        return Err(match facts.in_recovery {
            true => error.of_the_way_there(),
            false => error,
        });
    }
    let (slot, outcome) = own::prepare(config, url, &facts, &Options::default(), false, say).await?;
    Ok(Report { slot, outcome })
}

/// The administrator's part as SQL; nothing is changed.
pub async fn administrator_sql(
    config: &Config,
    admin_url: Option<&ConnectUrl>,
) -> Result<String, SetupError> {
    let url = own_url(config)?;
    let (client, facts) = reach(config, &url, admin_url).await?;
    let mapped = read_mapping(&client, config, admin_url.is_some()).await?;
    let urls = (&url, &streaming_url(config)?);
    let steps = admin::plan(&client, config, urls, &mapped).await?;
    let notes: Vec<String> = unfit(&facts)
        .into_iter()
        .map(|(what, mend)| format!("BEFORE ALL ELSE: {what}: {mend}"))
        .collect();
    Ok(admin::printed(config, urls, &steps, &notes))
}

/// A connection for the administrator's part.
async fn reach(
    config: &Config,
    url: &ConnectUrl,
    admin_url: Option<&ConnectUrl>,
) -> Result<(Client, ServerFacts), SetupError> {
    let client = crate::postgres::connect(admin_url.unwrap_or(url), &SessionOptions::new("setup")).await?;
    let facts = catalog::server_facts(&client).await?;
    if let Some(admin) = admin_url
        && admin.database() != url.database()
    {
        return Err(SetupError::with(
            format!(
                "--admin-url leads to the database {}, postgres.url to {}",
                admin.database(),
                url.database()
            ),
            "name the same database in both",
        ));
    }
    if admin_url.is_some() {
        // Names without a schema mean what they will mean to the connector's user.
        let path = admin::search_path(&client).await?;
        crate::postgres::site::set_path(&client, &path).await?;
    }
    // The mapping's own functions; what else `session` says is for the connector's connections alone.
    for statement in &config.capture.session {
        match lexer::makes_session_function(&statement.sql) {
            true => crate::postgres::site::batch(&client, &statement.sql).await?,
            false => tracing::debug!(statement = statement.sql, "setup does not run [capture] session"),
        }
    }
    Ok((client, facts))
}

async fn read_mapping(
    client: &Client,
    config: &Config,
    by_administrator: bool,
) -> Result<mapped::Mapped, SetupError> {
    let mut mapped = mapped::read(client, config).await?;
    // Before the rights are granted the connector's own user may not see everything.
    if by_administrator || mapped.faults.iter().any(|fault| !fault.not_the_config) {
        mapped
            .faults
            .retain(|fault| by_administrator || !fault.not_the_config);
    } else {
        mapped.faults.clear();
    }
    match mapped.faults.is_empty() {
        true => Ok(mapped),
        false => Err(SetupError::Config(mapped.faults_text(config))),
    }
}

async fn has_publications(client: &Client, config: &Config) -> Result<bool, SetupError> {
    for name in publications(config) {
        if catalog::publication(client, &name).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a person is told of a standby's slot that holds up the stream.
pub fn standby_trouble(name: &str, is_there: bool) -> (String, String) {
    let what = match is_there {
        true => "its standby is away",
        false => "there is no such slot of a standby",
    };
    (
        format!(
            "synchronized_standby_slots names {name}, and {what}: the server holds back all changes of the site until it has \
             them, and their WAL with them"
        ),
        format!(
            "bring that standby back, or take {name} out of synchronized_standby_slots (alter system set \
             synchronized_standby_slots = '…') and select pg_reload_conf()"
        ),
    )
}

/// Why commits wait for our stream as for a standby, and the mend; `names`: `synchronous_standby_names`.
pub fn stream_awaited(names: &str) -> Option<(String, String)> {
    names.contains('*').then(|| {
        (
            format!(
                "synchronous_standby_names is `{names}`, and `*` is whoever streams, we as well: the site's commits wait for us as \
                 for a standby, and are on no other server when they return"
            ),
            "name the standbys in synchronous_standby_names; Patroni writes `*` where synchronous_mode_strict is on and no \
             standby is left: bring one back, or turn that off"
                .to_owned(),
        )
    })
}

/// pgpool-II lets commands through and no stream.
pub(super) async fn refuse_pgpool(client: &Client) -> Result<(), SetupError> {
    match catalog::is_pgpool(client).await? {
        false => Ok(()),
        true => Err(SetupError::with(
            "pgpool-II answers, not the server itself: it lets the commands of replication through, but not the stream",
            "use the direct connection string of the database in postgres.url, not pgpool's",
        )
        .of_the_way_there()),
    }
}

/// Where `wal_level` is raised.
const WAL_LEVEL_MEND: &str = "alter system set wal_level = 'logical'; then restart the server (it cannot be changed \
    while it runs); under Patroni, whose command line wins over that: patronictl edit-config -p wal_level=logical, then \
    patronictl restart; where it is hosted: docs/providers.md";

/// Why the server cannot serve, and the mend.
pub(super) fn unfit(facts: &ServerFacts) -> Option<(String, String)> {
    if facts.major() < 14 {
        return Some((
            format!("this is PostgreSQL {}; 14 or newer is needed", facts.version),
            "upgrade the server: pgoutput's messages, which keep our own writes apart, came with 14".into(),
        ));
    }
    if facts.in_recovery {
        return Some((
            "this server is a standby, which can neither be written to nor hold the slot".into(),
            "name the primary in postgres.url (several hosts with target_session_attrs=read-write find it by themselves)"
                .into(),
        ));
    }
    if facts.wal_level != "logical" {
        return Some((
            format!(
                "wal_level is {}, so that no change can be streamed",
                facts.wal_level
            ),
            facts.provider.map_or(WAL_LEVEL_MEND, Provider::logical).into(),
        ));
    }
    if facts.wal_senders.0 == 0 {
        return Some((
            "max_wal_senders is 0, so that no change can be streamed".into(),
            "raise max_wal_senders (alter system set max_wal_senders = 10) and restart the server".into(),
        ));
    }
    facts.plugins_without_ours.as_deref().map(catalog::plugin_refused)
}
