//! Which right a statement of the trial lacked. The server names the object alone, in a message of whatever language: so it
//! is looked for among what this role has no right to.

use tokio_postgres::Client;
use tokio_postgres::error::{DbError, ErrorPosition};

use crate::setup::error::SetupError;

/// What this role has not all rights to, of whatever a text names: its kind, its name, the same as SQL names it, whether its
/// schema is closed to the role, that schema, the table that it is or belongs to, whether it is found without the schema's
/// name, and the rights that are missing.
const LACKING: &str = "
    SELECT 'table', c.relname::pg_catalog.text, pg_catalog.format('%I.%I', n.nspname, c.relname),
        NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.quote_ident(n.nspname), n.nspname || '.' || c.relname,
        pg_catalog.pg_table_is_visible(c.oid),
        ARRAY(SELECT r FROM pg_catalog.unnest(ARRAY['select', 'insert', 'update', 'delete']) AS r
            WHERE NOT pg_catalog.has_table_privilege(c.oid, r))
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
        AND pg_catalog.strpos($1::pg_catalog.text, c.relname::pg_catalog.text) > 0
    UNION ALL
    SELECT 'sequence', c.relname::pg_catalog.text, pg_catalog.format('%I.%I', n.nspname, c.relname),
        NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.quote_ident(n.nspname),
        coalesce((SELECT tn.nspname || '.' || t.relname FROM pg_catalog.pg_depend AS d
            JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'a' LIMIT 1),
            n.nspname || '.' || c.relname),
        pg_catalog.pg_table_is_visible(c.oid),
        ARRAY(SELECT 'usage' WHERE NOT pg_catalog.has_sequence_privilege(c.oid, 'USAGE'))
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND n.nspname NOT LIKE 'pg\\_%'
        AND pg_catalog.strpos($1::pg_catalog.text, c.relname::pg_catalog.text) > 0
    UNION ALL
    SELECT 'schema', n.nspname::pg_catalog.text, pg_catalog.quote_ident(n.nspname), false, pg_catalog.quote_ident(n.nspname),
        n.nspname::pg_catalog.text, true, ARRAY['usage']
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname NOT LIKE 'pg\\_%' AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        AND pg_catalog.strpos($1::pg_catalog.text, n.nspname::pg_catalog.text) > 0
    UNION ALL
    SELECT 'routine', p.proname::pg_catalog.text,
        pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)),
        NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.quote_ident(n.nspname), n.nspname || '.' || p.proname,
        pg_catalog.pg_function_is_visible(p.oid), ARRAY['execute']
    FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname NOT LIKE 'pg\\_%' AND NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
        AND pg_catalog.strpos($1::pg_catalog.text, p.proname::pg_catalog.text) > 0";

/// Something that this role lacks a right to.
struct Lacking {
    kind: String,
    name: String,
    quoted: String,
    is_closed: bool,
    schema: String,
    /// The table that it is or belongs to, with its schema.
    of: String,
    is_visible: bool,
    missing: Vec<String>,
}

/// The GRANT that the refused statement wants; `usual`: what a statement of its kind does to a table.
pub(super) async fn grant(
    client: &Client,
    (sql, usual): (&str, &[&str]),
    error: &DbError,
) -> Result<String, SetupError> {
    let role = "SELECT pg_catalog.quote_ident(CURRENT_USER)";
    let role: String = client.query_one(role, &[]).await?.try_get(0)?;
    // A trigger's own statement is told by itself where it could not be read, else it stands in the context, in quotes.
    let inner = error.where_().and_then(|place| place.split_once('"'));
    let sql = match error.position() {
        Some(ErrorPosition::Internal { query, .. }) => query,
        _ => inner.map_or(sql, |(_, sql)| sql),
    };
    let mut found = Vec::new();
    let text = format!("{} {sql}", error.message());
    for row in client.query(LACKING, &[&text]).await? {
        let lacking = Lacking {
            kind: row.try_get(0)?,
            name: row.try_get(1)?,
            quoted: row.try_get(2)?,
            is_closed: row.try_get(3)?,
            schema: row.try_get(4)?,
            of: row.try_get(5)?,
            is_visible: row.try_get(6)?,
            missing: row.try_get(7)?,
        };
        if !lacking.missing.is_empty() {
            found.push(lacking);
        }
    }
    let sql = sql.trim_start().replace('"', "").to_lowercase();
    // A word of the message may be another object's name by chance; the longest name of the refused statement is it.
    let rank = |lacking: &&Lacking| {
        let is_in = |name: &str| is_named(&sql, &name.to_lowercase());
        (
            is_in(&lacking.of),
            is_in(&lacking.name),
            lacking.is_visible,
            lacking.name.len(),
        )
    };
    let named = found
        .iter()
        .filter(|lacking| is_named(error.message(), &lacking.name));
    let Some(mut lacking) = named.max_by_key(rank) else {
        return Ok(format!(
            "grant what the message names to {role}, or, where a function of the site's is `security definer`, to its owner"
        ));
    };
    if lacking.kind == "schema" {
        // The table that is in it wants its own right next.
        let inside = found
            .iter()
            .filter(|inside| inside.kind == "table" && inside.schema == lacking.quoted && rank(inside).0);
        lacking = inside.max_by_key(rank).unwrap_or(lacking);
    }
    let tried: Vec<&str> = ["insert", "update", "delete", "select"]
        .into_iter()
        .filter(|right| sql.starts_with(right))
        .collect();
    let wanted = if tried.is_empty() { usual } else { &tried };
    let is_missing = |right: &&str| lacking.missing.iter().any(|missing| missing == right);
    let mut rights: Vec<&str> = wanted.iter().copied().filter(is_missing).collect();
    if rights.is_empty() {
        // Whoever may insert or update may still lack the right to read what is compared or given back.
        rights = match is_missing(&"select") {
            true => vec!["select"],
            false => lacking.missing.iter().map(String::as_str).collect(),
        };
    }
    let (rights, quoted) = (rights.join(", "), &lacking.quoted);
    let on = match lacking.kind.as_str() {
        "table" => format!("grant {rights} on {quoted} to {role}"),
        kind => format!("grant {rights} on {kind} {quoted} to {role}"),
    };
    Ok(match lacking.is_closed {
        true => format!("grant usage on schema {} to {role}; {on}", lacking.schema),
        false => on,
    })
}

/// Whether a name stands in a text, and not within a longer one.
fn is_named(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn a_name_is_found_whole_in_any_language() {
        assert!(is_named("permission denied for table audit", "audit"));
        assert!(is_named("audit tablosuna erişim engellendi", "audit"));
        assert!(is_named("нет доступа к таблице My Audit", "My Audit"));
        assert!(!is_named("permission denied for table audit_log", "audit"));
        assert!(!is_named("permission denied for table old_audit", "audit"));
    }
}
