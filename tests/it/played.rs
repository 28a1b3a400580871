//! Every command that stands in a block of a page is played by a test, or it is said here why not.

use std::fs;
use std::path::Path;

/// Who plays a command that begins so: a file, and what stands in it of the command. `docs/first-hour.md` is played as it
/// stands, by `first_hour`; README.tr.md and README.ru.md have the commands of README.md, as a test of theirs holds.
const PLAYED: &[(&str, &str, &str)] = &[
    ("./test", ".ci/run", "\"tests\" ./test"),
    ("cargo run --release -- demo", ".ci/run", "demo --once"),
    (
        "docker compose --profile production up",
        "tests/docker/run",
        "--profile production up --detach --wait",
    ),
    (
        "docker compose --profile '*' down",
        "tests/docker/run",
        "--profile tls down",
    ),
    (
        "deskie-cdc init --url",
        "tests/it/first_hour.rs",
        "docs/first-hour.md",
    ),
    (
        "deskie-cdc setup --admin-url",
        "tests/outside/moves",
        "setup --admin-url",
    ),
    (
        "deskie-cdc setup --adopt --admin-url",
        "tests/outside/moves",
        "setup --adopt --admin-url",
    ),
    ("deskie-cdc check", "tests/docker/run", "production check"),
    (
        "deskie-cdc plan --last",
        "tests/it/first_hour.rs",
        "docs/first-hour.md",
    ),
    ("deskie-cdc run", "tests/outside/lib.sh", "\"$binary\" run"),
    (
        "deskie-cdc rules --lang",
        "tests/it/first_hour.rs",
        "docs/first-hour.md",
    ),
    ("deskie-cdc status", "tests/outside/moves", "\"$binary\" status"),
    ("deskie-cdc failed list", "tests/outside/moves", "failed list"),
    ("deskie-cdc trace", "tests/it/commands.rs", "\"trace\""),
    (
        "deskie-cdc pause to_deskie --reason",
        "tests/it/features/pause.rs",
        "\"pause\", \"both\", \"--reason\"",
    ),
    (
        "deskie-cdc resume to_deskie",
        "tests/it/features/pause.rs",
        "\"resume\"",
    ),
    (
        "deskie-cdc uninstall --admin-url",
        "tests/outside/moves",
        "uninstall --yes --admin-url",
    ),
    (
        "curl -X POST -H \"Authorization: Bearer",
        "tests/it/commands/console.rs",
        "bearer_auth",
    ),
    (
        "curl -N -H \"Accept: text/event-stream\"",
        "tests/console/run",
        "curl -sSN -H 'Accept: text/event-stream'",
    ),
    (
        "curl -f http://127.0.0.1:8788/health/ready",
        "tests/outside/lib.sh",
        "/health/ready",
    ),
    (
        "psql site -c \"select pg_drop_replication_slot(",
        "tests/outside/moves",
        "select pg_drop_replication_slot(",
    ),
    (
        "pg_dumpall --roles-only",
        "tests/outside/moves",
        "pg_dumpall --roles-only",
    ),
    (
        "psql -v ON_ERROR_STOP=1 site -f dump.sql",
        "tests/outside/moves",
        "psql -qX -v ON_ERROR_STOP=1 \"$(url dumped site)\" -f",
    ),
    (
        "deskie-cdc setup --rekey same --admin-url",
        "tests/outside/moves",
        "setup --rekey same --admin-url",
    ),
    (
        "pg_dump --schema-only",
        "tests/outside/moves",
        "pg_dump --schema-only",
    ),
    (
        "pg_dump \"$OLD\"",
        "tests/outside/moves",
        "pg_dump \"$(url old site)\"",
    ),
    (
        "psql \"$OLD\" -c \"create publication moving",
        "tests/outside/moves",
        "create publication moving for all tables",
    ),
    (
        "psql \"$NEW\" -c \"create subscription moving",
        "tests/outside/moves",
        "create subscription moving",
    ),
    (
        "psql \"$NEW\" -c \"drop subscription moving",
        "tests/outside/moves",
        "drop subscription moving",
    ),
    (
        "psql \"$NEW\" -c \"drop publication moving",
        "tests/outside/moves",
        "drop publication moving",
    ),
    (
        "psql -qAt \"$OLD\" -c \"select format('select setval",
        "tests/outside/moves",
        "select format('select setval",
    ),
    (
        "coalesce(last_value, start_value)",
        "tests/outside/moves",
        "coalesce(last_value, start_value)",
    ),
    (
        "psql postgres -c \"alter database site rename",
        "tests/outside/moves",
        "alter database site rename to shop",
    ),
    (
        "psql site -c \"create role helpdesk",
        "tests/outside/moves",
        "create role helpdesk login replication",
    ),
    (
        "psql site -c \"reassign owned by deskie_cdc",
        "tests/outside/moves",
        "reassign owned by deskie_cdc to helpdesk",
    ),
    (
        "psql site -c \"drop owned by deskie_cdc\"",
        "tests/outside/moves",
        "drop owned by deskie_cdc",
    ),
    (
        "psql site -c \"drop role deskie_cdc\"",
        "tests/outside/moves",
        "drop role deskie_cdc",
    ),
];

/// Nobody plays these: they install on the machine itself, which has a systemd that runs in no test. What the unit says is tried
/// by `tests/outside/systemd`.
const BY_HAND: &[&str] = &[
    "cargo build --release",
    "cargo install --locked --path .",
    "install -",
    "export DESKIE_",
    "systemctl ",
    "journalctl ",
    "rm -r /etc/deskie-cdc",
];

/// The commands in the blocks of a page, each with its remark.
fn commands(page: &str) -> Vec<&str> {
    let blocks = page.split("\n```").skip(1).step_by(2);
    blocks
        .filter_map(|block| block.strip_prefix("sh\n"))
        .flat_map(str::lines)
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

#[test]
fn every_command_on_the_pages_is_played() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read =
        |name: &str| fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut pages: Vec<String> = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
        .map(str::to_owned)
        .into();
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && name != "first-hour.md" {
            pages.push(format!("docs/{name}"));
        }
    }
    let (mut seen, mut unplayed) = (0, Vec::new());
    for page in &pages {
        for command in commands(&read(page)) {
            seen += 1;
            let is_by_hand = BY_HAND.iter().any(|known| command.starts_with(known));
            let is_played = PLAYED.iter().any(|(known, ..)| command.starts_with(known));
            if !is_by_hand && !is_played {
                unplayed.push(format!("{page}: {command}"));
            }
        }
    }
    assert!(seen > 60, "{seen} commands");
    assert!(unplayed.is_empty(), "nobody plays\n{}", unplayed.join("\n"));
    for (command, file, needle) in PLAYED {
        assert!(
            read(file).contains(needle),
            "{file} does not play `{command}`: no `{needle}`"
        );
    }
}
