//! What is made once and copied from then on: an `initdb` a version, and programs that the server's account cannot read.
//!
//! Both are cached in the temp dir under a name that says what they are, built under a temporary name and renamed, so
//! that several processes may do it at once. A count of what belongs there tells a copy that someone has cleaned up.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::account::Account;
use super::installation::Installation;

/// Part of the cached names: raise it when what is cached changes.
const LAYOUT: u32 = 1;

/// What is being built has a name that begins so, beside the place where it will be.
const BUILDING: &str = "deskie-cdc-building-";

/// The file that says how many entries a complete folder has.
const COUNT: &str = "deskie-cdc.count";

/// A fresh data folder of this version, to be copied.
pub(super) fn data(installation: &Installation, account: Account) -> io::Result<PathBuf> {
    let name = format!("initdb-{}", slug(installation.full_version()));
    cached(in_temp_dir(&name, account), account, |target| {
        let mut initdb = account.command(installation.bin().join("initdb"));
        initdb
            .args([
                "-A",
                "trust",
                "-U",
                "postgres",
                "--no-sync",
                "--locale=C",
                "-E",
                "UTF8",
                "-D",
            ])
            .arg(target);
        run(&mut initdb)
    })
}

/// The installation itself if the server's account can run it, else a copy where it can (a checkout below /root).
pub(super) fn runnable(installation: &Installation, account: Account) -> io::Result<Installation> {
    let postgres = installation.bin().join("postgres");
    let usable = account
        .command(&postgres)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if usable {
        return Ok(installation.clone());
    }
    let root = installation.root();
    let name = format!(
        "programs-{}",
        slug(&format!("{}{}", installation.full_version(), root.display()))
    );
    let copy = cached(in_temp_dir(&name, account), account, |target| {
        // As ourselves: the account cannot read the source.
        let mut copy = std::process::Command::new("cp");
        copy.arg("-RP").arg(root.join(".")).arg(target);
        run(&mut copy)?;
        give_all(target, account)
    })?;
    Ok(installation.moved_to(&copy))
}

/// Copies a cached data folder to a new place that belongs to the account.
pub(super) fn copy(template: &Path, target: &Path, account: Account) -> io::Result<()> {
    duplicate(template, target, account)?;
    fs::remove_file(target.join(COUNT))
}

/// Copies any folder of the account's.
pub(super) fn duplicate(source: &Path, target: &Path, account: Account) -> io::Result<()> {
    let mut copy = account.command("cp");
    copy.arg("-RPp").arg(source).arg(target);
    run(&mut copy)
}

fn in_temp_dir(name: &str, account: Account) -> PathBuf {
    std::env::temp_dir().join(format!("deskie-cdc-{LAYOUT}-{}-{name}", account.uid()))
}

/// A folder that is built if it is not there or not whole.
pub(super) fn cached(
    place: PathBuf,
    account: Account,
    build: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    if is_whole(&place, account) {
        return Ok(place);
    }
    let parent = place.parent().unwrap_or(Path::new("/"));
    let building = tempfile::Builder::new().prefix(BUILDING).tempdir_in(parent)?;
    account.give(building.path())?;
    let target = building.path().join("new");
    fs::create_dir(&target)?;
    fs::set_permissions(&target, fs::Permissions::from_mode(0o700))?;
    account.give(&target)?;
    build(&target)?;
    let list = target.join(COUNT);
    fs::write(&list, "")?;
    fs::write(&list, count(&target)?.to_string())?;
    account.give(&list)?;
    if fs::rename(&target, &place).is_err() && !is_whole(&place, account) {
        // What stands there is a remnant: out of the way with it. Whoever else does the same makes the same folder.
        let _ = fs::rename(&place, building.path().join("remnant"));
        if let Err(error) = fs::rename(&target, &place)
            && !is_whole(&place, account)
        {
            return Err(error);
        }
    }
    Ok(place)
}

/// Whether a cached folder is the account's own and has all its entries (temp dirs are cleaned file by file).
pub(super) fn is_whole(place: &Path, account: Account) -> bool {
    let own = fs::symlink_metadata(place).is_ok_and(|entry| entry.is_dir() && entry.uid() == account.uid());
    own && fs::read_to_string(place.join(COUNT))
        .ok()
        .and_then(|count| count.parse().ok())
        .is_some_and(|expected: usize| count(place).is_ok_and(|found| found == expected))
}

/// Removes what killed processes have left half built in a folder; only for who knows that nobody builds there.
pub(super) fn remove_remnants(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(BUILDING)) {
        let _ = fs::remove_dir_all(entry.path());
    }
}

fn count(folder: &Path) -> io::Result<usize> {
    let mut entries = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        entries += 1;
        if entry.file_type()?.is_dir() {
            entries += count(&entry.path())?;
        }
    }
    Ok(entries)
}

fn give_all(path: &Path, account: Account) -> io::Result<()> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if kind.is_symlink() {
        return Ok(());
    }
    account.give(path)?;
    if kind.is_dir() {
        for entry in fs::read_dir(path)? {
            give_all(&entry?.path(), account)?;
        }
    }
    Ok(())
}

/// Runs a command to its end; what it printed is in the error.
fn run(command: &mut std::process::Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "`{program}` failed ({}): {}",
        output.status,
        said.trim()
    )))
}

/// A file name out of a version.
fn slug(text: &str) -> String {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '.');
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_cleaned_up_is_built_again() {
        let account = Account::for_server().unwrap();
        let name = format!("test-{}", std::process::id());
        let build = |target: &Path| {
            fs::create_dir(target.join("base"))?;
            fs::write(target.join("base/1"), "1")
        };
        let place = cached(in_temp_dir(&name, account), account, build).unwrap();
        assert!(is_whole(&place, account));

        fs::remove_file(place.join("base/1")).unwrap();
        assert!(!is_whole(&place, account));
        assert_eq!(cached(place.clone(), account, build).unwrap(), place);
        assert!(is_whole(&place, account));
        fs::remove_dir_all(place).unwrap();
    }
}
