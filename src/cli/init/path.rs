//! Whose words the draft's tries may meet. An administrator has more rights than anybody who may have put an operator or a
//! function into a schema of his path, and the draft's own words (`m.kind = 'agent'` over a `varchar`) would choose it.

use tokio_postgres::{Client, Error};

use crate::postgres::quote_ident;

/// The schemas of an administrator's path in which nobody but their owners and superusers may create anything, and those
/// that are left out of it; `None`: it stays as it is.
pub(super) async fn narrowed(client: &Client) -> Result<Option<(String, Vec<String>)>, Error> {
    let sql = "SELECT p.entry, EXISTS (
                SELECT FROM pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) AS a
                LEFT JOIN pg_catalog.pg_roles AS g ON g.oid = a.grantee
                WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner AND NOT coalesce(g.rolsuper, false))
            FROM pg_catalog.regexp_split_to_table(pg_catalog.current_setting('deskie_cdc.site_path'), '\\s*,\\s*')
                WITH ORDINALITY AS p (entry, place)
            JOIN pg_catalog.pg_namespace AS n ON n.nspname = CASE pg_catalog.btrim(p.entry, '\"') WHEN '$user'
                THEN current_user ELSE pg_catalog.btrim(p.entry, '\"')::pg_catalog.name END
            WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user AND (r.rolsuper OR r.rolcreaterole))
                AND n.nspname <> 'pg_catalog'
            ORDER BY p.place";
    let (mut kept, mut left_out) = (vec!["pg_catalog".to_owned()], Vec::new());
    for row in client.query(sql, &[]).await? {
        let (schema, is_open): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
        let schema = schema.trim_matches('"').to_owned();
        match is_open {
            true => left_out.push(schema),
            false => kept.push(quote_ident(&schema)),
        }
    }
    kept.push("pg_temp".to_owned());
    Ok((!left_out.is_empty()).then(|| (kept.join(", "), left_out)))
}
