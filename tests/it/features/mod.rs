//! What a config may ask for besides the four flows.

mod alert;
mod born;
mod coalesce;
mod copies;
mod edits;
mod odd;
mod status;
