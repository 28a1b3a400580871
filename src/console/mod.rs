//! The admin port: health, metrics, and one page for people (contract: "Admin port").
//!
//! - [`vital`]: what the running parts say of themselves; [`Vital::judge`] makes "ready" of it.
//! - [`report`]: what the database says of our state; `status` shows the same.
//! - [`troubles`]: what is looked for and told; the table of troubles has it.
//! - `guard`: who may ask, and who may change things.
//! - `metrics`: both as Prometheus text; `page`: both as HTML.
//!
//! Invariants: the page works without JavaScript and loads nothing; nothing is changed without the admin token; no
//! body of a message is ever shown; everything that is shown is escaped.

mod guard;
mod metrics;
mod page;
pub mod report;
mod routes;
pub mod troubles;
pub mod vital;

pub use metrics::install_recorder;
pub use page::budget_text;
pub use report::{BudgetReport, Items, Report};
pub use routes::{Console, router};
pub use vital::{DeskieState, Flow, Role, Vital};
