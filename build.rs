//! What `--version` says: in a release build, so after `cargo install` too, also the commit and its date, so that a fault can be
//! told of what was built.
//!
//! Without git, as in the image's build, they come in `DESKIE_CDC_COMMIT`; without both there is the version alone. A debug
//! build is not made anew for each commit, and says that it is one.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DESKIE_CDC_COMMIT");
    let version = variable("CARGO_PKG_VERSION").unwrap_or_default();
    let is_release = variable("PROFILE").as_deref() == Some("release");
    let commit = variable("DESKIE_CDC_COMMIT").or_else(|| match is_release {
        true => commit(),
        false => Some("debug build".to_owned()),
    });
    let told = commit.map_or(version.clone(), |commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=DESKIE_CDC_VERSION={told}");
}

/// The short name of the commit and its date.
fn commit() -> Option<String> {
    // Sources that were unpacked somewhere in a repository of something else are no commit of it.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    // Each commit and each other branch is written there.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["log", "-1", "--format=%h, %cs"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a build is told everything by its environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
