//! What a config may ask for besides the four flows.

mod alert;
mod status;
