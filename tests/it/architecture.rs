//! The rules of the house, as tests: who may import whom, what a pure room may not know, how long a file may be.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms and their levels: an import never goes up.
const LEVELS: [(&str, u8); 23] = [
    ("model", 0),
    ("config", 1),
    ("pgoutput", 2),
    ("mapping", 2),
    ("lanes", 2),
    ("text", 2),
    ("decide", 2),
    ("postgres", 3),
    ("deskie", 3),
    ("store", 4),
    ("files", 4),
    ("backfill", FLOWS),
    ("capture", FLOWS),
    ("resolve", FLOWS),
    ("deliver", FLOWS),
    ("receive", FLOWS),
    ("cases", FLOWS),
    ("writeback", FLOWS),
    ("setup", FLOWS),
    ("console", 6),
    ("run", 6),
    ("cli", 7),
    ("main", 8),
];

/// What there is to try things against knows nothing of us. `demo` stands on it, and the tests.
const SANDBOX: &str = "deskie_cdc_sandbox";

/// The flows meet in the store and never import each other.
const FLOWS: u8 = 5;

/// Rooms that only compute: no runtime, no driver, no clock, no outside.
const PURE: [&str; 5] = ["pgoutput", "mapping", "lanes", "text", "decide"];

/// What a pure room may not name.
const IMPURE: [&str; 12] = [
    "tokio",
    "tokio_postgres",
    "deadpool_postgres",
    "reqwest",
    "axum",
    "async",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "clock::now",
    "clock::monotonic",
    "std::env",
];

const LONGEST_FILE: usize = 600;

/// What others may call or name. A field or a variant whose name says all needs no sentence.
const DOORS: [&str; 8] = [
    "pub fn ",
    "pub async fn ",
    "pub const ",
    "pub static ",
    "pub struct ",
    "pub enum ",
    "pub trait ",
    "pub type ",
];

