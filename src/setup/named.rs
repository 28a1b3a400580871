//! The columns that the mapping names, against what they were.

use crate::config::Config;
use crate::mapping::named::{NamedColumn, named_columns};
use crate::postgres::shape::{load_attachment_shape, load_message_shape, load_shape};
use crate::store::{Store, StoreError};

/// Notes the columns that the mapping names, and holds everything where one of them is not what it was. True where the
/// mapping's statements have to be made anew.
pub(super) async fn note(config: &Config, store: &Store) -> Result<bool, StoreError> {
    let (columns, is_whole) = load(config, store).await?;
    store.keys().note_columns(&columns, is_whole).await
}

/// What is not what it was.
pub(super) async fn changed(config: &Config, store: &Store) -> Result<Option<String>, StoreError> {
    let (columns, _) = load(config, store).await?;
    store.keys().columns_changed(&columns).await
}

/// The columns, and whether all mapped tables are there: resolving says where they are not.
async fn load(config: &Config, store: &Store) -> Result<(Vec<NamedColumn>, bool), StoreError> {
    let client = store.client().await?;
    let ticket = load_shape(&client, &config.ticket.table, &config.ticket.key)
        .await
        .ok();
    let message = match &config.message {
        Some(message) => load_message_shape(&client, message).await.ok(),
        None => None,
    };
    let mut attachments = Vec::new();
    for attachment in &config.attachments {
        let shape = load_attachment_shape(&client, attachment).await.ok();
        attachments.extend(shape.map(|shape| (attachment, shape)));
    }
    let is_whole = ticket.is_some()
        && message.is_some() == config.message.is_some()
        && attachments.len() == config.attachments.len();
    let attachments: Vec<_> = attachments
        .iter()
        .map(|(attachment, shape)| (*attachment, shape))
        .collect();
    let columns = named_columns(config, ticket.as_ref(), message.as_ref(), &attachments);
    Ok((columns, is_whole))
}
