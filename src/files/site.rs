//! One file of the site, by its row.

use std::sync::Arc;

use bytes::Bytes;
use tokio_postgres::types::ToSql;

use super::attachments::{self, Attached, FileRow};
use super::disk::{self, DiskError};
use super::download::{self, Downloader, FetchError};
use super::mime_of_name;
use super::size::MAX_FILE;
use crate::config::{AttachmentSource, Config};
use crate::mapping::Reading;
use crate::postgres::shape::{load_message_shape, load_shape};
use crate::postgres::{Pool, TextParam, describe, site};

/// A file of the site.
#[derive(Clone, PartialEq, Eq)]
pub struct SiteFile {
    pub name: String,
    /// Its type.
    pub mime: String,
    /// Its content.
    pub bytes: Bytes,
}

/// What became of an attempt to read a file. No reason tells its name, which is a customer's text.
#[derive(Clone, PartialEq, Eq)]
pub enum Got {
    /// It is there.
    File(SiteFile),
    /// Its row is gone, or not for Deskie any more.
    Gone,
    /// The row is there, its file is not yet.
    NotYet(String),
    /// It could not be had now; it may go better later.
    Passing(String),
    /// It must not or cannot be had; a person has to mend something.
    Refused(String),
    /// It is larger than Deskie takes; the address, where others may be told of it.
    TooLarge(Option<String>),
}

/// Reads the site's files.
pub struct SiteFiles {
    site: Pool,
    config: Arc<Config>,
    downloader: Downloader,
    compiled: tokio::sync::Mutex<Option<Arc<Vec<Attached>>>>,
}

impl SiteFiles {
    /// Nothing is asked before the first file.
    pub fn new(site: Pool, config: Arc<Config>, downloader: Downloader) -> SiteFiles {
        SiteFiles {
            site,
            config,
            downloader,
            compiled: tokio::sync::Mutex::new(None),
        }
    }

    /// How long the file of a section may be waited for.
    pub async fn wait(&self, source: &str) -> std::time::Duration {
        let compiled = self.compiled.lock().await;
        let found = compiled.iter().flat_map(|all| all.iter());
        let mut found = found.filter(|attached| attached.source == source);
        found
            .next()
            .map(|attached| attached.config.wait)
            .unwrap_or_default()
    }

    /// The file of the row with that key, in the section that [`Attached::source`] names.
    pub async fn get(&self, source: &str, key: &str) -> Got {
        let got = self.try_get(source, key).await;
        got.unwrap_or_else(|passing| passing)
    }

    async fn try_get(&self, source: &str, key: &str) -> Result<Got, Got> {
        let compiled = self.compiled().await?;
        let Some(attached) = compiled.iter().find(|attached| attached.source == source) else {
            return Ok(Got::Refused(format!(
                "there is no [[attachment]] over {source} in the config any more"
            )));
        };
        let rows = self.ask(&attached.by_key, attached, key).await?;
        let row = match rows.as_slice() {
            [] => return Ok(Got::Gone),
            [row] => attached.row(&texts(row)),
            _ => {
                return Ok(Got::Refused(
                    "the join of [[attachment]] gives several rows for one row".to_owned(),
                ));
            }
        };
        if !row.is_ours {
            return Ok(Got::Gone);
        }
        let FileRow {
            name, mime, source, ..
        } = row;
        let Some(source) = source else {
            return Ok(Got::NotYet("the file is not there yet".to_owned()));
        };
        let (bytes, of_answer) = match &attached.config.source {
            AttachmentSource::Url(_) => {
                let allowed = attached.config.allow_private;
                match self.downloader.fetch(&source, allowed, MAX_FILE).await {
                    Ok(file) => (file.bytes, file.mime),
                    Err(error) => return Ok(of_fetch(error, &source, allowed)),
                }
            }
            AttachmentSource::Path { base, .. } => {
                let base = base.clone();
                let read = tokio::task::spawn_blocking(move || disk::read(&base, &source, MAX_FILE));
                match read.await {
                    Ok(Ok(bytes)) => (bytes, None),
                    Ok(Err(DiskError::Missing)) => {
                        return Ok(Got::NotYet("the file is not in the folder yet".to_owned()));
                    }
                    Ok(Err(DiskError::TooLarge)) => return Ok(Got::TooLarge(None)),
                    Ok(Err(DiskError::Refused(why))) => return Ok(Got::Refused(format!("the file: {why}"))),
                    Err(error) => return Ok(Got::Passing(format!("the file: {error}"))),
                }
            }
            AttachmentSource::Bytes(_) => {
                if source.parse::<u64>().is_ok_and(|size| size > MAX_FILE) {
                    return Ok(Got::TooLarge(None));
                }
                match self.content(attached, key).await? {
                    Some(bytes) => (bytes, None),
                    None => return Ok(Got::NotYet("the file is not there yet".to_owned())),
                }
            }
        };
        let mime = mime
            .or(of_answer)
            .unwrap_or_else(|| mime_of_name(&name).to_owned());
        Ok(Got::File(SiteFile { name, mime, bytes }))
    }

