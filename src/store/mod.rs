//! All SQL on our own schema, by object (`objects` has the list): `store.deliveries().park(…)` by itself, and in a
//! transaction `step.deliveries().add(…)`. The flows meet here and nowhere else.
//!
//! Work is found in the tables, so a restart, a missed signal and the normal case are the same code; [`Wake`] only
//! shortens the wait. Each durable step of the leader checks its epoch in the same transaction ([`Store::step`],
//! rule 13); what receives webhooks does not, since receivers run on all instances.
//!
//! Invariant: nothing here calls Deskie or evaluates a mapping.

mod again;
mod audit;
mod behind;
mod birth;
mod bulk;
mod captured;
mod case_status;
mod clock;
mod coalesce;
mod delivery;
mod delivery_step;
mod durable;
mod edit;
mod event;
mod facts;
mod files;
mod gap;
mod given;
mod handed;
mod heads;
mod heard;
mod hold;
mod ids;
mod inbox;
mod keys;
mod link;
mod merge;
mod meta;
mod migrate;
mod named;
mod objects;
mod parked;
mod parked_event;
mod pause;
mod payload;
mod published;
mod recall;
mod remote;
mod risk;
mod said;
mod sample;
mod search;
mod set;
mod status;
mod story;
mod streamed;
mod ticket;
mod ticket_edit;
mod trouble;
mod unreadable;
mod waiting;

pub use audit::{AuditLine, Done, Via};
pub use birth::Birth;
pub use bulk::Held;
pub use captured::{Captured, Position, TransactionWriter};
pub use case_status::{SeenStatus, StatusKnown, StatusWrite};
pub use clock::CreatedAt;
pub use coalesce::{DROPPED, Follower};
pub use delivery::{Act, Delivery, Intent, NewDelivery, Opening, Resolution, Stray, Unresolved};
pub use delivery_step::{Behind, Sent};
pub use durable::ASYNCHRONOUS;
pub use edit::{FollowUp, LastSent};
pub use event::Event;
pub use facts::{Facts, Round};
pub use files::{FileRef, NewFile, Prepared};
pub use gap::{FoundRow, KnownRow};
pub use handed::WantedRead;
pub use heads::Heads;
pub use heard::RuleHeard;
pub use hold::{Claimed, HoldKind, Witness};
pub use inbox::{InboxKind, InboxRow, InboxState, NewWebhook, Taken};
pub use keys::{KeyColumn, Rekeyed, Rewritten, UNHELD};
pub use link::{Link, LinkState, RowLink};
pub use merge::{Followed, Parent};
pub use meta::{Gap, Meta};
pub use migrate::own_objects;
pub use objects::{
    Account, Attempts, Audit, Births, Bulk, Capture, CaseStatuses, Claims, Clocks, Deliveries, Edits, Events,
    Files, HandedOn, Holds, Inbox, Journal, Keys, Lease, Links, Merges, MetaRow, OpenGap, Overview,
    ParkedEvents, ParkedItems, Pauses, Published, Recall, Remotes, Risks, Rules, Samples, Skipped,
    StatusWrites, Tickets, Troubles,
};
pub use parked::{ItemKind, Parked, ParkedDetail, ParkedId};
pub use parked_event::Place;
pub use pause::{Paused, Way};
pub use payload::{File, Payload};
pub use published::{KnownTable, MappedSince, SeenTable};
pub use recall::{Adopted, Claim};
pub use remote::{Heard, KnownOf, NewRemote, PendingRemote, ReadCase, RemoteState, Written};
pub use risk::{HARMLESS, beside, fingerprints, shown};
pub use sample::{BudgetUse, Sample};
pub use search::FoundTicket;
pub use set::{Asked, Ended, Entered, EnteredHead, Lanes, NewLink, NewRow, Within};
pub use status::{Chapter, Queues, Standing, Told};
pub use story::{Noted, Particulars, Stands};
pub use streamed::MadeBy;
pub use ticket::{SeenCase, Ticket};
pub use ticket_edit::{TicketNote, TicketSent};
pub use trouble::Trouble;
pub use waiting::{Beat, Due, Waiting, Watched};

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

