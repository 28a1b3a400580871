//! Files on their way: those of the site for Deskie, and those of Deskie for the site's folder.
//!
//! A site's file is named by its row ([`Attached::link_key`]) and read right before it is sent, so that it is never
//! part of our state, a row that was deleted meanwhile is not sent, and an address that expires is a fresh one.
//!
//! - `attachments`: `[[attachment]]` compiled for the tables as they are.
//! - `site`: one file by its row. `download`: from an address; `disk`: below a folder.
//! - `keep`: into `[reply] files_dir`.
//! - `address`, `name`, `size`: PURE.
//!
//! Invariant: a file's address, path and content are never part of an error or a log line; a name is.

mod address;
mod attachments;
mod disk;
mod download;
mod keep;
mod name;
mod site;
mod size;

pub use attachments::{Attached, FileRow, load};
pub use download::{Download, Downloader, FetchError};
pub use keep::{forget, keep};
pub use name::{mime as mime_of_name, of_path as name_of_path, safe as safe_name};
pub use site::{Got, SiteFile, SiteFiles};
pub use size::{MAX_FILE, fits};
