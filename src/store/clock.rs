//! What is known of `created_at`: how far it lies from the commit in rows whose INSERT was streamed (rule 22).

use super::{Clocks, Step, Store, StoreError, word};
use crate::model::row_clock::REMEMBERED;
use crate::model::{RowClock, Section, Seen, TroubleKind};
use crate::postgres::quote_ident;
use crate::postgres::shape::CreatedAtTypes;

/// What is known of a section's `created_at`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedAt {
    pub section: Section,
    /// How it is mapped.
    pub expression: String,
    /// Its type has a time zone.
    pub zoned: bool,
    /// Seconds from it to the commit, the newest first.
    pub lags: Vec<f64>,
    /// The transaction of the newest.
    pub last_xid: Option<u64>,
    /// How many seconds ago that one was looked at.
    pub sampled_ago: Option<f64>,
}

/// Once enough is known a further row is looked at so often, in seconds.
const AGAIN_AFTER: f64 = 60.0;

impl CreatedAt {
    /// What it is worth.
    pub fn clock(&self) -> RowClock {
        RowClock::of(self.zoned, &self.lags)
    }

    /// As it has to be written within an expression: a name alone is a column of the section's own row, whatever its letters are and
    /// whatever is joined; in an expression it has to be quoted, and to say whose it is.
    fn spelled(&self) -> String {
        let text = self.expression.trim();
        let is_name = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
        if !is_name {
            return text.to_owned();
        }
        let alias = match self.section {
            Section::Ticket => "t",
            Section::Message => "m",
            Section::Attachment => "a",
        };
        let is_plain = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        match is_plain {
            true => format!("{alias}.{text}"),
            false => format!("{alias}.{}", quote_ident(text)),
        }
    }

    /// Whether a row of this transaction is to be looked at.
    pub fn wants(&self, xid: u64) -> bool {
        self.last_xid != Some(xid)
            && (self.lags.len() < REMEMBERED || self.sampled_ago.is_none_or(|ago| ago > AGAIN_AFTER))
    }

    /// A row of this transaction was looked at: so far lies its `created_at` from its commit. True where that says anything.
    pub fn note(&mut self, lag: f64, xid: u64) -> bool {
        self.last_xid = Some(xid);
        if !RowClock::is_telling(lag) {
            return false;
        }
        self.lags.insert(0, lag);
        self.lags.truncate(REMEMBERED);
        self.sampled_ago = Some(0.0);
        true
    }

    /// What is wrong with it, and the mend. `zone`: that of the database's sessions, and its seconds from UTC.
    pub fn trouble(&self, zone: Option<&(String, f64)>) -> (String, String) {
        let (section, rows) = (self.section.as_str(), self.lags.len());
        let zoned = |zone: &str| {
            let expression = format!("{} at time zone '{zone}'", self.spelled());
            format!("created_at = {}", toml::Value::String(expression))
        };
        let span = |lag: f64| format!("{:#}", jiff::SignedDuration::from_secs(lag as i64));
        match self.clock() {
            RowClock::Right => (format!("[{section}] created_at is right"), String::new()),
            RowClock::Off(lag) => {
                let side = if lag < 0 { "ahead of" } else { "behind" };
                let known = zone.filter(|(_, offset)| (offset + lag as f64).abs() < 1.0);
                let known = known.map_or("the zone that the site writes in", |(name, _)| name.as_str());
                let mend = match self.zoned {
                    true => "its type has a time zone, so that the expression turns it wrongly: mend that"
                        .to_owned(),
                    false => {
                        format!("it holds local time: write {}", zoned(known))
                    }
                };
                let by = span(lag.unsigned_abs() as f64);
                let trouble = format!(
                    "[{section}] created_at is {by} {side} the commit in the last {rows} new rows, and is corrected by that"
                );
                (trouble, mend)
            }
            RowClock::Unproven => {
                // A column that bears it in its name is hardly in another one.
                let name = self.expression.to_lowercase();
                let own = match name.contains("gmt") || name.contains("utc") {
                    true => "UTC",
                    false => zone.map_or("UTC", |(name, _)| name.as_str()),
                };
                let trouble = format!(
                    "[{section}] created_at has no time zone, and too few new rows were seen to tell which one the site \
                     writes in: until then it does not tell new rows from old ones"
                );
                let mend = format!(
                    "say it: {}, if the site writes in the database's own zone; many frameworks write in 'UTC'",
                    zoned(own)
                );
                (trouble, mend)
            }
            RowClock::Erratic => {
                let least = self.lags.iter().copied().fold(f64::INFINITY, f64::min);
                let most = self.lags.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let trouble = format!(
                    "[{section}] created_at is not when a row was made: in the last {rows} new rows it lay from {} to {} \
                     before the commit, so that it does not tell new rows from old ones",
                    span(least),
                    span(most)
                );
                let mend = "map the column that the INSERT fills, or leave created_at out".to_owned();
                (trouble, mend)
            }
        }
    }
}

