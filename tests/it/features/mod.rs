//! What a config may ask for besides the four flows.

mod alert;
mod born;
mod changed_there;
mod coalesce;
mod copies;
mod edits;
mod file_lists;
mod files;
mod parameters;
mod pause;
mod replied_files;
mod shared_field;
mod status;
mod unusual_writes;
