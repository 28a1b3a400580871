//! Our schema's tables, made and brought up to date from `sql/`.

use tokio_postgres::error::SqlState;

use super::{Store, StoreError};

/// The steps, in order, each with the SHA-256 of its text: a step that was released is never changed, what is to be
/// different is a step of its own.
const STEPS: [(&str, &str); 16] = [
    (
        include_str!("../../sql/0001_state.sql"),
        "456b873c130b92fc44b5af35f7b94cb3ac8feaffbedc1d8c4a8afb373a00fc0b",
    ),
    (
        include_str!("../../sql/0026_hidden.sql"),
        "07c75432e3696134ccfe27128ef36fb8785d95df30999fbcf364244c6d1bed35",
    ),
    (
        include_str!("../../sql/0027_answer.sql"),
        "ddb773dd12ff51b374e3e8f7dbe71a97e25bd8133439b60932b9b992f15995fd",
    ),
    (
        include_str!("../../sql/0030_console.sql"),
        "62d7a9dae8380b0c2b4e6dd270192e5360dcd3f136d4bc141abe04a219405368",
    ),
    (
        include_str!("../../sql/0036_behind.sql"),
        "9dce263b620a1c62c45df39abd79064d64ed46fa7ef6f5aeafb20921b673b859",
    ),
    (
        include_str!("../../sql/0037_story.sql"),
        "8e35c828d688a4a658377266819c027c34aec8158a0cffb55998f56948b78d34",
    ),
    (
        include_str!("../../sql/0038_explained.sql"),
        "47702f72683a1c35abca5067c15fe65aafe83419252187e1cf6e651928e3b97b",
    ),
    (
        include_str!("../../sql/0039_changed_key.sql"),
        "99d93037e2f97269a45462513fd613d18ef62710978a33c8a8dc094c6a2ca256",
    ),
    (
        include_str!("../../sql/0040_adopted_case.sql"),
        "d646a6b5a179fa0232a87e4cde626535486cb6c91cc80fa3b22275987142d1bc",
    ),
    (
        include_str!("../../sql/0041_inbox_words.sql"),
        "901971a97165f1b44db9411ea5a549bd904472c63242902640c1ad2ce3740c1d",
    ),
    (
        include_str!("../../sql/0042_look_again.sql"),
        "4c3b417dc123520f138a95249322a619f2399483b5db293a400e78fc156569f6",
    ),
    (
        include_str!("../../sql/0043_written_anew.sql"),
        "79bb0c659c7822ab1cbdcc0b67bc26d88141e0a09cc85fc4a650d54b2f030fdd",
    ),
    (
        include_str!("../../sql/0044_resolved_again.sql"),
        "1479485989eda59fd310f3e4582008a3895114835274e15ceaff5dd2266826d9",
    ),
    (
        include_str!("../../sql/0045_gone_at.sql"),
        "1b313d95c8ec7e4daf2c68ca59edef8205b3b7d9092f260c6233de1e371f30a6",
    ),
    (
        include_str!("../../sql/0046_given_to.sql"),
        "90cb627db079a1efe8ecbd06a96b8a9e49e55c5219b0784bbc313d1908464125",
    ),
    (
        include_str!("../../sql/0047_mapped_column.sql"),
        "2781301a4eb3eb41737e1761e2fe34c268ed1736d7832a8fc1600863d71fa45b",
    ),
];

/// What our schema holds, for removing it where the schema is not ours alone: each kind with the names of its objects, in the
/// order in which they can be dropped. Functions stand on views and tables, and these on functions.
pub fn own_objects() -> [(&'static str, Vec<&'static str>); 4] {
    let named = |prefix: &'static str, is_wanted: fn(&str) -> bool| -> Vec<&'static str> {
        let name = move |line: &'static str| {
            line.strip_prefix(prefix)?
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        };
        let lines = STEPS.iter().flat_map(|(step, _)| step.lines());
        lines.filter(|line| is_wanted(line)).filter_map(name).collect()
    };
    // What triggers and views call.
    let called = |line: &str| line.contains(" returns trigger ") || line.contains("{schema}.type_family(");
    let mut tables = named("create table {schema}.", |_| true);
    tables.push("migration");
    [
        (
            "function",
            named("create function {schema}.", |line| {
                !line.contains(" returns trigger ") && !line.contains("{schema}.type_family(")
            }),
        ),
        ("view", named("create view {schema}.", |_| true)),
        ("table", tables),
        ("function", named("create function {schema}.", called)),
    ]
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
        let mut taken = 0;
        while self.migrate_once(&mut client).await? {
            taken += 1;
        }
        Ok(taken)
    }

    /// Takes the next step, if there is one, in a transaction of its own: what fails leaves those before it.
    async fn migrate_once(&self, client: &mut deadpool_postgres::Object) -> Result<bool, StoreError> {
        let transaction = client.transaction().await?;
        // Two instances that start together must not both migrate. A lock of our own table, which nobody else may take.
        let lock = "lock table {s}.migration in share row exclusive mode";
        transaction.batch_execute(&self.sql(lock)).await?;
        let done: i64 = transaction
            .query_one(&self.sql("select count(*) from {s}.migration"), &[])
            .await?
            .get(0);
        self.refuse_newer(&*transaction, done).await?;
        let next = usize::try_from(done).ok().and_then(|done| STEPS.get(done));
        let Some((step, _)) = next else { return Ok(false) };
        transaction
            .batch_execute(&step.replace("{schema}", self.schema()))
            .await?;
        let number = i32::try_from(done + 1).unwrap_or(i32::MAX);
        transaction
            .execute(
                &self.sql("insert into {s}.migration (step, version) values ($1, $2)"),
                &[&number, &env!("CARGO_PKG_VERSION")],
            )
            .await?;
        transaction.commit().await?;
        Ok(true)
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
    use sha2::{Digest, Sha256};

    #[test]
    fn a_step_can_be_sent_to_a_database_of_any_encoding() {
        for (step, _) in super::STEPS {
            let odd = step.lines().find(|line| !line.is_ascii());
            assert_eq!(odd, None);
        }
    }

    /// Before the first release a step may be changed, and its hash with it; later that is another program's schema.
    #[test]
    fn a_released_step_is_never_changed() {
        for (n, (step, pinned)) in super::STEPS.iter().enumerate() {
            let hash: String = Sha256::digest(step)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(&hash, pinned, "step {}", n + 1);
        }
    }
}
