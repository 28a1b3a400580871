//! What every session of ours sets (rule 4), whoever opens it: ordinary ones, the lease's, the administrator's, and the
//! replication connection. The role, the database or the URL may have set anything; a site's time-out made capture begin
//! anew for ever, and a site's `search_path` lets whoever may create objects in it run code as us.
//!
//! All of it is set once connected, not as start-up options: so it overrides ALTER ROLE and ALTER DATABASE, too. What a
//! server does not have yet is left out by asking that server, not by comparing versions.

use std::time::Duration;

use super::quote::quote_literal;
use super::site;

/// What a connection is for, and its limits.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// One word for `application_name`, which becomes `deskie-cdc <role>`.
    pub role: String,
    /// Which of several instances it is: stands behind the role, so that a standby can end a frozen leader's sessions.
    pub instance: Option<String>,
    /// The longest wait for a lock (default 2 s); `None`: no limit.
    pub lock_timeout: Option<Duration>,
    /// The longest statement (default 30 s); `None`: no limit.
    pub statement_timeout: Option<Duration>,
    /// How long a transaction may stand idle; `None`: no limit. Only what may hold a lock of the site's needs one.
    pub idle_in_transaction_timeout: Option<Duration>,
    /// A commit waits for this server's disk and for no standby.
    pub commits_here: bool,
    /// The user's `[capture] session`, run last.
    pub statements: Vec<String>,
    /// It keeps its settings for [`restore`].
    pub keeps_settings: bool,
}

/// Keeps what a session may set, as it is now.
pub(super) const KEEP_SETTINGS: &str = "SELECT pg_catalog.set_config('deskie_cdc.kept',
        pg_catalog.jsonb_object_agg(s.name, pg_catalog.current_setting(s.name))::pg_catalog.text, false)
    FROM pg_catalog.pg_settings s
    WHERE s.context = 'user' AND s.name <> ALL ('{transaction_isolation,transaction_read_only,transaction_deferrable,
        session_authorization,role,seed}')";

/// Whatever path is in force, each name means ours. (IS DISTINCT FROM would find its `=` by the path.) A time-out that somebody
/// has set may end it: that is an error like any other.
const RESTORE: &str = "SELECT pg_catalog.set_config(k.key, k.value, false)
    FROM pg_catalog.jsonb_each_text(pg_catalog.current_setting('deskie_cdc.kept')::pg_catalog.jsonb) k
    WHERE pg_catalog.current_setting(k.key, true) OPERATOR(pg_catalog.<>) k.value";

/// Makes a session that keeps its settings ours again: a function of the site's that ran in it may have set anything. One where
/// that fails is not ours any more.
pub async fn restore(client: &tokio_postgres::Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(RESTORE).await
}

impl SessionOptions {
    /// The default limits.
    pub fn new(role: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            instance: None,
            lock_timeout: Some(Duration::from_secs(2)),
            statement_timeout: Some(Duration::from_secs(30)),
            idle_in_transaction_timeout: None,
            commits_here: false,
            statements: Vec::new(),
            keeps_settings: false,
        }
    }

    /// Those of a replication connection: what it waits for, its client bounds.
    pub(super) fn replication() -> Self {
        Self {
            lock_timeout: None,
            statement_timeout: None,
            ..Self::new("")
        }
    }

    /// The same for one of several instances.
    pub fn with_instance(self, instance: &str) -> Self {
        Self {
            instance: Some(instance.to_owned()),
            ..self
        }
    }

    pub(super) fn application_name(&self) -> String {
        application_name(&self.role, self.instance.as_deref())
    }

    /// The same with another limit of statements.
    pub fn with_statement_timeout(self, statement_timeout: Option<Duration>) -> Self {
        Self {
            statement_timeout,
            ..self
        }
    }

    /// The same with a limit of idle transactions.
    pub fn with_idle_in_transaction_timeout(self, limit: Duration) -> Self {
        Self {
            idle_in_transaction_timeout: Some(limit),
            ..self
        }
    }

    /// The same for one that keeps our own state, which survives a crash of the server and waits for no standby.
    ///
    /// Where our stream counts as a standby (`synchronous_standby_names = '*'`) a commit that waits for one waits for the
    /// acknowledgement that comes after it: for ever, and all of the site's with it. A failover to a standby that lacks the
    /// last of these commits is one like any other: the log keeps their order, so all of our state goes back together, and
    /// the intent of each call, before which everything is to be safe, waits for the standbys after all.
    pub fn committing_here(self) -> Self {
        Self {
            commits_here: true,
            ..self
        }
    }

    /// The same with the user's statements.
    pub fn with_statements(self, statements: Vec<String>) -> Self {
        Self { statements, ..self }
    }

    /// The same for one that [`restore`] makes ours again.
    pub fn keeping_its_settings(self) -> Self {
        Self {
            keeps_settings: true,
            ..self
        }
    }

    /// The statements that make a session ours, for one of this `application_name`.
    pub(super) fn sql(&self, application_name: &str) -> String {
        let millis = |limit: Option<Duration>| limit.map_or(0, |limit| limit.as_millis().max(1)).to_string();
        let values: Vec<String> = SETTINGS
            .iter()
            .map(|setting| {
                let value = match setting.value {
                    Value::Fixed(value) => quote_literal(value),
                    Value::Commit if self.commits_here => quote_literal("local"),
                    Value::Commit => COMMIT.to_owned(),
                    Value::ApplicationName => quote_literal(application_name),
                    Value::LockTimeout => quote_literal(&millis(self.lock_timeout)),
                    Value::StatementTimeout => quote_literal(&millis(self.statement_timeout)),
                    Value::IdleInTransaction => quote_literal(&millis(self.idle_in_transaction_timeout)),
                };
                format!("({}, {value})", quote_literal(setting.name))
            })
            .collect();
        // The path first and alone: the rest has operators and types, which it decides about.
        format!(
            "{}; SELECT pg_catalog.set_config(s.name, s.value, false) FROM (VALUES {}) AS s(name, value) \
             WHERE pg_catalog.current_setting(s.name, true) IS NOT NULL",
            site::KEEP,
            values.join(", ")
        )
    }
}

