//! One statement of the mapping over the values of one row, and whose fault it is when the database refuses.
//!
//! A value that a row holds is that row's matter alone; a column that is gone, or a right that was taken, is the
//! mapping's, and stops it as a whole without parking anything; a connection that broke is nobody's. What a SQLSTATE
//! leaves open other rows of the table decide: where one of them can be evaluated now, it is this row (rule 19).
//!
//! After a change of the tables a session is not to be believed: its plans may hold a type that was dropped. Then all
//! sessions are made anew before anything is judged.

use tokio_postgres::types::ToSql;

use super::{Batch, ResolveError};
use crate::decide::Outputs;
use crate::mapping::Shape;
use crate::mapping::shape::quote_ident;
use crate::postgres::{TextParam, describe, is_of_the_server, site};

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nobody's: the connection, the server, a lock.
    Connection,
    /// Perhaps what the session still believes of the tables.
    Stale,
    /// The row's values.
    Row,
    /// The row's, or the mapping's as a whole.
    Open,
}

pub(super) fn fault_of(code: Option<&str>) -> Fault {
    let Some(code) = code else {
        return Fault::Connection;
    };
    match code {
        // A statement that takes too long may be slow for one row only.
        "57014" => Fault::Open,
        "0A000" | "XX000" => Fault::Stale,
        "53200" | "53400" => Fault::Open,
        // A domain's or a function's own rules, an error that a function raises, an external routine.
        "21000" => Fault::Row,
        code if is_of_the_server(code) => Fault::Connection,
        _ => match code.get(..2).unwrap_or_default() {
            "DC" => Fault::Connection,
            "22" | "23" | "2F" | "38" | "39" | "54" | "P0" => Fault::Row,
            _ => Fault::Open,
        },
    }
}

/// So many other rows are asked at most.
const OTHERS: usize = 3;

/// So many rows are asked about together: what is slow for each of them stays within the time of one statement.
const TOGETHER: usize = 500;

/// The rows of texts that a statement gives.
type Rows = Vec<Vec<Option<String>>>;

