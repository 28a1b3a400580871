//! What our role is and may do.

use tokio_postgres::{Error, GenericClient};

/// A role's attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub name: String,
    pub superuser: bool,
    /// It may stream: `REPLICATION`, superuser, or a member of `rds_replication`.
    pub replication: bool,
    /// `BYPASSRLS` or superuser.
    pub bypass_row_security: bool,
    /// `CREATE` on the database: needed for schemas and publications.
    pub create_in_database: bool,
}

/// The current role (after any `SET ROLE`).
pub async fn current_role(client: &impl GenericClient) -> Result<Role, Error> {
    // On Amazon RDS a membership stands for the attribute.
    let sql = "SELECT r.rolname::pg_catalog.text AS name, r.rolsuper, r.rolbypassrls, \
        r.rolreplication OR r.rolsuper OR EXISTS (SELECT FROM pg_catalog.pg_roles AS m \
          WHERE m.rolname = 'rds_replication' AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')) AS replication, \
        pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS create_in_database \
        FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER";
    let row = client.query_one(sql, &[]).await?;
    let superuser: bool = row.try_get("rolsuper")?;
    Ok(Role {
        name: row.try_get("name")?,
        superuser,
        replication: row.try_get("replication")?,
        bypass_row_security: superuser || row.try_get("rolbypassrls")?,
        create_in_database: row.try_get("create_in_database")?,
    })
}

/// May we `privilege` (SELECT, INSERT, UPDATE, …) the table? A right on some column only is not enough.
pub async fn may_table(client: &impl GenericClient, table: u32, privilege: &str) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.has_table_privilege($1::pg_catalog.oid, $2::pg_catalog.text)";
    client.query_one(sql, &[&table, &privilege]).await?.try_get(0)
}

/// May we `privilege` this column, by a right on it or on the whole table?
pub async fn may_column(
    client: &impl GenericClient,
    table: u32,
    column: i16,
    privilege: &str,
) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.has_column_privilege($1::pg_catalog.oid, $2::pg_catalog.int2, $3::pg_catalog.text)";
    client
        .query_one(sql, &[&table, &column, &privilege])
        .await?
        .try_get(0)
}

/// May we `privilege` at least one column? Enough for a row lock (rule 2).
pub async fn may_any_column(client: &impl GenericClient, table: u32, privilege: &str) -> Result<bool, Error> {
    let sql = "SELECT pg_catalog.has_any_column_privilege($1::pg_catalog.oid, $2::pg_catalog.text)";
    client.query_one(sql, &[&table, &privilege]).await?.try_get(0)
}

/// May we `privilege` (USAGE, CREATE) the schema? `None`: there is none.
pub async fn may_schema(
    client: &impl GenericClient,
    schema: &str,
    privilege: &str,
) -> Result<Option<bool>, Error> {
    let sql = "SELECT pg_catalog.has_schema_privilege(n.oid, $2::pg_catalog.text) \
        FROM pg_catalog.pg_namespace AS n WHERE n.nspname = $1::pg_catalog.text";
    let row = client.query_opt(sql, &[&schema, &privilege]).await?;
    row.map(|row| row.try_get(0)).transpose()
}
