//! What the connector asks the server, by the server's own log.

use std::collections::BTreeMap;
use std::fmt;

use super::{Building, Stage};

/// Begins each line of the log, and the name of the session follows.
const PREFIX: &str = "asked|%a|";

/// The statements of our sessions, in order: which session, and the statement on one line.
#[derive(Debug, Default)]
pub struct Asked(pub Vec<(String, String)>);

impl Building {
    /// The server writes down each statement.
    pub fn asked(self) -> Building {
        self.server("log_statement", "all")
            .server("log_line_prefix", PREFIX)
    }
}

impl Stage {
    /// What our sessions have asked since the start.
    pub fn asked(&self) -> Asked {
        let log = std::fs::read(self.site.cluster.log_file()).expect("the server's log");
        let mut asked: Vec<(String, String)> = Vec::new();
        let mut is_open = false;
        for line in String::from_utf8_lossy(&log).lines() {
            let Some(line) = line.strip_prefix("asked|") else {
                // The rest of a statement.
                if let Some((_, sql)) = asked.last_mut().filter(|_| is_open) {
                    sql.push(' ');
                    sql.push_str(line.trim());
                }
                continue;
            };
            let (session, said) = line.split_once('|').expect("a session");
            let sql = said.strip_prefix("LOG:  ").and_then(|said| {
                let executed = said
                    .strip_prefix("execute ")
                    .and_then(|said| said.split_once(": "));
                executed
                    .map(|(_, sql)| sql)
                    .or_else(|| said.strip_prefix("statement: "))
            });
            is_open = sql.is_some() && session.starts_with("deskie-cdc ");
            if let Some(sql) = sql.filter(|_| is_open) {
                let role = session.split(' ').nth(1).unwrap_or_default();
                asked.push((role.to_owned(), sql.to_owned()));
            }
        }
        Asked(asked)
    }

    /// What was asked after an earlier look.
    pub fn asked_since(&self, before: &Asked) -> Asked {
        let mut asked = self.asked();
        asked.0.drain(..before.0.len());
        asked
    }
}

impl Asked {
    /// How many statements that are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Without those that are asked all the time, whatever happens: the leader's beats, the
    /// minute's figures, and what pushes a log along that a busy machine is slow to write.
    pub fn without_beats(mut self) -> Asked {
        let is_beat = |role: &str, sql: &str| {
            role == "leader" || sql.contains("deskie_cdc_mark") || sql.starts_with("with minute as")
        };
        self.0.retain(|(role, sql)| !is_beat(role, sql));
        self
    }
}

/// A table: how often, in which session, which statement.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counted: BTreeMap<(&str, String), usize> = BTreeMap::new();
        for (role, sql) in &self.0 {
            let line: Vec<&str> = sql.split_whitespace().collect();
            let line: String = line.join(" ").chars().take(150).collect();
            *counted.entry((role, line)).or_default() += 1;
        }
        for ((role, sql), count) in counted {
            writeln!(f, "{count:>4}  {role:<10}  {sql}")?;
        }
        Ok(())
    }
}
