//! The connector's own part, with its own user: tables, slot, position (rules 3 and 11).

use std::time::Duration;

use tokio_postgres::Client;

use super::error::SetupError;
use super::{Options, baseline, refuse_pgpool, same_server, streaming_url};
use crate::config::Config;
use crate::model::{CrashPoint, Lsn};
use crate::postgres::catalog::{self, ServerFacts, Slot};
use crate::postgres::replication::{CreatedSlot, ReplicationConnection, ReplicationError, SystemIdentity};
use crate::postgres::{ConnectUrl, Pool, SessionOptions};
use crate::store::{Meta, Store};

/// What became of the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotOutcome {
    /// It was there.
    There,
    /// It was made, for the first time.
    Made,
    /// It was made where an older one was lost: what lies between waits for the repair.
    MadeAfterLoss,
}

/// The slot's name: as configured, else `deskie_cdc_<database>` in the letters that a slot's name may have.
pub fn slot_name(config: &Config, database: &str) -> String {
    match &config.postgres.slot {
        Some(name) => name.clone(),
        None => {
            let plain = |c: char| {
                if c.is_ascii_lowercase() || c.is_ascii_digit() {
                    c
                } else {
                    '_'
                }
            };
            let name: String = database.to_lowercase().chars().map(plain).collect();
            format!("deskie_cdc_{name}").chars().take(63).collect()
        }
    }
}

/// The slot's name where our state knows one: that of this database, whatever the database was called when it was made.
pub(super) async fn slot_name_here(
    config: &Config,
    client: &Client,
    database: &str,
    known: Option<&str>,
) -> Result<String, SetupError> {
    if let (None, Some(known)) = (&config.postgres.slot, known)
        && catalog::slot(client, known)
            .await?
            .is_some_and(|slot| slot.is_this_database)
    {
        return Ok(known.to_owned());
    }
    Ok(slot_name(config, database))
}

/// Why our state belongs to another server or database; `None`: it is this one's, or new.
pub(super) fn foreign(meta: &Meta, identity: &SystemIdentity, database: &str) -> Option<String> {
    match (&meta.system_id, &meta.database) {
        (Some(id), _) if *id != identity.system_id => Some(format!(
            "the connector's state was made on another server (system id {id}, here {}): this is a restore or a clone",
            identity.system_id
        )),
        (_, Some(stored)) if stored != database => Some(format!(
            "the connector's state was made in the database {stored}, and this is {database}: this is a clone"
        )),
        _ => None,
    }
}

/// Our slot, where the database was renamed: a slot belongs to a database whatever its name, and a clone has none of it.
pub(super) async fn renamed(
    client: &Client,
    meta: &Meta,
    identity: &SystemIdentity,
    database: &str,
) -> Result<Option<String>, SetupError> {
    let is_here = meta.system_id.as_ref() == Some(&identity.system_id);
    let is_other = meta.database.as_deref().is_some_and(|stored| stored != database);
    let Some(slot) = meta.slot.as_ref().filter(|_| is_here && is_other) else {
        return Ok(None);
    };
    let found = catalog::slot(client, slot).await?;
    Ok(found
        .filter(|found| found.is_this_database)
        .map(|found| found.name))
}

