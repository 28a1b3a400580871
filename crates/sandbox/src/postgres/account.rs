//! Which account the server runs as: it refuses root, and an account without an entry in /etc/passwd.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The account that runs the server: our own, or another one when we are root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Account {
    Own(u32),
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// Our own account, or `postgres` or else `nobody` when we are root.
    pub(super) fn for_server() -> std::io::Result<Account> {
        let own = effective_uid()?;
        if own != 0 {
            return Ok(Account::Own(own));
        }
        let passwd = std::fs::read_to_string("/etc/passwd")?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| from_passwd(&passwd, name))
            .ok_or_else(|| {
                std::io::Error::other(
                    "we are root, which Postgres refuses, and there is no account `postgres` or `nobody`",
                )
            })
    }

    /// Its number.
    pub(super) fn uid(self) -> u32 {
        match self {
            Account::Own(uid) | Account::Other { uid, .. } => uid,
        }
    }

    /// A command that runs as this account, in a folder that any account may read, in English.
    pub(super) fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
        if let Account::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Makes this account the owner of a file or folder of ours.
    pub(super) fn give(self, path: &Path) -> std::io::Result<()> {
        match self {
            Account::Own(_) => Ok(()),
            Account::Other { uid, gid } => std::os::unix::fs::chown(path, Some(uid), Some(gid)),
        }
    }
}

/// The effective user, without a foreign call: the owner of our own entry in /proc, else what `id` says.
pub(super) fn effective_uid() -> std::io::Result<u32> {
    if let Ok(own) = std::fs::metadata("/proc/self") {
        return Ok(own.uid());
    }
    let output = Command::new("id").arg("-u").output()?;
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|_| std::io::Error::other("`id -u` did not print a number"))
}

fn from_passwd(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account::Other { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533:nobody:/:/bin/false\n";
        assert_eq!(
            from_passwd(passwd, "nobody"),
            Some(Account::Other {
                uid: 65534,
                gid: 65533
            })
        );
        assert_eq!(from_passwd(passwd, "postgres"), None);
    }
}
