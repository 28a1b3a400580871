//! The providers of hosted Postgres: told by the host's name, or by roles that only their servers have, and each one's own
//! way to what logical replication needs. Written in November 2026 from what is commonly known;
//! none of it was tried on the real thing. `docs/providers.md` tells more.

use tokio_postgres::{Error, GenericClient};

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Amazon RDS or Aurora.
    Rds,
    /// Google Cloud SQL.
    CloudSql,
    /// Azure Database for PostgreSQL.
    Azure,
    Supabase,
    Neon,
    /// Heroku Postgres.
    Heroku,
    /// DigitalOcean Managed Databases.
    DigitalOcean,
    /// Timescale (Tiger Cloud).
    Timescale,
    /// Crunchy Bridge.
    Crunchy,
}

/// All of them, with the ends of their hosts' names and, where it is known, a role that only their servers have.
const KNOWN: [(Provider, &[&str], Option<&str>); 9] = [
    (
        Provider::Rds,
        &[".rds.amazonaws.com", ".rds.amazonaws.com.cn"],
        Some("rds_superuser"),
    ),
    (Provider::CloudSql, &[".sql.goog"], Some("cloudsqlsuperuser")),
    (
        Provider::Azure,
        &[".postgres.database.azure.com"],
        Some("azure_pg_admin"),
    ),
    (
        Provider::Supabase,
        &[".supabase.co", ".supabase.com"],
        Some("supabase_admin"),
    ),
    (
        Provider::Neon,
        &[".neon.tech", ".neon.build"],
        Some("neon_superuser"),
    ),
    // Its hosts are machines of Amazon's, as anybody's may be.
    (
        Provider::Heroku,
        &[".compute-1.amazonaws.com", ".compute.amazonaws.com"],
        None,
    ),
    (
        Provider::DigitalOcean,
        &[".db.ondigitalocean.com"],
        Some("doadmin"),
    ),
    (
        Provider::Timescale,
        &[".tsdb.cloud.timescale.com", ".tsdb.forge.timescale.com"],
        Some("tsdbadmin"),
    ),
    (Provider::Crunchy, &[".db.postgresbridge.com"], None),
];

impl Provider {
    /// By the host's name.
    pub fn of_host(host: &str) -> Option<Provider> {
        let host = host.trim_end_matches('.').to_lowercase();
        let fits = |ends: &[&str]| ends.iter().any(|end| host.ends_with(end));
        let found = KNOWN.iter().find(|(_, ends, _)| fits(ends));
        found.map(|(provider, ..)| *provider)
    }

    /// By the roles of the server behind a connection. A session needs no right for it.
    pub async fn of_server(client: &impl GenericClient) -> Result<Option<Provider>, Error> {
        let roles: Vec<&str> = KNOWN.iter().filter_map(|(.., role)| *role).collect();
        let sql = "SELECT rolname::pg_catalog.text FROM pg_catalog.pg_roles \
            WHERE rolname::pg_catalog.text = ANY ($1::pg_catalog.text[])";
        let found: Vec<String> = client
            .query(sql, &[&roles])
            .await?
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()?;
        let known = KNOWN
            .iter()
            .find(|(.., role)| role.is_some_and(|role| found.iter().any(|found| found == role)));
        Ok(known.map(|(provider, ..)| *provider))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Rds => "Amazon RDS or Aurora",
            Provider::CloudSql => "Google Cloud SQL",
            Provider::Azure => "Azure Database for PostgreSQL",
            Provider::Supabase => "Supabase",
            Provider::Neon => "Neon",
            Provider::Heroku => "Heroku Postgres, or a machine of your own at Amazon",
            Provider::DigitalOcean => "DigitalOcean",
            Provider::Timescale => "Timescale",
            Provider::Crunchy => "Crunchy Bridge",
        }
    }

    /// How `wal_level` becomes logical there.
    pub fn logical(self) -> &'static str {
        match self {
            Provider::Rds => {
                "Amazon RDS: rds.logical_replication = 1 in a parameter group of its own (Aurora: the cluster's parameter group), \
                 then reboot"
            }
            Provider::CloudSql => {
                "Google Cloud SQL: set the flag cloudsql.logical_decoding = on, which restarts the instance"
            }
            Provider::Azure => "Azure: set the server parameter wal_level = logical, then restart",
            Provider::Supabase => "Supabase has it on; if not, ask its support",
            Provider::Neon => {
                "Neon: project Settings > Logical Replication > Enable (it cannot be turned off again)"
            }
            Provider::Heroku => {
                "if this is Heroku's: it gives no logical replication to programs outside: move the database to a server that does"
            }
            Provider::DigitalOcean => "DigitalOcean has it on; if not, ask its support",
            Provider::Timescale => "Timescale: ask its support for wal_level = logical",
            Provider::Crunchy => "Crunchy Bridge has it on; if not, ask its support",
        }
    }

    /// How a user may replicate there.
    pub fn replication(self, user: &str) -> String {
        match self {
            Provider::Rds => format!("grant rds_replication to {user}, as the master user"),
            Provider::CloudSql => {
                format!("alter user {user} with replication, as a member of cloudsqlsuperuser")
            }
            Provider::Azure => format!("alter role {user} with replication, as the server's admin user"),
            Provider::Supabase => format!("alter role {user} with replication, as postgres"),
            Provider::Neon => format!(
                "roles made in Neon's console, by its CLI or API may replicate, those made with SQL may not: make {user} there"
            ),
            Provider::Heroku => format!(
                "if this is Heroku's: no user may replicate there, and this cannot work; else alter role {user} replication"
            ),
            Provider::DigitalOcean => format!("alter role {user} with replication, as doadmin"),
            Provider::Timescale => format!(
                "alter role {user} with replication, as tsdbadmin; if that is refused, ask its support"
            ),
            Provider::Crunchy => format!("alter role {user} replication, as the superuser postgres"),
        }
    }

    /// What leads to the server itself, not to a pooler.
    pub fn direct(self) -> &'static str {
        match self {
            Provider::Rds => "name the instance's endpoint (Aurora: the cluster's), not that of an RDS Proxy",
            Provider::CloudSql => {
                "name the instance's own address, or the Cloud SQL Auth Proxy, not managed connection pooling"
            }
            Provider::Azure => "name the port 5432; 6432 is Azure's PgBouncer",
            Provider::Supabase => {
                "name db.<project>.supabase.co and port 5432: both ports of pooler.supabase.com lead to a pooler. That host has \
                 an IPv6 address alone, unless the IPv4 add-on is bought"
            }
            Provider::Neon => "take `-pooler` out of the host's name",
            Provider::Heroku => "name DATABASE_URL, not the address of connection pooling",
            Provider::DigitalOcean => "name the port 25060; 25061 is a connection pool",
            Provider::Timescale => "name the service's own port, not that of its connection pooler",
            Provider::Crunchy => "name the port 5432; 5431 is PgBouncer",
        }
    }

    /// What one has to know beforehand.
    pub fn note(self) -> Option<&'static str> {
        match self {
            Provider::Neon => Some(
                "a slot that nobody reads is removed after about 40 hours where others are read, and by a restore of the branch; \
                 a compute with a reader does not scale to zero",
            ),
            Provider::Supabase => {
                Some("the direct host has an IPv6 address alone, unless the IPv4 add-on is bought")
            }
            Provider::Timescale => {
                Some("a hypertable's rows are streamed under its chunks' names: map ordinary tables")
            }
            Provider::Heroku => {
                Some("if this is Heroku's: no user may replicate there, so the connector cannot work")
            }
            _ => None,
        }
    }
}

