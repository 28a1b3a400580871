//! The folders that files come from and go to. They are looked at where `check` runs, which should be where `run` does.

use std::path::Path;

use super::Checks;
use crate::config::{AttachmentSource, Config};

pub(super) fn check(config: &Config, found: &mut Checks) {
    for attachment in &config.attachments {
        let AttachmentSource::Path { base, .. } = &attachment.source else {
            continue;
        };
        match std::fs::read_dir(base) {
            Ok(_) => found.ok("files", format!("{} can be read", base.display())),
            Err(error) => found.fail(
                "files",
                format!("[[attachment]] base {} cannot be read: {error}", base.display()),
                "give the connector's user the right to read it, or mount it where the connector runs",
            ),
        }
    }
    let Some(folder) = config.reply.as_ref().and_then(|reply| reply.files_dir.as_ref()) else {
        return;
    };
    match can_be_written(folder) {
        Ok(()) => found.ok("files", format!("{} can be written", folder.display())),
        Err(error) => found.fail(
            "files",
            format!(
                "[reply] files_dir {} cannot be written: {error}",
                folder.display()
            ),
            "give the connector's user the right to write there, or mount it where the connector runs",
        ),
    }
}

/// In the folder, or where it would be made.
fn can_be_written(folder: &Path) -> std::io::Result<()> {
    let existing = folder.ancestors().find(|ancestor| ancestor.exists());
    let existing = existing.filter(|path| !path.as_os_str().is_empty());
    tempfile::Builder::new()
        .prefix(".deskie-cdc-check")
        .tempfile_in(existing.unwrap_or(Path::new(".")))
        .map(drop)
}
