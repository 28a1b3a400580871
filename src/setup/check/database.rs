//! The server, the role, our schema, the publications and the slot.

use tokio_postgres::Client;

use super::super::named;
use super::{Check, Checks, Status};
use crate::config::{Config, OnMaxWal};
use crate::postgres::catalog::{self, ServerFacts};
use crate::postgres::replication::SystemIdentity;
use crate::postgres::{ConnectUrl, Pool, Provider, SessionOptions, qualified, quote_ident};
use crate::setup::error::{ASK_ADMINISTRATOR, SetupError};
use crate::setup::mapped::Mapped;
use crate::setup::publication::{self, publications as publication_names};
use crate::setup::{neighbour, own, stream_awaited, unfit};
use crate::store::{Meta, Store};

pub(super) fn server(config: &Config, facts: &ServerFacts, found: &mut Checks) {
    kept(config, facts, found);
    match unfit(facts) {
        Some((what, mend)) => found.fail("server", what, mend),
        None => found.ok(
            "server",
            format!("PostgreSQL {}, wal_level is logical", facts.version),
        ),
    }
    if let Some((what, mend)) = stream_awaited(&facts.synchronous_standby_names) {
        found.warn("server", what, mend);
    }
}

/// What the server itself keeps of the WAL for a slot that nobody reads.
fn kept(config: &Config, facts: &ServerFacts, found: &mut Checks) {
    const LEAST: u64 = 1_000_000_000;
    let setting = facts.max_slot_wal_keep_size.as_str();
    match facts.max_slot_wal_keep_bytes {
        None if config.capture.on_max_wal == OnMaxWal::Warn => found.warn(
            ("server", "wal_kept_without_bound"),
            "max_slot_wal_keep_size is -1: while the connector is stopped its slot may fill the server's disk",
            "alter system set max_slot_wal_keep_size = '20GB' (or what the disk has to spare) and select pg_reload_conf(); what is \
             lost then is repaired. [capture] on_max_wal = \"drop_slot\" holds only while the connector runs",
        ),
        Some(bytes) if bytes < LEAST => found.warn(
            ("server", "wal_kept_too_little"),
            format!("max_slot_wal_keep_size is {setting}: a stop of the connector of minutes may lose the slot"),
            "raise it to some GB: a slot that is lost is repaired, which takes a scan of the tables",
        ),
        _ => {}
    }
}

/// The role that reads and writes, and that which streams, which may be the same.
pub(super) async fn role(
    client: &Client,
    (url, streaming): (&ConnectUrl, &ConnectUrl),
    provider: Option<Provider>,
) -> Result<Checks, SetupError> {
    let mut found = Checks::default();
    let role = catalog::current_role(client).await?;
    let login = streaming.user();
    let streams = login == url.user();
    let row = attributes(client, login).await?;
    let (replication, superuser) = row.unwrap_or_default();
    if row.is_none() {
        found.fail(
            "role",
            format!("the role {login} of postgres.replication_url is not there"),
            "run `deskie-cdc setup --admin-url URL`, which makes it",
        );
    } else if !replication {
        found.fail(
            "role",
            format!("{login} may not replicate"),
            provider.or(Provider::of_host(&url.host())).map_or_else(
                || format!("alter role {} replication", quote_ident(login)),
                |provider| provider.replication(&quote_ident(login)),
            ),
        );
    }
    if !streams {
        if superuser {
            found.warn(
                "role",
                format!("{login} is a superuser, which streaming does not need"),
                "name a user of its own in postgres.replication_url, then `deskie-cdc setup --admin-url URL`",
            );
        }
        // Whatever `[capture] session` makes of it: a trigger may take the session's own role back.
        if let Some((true, false)) = attributes(client, url.user()).await? {
            let own = url.user();
            found.warn(
                "role",
                format!("{own} may replicate, which it does not need beside {login}: a trigger of the site's may, too, then"),
                format!(
                    "run `deskie-cdc setup --admin-url URL` with a superuser, or: alter role {} noreplication",
                    quote_ident(own)
                ),
            );
        }
    }
    if role.superuser {
        found.warn(
            "role",
            format!("{} is a superuser, which the connector does not need", role.name),
            "make it a user of its own: name another user in postgres.url, then `deskie-cdc setup --admin-url URL`",
        );
    } else if replication && streams {
        found.ok("role", format!("{} is no superuser and may replicate", role.name));
    } else if replication {
        found.ok(
            "role",
            format!("{} is no superuser; {login} may replicate", role.name),
        );
    }
    Ok(found)
}