use crate::mapping::shape::quote_ident;
use crate::model::{Epoch, LaneId, Word};
use crate::postgres::{Pool, is_of_the_server};

/// Why a step on our own tables failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection could be had.
    #[error("no connection to the database: {0}")]
    Unavailable(String),
    /// Postgres refused a statement, or the connection broke.
    #[error("{}", crate::postgres::describe(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// A newer program has brought our tables up to date.
    #[error(
        "the tables in {schema} were brought up to date by deskie-cdc {made_by}, and this is {}: run that version, or a newer one",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// Our schema.
        schema: String,
        /// The version.
        made_by: String,
    },
    /// What stands in our tables cannot be read.
    #[error("the connector's own state is damaged: {0}")]
    Damaged(String),
}

impl StoreError {
    /// Whether only this step's own values can be the cause; `None`: a look at the connection decides (rule 19).
    pub fn is_of_the_values(&self) -> Option<bool> {
        match self {
            StoreError::Unavailable(_) | StoreError::Newer { .. } => Some(false),
            StoreError::Damaged(_) => Some(true),
            StoreError::Postgres(error) => match error.code().map(|code| code.code()) {
                None if error.is_closed() => Some(false),
                None => None,
                // Our own tables or rights, another leader, what is held, a server that cannot, or not now.
                Some("DC001" | "DC005") => Some(false),
                Some(code) => {
                    let is_of_ours = ["42", "3F"].iter().any(|class| code.starts_with(class));
                    Some(!is_of_ours && !is_of_the_server(code))
                }
            },
        }
    }

    /// Whether another instance has taken over.
    pub fn lost_leadership(&self) -> bool {
        self.is("DC001")
    }

    /// Whether a person has to decide something before anything goes on (`UNHELD`).
    pub fn is_held(&self) -> bool {
        self.is("DC005")
    }

    fn is(&self, sqlstate: &str) -> bool {
        matches!(self, StoreError::Postgres(error) if error.code().is_some_and(|code| code.code() == sqlstate))
    }

    /// Whether what was to be stored contradicts what is (class 23): it will the next time, too.
    pub fn is_contradiction(&self) -> bool {
        matches!(self, StoreError::Postgres(error) if error.code().is_some_and(|code| code.code().starts_with("23")))
    }
}

/// Rings when there may be work; one that is missed is rung again by the next beat ([`Waiting`]).
#[derive(Debug, Default)]
pub struct Wake {
    /// Events were captured.
    pub events: Notify,
    /// The tables show that something may be there to be resolved.
    pub due_events: Notify,
    /// A lane may have something to send or to read.
    pub lanes: Notify,
    /// Something was handed to the lanes that may begin at once.
    pub handed: Notify,
    /// A reply is expected.
    pub expected: Notify,
    /// A webhook was stored.
    pub inbox: Notify,
    /// A message waits for being written to the site.
    pub remotes: Notify,
    /// The same, of those whose files are fetched first.
    pub files: Notify,
    /// Something was held.
    pub hold: Notify,
    /// Something speaks against Deskie's account being the one that our cases are of.
    pub account: Notify,
}

/// The connector's state in the site's database.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    schema: Arc<str>,
    epoch: Arc<AtomicI64>,
    streamed: Arc<streamed::Progress>,
    durable: Arc<durable::Durable>,
    handed: Arc<handed::Handed>,
    /// The signals between flows.
    pub wake: Arc<Wake>,
}

impl Store {
    /// A store on `schema` (unquoted) through `pool`.
    pub fn new(pool: Pool, schema: &str) -> Store {
        Store {
            pool,
            schema: quote_ident(schema).into(),
            epoch: Arc::new(AtomicI64::new(0)),
            streamed: Arc::default(),
            durable: Arc::default(),
            handed: Arc::default(),
            wake: Arc::default(),
        }
    }

    /// The same state through another pool, so that who reads there takes no connection from the flows.
    pub fn through(&self, pool: Pool) -> Store {
        Store { pool, ..self.clone() }
    }