impl Clocks<'_, Store> {
    /// How the mapping has it now; what was learned of another expression is forgotten.
    pub async fn declare(self, types: &CreatedAtTypes) -> Result<(), StoreError> {
        let sql = "insert into {s}.clock as c (section, expression, zoned) values ($1, $2, $3)
            on conflict (section) do update set expression = excluded.expression, zoned = excluded.zoned, lags = '{}',
                last_xid = null, sampled_at = null
                where c.expression <> excluded.expression or c.zoned <> excluded.zoned";
        for (section, mapped) in types {
            let section = section.as_str();
            match mapped {
                Some((expression, zoned)) => self.0.execute(sql, &[&section, expression, zoned]).await?,
                None => {
                    let sql = "delete from {s}.clock where section = $1";
                    self.0.execute(sql, &[&section]).await?
                }
            };
        }
        Ok(())
    }

    /// What is known.
    pub async fn all(self) -> Result<Vec<CreatedAt>, StoreError> {
        let sql = "select section, expression, zoned, lags, last_xid::text,
                extract(epoch from clock_timestamp() - sampled_at)::float8 as sampled_ago from {s}.clock order by section desc";
        let read = |row: &tokio_postgres::Row| {
            Ok(CreatedAt {
                section: word(row, "section")?,
                expression: row.get("expression"),
                zoned: row.get("zoned"),
                lags: row.get("lags"),
                last_xid: row
                    .get::<_, Option<&str>>("last_xid")
                    .and_then(|xid| xid.parse().ok()),
                sampled_ago: row.get("sampled_ago"),
            })
        };
        self.0.query(sql, &[]).await?.iter().map(read).collect()
    }

    /// The zone that sessions of this database have, where they set none themselves, and its seconds from UTC now.
    pub async fn zone(self) -> Result<Option<(String, f64)>, StoreError> {
        let sql = "select reset_val as name, extract(epoch from (now() at time zone reset_val) - (now() at time zone 'UTC'))::float8 as away
            from pg_catalog.pg_settings where name = 'TimeZone'";
        let rows = self.0.query(sql, &[]).await?;
        Ok(rows.first().map(|row| (row.get("name"), row.get("away"))))
    }

    /// Which `created_at` is not what it seems, as the rows of late show, and how to say in the config what it is.
    pub async fn troubles(self) -> Result<Vec<Seen>, StoreError> {
        let mut clocks = self.all().await?;
        clocks.retain(|known| matches!(known.clock(), RowClock::Off(_) | RowClock::Erratic));
        if clocks.is_empty() {
            return Ok(Vec::new());
        }
        let zone = self.zone().await?;
        let told = |known: &CreatedAt| {
            let (trouble, mend) = known.trouble(zone.as_ref());
            let text = format!("{trouble}; {mend}");
            Seen::of(TroubleKind::ClockUntrusted, known.section.as_str(), text)
        };
        Ok(clocks.iter().map(told).collect())
    }
}

impl Clocks<'_, Step<'_>> {
    /// What is known of a clock after further rows.
    pub async fn set(self, known: &CreatedAt) -> Result<(), StoreError> {
        let sql = "update {s}.clock set lags = $2, last_xid = $3::text::xid8, sampled_at = clock_timestamp() where section = $1";
        let last_xid = known.last_xid.map(|xid| xid.to_string());
        self.0
            .execute(sql, &[&known.section.as_str(), &known.lags, &last_xid])
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mend_is_an_expression_that_the_config_takes() {
        for (section, expression, written) in [
            (
                Section::Message,
                "created_at",
                "created_at = \"m.created_at at time zone 'UTC'\"",
            ),
            (
                Section::Ticket,
                "CreatedUtc",
                "t.\"CreatedUtc\" at time zone 'UTC'",
            ),
            (
                Section::Message,
                "to_timestamp(m.made)",
                "to_timestamp(m.made) at time zone 'UTC'",
            ),
        ] {
            let known = CreatedAt {
                section,
                expression: expression.to_owned(),
                zoned: false,
                lags: Vec::new(),
                last_xid: None,
                sampled_ago: None,
            };
            let (_, mend) = known.trouble(None);
            assert!(mend.contains(written), "{mend}");
            let start = mend.find("created_at = ").unwrap();
            let line = mend[start..].split(", if the site").next().unwrap();
            line.parse::<toml::Table>().unwrap();
        }
    }
}
