//! What a config may ask for besides the four flows.

mod alert;
mod born;
mod edits;
mod files;
mod replied_files;
mod status;