/// `deskie-cdc <role>`, and which of several instances.
pub fn application_name(role: &str, instance: Option<&str>) -> String {
    match instance {
        Some(instance) => format!("deskie-cdc {role} {instance}"),
        None => format!("deskie-cdc {role}"),
    }
}

/// One setting of every session.
pub(super) struct Setting {
    pub(super) name: &'static str,
    value: Value,
    /// The first version that has it, of those that we serve (14 and later).
    #[cfg_attr(not(test), expect(dead_code, reason = "a test holds it to the servers"))]
    pub(super) since: u8,
}

enum Value {
    Fixed(&'static str),
    Commit,
    ApplicationName,
    LockTimeout,
    StatementTimeout,
    IdleInTransaction,
}

/// `remote_apply` is more than `on` and stays.
const COMMIT: &str = "CASE pg_catalog.current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END";

const fn fixed(name: &'static str, value: &'static str) -> Setting {
    set(name, Value::Fixed(value))
}

const fn set(name: &'static str, value: Value) -> Setting {
    Setting {
        name,
        value,
        since: 14,
    }
}

/// The list. `search_path` is set before it, see [`site`]; `row_security` is the site's: `off` makes hidden rows an
/// error, which is louder than what we would set.
pub(super) const SETTINGS: [Setting; 27] = [
    // What is acknowledged has to survive a crash.
    set("synchronous_commit", Value::Commit),
    // Rule 2: our waiting is bounded, and the site's for us; what is longer by nature says so itself.
    set("lock_timeout", Value::LockTimeout),
    set("statement_timeout", Value::StatementTimeout),
    set("idle_in_transaction_session_timeout", Value::IdleInTransaction),
    Setting {
        name: "transaction_timeout",
        value: Value::Fixed("0"),
        since: 17,
    },
    fixed("idle_session_timeout", "0"),
    // A client that the network has swallowed lets go of its locks and its snapshot within half a minute, not hours.
    fixed("tcp_keepalives_idle", "10"),
    fixed("tcp_keepalives_interval", "5"),
    fixed("tcp_keepalives_count", "3"),
    // Each step begins as it was written: at READ COMMITTED, and able to write.
    fixed("default_transaction_isolation", "read committed"),
    fixed("default_transaction_read_only", "off"),
    fixed("default_transaction_deferrable", "off"),
    set("application_name", Value::ApplicationName),
    // The text of values: capture's cells are cast back by other sessions.
    fixed("client_encoding", "UTF8"),
    fixed("DateStyle", "ISO, MDY"),
    fixed("TimeZone", "UTC"),
    fixed("IntervalStyle", "postgres"),
    fixed("bytea_output", "hex"),
    fixed("extra_float_digits", "1"),
    fixed("array_nulls", "on"),
    fixed("xmloption", "content"),
    // How our SQL is read.
    fixed("standard_conforming_strings", "on"),
    fixed("quote_all_identifiers", "off"),
    fixed("transform_null_equals", "off"),
    // A bitmap scan of our GIN index must not leave rows out.
    fixed("gin_fuzzy_search_limit", "0"),
    // Our statements are small, and the parallel workers are the site's: a look every second is not to take them.
    fixed("jit", "off"),
    fixed("max_parallel_workers_per_gather", "0"),
];