/// Makes tables, slot and position. `renew`: a publication was made just now, so a slot from before is stuck.
pub(super) async fn prepare(
    config: &Config,
    url: &ConnectUrl,
    facts: &ServerFacts,
    options: &Options,
    renew: bool,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(String, SlotOutcome), SetupError> {
    let client = crate::postgres::connect(url, &SessionOptions::new("setup")).await?;
    refuse_pgpool(&client).await?;
    let session = SessionOptions::new("setup").committing_here();
    let pool = Pool::new(url.clone(), session, 2)?;
    let store = Store::new(pool, &config.postgres.schema);
    make_tables(&store, &config.postgres.schema, say).await?;
    let streaming = streaming_url(config)?;
    let of_streaming = |error: SetupError| error.of_streaming(config);
    let mut replication = ReplicationConnection::connect(&streaming, "deskie-cdc setup")
        .await
        .map_err(|error| of_streaming(error.into()))?;
    let identity = replication
        .identify_system()
        .await
        .map_err(|error| of_streaming(error.into()))?;
    same_server(config, facts, &identity)?;
    let mut meta = store.meta().read().await?;
    // As the role that may make and drop a slot.
    let client = crate::postgres::connect(&streaming, &SessionOptions::new("setup"))
        .await
        .map_err(|error| of_streaming(error.into()))?;
    follow_rename(&store, &client, &mut meta, &identity, facts, say).await?;
    let foreign = foreign(&meta, &identity, &facts.database);
    if let Some(why) = &foreign {
        adopt(&store, why, options, say).await?;
    }
    let name = match (&config.postgres.slot, &meta.slot, &meta.database) {
        // It keeps its name where the database gets another one.
        (None, Some(slot), Some(database)) if *database == facts.database && foreign.is_none() => {
            slot.clone()
        }
        _ => slot_name(config, &facts.database),
    };
    let now = ours(catalog::slot(&client, &name).await?, &name)?;
    let making = Making {
        config,
        url,
        facts,
        store: &store,
        client: &client,
        identity: &identity,
        name: &name,
        is_foreign: foreign.is_some(),
        is_fresh: meta.captured_lsn.is_none(),
        is_unnoted: baseline::is_wanted(config, &meta),
        meta: &meta,
        renew,
    };
    if let Some(slot) = &now
        && making.goes_on(slot, say).await?
    {
        return Ok((name, SlotOutcome::There));
    }
    let outcome = making.make(replication, options.slot_wait, say).await?;
    Ok((name, outcome))
}

async fn make_tables(
    store: &Store,
    schema: &str,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), SetupError> {
    match store.migrate().await? {
        0 => say(&format!("state: the tables in {schema} are there")),
        steps => say(&format!(
            "state: made the tables in {schema} ({steps} {})",
            if steps == 1 { "step" } else { "steps" }
        )),
    }
    Ok(())
}

/// The database has another name now: our state goes on in it, from the slot that is its own.
async fn follow_rename(
    store: &Store,
    client: &Client,
    meta: &mut Meta,
    identity: &SystemIdentity,
    facts: &ServerFacts,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), SetupError> {
    let Some(slot) = renamed(client, meta, identity, &facts.database).await? else {
        return Ok(());
    };
    let former = meta.database.replace(facts.database.clone()).unwrap_or_default();
    let timeline = meta.timeline.unwrap_or_else(|| timeline(identity));
    store
        .meta()
        .set_server(&identity.system_id, timeline, &facts.database, &slot)
        .await?;
    say(&format!(
        "renamed: the database {former} is called {} now; it goes on from its slot {slot}",
        facts.database
    ));
    Ok(())
}

/// Our state was made for another server or database (`why`): only a person's word makes it this one's.
async fn adopt(
    store: &Store,
    why: &str,
    options: &Options,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), SetupError> {
    if !options.adopt {
        return Err(SetupError::with(
            format!(
                "{why}. Nothing is sent from here, so that no customer gets a message twice or from a test"
            ),
            "if this database is to take over, run `deskie-cdc setup --adopt`; if it is a copy for tests, drop the \
             connector's state in it: `deskie-cdc uninstall`",
        ));
    }
    // Its tables were made anew, with the same rows: other oids say nothing here.
    store.keys().adopt().await?;
    say(&format!("adopted: {why}, and may send now"));
    Ok(())
}

/// A slot that is not made by then has to wait, and that is said.
const MAKING_SHOWS: Duration = Duration::from_secs(3);

/// A slot that is to be there, and what is known before.
struct Making<'a> {
    config: &'a Config,
    url: &'a ConnectUrl,
    facts: &'a ServerFacts,
    store: &'a Store,
    /// As the role that may make and drop a slot.
    client: &'a Client,
    identity: &'a SystemIdentity,
    meta: &'a Meta,
    name: &'a str,
    /// Our state is of another server or database.
    is_foreign: bool,
    /// Nothing was ever captured.
    is_fresh: bool,
    /// What stands in lists is still to be noted.
    is_unnoted: bool,
    /// A publication was made just now, so a slot from before is stuck.
    renew: bool,
}

