//! `[reply] files_dir`: a file of Deskie's in a folder of the site.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// Stores a file. `name` is made by us and always the same for the same file, so a repeated write-back overwrites what
/// it left before; whoever reads the folder sees a whole file or none.
pub async fn keep(folder: &Path, name: &str, bytes: Bytes) -> std::io::Result<PathBuf> {
    let (folder, name) = (folder.to_owned(), name.to_owned());
    let written = tokio::task::spawn_blocking(move || write(&folder, &name, &bytes)).await;
    written.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

/// Takes back what was stored for a write-back that certainly did not happen.
pub async fn forget(paths: Vec<PathBuf>) {
    for path in paths {
        if let Err(error) = tokio::fs::remove_file(&path).await {
            // The file's name is the text of whoever sent it.
            let folder = path.parent().unwrap_or(Path::new(""));
            tracing::warn!(
                "a file was stored in {} for nothing and could not be removed: {}",
                folder.display(),
                error.kind()
            );
        }
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(name);
    let open = folder.join(format!(".{name}.part"));
    match std::fs::remove_file(&open) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        // A new file, never one that somebody has put there to be written through.
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&open)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&open, &path)
    })();
    if let Err(error) = written {
        let _ = std::fs::remove_file(&open);
        return Err(error);
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_there_whole_and_nothing_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("new");
        for content in ["one", "two"] {
            let path = keep(&inner, "7-1-a.txt", Bytes::from(content)).await.unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        // A link in the place of the open file is not written through.
        let outside = folder.path().join("outside");
        std::os::unix::fs::symlink(&outside, inner.join(".7-2-b.txt.part")).unwrap();
        let path = keep(&inner, "7-2-b.txt", Bytes::from("b")).await.unwrap();
        assert!(!outside.exists());
        // What cannot be renamed leaves nothing.
        std::fs::create_dir_all(inner.join("7-3-c.txt/x")).unwrap();
        assert!(keep(&inner, "7-3-c.txt", Bytes::from("c")).await.is_err());
        forget(vec![path]).await;
        let mut left: Vec<_> = std::fs::read_dir(&inner)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["7-1-a.txt", "7-3-c.txt"]);
    }
}
