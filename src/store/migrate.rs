//! Our schema's tables, made and brought up to date from `sql/`.

use tokio_postgres::error::SqlState;

use super::{Store, StoreError};

/// The steps, in order; a step that was released is never changed.
const STEPS: [&str; 6] = [
    include_str!("../../sql/0001_state.sql"),
    include_str!("../../sql/0026_hidden.sql"),
    include_str!("../../sql/0027_answer.sql"),
    include_str!("../../sql/0030_console.sql"),
    include_str!("../../sql/0036_behind.sql"),
    include_str!("../../sql/0037_story.sql"),
];

/// The names of our tables and functions, for removing them where the schema is not ours alone.
pub fn own_objects() -> (Vec<&'static str>, Vec<&'static str>) {
    let named = |prefix: &'static str| {
        let name = move |line: &'static str| {
            line.strip_prefix(prefix)?
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        };
        STEPS.iter().flat_map(|step| step.lines()).filter_map(name)
    };
    (
        named("create table {schema}.").chain(["migration"]).collect(),
        named("create function {schema}.").collect(),
    )
}

impl Store {
    /// Makes what is missing. The schema itself must be there, and ours to create in. Returns the steps taken.
    pub async fn migrate(&self) -> Result<usize, StoreError> {
        let mut client = self.client().await?;
        let create = "create table if not exists {s}.migration (step integer primary key, at timestamptz default now(), version text)";
        if let Err(error) = client.batch_execute(&self.sql(create)).await {
            // Another instance may have made it at this moment: the server looks before it waits for that one.
            let is_there = error.code() == Some(&SqlState::UNIQUE_VIOLATION);
            if !is_there {
                return Err(error.into());
            }
        }
        let transaction = client.transaction().await?;
        // Two instances that start together must not both migrate. A lock of our own table, which nobody else may take.
        let lock = "lock table {s}.migration in share row exclusive mode";
        transaction.batch_execute(&self.sql(lock)).await?;
        let done: i64 = transaction
            .query_one(&self.sql("select count(*) from {s}.migration"), &[])
            .await?
            .get(0);
        self.refuse_newer(&*transaction, done).await?;
        let mut taken = 0;
        for (n, step) in STEPS
            .iter()
            .enumerate()
            .skip(usize::try_from(done).unwrap_or(usize::MAX))
        {
            transaction
                .batch_execute(&step.replace("{schema}", self.schema()))
                .await?;
            let number = i32::try_from(n + 1).unwrap_or(i32::MAX);
            transaction
                .execute(
                    &self.sql("insert into {s}.migration (step, version) values ($1, $2)"),
                    &[&number, &env!("CARGO_PKG_VERSION")],
                )
                .await?;
            taken += 1;
        }
        transaction.commit().await?;
        Ok(taken)
    }

    /// Tables that a newer program has made are not understood: which one fits stands in them.
    async fn refuse_newer(
        &self,
        client: &impl tokio_postgres::GenericClient,
        done: i64,
    ) -> Result<(), StoreError> {
        let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
        if done <= known {
            return Ok(());
        }
        let sql = self.sql("select version from {s}.migration order by step desc limit 1");
        let made_by: Option<String> = client.query_one(&sql, &[]).await?.get(0);
        Err(StoreError::Newer {
            schema: self.schema().to_owned(),
            made_by: made_by.unwrap_or_else(|| "a newer version".into()),
        })
    }

    /// Whether `setup` has been run.
    pub async fn is_set_up(&self) -> Result<bool, StoreError> {
        let client = self.client().await?;
        let found: Option<String> = client
            .query_one("select to_regclass($1)::text", &[&self.sql("{s}.migration")])
            .await?
            .get(0);
        if found.is_none() {
            return Ok(false);
        }
        let done: i64 = client
            .query_one(&self.sql("select count(*) from {s}.migration"), &[])
            .await?
            .get(0);
        self.refuse_newer(&**client, done).await?;
        Ok(done >= 1)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_step_can_be_sent_to_a_database_of_any_encoding() {
        for step in super::STEPS {
            let odd = step.lines().find(|line| !line.is_ascii());
            assert_eq!(odd, None);
        }
    }
}
