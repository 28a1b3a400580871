//! deskie-cdc: streams a site's tickets out of Postgres to Deskie, and writes Deskie's answers back.

pub mod capture;
pub mod cli;
pub mod config;
pub mod console;
pub mod deliver;
pub mod deskie;
pub mod lanes;
pub mod mapping;
pub mod model;
pub mod pgoutput;
pub mod postgres;
pub mod receive;
pub mod resolve;
pub mod run;
pub mod sandbox;
pub mod setup;
pub mod store;
pub mod sweep;
pub mod text;
pub mod writeback;