impl Making<'_> {
    /// Goes on from the slot that is there. False: nothing can, so it was dropped.
    async fn goes_on(&self, slot: &Slot, say: &mut (dyn FnMut(&str) + Send)) -> Result<bool, SetupError> {
        let name = self.name;
        // One whose making was cut off: where it will stand, and whether there is a gap, is known once it is done.
        if let Some(pid) = slot
            .active_pid
            .filter(|_| slot.confirmed_flush.is_none() && !slot.is_lost())
        {
            return Err(SetupError::with(
                format!(
                    "the slot {name} is still being made by the process {pid}, which waits for open transactions to end"
                ),
                "end the transactions that have been open for long: select pid, xact_start, query from pg_stat_activity \
                 order by xact_start",
            ));
        }
        let position = self.meta.captured_lsn.filter(|_| !self.is_foreign);
        // What stands in lists is noted with the slot's own snapshot: a first run that did not come to it begins anew.
        let unfinished = self.is_unnoted && self.is_fresh;
        let stale = slot.is_lost() || self.renew || self.is_foreign || unfinished;
        if !stale && (position.is_some() || slot.confirmed_flush.is_some()) {
            self.keep(slot, position, say).await?;
            return Ok(true);
        }
        if let Some(pid) = slot.active_pid {
            return Err(SetupError::with(
                format!("the slot {name} has to be made anew, but the process {pid} is using it"),
                "stop the connector, then run setup again",
            ));
        }
        catalog::slot_drop(self.client, name).await?;
        let why = if slot.invalidation_reason.as_deref() == Some("idle_timeout") {
            "it had stood idle for too long (idle_replication_slot_timeout)"
        } else if slot.is_lost() {
            "the server had thrown its WAL away"
        } else if unfinished {
            "what stood in lists at its start was not noted"
        } else if self.renew {
            "it was older than its publication and could never have gone on"
        } else {
            "it was another database's past"
        };
        say(&format!("slot {name}: dropped, since {why}"));
        Ok(false)
    }

    /// The slot goes on: what its position and the server's timeline tell is written down.
    async fn keep(
        &self,
        slot: &Slot,
        position: Option<Lsn>,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), SetupError> {
        let (name, store) = (self.name, self.store);
        if let (None, Some(confirmed)) = (position, slot.confirmed_flush) {
            // The run that made it did not come to writing it down.
            self.note_server().await?;
            store.meta().set_position(confirmed).await?;
        } else if self.meta.slot.as_deref() != Some(name) {
            return Err(other_slot(self.meta, name));
        } else if let (Some(position), Some(confirmed)) = (position, slot.confirmed_flush)
            && confirmed > position
        {
            // We acknowledge only what is stored, so somebody else has moved it, or made it anew.
            store.gap().open(confirmed).await?;
            store.holds().suspect_copy().await?;
            let why = match self.has_new_timeline() {
                true => "the promoted server lacks the last of our state",
                false => "somebody moved it",
            };
            say(&format!(
                "gap: the slot {name} stands at {confirmed}, and capture had come to {position} only: {why}. What lies \
                 between is brought in by a look through the tables"
            ));
        }
        if self.has_new_timeline() {
            say(&format!(
                "failover: the server is on timeline {} now",
                self.identity.timeline
            ));
            store.holds().suspect_copy().await?;
            self.note_server().await?;
        }
        if self.is_unnoted {
            baseline::note(self.config, self.url, store, None, say).await?;
        }
        say(&format!("slot {name}: there"));
        Ok(())
    }

    /// Makes the slot; where one was lost, what lies between is a gap.
    async fn make(
        &self,
        mut replication: ReplicationConnection,
        slot_wait: Duration,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<SlotOutcome, SetupError> {
        let (name, store) = (self.name, self.store);
        if !self.is_fresh && !self.is_foreign && self.has_new_timeline() {
            say(&format!(
                "failover: the server is on timeline {} now, and the slot did not come along",
                self.identity.timeline
            ));
        }
        let made = {
            let making = create(&mut replication, self.client, self.facts, name, slot_wait);
            tokio::pin!(making);
            match tokio::time::timeout(MAKING_SHOWS, &mut making).await {
                Ok(made) => made,
                Err(_) => {
                    say(&format!(
                        "slot {name}: is being made, which waits for the transactions of the server that are open to end"
                    ));
                    making.await
                }
            }
        };
        let made = made.map_err(|error| error.of_streaming(self.config))?;
        CrashPoint::SlotMade.reached();
        let consistent = made.consistent_point;
        if self.is_unnoted {
            baseline::note(self.config, self.url, store, made.snapshot.as_deref(), say).await?;
        }
        replication.close().await;
        if self.is_foreign && !self.is_fresh {
            void_transactions(store, say).await?;
        }
        self.note_server().await?;
        if self.is_fresh {
            store.meta().set_position(consistent).await?;
            say(&format!("slot {name}: made, streams from {consistent} on"));
            return Ok(SlotOutcome::Made);
        }
        store.gap().open(consistent).await?;
        if !self.is_foreign {
            // A backup of the server's files has no slot: if Deskie has more of ours than we know, another server is at
            // work.
            store.holds().suspect_copy().await?;
        }
        CrashPoint::GapStored.reached();
        let from = self.meta.captured_lsn.unwrap_or_default();
        say(&format!("slot {name}: made anew at {consistent}"));
        say(&format!(
            "gap: the former slot was lost; what the site wrote between {from} and {consistent} was not streamed. It is \
             written down, and the repair brings those rows in by a look through the tables"
        ));
        Ok(SlotOutcome::MadeAfterLoss)
    }

    fn has_new_timeline(&self) -> bool {
        self.meta
            .timeline
            .is_some_and(|known| known != timeline(self.identity))
    }

    /// Writes down which server our state belongs to.
    async fn note_server(&self) -> Result<(), SetupError> {
        let timeline = timeline(self.identity);
        Ok(self
            .store
            .meta()
            .set_server(
                &self.identity.system_id,
                timeline,
                &self.facts.database,
                self.name,
            )
            .await?)
    }
}

