//! Which relations of the stream are mapped: by their name, and, where they bear another one now, by their OID. A table
//! that the site renames or moves is still the mapped one, until another table takes its name.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use super::CaptureError;
use super::store::{Part, send};
use crate::config::TableName;
use crate::model::RelationName;
use crate::pgoutput::Relation;
use crate::store::KnownTable;

/// The mapped tables, for one stream.
pub(super) struct MappedTables {
    tables: Vec<TableName>,
    known: Vec<String>,
}

/// What was answered about relations in the transaction under way, by OID, and under which name they were asked about:
/// within it one may be renamed, and before the next one another table may have taken the name.
pub(super) type Asked = HashMap<u32, (RelationName, Option<Arc<RelationName>>)>;

impl MappedTables {
    /// `known`: the tables as they were seen last.
    pub(super) fn new(tables: Vec<TableName>, known: Vec<KnownTable>) -> MappedTables {
        MappedTables {
            tables,
            known: known.into_iter().map(|table| table.relation).collect(),
        }
    }

    /// The name under which the mapping knows a relation of the stream; `None`: it is not mapped.
    pub(super) async fn name(
        &self,
        parts: &Sender<Part>,
        relation: &Relation,
        asked: &mut Asked,
    ) -> Result<Option<Arc<RelationName>>, CaptureError> {
        if let Some((_, answer)) = asked
            .get(&relation.oid)
            .filter(|(name, _)| *name == relation.name)
        {
            return Ok(answer.clone());
        }
        let answer = if self.is_named(&relation.name) {
            Some(relation.name.clone())
        } else {
            let (answer, known) = oneshot::channel();
            send(parts, Part::Relation(relation.oid, answer)).await?;
            let known = known
                .await
                .map_err(|_| CaptureError::Damaged("nobody says as what a table is known".into()))?;
            known.and_then(|known| self.tables.iter().find_map(|table| called(table, &known)))
        };
        let answer = answer.map(Arc::new);
        asked.insert(relation.oid, (relation.name.clone(), answer.clone()));
        Ok(answer)
    }

    /// By its name alone. A name without a schema means the table that was seen under it, and no other schema's.
    fn is_named(&self, relation: &RelationName) -> bool {
        let text = relation.to_string();
        self.tables.iter().any(|table| {
            let mut seen = self.known.iter().filter(|known| called(table, known).is_some());
            called(table, &text).is_some()
                && (table.schema.is_some()
                    || seen.clone().next().is_none()
                    || seen.any(|known| *known == text))
        })
    }
}

/// The parts of `schema.table`, where it is what the config means.
fn called(table: &TableName, relation: &str) -> Option<RelationName> {
    let before = relation.strip_suffix(&table.table)?.strip_suffix('.')?;
    match &table.schema {
        Some(schema) if schema != before => None,
        _ => Some(RelationName {
            schema: before.to_owned(),
            table: table.table.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_schema_means_the_table_that_was_seen_under_it() {
        let table = |schema: Option<&str>, table: &str| TableName {
            schema: schema.map(str::to_owned),
            table: table.to_owned(),
            span: Default::default(),
        };
        let known = |relation: &str| KnownTable {
            relation: relation.to_owned(),
            oid: Some(1),
        };
        let mapped = MappedTables::new(
            vec![
                table(None, "tickets"),
                table(Some("shop"), "a.b"),
                table(None, "new"),
            ],
            vec![known("public.tickets"), known("old.messages")],
        );
        for (schema, name, expected) in [
            ("public", "tickets", true),
            ("archive", "tickets", false),
            ("public", "tickets_old", false),
            ("shop", "a.b", true),
            ("other", "a.b", false),
            ("old", "messages", false),
            ("any", "new", true),
        ] {
            let relation = RelationName {
                schema: schema.into(),
                table: name.into(),
            };
            assert_eq!(mapped.is_named(&relation), expected, "{relation}");
        }
    }
}