/// Whether a role may replicate, and whether it is a superuser; `None`: there is no such role.
async fn attributes(client: &Client, role: &str) -> Result<Option<(bool, bool)>, SetupError> {
    // On Amazon RDS a membership stands for the attribute.
    let sql = "SELECT r.rolreplication OR r.rolsuper OR EXISTS (SELECT FROM pg_catalog.pg_roles AS m \
          WHERE m.rolname = 'rds_replication' AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')), r.rolsuper \
        FROM pg_catalog.pg_roles AS r WHERE r.rolname = $1::pg_catalog.text";
    let row = client.query_opt(sql, &[&role]).await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// Our schema, its tables, and whether they belong to this server.
pub(super) async fn state(
    config: &Config,
    client: &Client,
    url: &ConnectUrl,
    identity: Option<&SystemIdentity>,
    facts: &ServerFacts,
) -> Result<(Vec<Check>, Option<Meta>), SetupError> {
    let mut found = Checks::default();
    let schema = &config.postgres.schema;
    let setup = "run `deskie-cdc setup`";
    if catalog::may_schema(client, schema, "USAGE").await?.is_none() {
        found.fail("state", format!("the schema {schema} is not there"), setup);
        return Ok((found.0, None));
    }
    // With the user itself, not with what [capture] session makes of it.
    let store = Store::new(Pool::new(url.clone(), SessionOptions::new("check"), 1)?, schema);
    if !store.is_set_up().await? {
        found.fail(
            "state",
            format!("the schema {schema} does not hold the connector's tables"),
            setup,
        );
        return Ok((found.0, None));
    }
    let meta = store.meta().read().await?;
    let mut foreign = None;
    if let Some(identity) = identity
        && own::renamed(client, &meta, identity, &facts.database)
            .await?
            .is_none()
    {
        foreign = own::foreign(&meta, identity, &facts.database);
    }
    held(config, &store, &mut found).await?;
    match foreign {
        Some(why) => found.fail(
            "state",
            format!("{why}; nothing is sent"),
            "if this database is to take over: `deskie-cdc setup --adopt`",
        ),
        None => found.ok(
            "state",
            format!("the connector's tables are in the schema {schema}"),
        ),
    }
    if let Some(crate::store::Gap { from, .. }) = store.gap().read().await? {
        found.warn(
            "state",
            format!("a slot was lost; rows since {from} that were not streamed wait for the repair"),
            "nothing: the connector repairs it",
        );
    }
    Ok((found.0, Some(meta)))
}

/// What a person has to decide, and what the next start will find.
async fn held(config: &Config, store: &Store, found: &mut Checks) -> Result<(), SetupError> {
    let (holds, here) = (store.holds().all().await?, config.deskie.account());
    for why in &holds {
        found.fail(
            "held",
            why.clone(),
            "see docs/bound.md for what each decision means",
        );
    }
    if !holds.is_empty() {
        return Ok(());
    }
    if let Some(what) = store.keys().changed("%").await? {
        found.fail(
            "held",
            format!("{what}: unless the rows have certainly kept their numbers, nothing is sent or written"),
            "start the connector, which compares them, or say it: `deskie-cdc setup --rekey same`, or `anew`",
        );
    }
    if let Some(what) = named::changed(config, store).await? {
        found.fail(
            "held",
            format!("{what}: nothing is sent or written by it"),
            "name the right column in the config; or, if the mapping means the one that is there now, `deskie-cdc setup --remap`",
        );
    }
    if let Some(noted) = store.account().noted().await?.filter(|noted| *noted != here)
        && store.account().matters().await?
    {
        found.warn(
            "account",
            format!("[deskie] url leads to {here}, and the connector's cases are of {noted}"),
            "nothing, if it is the same account: its cases prove it at the start; else see docs/bound.md",
        );
    }
    Ok(())
}

pub(super) async fn publications(
    config: &Config,
    client: &Client,
    mapped: &Mapped,
) -> Result<Checks, SetupError> {
    let mut found = Checks::default();
    let [main, inserts] = publication_names(config);
    for (name, for_inserts) in [(&main, false), (&inserts, true)] {
        let quoted = quote_ident(name);
        let Some(now) = catalog::publication(client, name).await? else {
            let message = format!("the publication {name} is not there");
            found.fail(
                "publication",
                message,
                format!("run `deskie-cdc setup`, or {ASK_ADMINISTRATOR}"),
            );
            continue;
        };
        let before = found.0.len();
        for (what, mend) in publication::wrong(&now, for_inserts) {
            found.fail("publication", format!("the publication {name} {what}"), mend);
        }
        for table in mapped
            .captured()
            .iter()
            .filter(|table| table.has_identity() != for_inserts)
        {
            if !publication::takes(&now, table) {
                found.fail(
                    "publication",
                    format!("the table {} is not in the publication {name}", table.table.name),
                    format!(
                        "alter publication {quoted} add table {}",
                        qualified(&table.table.name)
                    ),
                );
            }
        }
        if !for_inserts {
            for refused in catalog::publication_refuses(client, name, &inserts).await? {
                let table = &refused.what;
                found.fail(
                    "publication",
                    format!(
                        "the server refuses the site's own UPDATE and DELETE on {}, which the publication {name} carries: {}",
                        table.table, table.why
                    ),
                    format!("{}; or {}", refused.statements, table.mend()),
                );
            }
        }
        if found.0.len() == before {
            let without = mapped
                .captured()
                .into_iter()
                .filter(|table| for_inserts && !table.has_identity());
            for table in without {
                found.warn(
                    "publication",
                    format!(
                        "of {} the INSERTs alone are streamed: {}; edits and deletions on the site are not seen",
                        table.table.name,
                        table.lacks()
                    ),
                    table.unidentified.first().map(catalog::Unidentified::mend).unwrap_or_default()
                        + ", then `deskie-cdc setup`",
                );
            }
            let streamed = mapped.captured().into_iter();
            for table in streamed.filter(|table| !for_inserts && table.has_identity()) {
                let partly = catalog::partly_full(client, table.table.oid).await?;
                if let Some(first) = partly.first() {
                    found.warn(
                        "publication",
                        format!(
                            "REPLICA IDENTITY FULL of {} does not hold for {} of its partitions ({first}): of a row that is \
                             changed or deleted there the key alone is streamed",
                            table.table.name,
                            partly.len()
                        ),
                        format!(
                            "alter table {} replica identity full, likewise each other partition and each new one",
                            qualified(first)
                        ),
                    );
                }
            }
            let names: Vec<String> = now.streams.iter().map(|(_, name)| name.to_string()).collect();
            let of = if names.is_empty() {
                "no table".to_owned()
            } else {
                names.join(", ")
            };
            let what = if for_inserts { "INSERTs of " } else { "" };
            found.ok("publication", format!("{name} publishes {what}{of}"));
        }
    }
    Ok(found)
}

pub(super) async fn slot(
    config: &Config,
    client: &Client,
    facts: &ServerFacts,
    meta: Option<&Meta>,
) -> Result<Checks, SetupError> {
    let mut found = Checks::default();
    let known = meta.and_then(|meta| meta.slot.as_deref());
    let name = own::slot_name_here(config, client, &facts.database, known).await?;
    let slot = own::ours(catalog::slot(client, &name).await?, &name)?;
    neighbour::refuse(config, client, &facts.database, known).await?;
    if facts.is_patronis {
        let database = &facts.database;
        found.warn(
            ("slot", "slot_of_patroni"),
            format!(
                "Patroni manages this server: it drops a slot that it does not know once nobody streams from it, and the \
                 slot {name} does not survive a switchover unless it stands in Patroni's `slots:` (or is synchronised, by \
                 sync_replication_slots on each standby, and left alone by Patroni's `ignore_slots:`)"
            ),
            format!(
                "if it does not stand there yet: patronictl edit-config -s 'slots.{name}.type=logical' \
                 -s 'slots.{name}.database={database}' -s 'slots.{name}.plugin=pgoutput'; what is lost without it is \
                 repaired from the tables"
            ),
        );
    }
    match &slot {
        None => {
            let lost = meta.is_some_and(|meta| meta.captured_lsn.is_some());
            let what = if lost {
                "was lost: rows since then are brought in by the repair"
            } else {
                "is not there"
            };
            found.fail(
                "slot",
                format!("the slot {name} {what}"),
                "run `deskie-cdc setup`",
            );
            if facts.slots.1 >= facts.slots.0 {
                found.fail(
                    "slot",
                    format!("all {} slots of the server are taken", facts.slots.0),
                    "raise max_replication_slots and restart, or drop a slot that nobody uses (select slot_name, active \
                     from pg_replication_slots)",
                );
            }
        }
        Some(slot) if slot.is_lost() => {
            let (what, mend) = match slot.invalidation_reason.as_deref() {
                Some("idle_timeout") => (
                    "nobody streamed from it for longer than idle_replication_slot_timeout",
                    "start the connector, which makes it anew and repairs the gap; keep it running, or set \
                     idle_replication_slot_timeout = 0",
                ),
                Some("wal_level_insufficient") => (
                    "wal_level was lowered",
                    "set wal_level = logical and restart the server; then start the connector",
                ),
                _ => (
                    "the server has thrown its WAL away (max_slot_wal_keep_size)",
                    "run `deskie-cdc setup`; raise max_slot_wal_keep_size",
                ),
            };
            found.fail("slot", format!("the slot {name} was lost: {what}"), mend);
        }
        Some(slot) => {
            let held = u64::try_from(slot.held_bytes.unwrap_or(0)).unwrap_or(0);
            let megabytes = held / 1_000_000;
            if held > config.capture.max_wal {
                let then = match config.capture.on_max_wal {
                    OnMaxWal::Warn => "start the connector, or drop the slot with `deskie-cdc uninstall`",
                    OnMaxWal::DropSlot => "start the connector; while it runs it drops the slot",
                };
                found.add(
                    Status::Warn,
                    "slot",
                    format!("the slot {name} holds {megabytes} MB of WAL, more than [capture] max_wal"),
                    Some(then.to_owned()),
                );
            } else {
                let user = match slot.active_pid {
                    Some(pid) => format!("in use by the process {pid}"),
                    None => "not in use".to_owned(),
                };
                found.ok(
                    "slot",
                    format!("{name} is there, {user}, holds {megabytes} MB of WAL"),
                );
            }
        }
    }
    for (standby, is_there) in catalog::standbys_waited_for(client, &name).await? {
        let (what, mend) = crate::setup::standby_trouble(&standby, is_there);
        found.fail("slot", what, mend);
    }
    let in_use = slot.is_some_and(|slot| slot.active_pid.is_some());
    if facts.wal_senders.1 >= facts.wal_senders.0 && !in_use {
        found.fail(
            "wal senders",
            match facts.wal_senders.0 {
                0 => "max_wal_senders is 0: the server takes no connection for replication".to_owned(),
                all => format!("all {all} wal senders of the server are taken"),
            },
            "alter system set max_wal_senders = 10, or more than now, and restart the server",
        );
    }
    Ok(found)
}
