//! A statement over one row, asked of many rows at once: the values of all rows are arrays of texts, and the statement
//! stands behind them as a lateral one, so that each row has its own answer, or none, or several.
//!
//! Our names are such as no mapping has: what the user's SQL mentions is its own row, or a fault as in the statement over
//! one row.

use super::read::Reading;

const ROW: &str = "deskie_cdc_row";
/// Their answers.
const ANSWER: &str = "deskie_cdc_answer";

/// The text of the `n`th value, from 1, of the row that is asked about.
pub(super) fn value(n: usize) -> String {
    format!("{ROW}.deskie_cdc_{n}")
}

/// The statement over many rows: its parameters are an array of texts for each column, its outputs the row's place, from
/// 1, and then those of the statement over one.
pub(super) fn reading(sql: &str, columns: Vec<String>) -> Reading {
    let arrays: Vec<String> = (1..=columns.len())
        .map(|n| format!("pg_catalog.unnest(${n}::pg_catalog.text[])"))
        .collect();
    let names: Vec<String> = (1..=columns.len()).map(|n| format!("deskie_cdc_{n}")).collect();
    Reading {
        sql: format!(
            "select {ROW}.deskie_cdc_place, {ANSWER}.*\nfrom rows from ({}) with ordinality as {ROW} ({}, deskie_cdc_place)\n\
             cross join lateral (\n{sql}) as {ANSWER}",
            arrays.join(", "),
            names.join(", ")
        ),
        columns,
    }
}
