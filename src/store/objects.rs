//! What stands in our tables, by object. Each has a door on [`Store`], for statements that are a step by themselves, and on
//! [`Step`], for those that are part of a transaction; some have one of them only.
//!
//! An object is nothing but where its statements run: making one costs nothing. Its methods stand in the file of what they
//! are about, which need not be the object's own.

use super::{Step, Store};

macro_rules! objects {
    ($($(#[$told:meta])+ $door:ident: $Object:ident, of $($on:ident)and+;)+) => {$(
        $(#[$told])+
        pub struct $Object<'a, On>(pub(super) &'a On);

        impl<On> Clone for $Object<'_, On> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<On> Copy for $Object<'_, On> {}

        objects!(door $door: $Object, [$($on)+] $(#[$told])+);
    )+};
    (door $door:ident: $Object:ident, [Store Step] $(#[$told:meta])+) => {
        objects!(door $door: $Object, [Store] $(#[$told])+);
        objects!(door $door: $Object, [Step] $(#[$told])+);
    };
    (door $door:ident: $Object:ident, [Store] $(#[$told:meta])+) => {
        impl Store {
            $(#[$told])+
            pub fn $door(&self) -> $Object<'_, Store> {
                $Object(self)
            }
        }
    };
    (door $door:ident: $Object:ident, [Step] $(#[$told:meta])+) => {
        impl<'a> Step<'a> {
            $(#[$told])+
            pub fn $door(&self) -> $Object<'_, Step<'a>> {
                $Object(self)
            }
        }
    };
}

objects! {
    /// The Deskie account that our cases are of (rule 11).
    account: Account, of Store;
    /// How often work on something was begun: counted before the risky part, taken back where it was no matter of it
    /// (rule 19).
    attempts: Attempts, of Store and Step;
    /// `audit`: who did what.
    audit: Audit, of Store;
    /// `birth`: cases born in Deskie on their way to become tickets of the site.
    births: Births, of Store;
    /// `bulk`: large transactions until they are over.
    bulk: Bulk, of Step;
    /// How far capture has come, in this process: what it has read, and what of it is on the server's disk.
    capture: Capture, of Store;
    /// The statuses of tickets and of their cases, as either side last had them.
    case_statuses: CaseStatuses, of Store and Step;
    /// `foreign_case`: cases that we do not know and that say which ticket they are (rule 11).
    claims: Claims, of Store and Step;
    /// `clock`: what is known of `created_at` (rule 22).
    clocks: Clocks, of Store and Step;
    /// `delivery`: the calls to Deskie, in their lanes.
    deliveries: Deliveries, of Store and Step;
    /// What follows a message that Deskie has: its newer text, or a note of what the site did to it.
    edits: Edits, of Store and Step;
    /// `event`: captured changes whose turn comes.
    events: Events, of Store and Step;
    /// Files that travel with deliveries, or behind them.
    files: Files, of Store and Step;
    /// What was not streamed, and its repair (rule 12).
    gap: OpenGap, of Store and Step;
    /// What one flow has just found out and hands to the next, in this process.
    handed: HandedOn, of Store;
    /// `hold`: what a person has to decide before anything goes on (rule 11).
    holds: Holds, of Store;
    /// `inbox`: webhooks, stored before they are answered.
    inbox: Inbox, of Store and Step;
    /// `journal`: the stories of tickets, as lines.
    journal: Journal, of Store and Step;
    /// `key_column`: by which columns the site's rows are known.
    keys: Keys, of Store and Step;
    /// `lease`: who leads (rule 13).
    lease: Lease, of Store;
    /// `link`: the rows of the site that are known, for ever (rule 5).
    links: Links, of Store and Step;
    /// Cases that agents merged, and the tickets that go on in them.
    merges: Merges, of Store;
    /// The one row of `meta`: what our state was made for, and how far it has come.
    meta: MetaRow, of Store;
    /// What `status`, the console and the metrics tell of the whole.
    overview: Overview, of Store;
    /// What waits for a person, of whatever kind: told, tried again, given up (rule 10).
    parked: ParkedItems, of Store;
    /// `parked_event`: captured changes that could not be taken (rule 19).
    parked_events: ParkedEvents, of Store and Step;
    /// `pause`: the directions that a person has paused.
    pauses: Pauses, of Store;
    /// `published`: the mapped tables, as they were seen last.
    published: Published, of Store;
    /// What Deskie has and our own state has forgotten (rule 11).
    recall: Recall, of Store and Step;
    /// `remote`: the messages that stand in Deskie.
    remotes: Remotes, of Store and Step;
    /// `risk`: work that may end the process, durable before it begins (rule 19).
    risks: Risks, of Store;
    /// Deskie's two rules of ours, and how they were heard.
    rules: Rules, of Store;
    /// `sample`: how it was, a row a minute.
    samples: Samples, of Store;
    /// `skipped`: how many rows were passed over, by reason.
    skipped: Skipped, of Store and Step;
    /// `status_write`: the statuses of cases on their way to the site.
    status_writes: StatusWrites, of Store;
    /// `ticket`: the lanes, each with its case.
    tickets: Tickets, of Store and Step;
    /// `trouble`: what is wrong, and was (rule 21).
    troubles: Troubles, of Store;
}
