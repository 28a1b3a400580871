//! What the documents say is so: names of tests, metrics, alerts and keys exist, links lead somewhere, and the READMEs in Turkish
//! and Russian say what the one in English says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use deskie_cdc::cli::Arguments;
use deskie_cdc::config::Config;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The files below a folder whose names end so.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![root().join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // Where other versions of Postgres are installed.
                folders.extend((!path.ends_with("node_modules")).then_some(path));
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found
}

/// All pages.
fn pages() -> Vec<PathBuf> {
    let mut pages = files("docs", "md");
    pages.extend(files("findings", "md"));
    for name in [
        "README.md",
        "README.tr.md",
        "README.ru.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
    ] {
        pages.push(root().join(name));
    }
    pages
}

/// The text of all sources below a folder.
fn sources(folder: &str) -> String {
    let texts = files(folder, "rs")
        .into_iter()
        .map(|path| fs::read_to_string(path).unwrap());
    texts.collect()
}

/// The pieces of a text between a prefix and the first character that no name has.
fn names(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(prefix)
        .map(|(at, _)| text[at..].chars().take_while(|c| is_name(*c)).collect())
        .collect()
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let code = sources("tests") + &sources("src") + &sources("crates");
    let mut missing = Vec::new();
    for (page, least) in [("docs/faults.md", 25), ("SECURITY.md", 20)] {
        let text = read(page);
        let rows: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with('|') && !line.starts_with("|---"))
            .filter(|line| !line.ends_with("| test |") && !line.ends_with("| held by |"))
            .collect();
        assert!(rows.len() >= least, "{page}: {} rows", rows.len());
        for row in rows {
            let named = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
            let tests: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
            // What nothing stops has no test, and says so.
            if tests.is_empty() && named.trim() != "not stopped, said" {
                missing.push(format!("no test: {row}"));
            }
            for test in tests {
                if !code.contains(&format!("fn {test}(")) && !code.contains(&format!("    {test}: ")) {
                    missing.push(format!("`{test}` does not exist: {row}"));
                }
            }
        }
    }
    // Elsewhere, what has as many words as only a test's name has.
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let is_name = |name: &&str| {
            name.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
                && name.matches('_').count() >= 6
        };
        for test in text.split('`').skip(1).step_by(2).filter(is_name) {
            if !code.contains(&format!("fn {test}(")) {
                missing.push(format!("`{test}` does not exist: {}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn every_place_and_test_of_a_rule_exists() {
    let page = read("docs/architecture.md");
    let code = sources("tests") + &sources("src") + &sources("crates");
    let is_there = |path: String| root().join(&path).exists() || root().join(path + ".rs").exists();
    let (mut rules, mut missing) = (0, Vec::new());
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, _, places, tests] = cells[..] else {
            continue;
        };
        if number.parse::<u32>().is_err() {
            continue;
        }
        rules += 1;
        let quoted = |cell: &'_ str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        // A view is named without a path.
        for place in quoted(places) {
            let is_view = fs::read_to_string(root().join("sql/0043_written_anew.sql"))
                .is_ok_and(|sql| sql.contains(&format!("view {{schema}}.{place} as")));
            if !is_view && !is_there(format!("src/{place}")) && !is_there(place.clone()) {
                missing.push(format!("rule {number}: {place}"));
            }
        }
        for test in quoted(tests) {
            let path = test.trim_end_matches(':').replace("::", "/");
            let is_module = is_there(format!("tests/it/{path}")) || is_there(format!("src/{path}"));
            if !is_module && !code.contains(&format!("fn {test}(")) {
                missing.push(format!("rule {number}: {test}"));
            }
        }
    }
    assert_eq!(rules, 22);
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_threat_model_names_everybody() {
    let page = read("SECURITY.md");
    for who in [
        "A customer on the site",
        "A customer who writes e-mails",
        "An agent",
        "Any user of the site's database",
        "The owner of the site's tables",
        "Another process on the host",
        "Another site in somebody's browser",
        "The network",
        "A Deskie that lies",
    ] {
        assert!(page.contains(&format!("\n| {who}")), "{who}");
    }
}

#[test]
fn the_documents_name_the_metrics_as_they_are() {
    let code = read("src/console/metrics.rs");
    let (code, _) = code.split_once("#[cfg(test)]").unwrap();
    let made = names(code, "deskie_cdc_");
    // Where they are counted they are called the same.
    let counted: BTreeSet<String> = ["counter!(\"", "histogram!(\"", "gauge!(\""]
        .iter()
        .flat_map(|call| names(&sources("src").replace(call, "COUNTED"), "COUNTEDdeskie_cdc_"))
        .map(|name| name.replacen("COUNTED", "", 1))
        .collect();
    assert!(counted.len() >= 7, "{counted:?}");
    assert!(counted.is_subset(&made), "{:?}", counted.difference(&made));
    let page = read("docs/metrics.md");
    let rows: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|row| row.split('`').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(rows, made, "docs/metrics.md has a row for each");
    for file in [
        "packaging/alerts.yml",
        "packaging/grafana.json",
        "tests/outside/alerts.test.yml",
        "docs/operations.md",
        "docs/troubles.md",
    ] {
        let used: BTreeSet<String> = names(&read(file), "deskie_cdc_")
            .into_iter()
            // The names of slots.
            .filter(|name| !name.ends_with("_site"))
            // A histogram's samples.
            .map(|name| name.trim_end_matches("_bucket").to_owned())
            .collect();
        assert!(used.is_subset(&made), "{file}: {:?}", used.difference(&made));
    }
}

#[test]
fn every_alert_has_its_page() {
    let page = read("docs/troubles.md");
    let rules = read("packaging/alerts.yml");
    let alerts: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() >= 15, "{alerts:?}");
    let missing: Vec<&str> = alerts
        .into_iter()
        .filter(|name| !page.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "docs/troubles.md says nothing of {missing:?}");
}

#[test]
fn every_state_has_its_picture() {
    let page = read("docs/states.md");
    let mut tables = 0;
    let steps: Vec<String> = files("sql", "sql")
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    for sql in &steps {
        for table in sql.split("create table {schema}.").skip(1) {
            let (name, columns) = table.split_once(' ').unwrap();
            let (columns, _) = columns.split_once("\n);").unwrap();
            let Some((_, words)) = columns.split_once("check (state in") else {
                continue;
            };
            // A later step may have made the check anew.
            let anew = format!("constraint {name}_state_check check (state in");
            let later = steps.iter().find_map(|step| step.split_once(&anew));
            let (words, _) = later.map_or(words, |(_, words)| words).split_once("))").unwrap();
            let part = page
                .split("\n## ")
                .find(|part| {
                    part.lines()
                        .next()
                        .is_some_and(|title| title.split(' ').any(|word| word == name))
                })
                .unwrap_or_else(|| panic!("docs/states.md has no part on {name}"));
            for word in words.split('\'').skip(1).step_by(2) {
                assert!(part.contains(word), "docs/states.md: {name} has no `{word}`");
            }
            tables += 1;
        }
    }
    assert!(tables >= 7, "{tables}");
}

#[test]
fn every_key_of_the_config_has_its_place() {
    let keys = read("src/config/keys.rs");
    let (_, keys) = keys.split_once("const KEYS").unwrap();
    let (keys, _) = keys.split_once("\n];").unwrap();
    let page = read("docs/config.md");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = page.split(|c| !is_name(c)).collect();
    let keys: Vec<&str> = keys
        .split('"')
        .skip(1)
        .step_by(2)
        .flat_map(|key| key.split('.'))
        .collect();
    assert!(keys.len() > 80, "{}", keys.len());
    let missing: BTreeSet<&str> = keys.into_iter().filter(|key| !words.contains(key)).collect();
    assert!(missing.is_empty(), "docs/config.md says nothing of {missing:?}");
}

#[test]
fn links_lead_somewhere() {
    let mut lost = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for target in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let there = match anchor {
                "" => path.exists(),
                anchor => fs::read_to_string(&path).is_ok_and(|text| anchors(&text).contains(anchor)),
            };
            if !there {
                lost.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(lost.is_empty(), "\n{}", lost.join("\n"));
}

/// The targets of a page's links, in order; what stands in blocks of code is none.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(|piece| piece.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains(char::is_whitespace))
        .collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

/// What has to be the same in each language: the levels of the headings, the blocks of code without their comments (but for
/// the picture), the rows of tables, the points of lists, the links.
fn skeleton(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut block: Option<&str> = None;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            block = match block {
                Some(_) => None,
                None => Some(language),
            };
            parts.push(line.to_owned());
            continue;
        }
        match block {
            Some("") => {}
            Some(_) => parts.push(line.split(" #").next().unwrap_or_default().trim_end().to_owned()),
            None => {
                let mark = line.split(' ').next().unwrap_or_default();
                if mark.starts_with('#') || mark == "-" || mark == "1." || mark.starts_with("|") {
                    parts.push(mark.to_owned());
                }
            }
        }
    }
    let others = links(text)
        .into_iter()
        .filter(|target| !target.starts_with("README"));
    parts.extend(others.map(str::to_owned));
    parts
}

