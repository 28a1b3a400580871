//! The README's table of faults names tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

/// The text of all sources below a folder.
fn sources(folder: &Path) -> String {
    let (mut folders, mut text) = (vec![folder.to_owned()], String::new());
    while let Some(folder) = folders.pop() {
        let paths: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        for path in paths {
            if path.is_dir() {
                // Where other versions of Postgres are installed.
                folders.extend((!path.ends_with("node_modules")).then_some(path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

#[test]
fn every_test_that_the_readme_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let (_, table) = readme
        .split_once("### What can go wrong")
        .expect("the table of faults");
    let rows: Vec<&str> = table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() >= 25, "{} rows", rows.len());
    let code = sources(&root.join("tests")) + &sources(&root.join("src"));
    let mut missing = Vec::new();
    for row in rows {
        let named = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let tests: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        if tests.is_empty() {
            missing.push(format!("no test: {row}"));
        }
        for test in tests {
            if !code.contains(&format!("fn {test}(")) && !code.contains(&format!("    {test}: ")) {
                missing.push(format!("`{test}` does not exist: {row}"));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}