    async fn content(&self, attached: &Attached, key: &str) -> Result<Option<Bytes>, Got> {
        let Some(reading) = &attached.content else {
            return Ok(None);
        };
        let rows = self.ask(reading, attached, key).await?;
        let content = rows.first().map(|row| row.try_get::<_, Option<Vec<u8>>>(0));
        match content.transpose() {
            Ok(content) => Ok(content.flatten().map(Bytes::from)),
            Err(error) => Err(Got::Refused(describe(&error))),
        }
    }

    async fn compiled(&self) -> Result<Arc<Vec<Attached>>, Got> {
        let mut compiled = self.compiled.lock().await;
        if let Some(found) = compiled.as_ref() {
            return Ok(found.clone());
        }
        let passing = |error: &dyn std::fmt::Display| Got::Passing(error.to_string());
        let client = self.site.get().await.map_err(|error| passing(&error))?;
        let config = &self.config;
        let tickets = load_shape(&client, &config.ticket.table, &config.ticket.key)
            .await
            .map_err(|error| passing(&error))?;
        let messages = match &config.message {
            Some(message) => Some(
                load_message_shape(&client, message)
                    .await
                    .map_err(|error| passing(&error))?,
            ),
            None => None,
        };
        let made = attachments::load(&client, config, &tickets, messages.as_ref())
            .await
            .map_err(|error| passing(&error))?;
        let made = Arc::new(made);
        *compiled = Some(made.clone());
        Ok(made)
    }

    async fn ask(
        &self,
        reading: &Reading,
        attached: &Attached,
        key: &str,
    ) -> Result<Vec<tokio_postgres::Row>, Got> {
        let Some(values) = attached.file_values(key) else {
            return Err(Got::Refused(format!(
                "`{key}` is no key of {}",
                attached.shape.relation
            )));
        };
        let client = match self.site.get().await {
            Ok(client) => client,
            Err(error) => return Err(Got::Passing(error.to_string())),
        };
        let values: Vec<TextParam> = values.into_iter().map(|value| TextParam(Some(value))).collect();
        let values: Vec<&(dyn ToSql + Sync)> =
            values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        match site::query_cached(&client, &reading.sql, &values).await {
            Ok(rows) => Ok(rows),
            Err(error) => {
                // The table may have changed under the statement.
                self.site.renew();
                *self.compiled.lock().await = None;
                let text = describe(&error);
                Err(match error.code() {
                    Some(code) if code.code().starts_with("22") => Got::Refused(text),
                    _ => Got::Passing(text),
                })
            }
        }
    }
}

fn texts(row: &tokio_postgres::Row) -> Vec<Option<String>> {
    (0..row.len())
        .map(|n| row.try_get(n).unwrap_or_default())
        .collect()
}

fn of_fetch(error: FetchError, url: &str, allow_private: bool) -> Got {
    match error {
        FetchError::Missing { .. } => Got::NotYet(format!("the file: {error}")),
        FetchError::Passing(_) => Got::Passing(format!("the file: {error}")),
        FetchError::Refused(_) => Got::Refused(format!("the file: {error}")),
        FetchError::TooLarge(_) => {
            let shown = !allow_private && download::may_be_shown(url);
            Got::TooLarge(shown.then(|| url.trim().to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_public_address_goes_into_the_text() {
        let of = |url: &str, allow_private| of_fetch(FetchError::TooLarge(1), url, allow_private);
        let public = "https://cdn.example/a.bin";
        assert!(of(public, false) == Got::TooLarge(Some(public.to_owned())));
        for (url, allow_private) in [
            (public, true),
            ("http://u:p@cdn.example/a.bin", false),
            ("http://10.0.0.1/a.bin", false),
        ] {
            assert!(of(url, allow_private) == Got::TooLarge(None), "{url}");
        }
    }
}
