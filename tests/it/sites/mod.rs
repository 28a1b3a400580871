//! Sites of other people: each has its schema and its mapping in `tests/sites/`, the statements of its own application
//! in their own transactions, and what must arrive in Deskie and stand on the site.
//!
//! Each is played a second time with a mapping that is a little wrong. That the outcome then differs shows that the
//! scenario would notice; where it should not come to that, `check` refuses.
//!
//! `docs/mapping.md` explains the language along these sites; a test below holds that it quotes them word by word.

mod composite;
mod drafts;
mod encoding;
mod files;
mod lookup;
mod onecolumn;
mod partitions;
mod prisma;
mod rails;
mod repeated;
mod rowsecurity;
mod scene;
mod settle;
mod spelled;
mod tenants;
mod thread;

pub use scene::Scene;

/// Each example of the page stands in a site that a test plays.
#[test]
fn the_page_of_the_mapping_quotes_the_sites() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mapping.md")).unwrap();
    let mut quoted = std::collections::BTreeSet::new();
    for example in page.split("```toml\n").skip(1) {
        let example = example.split("```").next().unwrap();
        let (head, lines) = example.split_once('\n').unwrap();
        let path = head.strip_prefix("# ").unwrap();
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let file = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            assert!(
                file.lines().any(|other| other.trim() == line.trim()),
                "`{line}` is not in {path}"
            );
        }
        quoted.insert(path.to_owned());
    }
    // AND every site is on the page
    for site in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sites")).unwrap() {
        let site = site.unwrap().file_name().into_string().unwrap();
        assert!(
            quoted.contains(&format!("tests/sites/{site}/deskie-cdc.toml")),
            "{site} is not on the page"
        );
    }
}
