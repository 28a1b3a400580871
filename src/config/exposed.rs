//! Whether the file tells its secrets to other accounts of the machine.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Config;
use super::secret::written_out;

/// What the file tells others, and the command that mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    pub message: String,
    pub mend: String,
}

impl Config {
    /// Whether a secret stands in the file itself, and others than its owner may read it. Of a link the file behind it counts.
    pub fn exposed(&self) -> Option<Exposed> {
        let path = &self.source.path;
        let file = std::fs::metadata(path).ok()?;
        let (mode, owner) = (file.mode() & 0o777, file.uid());
        // So a container is given its secrets: root's, and nobody's to write. Who else is in there?
        if owner == 0 && mode & 0o222 == 0 {
            return None;
        }
        // A file of root's that a group of its own may read is how a service's account gets at it.
        let is_a_services = owner == 0 && file.gid() != 0;
        let everybody = mode & 0o004 != 0;
        let group = mode & 0o040 != 0 && !is_a_services;
        let secrets = written_out(&self.source.text);
        if secrets.is_empty() || !(everybody || group) {
            return None;
        }
        let shown = path.display();
        let file = match path.canonicalize() {
            Ok(target) if path.is_symlink() => format!("{shown}, which is a link to {},", target.display()),
            _ => shown.to_string(),
        };
        let whom = if everybody {
            "each account of this machine"
        } else {
            "its group"
        };
        let (change, then) = match is_a_services {
            true => ("chmod 640", "(its group has to be the connector's)"),
            false => (
                "chmod 600",
                "(the connector then has to run as its owner; with Compose: DESKIE_CDC_USER)",
            ),
        };
        Some(Exposed {
            message: format!(
                "{file} may be read by {whom} (mode {mode:o}), and these stand in it: {}",
                secrets.join(", ")
            ),
            mend: format!(
                "{change} {} {then}; or write ${{NAME}} in their place, and set the variable, or NAME_FILE, where it runs",
                quoted(path)
            ),
        })
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,@:".contains(c);
    match text.chars().all(is_plain) && !text.starts_with('-') {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;
    use std::path::Path;

    #[test]
    fn a_path_is_quoted_where_a_shell_would_split_it() {
        assert_eq!(quoted(Path::new("/etc/a-b.toml")), "/etc/a-b.toml");
        assert_eq!(quoted(Path::new("o'clock it's")), r"'o'\''clock it'\''s'");
    }
}
