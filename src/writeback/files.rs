//! The files of a message on their way to the site: `[reply] attachments` as statements, run once a file.
//!
//! Everything is fetched and stored before the transaction begins (rule 2), and only what a statement uses: `:bytes`, or
//! `:path` where there is a `files_dir`. A stored file's name is made of the message's number, so a write-back that is
//! tried again overwrites what it left; one that the database refused takes its files back. A file that cannot be had
//! parks the message: half of an answer is not an answer.

use std::path::PathBuf;

use bytes::Bytes;

use super::WriteBack;
use super::refusal::WriteError;
use crate::config::ReplyAttachments;
use crate::deskie::{DeskieFile, FileError, Reach};
use crate::files::{self, FetchError};
use crate::mapping::{Parameters, Statement};
use crate::model::MessageId;
use crate::store::{File, PendingRemote};

/// The most that one file of Deskie's may have.
const MAX_FILE: u64 = 50 << 20;

/// A file that cannot be had in passing is tried so often before a person is asked.
const ATTEMPTS: i32 = 8;

/// The files of one message, ready to be written.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// The parameters of each file, on top of the message's.
    pub(super) parameters: Vec<Parameters>,
    /// What stands in `files_dir` for it.
    pub(super) stored: Vec<PathBuf>,
}

impl WriteBack {
    /// Whether files come as links in the text.
    pub(super) fn files_are_links(&self) -> bool {
        let reply = self.config.reply.as_ref();
        reply.is_none_or(|reply| matches!(reply.attachments, ReplyAttachments::Links))
    }

    /// Whether files may have to be fetched before a message is written: such messages hold up no others.
    pub fn fetches_files(&self) -> bool {
        let reply = self.config.reply.as_ref();
        reply.is_some_and(|reply| matches!(reply.attachments, ReplyAttachments::Statements(_)))
    }

    /// Fetches what the statements use of a message's files.
    pub(super) async fn ready_files(
        &self,
        message: MessageId,
        attempts: i32,
        files: &[File],
        statements: &[Statement],
        of_message: &Parameters,
    ) -> Result<Ready, WriteError> {
        let mut ready = Ready::default();
        if statements.is_empty() {
            return Ok(ready);
        }
        let uses = |name: &str| {
            let mut all = statements.iter().flat_map(|statement| &statement.parameters);
            all.any(|parameter| parameter == name)
        };
        let folder = self
            .config
            .reply
            .as_ref()
            .and_then(|reply| reply.files_dir.as_ref());
        let folder = folder.filter(|_| uses("path"));
        for (n, file) in files.iter().enumerate() {
            let place = format!("file {} of {}", n + 1, files.len());
            let mut parameters = of_message.clone();
            let mut mime = file.mime.clone();
            let mut size = file.size.map(|size| size.to_string());
            if uses("bytes") || folder.is_some() {
                let fetched = match self.fetch(file, &place, attempts).await {
                    Ok(fetched) => fetched,
                    Err(error) => {
                        files::forget(ready.stored).await;
                        return Err(error);
                    }
                };
                if mime.is_empty() {
                    mime = fetched.0.unwrap_or_default();
                }
                size = Some(fetched.1.len().to_string());
                if uses("bytes") {
                    parameters.set("bytes", hex(&fetched.1));
                }
                if let Some(folder) = folder {
                    let name = format!("{message}-{}-{}", n + 1, file.safe_name());
                    match files::keep(folder, &name, fetched.1).await {
                        Ok(path) => {
                            parameters.set("path", path.display().to_string());
                            ready.stored.push(path);
                        }
                        Err(error) => {
                            files::forget(ready.stored).await;
                            return Err(WriteError::Folder(format!(
                                "{place} could not be stored in [reply] files_dir {}: {error}",
                                folder.display()
                            )));
                        }
                    }
                }
            }
            parameters.set("name", file.safe_name());
            parameters.set("url", file.url.clone());
            if let Some(size) = size {
                parameters.set("size", size);
            }
            if !mime.is_empty() {
                parameters.set("mime", mime);
            }
            ready.parameters.push(parameters);
        }
        Ok(ready)
    }

    /// Fetches a file. Its name is the text of whoever sent it, so that a failure tells its place among the message's.
    async fn fetch(
        &self,
        file: &File,
        place: &str,
        attempts: i32,
    ) -> Result<(Option<String>, Bytes), WriteError> {
        // While nothing of Deskie's can be had its word about a file is nobody's (rule 20).
        let is_away = matches!(self.meter.reach(), Reach::Unreachable(_) | Reach::KeyRevoked);
        let passing = |why: String| {
            let why = format!("{place}: {why}");
            match attempts < ATTEMPTS || is_away {
                true => WriteError::Passing(why),
                false => WriteError::Refused(why),
            }
        };
        let refused = |why: String| WriteError::Refused(format!("{place}: {why}"));
        let expected = (file.name.as_str(), file.mime.as_str());
        let fetched = match self.client.file(&file.url, expected, MAX_FILE).await {
            Ok(DeskieFile::Here { mime, bytes }) => (mime, bytes),
            // Another host sees no credentials, and is no host of the inside.
            Ok(DeskieFile::Elsewhere(url)) => {
                match self.downloader.fetch(url.as_str(), false, MAX_FILE).await {
                    Ok(fetched) => (fetched.mime, fetched.bytes),
                    Err(FetchError::Passing(why)) => return Err(passing(why)),
                    Err(error) => return Err(refused(error.to_string())),
                }
            }
            Err(FileError::Refused(why)) if !is_away => return Err(refused(why)),
            Err(FileError::Passing(why) | FileError::Refused(why)) => return Err(passing(why)),
        };
        match file.size.and_then(|size| u64::try_from(size).ok()) {
            Some(size) if size > 0 && size != fetched.1.len() as u64 => Err(passing(format!(
                "{} bytes came of {size} that Deskie told of",
                fetched.1.len()
            ))),
            _ => Ok(fetched),
        }
    }
}

/// Whether a message comes with files.
pub(super) fn comes_with_files(head: &PendingRemote) -> bool {
    let files = head
        .payload
        .get("attachments")
        .and_then(serde_json::Value::as_array);
    files.is_some_and(|files| !files.is_empty())
}

/// A bytea as its text.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(DIGITS.get(usize::from(digit)).copied().unwrap_or(b'0').into());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_postgres_reads_them() {
        assert_eq!(hex(b""), "\\x");
        assert_eq!(hex(&[0, 0x0f, 0xff]), "\\x000fff");
    }
}