impl Batch<'_> {
    /// All rows that a statement gives, or why the database refused these values. `of`: a table, and which of its columns
    /// the values are.
    pub(super) async fn ask_all(
        &self,
        sql: &str,
        values: Vec<Option<String>>,
        of: (&Shape, &[String]),
    ) -> Result<Result<Rows, String>, ResolveError> {
        let error = match self.run(sql, &values).await {
            Ok(rows) => return Ok(Ok(rows)),
            Err(error) => error,
        };
        let code = error.code().map(|code| code.code());
        match fault_of(code) {
            // A word in the mapping that is no value of its type any more (a label of an enum) is refused without any row.
            Fault::Row => match site::prepare(&self.site, sql).await {
                Ok(_) => Ok(Err(describe(&error))),
                Err(own) => Err(match fault_of(own.code().map(|code| code.code())) {
                    Fault::Connection => ResolveError::Site(describe(&own)),
                    _ => ResolveError::Mapping(describe(&own)),
                }),
            },
            Fault::Connection => Err(ResolveError::Site(describe(&error))),
            Fault::Stale if !self.is_fresh => Err(ResolveError::Stale(describe(&error))),
            Fault::Stale | Fault::Open => {
                let is_of_mapping = code.is_some_and(|code| code.starts_with("42") || code.starts_with("3F"));
                // A plan of its own: what the catalog refuses by itself no row can help.
                if is_of_mapping && let Err(error) = site::prepare(&self.site, sql).await {
                    return Err(ResolveError::Mapping(describe(&error)));
                }
                if self.is_of_this_row(sql, &values, of).await? {
                    return Ok(Err(describe(&error)));
                }
                Err(match is_of_mapping {
                    true => ResolveError::Mapping(describe(&error)),
                    false => ResolveError::Site(describe(&error)),
                })
            }
        }
    }

    /// What a statement over many rows gives for each of them. Where the database refuses one, what is asked together is
    /// halved until that one is alone; a mapping that it refuses as such is told row by row.
    pub(super) async fn ask_many(
        &self,
        sql: &str,
        columns: usize,
        rows: &[Vec<Option<String>>],
    ) -> Result<Vec<Outputs>, ResolveError> {
        let mut answers = vec![Outputs::NoRow; rows.len()];
        let mut todo: Vec<(usize, usize)> = (0..rows.len())
            .step_by(TOGETHER)
            .map(|from| (from, (from + TOGETHER).min(rows.len())))
            .collect();
        while let Some((from, to)) = todo.pop() {
            let (Some(some), Some(answers)) = (rows.get(from..to), answers.get_mut(from..to)) else {
                continue;
            };
            let error = match self.run_many(sql, columns, some, answers).await {
                Ok(()) => continue,
                Err(error) => error,
            };
            let code = error.code().map(|code| code.code());
            let is_of_mapping = code.is_some_and(|code| code.starts_with("42") || code.starts_with("3F"));
            match fault_of(code) {
                Fault::Connection => return Err(ResolveError::Site(describe(&error))),
                Fault::Stale if !self.is_fresh => return Err(ResolveError::Stale(describe(&error))),
                _ if is_of_mapping || to - from == 1 => {
                    answers.fill(Outputs::Refused(describe(&error)));
                }
                _ => {
                    let middle = from + (to - from) / 2;
                    todo.extend([(from, middle), (middle, to)]);
                }
            }
        }
        Ok(answers)
    }

    async fn run_many(
        &self,
        sql: &str,
        columns: usize,
        rows: &[Vec<Option<String>>],
        answers: &mut [Outputs],
    ) -> Result<(), tokio_postgres::Error> {
        let column = |n: usize| -> Vec<Option<&str>> {
            rows.iter()
                .map(|row| row.get(n).and_then(|cell| cell.as_deref()))
                .collect()
        };
        let arrays: Vec<Vec<Option<&str>>> = (0..columns).map(column).collect();
        let params: Vec<&(dyn ToSql + Sync)> =
            arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
        for row in site::query_cached(&self.site, sql, &params).await? {
            let place = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(usize::MAX);
            let Some(answer) = answers.get_mut(place) else {
                continue;
            };
            *answer = match answer {
                Outputs::NoRow => Outputs::Row(cells(&row).split_off(1)),
                _ => Outputs::SeveralRows,
            };
        }
        Ok(())
    }

    /// Whether another row of the table passes where this one did not; a table without one tells nothing against the
    /// mapping.
    async fn is_of_this_row(
        &self,
        sql: &str,
        values: &[Option<String>],
        (shape, columns): (&Shape, &[String]),
    ) -> Result<bool, ResolveError> {
        // One message of a row that holds many: no other row has the same.
        if values.len() != columns.len() {
            return Ok(true);
        }
        let texts: Vec<String> = columns
            .iter()
            .map(|column| format!("{}::pg_catalog.text", quote_ident(column)))
            .collect();
        let others = format!(
            "select {} from {} limit {}",
            texts.join(", "),
            shape.sql(),
            OTHERS + 1
        );
        let others = match site::query_sql(&self.site, &others, &[]).await {
            Ok(rows) => rows,
            Err(error) => {
                return match fault_of(error.code().map(|code| code.code())) {
                    Fault::Connection => Err(ResolveError::Site(describe(&error))),
                    _ => Ok(false),
                };
            }
        };
        let others = others.iter().map(cells).filter(|other| other != values);
        let mut asked = false;
        for other in others.take(OTHERS) {
            asked = true;
            let Err(error) = self.run(sql, &other).await else {
                return Ok(true);
            };
            match error.code().map(|code| code.code()) {
                // Another row of a kind of its own says nothing against the mapping.
                code if fault_of(code) == Fault::Row => return Ok(true),
                code if fault_of(code) == Fault::Connection => {
                    return Err(ResolveError::Site(describe(&error)));
                }
                Some("57014") => return Ok(false),
                _ => {}
            }
        }
        Ok(!asked)
    }

    async fn run(&self, sql: &str, values: &[Option<String>]) -> Result<Rows, tokio_postgres::Error> {
        let params: Vec<TextParam> = values.iter().cloned().map(TextParam).collect();
        let params: Vec<&(dyn ToSql + Sync)> =
            params.iter().map(|param| param as &(dyn ToSql + Sync)).collect();
        let rows = site::query_cached(&self.site, sql, &params).await?;
        Ok(rows.iter().map(cells).collect())
    }
}

fn cells(row: &tokio_postgres::Row) -> Vec<Option<String>> {
    (0..row.len())
        .map(|n| row.try_get(n).unwrap_or_default())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_errors_has_an_owner() {
        let check = |codes: &[&str], fault: Fault| {
            for code in codes {
                assert_eq!(fault_of(Some(code)), fault, "{code}");
            }
        };
        check(
            &[
                "08006", "57P01", "57P05", "53300", "53100", "40001", "40P01", "55P03", "25006", "25P03",
            ],
            Fault::Connection,
        );
        check(
            &[
                "22012", "22P02", "23514", "P0001", "21000", "54000", "54001", "39000", "38000",
            ],
            Fault::Row,
        );
        check(&["0A000", "XX000"], Fault::Stale);
        check(
            &[
                "42883", "42703", "42501", "3F000", "57014", "53200", "XX001", "F0000", "HV000",
            ],
            Fault::Open,
        );
        assert_eq!(fault_of(None), Fault::Connection);
    }
}