#[test]
fn the_readme_is_short_and_the_same_in_each_language() {
    let english = read("README.md");
    assert!(english.len() <= 12_000, "{} bytes", english.len());
    for other in ["README.tr.md", "README.ru.md"] {
        assert_eq!(skeleton(&english), skeleton(&read(other)), "{other}");
    }
}

/// A page's blocks of code of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    text.split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.split_once('\n'))
        .filter(|(found, _)| *found == language)
        .map(|(_, code)| code)
        .collect()
}

/// The commands of ours on a page: whole ones in blocks, and what prose names, which may leave out what is needed.
fn commands(text: &str) -> Vec<(bool, String)> {
    const NAMES: [&str; 15] = [
        "init",
        "setup",
        "check",
        "plan",
        "run",
        "backfill",
        "status",
        "failed",
        "pause",
        "resume",
        "trace",
        "rules",
        "uninstall",
        "simulator",
        "demo",
    ];
    let mut found = Vec::new();
    for line in blocks(text, "sh").iter().flat_map(|block| block.lines()) {
        let line = line
            .split(" #")
            .next()
            .unwrap_or_default()
            .split(" > ")
            .next()
            .unwrap_or_default();
        for program in ["deskie-cdc ", "cargo run --release -- "] {
            found.extend(line.strip_prefix(program).map(|rest| (true, rest.to_owned())));
        }
    }
    for prose in text.split("```").step_by(2) {
        for code in prose.split('`').skip(1).step_by(2) {
            let rest = code.strip_prefix("deskie-cdc ").unwrap_or(code);
            let name = rest.split(' ').next().unwrap_or_default();
            if NAMES.contains(&name) && !rest.contains('=') {
                found.push((false, rest.to_owned()));
            }
        }
    }
    found
}

