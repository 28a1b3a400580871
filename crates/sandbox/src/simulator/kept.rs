//! The books in a folder, so that a simulator that is started again is the same account: it goes on with its numbers,
//! customers, cases and messages. What it was asked and what it sent are not kept.
//!
//! They are written before the caller is answered, by a rename, so that a kill leaves the former ones or these.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::options::Options;
use super::state::{Attachment, Case, State, User};

/// Where they are kept, and what was written last.
#[derive(Debug)]
pub(super) struct Keeper {
    folder: PathBuf,
    written: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    users: Vec<User>,
    cases: Vec<Case>,
    attachments: BTreeMap<i64, Attachment>,
    labels: BTreeMap<i64, String>,
    next: [i64; 4],
}

/// By its content: a simulator that was reset gives its numbers anew.
fn file_of(folder: &Path, attachment: &Attachment) -> PathBuf {
    folder.join(format!("file-{}", attachment.sha256))
}

impl Keeper {
    /// The state as it was kept in `folder`; a new one where nothing was.
    pub(super) fn open(folder: &Path, options: Options) -> io::Result<(Keeper, State)> {
        std::fs::create_dir_all(folder)?;
        let mut keeper = Keeper {
            folder: folder.to_owned(),
            written: String::new(),
        };
        let mut state = State::new(options);
        let text = match std::fs::read_to_string(folder.join("books.json")) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                keeper.keep(&state)?;
                return Ok((keeper, state));
            }
            Err(error) => return Err(error),
        };
        let kept: Kept = serde_json::from_str(&text)?;
        state.users = kept.users.into_iter().map(|user| (user.id, user)).collect();
        state.cases = kept.cases.into_iter().map(|case| (case.id, case)).collect();
        state.attachments = kept.attachments;
        for attachment in state.attachments.values_mut() {
            attachment.bytes = std::fs::read(file_of(folder, attachment))?.into();
        }
        state.labels = kept.labels;
        [
            state.next_case,
            state.next_message,
            state.next_user,
            state.next_file,
        ] = kept.next;
        // Not the same chances again.
        let seed = state.options.seed ^ state.next_message.unsigned_abs();
        state.rng = StdRng::seed_from_u64(seed);
        keeper.written = text;
        Ok((keeper, state))
    }

    /// Writes down what has changed.
    pub(super) fn keep(&mut self, state: &State) -> io::Result<()> {
        let kept = Kept {
            users: state.users.values().cloned().collect(),
            cases: state.cases.values().cloned().collect(),
            attachments: state.attachments.clone(),
            labels: state.labels.clone(),
            next: [
                state.next_case,
                state.next_message,
                state.next_user,
                state.next_file,
            ],
        };
        let text = serde_json::to_string(&kept)?;
        if text == self.written {
            return Ok(());
        }
        for attachment in state.attachments.values() {
            let file = file_of(&self.folder, attachment);
            if !file.exists() {
                std::fs::write(file, &attachment.bytes)?;
            }
        }
        let new = self.folder.join("books.json.new");
        std::fs::write(&new, &text)?;
        std::fs::rename(new, self.folder.join("books.json"))?;
        self.written = text;
        Ok(())
    }
}
