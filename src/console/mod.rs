//! The admin port: health, metrics, and one page for people (contract: "Admin port").
//!
//! - [`vital`]: what the running parts say of themselves; [`Vital::judge`] makes "ready" of it.
//! - [`report`]: what the database says of our state; `status` shows the same.
//! - [`troubles`]: what is looked for and told; the table of troubles has it.
//! - `guard`: who may ask, and who may change things.
//! - `session`: who is logged in.
//! - `metrics`: both as Prometheus text.
//! - `pages`: the console's addresses; `live`: how they renew themselves; `acts`: those that change something; `search`: a ticket and its story; `page`: the frame of each, `view` and `item`: what stands on them, `chart`: the charts;
//!   `words`: all words, in each language.
//!
//! Invariants: the pages work without a script and load nothing from elsewhere; nothing is changed, and no text or address of
//! a customer's shown, without the admin token; everything that is shown is escaped.

mod acts;
mod chart;
mod guard;
mod item;
mod live;
mod metrics;
mod page;
mod pages;
pub mod report;
mod routes;
mod search;
mod session;
pub mod troubles;
mod view;
pub mod vital;
mod words;

pub use metrics::install_recorder;
pub use report::{BudgetReport, Items, Report, budget_text};
pub use routes::{Console, router};
pub use vital::{DeskieState, Flow, Role, Vital};