#[test]
fn every_command_in_the_documents_is_one() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in pages() {
        for (is_whole, command) in commands(&fs::read_to_string(&page).unwrap()) {
            seen += 1;
            let words = command
                .split_whitespace()
                .map(|word| word.trim_matches(['"', '\'']));
            let Err(error) = Arguments::try_parse_from(std::iter::once("deskie-cdc").chain(words)) else {
                continue;
            };
            let is_wrong = matches!(
                error.kind(),
                ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand
            );
            if is_whole || is_wrong {
                wrong.push(format!("{}: {command}: {error}", page.display()));
            }
        }
    }
    assert!(seen > 60, "{seen} commands");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Each command that a person may type, and those below it.
fn of_people(command: &clap::Command) -> Vec<&clap::Command> {
    let mut found = vec![command];
    let below = command.get_subcommands();
    for command in below.filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        found.extend(of_people(command));
    }
    found
}

#[test]
fn the_help_fits_a_terminal_and_has_examples_that_are_commands() {
    let mut whole = Arguments::command();
    whole.build();
    let mut wrong = Vec::new();
    for command in of_people(&whole) {
        let (name, mut command) = (command.get_name(), command.clone());
        for help in [command.render_long_help(), command.render_help()] {
            let help = help.to_string();
            wrong.extend(
                help.lines()
                    .filter(|line| line.chars().count() > 80)
                    .map(|line| format!("{name}: {line}")),
            );
        }
    }
    for command in whole.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        let examples = command.get_after_long_help().map(ToString::to_string);
        let examples = examples.unwrap_or_default();
        let lines = examples.lines().filter_map(|line| line.strip_prefix("  "));
        let found: Vec<&str> = lines.collect();
        if found.is_empty() && name != "help" {
            wrong.push(format!("{name}: no example"));
        }
        for example in found {
            let typed = example.split(" > ").next().unwrap_or_default();
            // What stands between quotes is one word; which, does not matter.
            let words = typed.split('\'').enumerate().flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().collect(),
                _ => vec![part],
            });
            if let Err(error) = Arguments::try_parse_from(words) {
                wrong.push(format!("{example}: {error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_configs_of_the_pages_load() {
    let page = read("docs/config.md");
    let whole = blocks(&page, "toml")[0];
    let (connection, _) = whole.split_once("[ticket]").unwrap();
    let english = read("README.md");
    let short = format!("{connection}{}", blocks(&english, "toml")[0]);
    for text in [whole, &short] {
        let value = |name: &str| (!name.ends_with("_FILE")).then(|| "a-secret-of-some-length".to_owned());
        if let Err(faults) = Config::parse(Path::new("page.toml"), text, &value) {
            panic!("{faults}");
        }
    }
}

#[test]
fn each_trouble_has_its_line() {
    let page = read("docs/troubles.md");
    for kind in deskie_cdc::model::TroubleKind::ALL {
        for word in [kind.as_str(), kind.over().0] {
            let named = format!("`{word}`");
            assert!(
                page.contains(&named),
                "docs/troubles.md does not say what {named} means"
            );
        }
    }
}