/// Whether a host and port lead to a provider's pooler.
pub fn is_pooler(host: &str, port: u16) -> bool {
    let host = host.to_lowercase();
    match Provider::of_host(&host) {
        Some(Provider::Rds) => host.contains(".proxy-"),
        Some(Provider::Azure) => port == 6432,
        Some(Provider::Supabase) => host.ends_with("pooler.supabase.com") || port == 6543,
        Some(Provider::Neon) => host
            .split('.')
            .next()
            .is_some_and(|first| first.ends_with("-pooler")),
        Some(Provider::DigitalOcean) => port == 25061,
        Some(Provider::Crunchy) => port == 5431,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_tell_providers_and_poolers() {
        for (host, port, provider, pooler) in [
            (
                "site.c1.eu-central-1.rds.amazonaws.com",
                5432,
                Some(Provider::Rds),
                false,
            ),
            (
                "site.proxy-c1.eu-central-1.rds.amazonaws.com",
                5432,
                Some(Provider::Rds),
                true,
            ),
            (
                "a1.b2.europe-west1.sql.goog",
                5432,
                Some(Provider::CloudSql),
                false,
            ),
            (
                "site.postgres.database.azure.com",
                5432,
                Some(Provider::Azure),
                false,
            ),
            (
                "site.postgres.database.azure.com",
                6432,
                Some(Provider::Azure),
                true,
            ),
            ("db.abcdefgh.supabase.co", 5432, Some(Provider::Supabase), false),
            (
                "aws-0-eu-central-1.pooler.supabase.com",
                5432,
                Some(Provider::Supabase),
                true,
            ),
            (
                "ep-cool-1.eu-central-1.aws.neon.tech",
                5432,
                Some(Provider::Neon),
                false,
            ),
            (
                "ep-cool-1-pooler.eu-central-1.aws.neon.tech",
                5432,
                Some(Provider::Neon),
                true,
            ),
            (
                "db-1-do-user-1.b.db.ondigitalocean.com",
                25060,
                Some(Provider::DigitalOcean),
                false,
            ),
            (
                "db-1-do-user-1.b.db.ondigitalocean.com",
                25061,
                Some(Provider::DigitalOcean),
                true,
            ),
            (
                "x.y.tsdb.cloud.timescale.com",
                30000,
                Some(Provider::Timescale),
                false,
            ),
            ("p.x.db.postgresbridge.com", 5431, Some(Provider::Crunchy), true),
            (
                "ec2-3-1-1-1.compute-1.amazonaws.com",
                5432,
                Some(Provider::Heroku),
                false,
            ),
            ("db.example.com", 5432, None, false),
            ("neon.tech.example.com", 5432, None, false),
        ] {
            assert_eq!(
                (Provider::of_host(host), is_pooler(host, port)),
                (provider, pooler),
                "{host}"
            );
        }
    }
}