/// A transaction id of another server means nothing here.
async fn void_transactions(store: &Store, say: &mut (dyn FnMut(&str) + Send)) -> Result<(), SetupError> {
    store.gap().void_xids().await?;
    say(
        "transactions: those of the former server tell nothing here; which rows are new is decided by created_at and by the \
         greatest keys",
    );
    Ok(())
}

fn timeline(identity: &SystemIdentity) -> i32 {
    i32::try_from(identity.timeline).unwrap_or(i32::MAX)
}

/// A slot of that name that is not ours is nothing to touch (rule 3).
pub(super) fn ours(slot: Option<Slot>, name: &str) -> Result<Option<Slot>, SetupError> {
    let Some(slot) = slot else { return Ok(None) };
    if let Some(other) = slot.database.as_ref().filter(|_| !slot.is_this_database) {
        return Err(SetupError::with(
            format!("the slot {name} belongs to the database {other}; it is left alone"),
            "name another slot with [postgres] slot",
        ));
    }
    if slot.plugin.as_deref() != Some("pgoutput") {
        let what = slot
            .plugin
            .as_deref()
            .map_or("is a physical slot".into(), |plugin| {
                format!("uses the plugin {plugin}")
            });
        return Err(SetupError::with(
            format!("the slot {name} {what}, so it is not the connector's; it is left alone"),
            "name another slot with [postgres] slot",
        ));
    }
    Ok(Some(slot))
}

fn other_slot(meta: &Meta, name: &str) -> SetupError {
    let former = meta.slot.clone().unwrap_or_default();
    SetupError::with(
        format!(
            "the connector's state goes on from the slot {former}, but [postgres] slot names {name}, which exists"
        ),
        format!("name {former} again, or drop {name} first: select pg_drop_replication_slot('{name}')"),
    )
}

async fn create(
    replication: &mut ReplicationConnection,
    client: &Client,
    facts: &ServerFacts,
    name: &str,
    limit: Duration,
) -> Result<CreatedSlot, SetupError> {
    let failover = facts.major() >= 17;
    let made = match replication.create_slot(name, failover, limit, Some(client)).await {
        Err(error) if error.sqlstate() == Some("42501") => return Err(right_refused(error, client).await),
        // Services that are no Postgres all the way down may not know the option.
        Err(ReplicationError::Server { error, .. })
            if failover && ["0A000", "42601", "22023"].contains(&error.code.as_str()) =>
        {
            replication.create_slot(name, false, limit, Some(client)).await
        }
        other => other,
    };
    Ok(made?)
}

/// Which right the server misses, of which it has one code for several.
async fn right_refused(error: ReplicationError, client: &Client) -> SetupError {
    let user = client.query_one("select current_user::text", &[]).await;
    let why = match user.and_then(|row| row.try_get::<_, String>(0)) {
        Ok(user) => catalog::stream_refused(client, &user).await,
        Err(error) => Err(error),
    };
    match why {
        Ok(Some((what, mend))) => SetupError::with(format!("{error}: {what}"), mend),
        Ok(None) | Err(_) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_slot_is_named_after_its_database() {
        let text = deskie_cdc_sandbox::sample_site::config(&deskie_cdc_sandbox::sample_site::Places {
            database_url: "postgres://a@localhost/site".into(),
            deskie_url: "http://127.0.0.1:1".into(),
            staff_email: "a@example.com".into(),
            api_key: "k".into(),
            listen: "127.0.0.1:1".into(),
            admin_listen: "127.0.0.1:2".into(),
            webhook_secret: "s".repeat(20),
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        let config = crate::config::Config::load(&path, &|_| None).unwrap();
        assert_eq!(super::slot_name(&config, "site"), "deskie_cdc_site");
        assert_eq!(super::slot_name(&config, "My-Shop é"), "deskie_cdc_my_shop__");
        assert_eq!(super::slot_name(&config, &"x".repeat(80)).len(), 63);
    }
}