#[test]
fn every_file_and_every_door_says_what_it_is_for() {
    let mut silent = Vec::new();
    for Source { path, text } in sources() {
        let is_of_tests = is_test_file(&path) || path.to_string_lossy().ends_with("tests.rs");
        if is_of_tests {
            continue;
        }
        if !text.starts_with("//!") {
            silent.push(path.display().to_string());
        }
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (n, line) in lines.iter().enumerate() {
            if !DOORS.iter().any(|door| line.starts_with(door)) {
                continue;
            }
            let before = lines[..n].iter().rev().find(|line| !line.starts_with("#["));
            if !before.is_some_and(|line| line.starts_with("///") || line.starts_with("$(#[$")) {
                silent.push(format!("{}:{}: {line}", path.display(), n + 1));
            }
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn imports_never_go_up_a_level() {
    let mut faults = Vec::new();
    for file in sources() {
        let room = room_of(&file.path);
        if room != "lib" && level(&room).is_none() {
            faults.push(format!(
                "{}: the room `{room}` has no level in {}",
                file.path.display(),
                file!()
            ));
        }
        faults.extend(forbidden_imports(&file.path, &file.text));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn pure_rooms_stay_pure() {
    let faults: Vec<String> = sources()
        .iter()
        .filter(|file| PURE.contains(&room_of(&file.path).as_str()))
        .flat_map(|file| impurities(&file.path, &file.text))
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn files_stay_short() {
    let faults: Vec<String> = sources()
        .iter()
        .chain(&sources_of("crates"))
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(file, lines)| format!("{}: {lines} lines, {LONGEST_FILE} at most", file.path.display()))
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The rules catch what they are there for.
#[test]
fn the_rules_bite() {
    let imports = |path: &str, text: &str| forbidden_imports(Path::new(path), text).len();
    assert_eq!(imports("lanes/mod.rs", "use crate::store::Store;"), 1);
    assert_eq!(
        imports(
            "store/mod.rs",
            "use crate::{\n    lanes::Lane,\n    capture::{self, run},\n};"
        ),
        1
    );
    assert_eq!(
        imports("deliver/send.rs", "use crate::resolve::Draft;"),
        1,
        "flows do not import each other"
    );
    assert_eq!(
        imports(
            "deliver/send.rs",
            "use crate::deliver::Draft; use crate::store::Store;"
        ),
        0
    );
    assert_eq!(imports("config/raw.rs", "use super::super::mapping::Sql;"), 1);
    assert_eq!(
        imports("config/raw.rs", "use super::mapping::Sql;"),
        0,
        "config::mapping"
    );
    assert_eq!(
        imports("config/raw/toml.rs", "use super::super::mapping::Sql;"),
        0,
        "config::mapping"
    );
    assert_eq!(imports("config/mod.rs", "use super::{model, run};"), 1);
    assert_eq!(
        imports("model/mod.rs", "//! [`crate::run`] and // crate::cli"),
        0,
        "comments may look up"
    );
    assert_eq!(imports("main.rs", "fn main() { deskie_cdc::cli::run() }"), 0);
    let test = "#[cfg(test)]\nmod tests {\n    use super::super::Sql;\n    use deskie_cdc_sandbox::postgres::Cluster;\n}\n";
    assert_eq!(
        imports("mapping/sql.rs", test),
        0,
        "tests may stand on the sandbox"
    );
    assert_eq!(
        imports(
            "mapping/sql.rs",
            &format!("{test}use deskie_cdc_sandbox::postgres::Cluster;")
        ),
        1
    );
    assert_eq!(imports("mapping/sql.rs", &test.replace(SANDBOX, "crate::cli")), 1);
    assert_eq!(imports("cli/demo.rs", "use deskie_cdc_sandbox::sample_site;"), 0);

    let impure = |text: &str| impurities(Path::new("lanes/mod.rs"), text).len();
    assert_eq!(impure("use tokio::time::sleep;"), 1);
    assert_eq!(impure("let now = jiff::Timestamp::now();"), 1);
    assert_eq!(impure("pub async fn f() {}"), 1);
    assert_eq!(impure("let tokio_like = 1; // tokio"), 0);
    assert_eq!(impure("#[cfg(test)]\nmod tests {\n    use tokio::test;\n}\n"), 0);
}

struct Source {
    /// Relative to `src`.
    path: PathBuf,
    text: String,
}

fn sources() -> Vec<Source> {
    let sources = sources_of("src");
    assert!(
        sources.len() >= LEVELS.len(),
        "the sources are not where they are looked for"
    );
    sources
}

/// Those below a folder; relative to it, not to `src`.
fn sources_of(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push(Source {
                    path: path.strip_prefix(&root).unwrap().to_owned(),
                    text,
                });
            }
        }
    }
    sources
}

fn level(room: &str) -> Option<u8> {
    LEVELS
        .iter()
        .find(|(name, _)| *name == room)
        .map(|(_, level)| *level)
}

/// `lanes/budget.rs` → `lanes`; `main.rs` → `main`.
fn room_of(path: &Path) -> String {
    module_path(path)
        .into_iter()
        .next()
        .unwrap_or_else(|| "lib".to_owned())
}

/// `lanes/budget.rs` → lanes, budget; `lanes/mod.rs` → lanes; `lib.rs` → nothing.
fn module_path(path: &Path) -> Vec<String> {
    let words = path
        .with_extension("")
        .iter()
        .map(|word| word.to_str().unwrap().to_owned())
        .collect::<Vec<_>>();
    words
        .into_iter()
        .filter(|word| word != "mod" && word != "lib")
        .collect()
}

fn forbidden_imports(path: &Path, text: &str) -> Vec<String> {
    let room = room_of(path);
    let Some(own) = level(&room) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    for (code, is_test) in parts(path, text) {
        if !is_test && room != "cli" && occurrences(&code, SANDBOX).next().is_some() {
            faults.push(format!("{}: `{room}` stands on the sandbox", path.display()));
        }
        for import in imports(path, &code, is_test) {
            let Some(other) = level(&import) else { continue };
            let upwards = other > own || (own == FLOWS && other == FLOWS && import != room);
            if upwards {
                faults.push(format!(
                    "{}: `{room}` ({own}) imports `{import}` ({other})",
                    path.display()
                ));
            }
        }
    }
    faults
}

fn impurities(path: &Path, text: &str) -> Vec<String> {
    let code = parts(path, text)
        .into_iter()
        .filter(|(_, is_test)| !is_test)
        .map(|(code, _)| code)
        .collect::<String>();
    IMPURE
        .iter()
        .filter(|name| occurrences(&code, name).any(|at| !continues(&code[at + name.len()..])))
        .map(|name| format!("{}: a pure room names `{name}`", path.display()))
        .collect()
}

/// The names that follow the crate's root: `crate::name`, `deskie_cdc::name`, and as many `super::` as lead there.
fn imports(path: &Path, code: &str, is_test: bool) -> Vec<String> {
    let mut names = Vec::new();
    for root in ["crate::", "deskie_cdc::"] {
        names.extend(occurrences(code, root).flat_map(|at| names_at(&code[at + root.len()..])));
    }
    // A module of tests stands one deeper than its file.
    let depth = module_path(path).len() + usize::from(is_test && !is_test_file(path));
    let up = "super::".repeat(depth);
    for at in occurrences(code, &up).filter(|at| !code[..*at].ends_with("super::")) {
        let rest = &code[at + up.len()..];
        names.extend(names_at(rest));
    }
    names
}

/// `a::b` → a; `{a, b::{c, d}}` → a, b.
fn names_at(code: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|character| character.is_alphanumeric() || *character == '_')
            .collect()
    };
    let Some(group) = code.strip_prefix('{') else {
        return vec![word(code)];
    };
    let mut names = vec![word(group)];
    let mut depth = 0;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(word(&group[at + 1..])),
            _ => {}
        }
    }
    names
}

/// Where `name` begins in `code` as a word of its own.
fn occurrences<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(name)
        .map(|(at, _)| at)
        .filter(|at| !code[..*at].ends_with(is_word))
}

fn continues(rest: &str) -> bool {
    rest.starts_with(is_word)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The file's code without comments, as (production, tests): a block below `#[cfg(test)]`, or a whole file of tests.
fn parts(path: &Path, text: &str) -> [(String, bool); 2] {
    let mut production = String::new();
    let mut tests = String::new();
    let mut block_end: Option<String> = None;
    let mut after_attribute = false;
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default().trim_end();
        let indent = &code[..code.len() - code.trim_start().len()];
        let in_tests = is_test_file(path) || block_end.is_some() || after_attribute;
        let part = if in_tests { &mut tests } else { &mut production };
        part.push_str(code);
        part.push('\n');
        if block_end.as_deref() == Some(code) {
            block_end = None;
        } else if block_end.is_none() && code.trim_start().starts_with("#[cfg(test)]") {
            after_attribute = true;
        } else if after_attribute && !code.trim_start().starts_with("#[") {
            // The item that the attribute is on: up to its closing brace, as rustfmt sets it, or this line alone.
            after_attribute = false;
            block_end = code.ends_with('{').then(|| format!("{indent}}}"));
        }
    }
    [(production, false), (tests, true)]
}

fn is_test_file(path: &Path) -> bool {
    // `world` is the simulated one of the lanes' tests, `testing` the server of postgres's, declared below `#[cfg(test)]`.
    module_path(path)
        .iter()
        .any(|module| ["tests", "world", "testing"].contains(&module.as_str()))
}
