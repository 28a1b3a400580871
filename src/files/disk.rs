//! A file below a folder. What the path says, links of the file system included, must not lead out of it.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DiskError {
    /// It is not there.
    Missing,
    /// It is larger than allowed.
    TooLarge,
    /// It is not ours to read.
    Refused(String),
}

/// Opens a pipe without waiting for somebody to write into it (`O_NONBLOCK`).
const NON_BLOCKING: i32 = 0o4000;

/// Reads at most `max` bytes of the file that `path` names below `base`.
pub(super) fn read(base: &Path, path: &str, max: u64) -> Result<Bytes, DiskError> {
    let refused = |why: &str| DiskError::Refused(why.to_owned());
    if path.contains('\0') {
        return Err(refused("its path is none"));
    }
    let base_real = base.canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound => DiskError::Refused(format!("the folder {} is not there", base.display())),
        _ => DiskError::Refused(format!("the folder {} cannot be read: {error}", base.display())),
    })?;
    // An absolute path may be one below the folder; else its root is the folder.
    let wanted: PathBuf = match Path::new(path).strip_prefix(base) {
        Ok(rest) => base_real.join(rest),
        Err(_) => base_real.join(path.trim_start_matches('/')),
    };
    let real = |wanted: &Path| {
        wanted.canonicalize().map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => DiskError::Missing,
            kind => DiskError::Refused(format!("it cannot be read: {kind}")),
        })
    };
    let found = real(&wanted)?;
    if !found.starts_with(&base_real) {
        return Err(refused("its path leads out of the folder"));
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(target_os = "linux")]
    options.custom_flags(NON_BLOCKING);
    let mut file = options.open(&found).map_err(|error| match error.kind() {
        ErrorKind::NotFound => DiskError::Missing,
        kind => DiskError::Refused(format!("it cannot be read: {kind}")),
    })?;
    let opened = file
        .metadata()
        .map_err(|error| refused(&error.kind().to_string()))?;
    if !opened.is_file() {
        return Err(refused("it is not a file"));
    }
    // Somebody may have put a link into the path since it was looked at: what was opened must be what stands there.
    let again = real(&wanted)?;
    let stands = again.metadata().map_err(|_| DiskError::Missing)?;
    if again != found || (stands.dev(), stands.ino()) != (opened.dev(), opened.ino()) {
        return Err(DiskError::Missing);
    }
    if opened.len() > max {
        return Err(DiskError::TooLarge);
    }
    let mut content = Vec::with_capacity(usize::try_from(opened.len()).unwrap_or(0));
    file.by_ref()
        .take(max + 1)
        .read_to_end(&mut content)
        .map_err(|error| DiskError::Refused(format!("it cannot be read: {}", error.kind())))?;
    if content.len() as u64 > max {
        return Err(DiskError::TooLarge);
    }
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_files_below_the_folder_are_read() {
        let outer = tempfile::tempdir().unwrap();
        let base = outer.path().join("uploads");
        std::fs::create_dir_all(base.join("a")).unwrap();
        std::fs::create_dir(outer.path().join("uploads-of-others")).unwrap();
        std::fs::write(outer.path().join("secret"), "s").unwrap();
        std::fs::write(outer.path().join("uploads-of-others/x"), "s").unwrap();
        std::fs::write(base.join("a/x"), "12345").unwrap();
        symlink(outer.path().join("secret"), base.join("link")).unwrap();
        symlink(outer.path(), base.join("folder")).unwrap();
        symlink(base.join("a/x"), base.join("inner")).unwrap();
        let read = |path: &str| read(&base, path, 5);
        let whole = base.join("a/x").display().to_string();
        for inside in ["a/x", "/a/x", "a/../a/x", "./a//x", "inner", &whole] {
            assert_eq!(read(inside).as_deref(), Ok(&b"12345"[..]), "{inside}");
        }
        let secret = outer.path().join("secret").display().to_string();
        for outside in [
            "../secret",
            "a/../../secret",
            "link",
            "folder/secret",
            "../uploads-of-others/x",
            "a",
            "",
            "\0",
        ] {
            assert!(matches!(read(outside), Err(DiskError::Refused(_))), "{outside}");
        }
        assert_eq!(read(&secret), Err(DiskError::Missing), "its root is the folder");
        assert_eq!(read("a/y"), Err(DiskError::Missing));
        assert_eq!(super::read(&base, "a/x", 4), Err(DiskError::TooLarge));
    }
}
