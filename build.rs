//! What `--version` says: in a release build also the commit and its date, so that a fault can be told of what was built.
//!
//! Without git, as in the image's build, they come in `DESKIE_CDC_COMMIT`. Other builds are not made anew for each commit.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DESKIE_CDC_COMMIT");
    let version = variable("CARGO_PKG_VERSION").unwrap_or_default();
    let is_release = variable("PROFILE").as_deref() == Some("release");
    let commit = variable("DESKIE_CDC_COMMIT").or_else(|| is_release.then(commit).flatten());
    let told = commit.map_or(version.clone(), |commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=DESKIE_CDC_VERSION={told}");
}

/// The short name of the commit and its date.
fn commit() -> Option<String> {
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
