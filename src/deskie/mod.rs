//! Deskie's API: wire types, client, headers, and what an answer means. It knows nothing of tables and tickets.
//!
//! The facts come from a dossier of public sources, because no live account was at hand; a tag says how far each is
//! to be trusted: `[D]` documented by the vendor, `[C]` seen in client code, `[W]` weak, `[I]` inferred. What is read
//! is therefore read tolerantly, and what is uncertain counts as uncertain: [`CallError::outcome`] is the heart.
//!
//! - `json`: PURE, bytes → JSON, however it comes; what one odd entry would spoil for its page is mended here.
//! - `wire`, `entity`: PURE, JSON → cases, messages, users.
//! - `request`: PURE, new cases and messages → JSON or form.
//! - `error`: PURE, status and body → value, refusal or doubt (rule 9).
//! - `kept`: PURE, an answer that refused → what a person is shown of it.
//! - [`webhook`]: PURE, an incoming body → what it says.
//! - `client`, `file`: the only files that do I/O.
//! - `meter`: the account's budget, shared by all who call.
//! - `pages`: a page of a list, or all of it but the entry that spoils it.
//!
//! Invariant: no key and no text of a message is ever part of an error, a log line or a `Debug` form.

mod client;
mod customer;
mod entity;
mod error;
mod file;
mod json;
mod kept;
mod meter;
mod pages;
mod request;
pub mod webhook;
mod webhook_body;
mod wire;

pub use crate::lanes::Outcome;
pub use client::{Answer, Client, ClientError};
pub use customer::Identity;
pub use entity::{Attachment, Case, CustomChannel, CustomField, Label, Message, Staff, Status, User, Writer};
pub use error::{CallError, ErrorKind, Quota};
pub use file::{DeskieFile, FileError};
pub use kept::Kept;
pub use meter::{KeyRefusal, Meter, Reach};
pub use pages::{is_answering, page};
pub use request::{
    Author, CaseQuery, CaseUpdate, Contact, Content, File, NewCase, NewMessage, NewNote, Order, Sort,
};
pub use wire::{Entity, List, Unreadable};
