//! Work that may end the process: that it is begun is durable before it begins (rule 19).

use super::{Store, StoreError};

impl Store {
    /// Notes that a piece of risky work begins; how often it has begun without an end, this time included.
    pub async fn risk_begin(&self, kind: &str, key: &str) -> Result<i32, StoreError> {
        let sql = "insert into {s}.risk as r (kind, key) values ($1, $2)
            on conflict (kind, key) do update set begun = r.begun + 1, at = clock_timestamp()
            returning begun";
        let rows = self.query(sql, &[&kind, &key]).await?;
        Ok(rows.first().map_or(1, |row| row.get(0)))
    }

    /// It has ended, well or not.
    pub async fn risk_end(&self, kind: &str, key: &str) -> Result<(), StoreError> {
        let sql = "delete from {s}.risk where kind = $1 and key = $2";
        self.execute(sql, &[&kind, &key]).await?;
        Ok(())
    }
}