    /// The schema, quoted.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Our term of office; 0 while we do not lead.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    /// Sets the term of office once it was won.
    pub fn set_epoch(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::SeqCst);
    }

    /// Puts the schema's name in.
    pub fn sql(&self, text: &str) -> String {
        text.replace("{s}", &self.schema)
    }

    /// A connection for our own tables.
    pub async fn client(&self) -> Result<deadpool_postgres::Object, StoreError> {
        self.pool
            .get()
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Lets go of idle connections, which may be dead without having been closed.
    pub fn forget_connections(&self) {
        self.pool.forget_idle();
    }

    /// Runs one statement; rows affected.
    async fn execute(
        &self,
        sql: &str,
        params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(&self.sql(sql)).await?;
        Ok(client.execute(&statement, params).await?)
    }

    /// Runs one query.
    async fn query(
        &self,
        sql: &str,
        params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(&self.sql(sql)).await?;
        Ok(client.query(&statement, params).await?)
    }
}

/// A durable step of the leader: several statements, one transaction, the epoch checked first.
pub struct Step<'a> {
    transaction: deadpool_postgres::Transaction<'a>,
    store: &'a Store,
}

impl Store {
    /// Begins a step on `client`.
    pub async fn step<'a>(
        &'a self,
        client: &'a mut deadpool_postgres::Object,
    ) -> Result<Step<'a>, StoreError> {
        let transaction = client.transaction().await?;
        query_in(&transaction, self.sql("select {s}.fence($1)"), &[&self.epoch().0]).await?;
        Ok(Step {
            transaction,
            store: self,
        })
    }

    /// A step of a command that runs beside the leader: only what is kept apart by unique keys may be done in it.
    pub async fn step_aside<'a>(
        &'a self,
        client: &'a mut deadpool_postgres::Object,
    ) -> Result<Step<'a>, StoreError> {
        let transaction = client.transaction().await?;
        Ok(Step {
            transaction,
            store: self,
        })
    }

    /// The same, and all its statements see the database as the first one does.
    pub async fn step_of_one_view<'a>(
        &'a self,
        client: &'a mut deadpool_postgres::Object,
    ) -> Result<Step<'a>, StoreError> {
        let transaction = client
            .build_transaction()
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
        Ok(Step {
            transaction: transaction.start().await?,
            store: self,
        })
    }
}

impl Step<'_> {
    async fn execute(
        &self,
        sql: &str,
        params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        execute_in(&self.transaction, self.store.sql(sql), params).await
    }

    async fn query(
        &self,
        sql: &str,
        params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        query_in(&self.transaction, self.store.sql(sql), params).await
    }

    /// Makes the step durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }
}

impl Journal<'_, Step<'_>> {
    /// Adds a line to a ticket's story.
    pub async fn add(self, ticket: Option<LaneId>, what: &str, detail: &str) -> Result<(), StoreError> {
        let sql = "insert into {s}.journal (ticket_id, what, detail) values ($1, $2, $3)";
        self.0.execute(sql, &[&ticket, &what, &detail]).await?;
        Ok(())
    }
}

/// What the word in a column stands for.
fn word<T: Word>(row: &tokio_postgres::Row, column: &str) -> Result<T, StoreError> {
    word_or_none(row, column)?.ok_or_else(|| StoreError::Damaged(format!("{column} is null")))
}

/// The same where the column may be null.
fn word_or_none<T: Word>(row: &tokio_postgres::Row, column: &str) -> Result<Option<T>, StoreError> {
    let Some(text) = row.get::<_, Option<&str>>(column) else {
        return Ok(None);
    };
    let known = T::of(text).ok_or_else(|| StoreError::Damaged(format!("{column} is `{text}`")))?;
    Ok(Some(known))
}

/// Puts the schema's name in and runs one statement inside a caller's transaction.
async fn execute_in(
    transaction: &deadpool_postgres::Transaction<'_>,
    sql: String,
    params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<u64, StoreError> {
    let statement = transaction.prepare_cached(&sql).await?;
    Ok(transaction.execute(&statement, params).await?)
}

/// The same for a query.
async fn query_in(
    transaction: &deadpool_postgres::Transaction<'_>,
    sql: String,
    params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<Vec<tokio_postgres::Row>, StoreError> {
    let statement = transaction.prepare_cached(&sql).await?;
    Ok(transaction.query(&statement, params).await?)
}
