//! docs/first-hour.md, played: its commands are run, its answers are held against what comes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use deskie_cdc_sandbox::sample_site::Places;
use deskie_cdc_sandbox::simulator::{Options, Rule, Says, Simulator, Trigger};

use crate::support::{Site, Workplace, free_port, wait_until};

/// The fenced blocks: what stands behind the fence, and the lines.
fn blocks(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut open: Option<(String, Vec<String>)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => open = Some((kind.to_owned(), Vec::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some((_, lines))) => lines.push(line.to_owned()),
            (None, None) => {}
        }
    }
    found
}

/// Whether the lines come in that order: `…` alone stands for any lines, at an end for the rest of the line.
fn assert_answer(command: &str, expected: &[String], answer: &str) {
    let mut rest = answer.lines();
    for line in expected {
        let line = line.trim_end();
        if line == "…" {
            continue;
        }
        let is_it = |given: &str| match line.strip_suffix('…') {
            Some(start) => given.starts_with(start),
            None => given.trim_end() == line,
        };
        assert!(
            rest.any(is_it),
            "{command}: `{line}` is not there, or not in its place:\n{answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_hour_goes_as_it_is_told() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = std::fs::read_to_string(root.join("docs/first-hour.md")).unwrap();
    let site = Site::start().await;
    site.cluster.create_database("shop").await.unwrap();
    let shop = site.cluster.connect("shop").await.unwrap();
    shop.batch_execute(&std::fs::read_to_string(root.join("tests/init/laravel/site.sql")).unwrap())
        .await
        .unwrap();
    shop.batch_execute("alter system set max_slot_wal_keep_size = '20GB'")
        .await
        .unwrap();
    shop.batch_execute("select pg_reload_conf()").await.unwrap();
    let deskie = Simulator::start(Options::default()).await.unwrap();
    let work = Workplace::with(Places {
        database_url: site.cluster.url("shop", "deskie_cdc"),
        deskie_url: deskie.url(),
        staff_email: "api@example.com".to_owned(),
        api_key: "simulator-key".to_owned(),
        listen: format!("127.0.0.1:{}", free_port()),
        admin_listen: format!("127.0.0.1:{}", free_port()),
        webhook_secret: "demo-webhook-secret".to_owned(),
    });
    std::fs::remove_file(work.config_file()).unwrap();
    for on in [Trigger::AgentReply, Trigger::CustomerReply] {
        deskie.add_rule(Rule::to(work.webhook_url(), on));
    }
    let admin = site.cluster.superuser_url("shop");
    let (mut connector, mut names) = (None, BTreeSet::new());
    for (kind, lines) in blocks(&told) {
        match kind.as_str() {
            "console" => {
                let mut lines = lines.iter().peekable();
                while let Some(command) = lines.next() {
                    let command = command.strip_prefix("$ deskie-cdc ").expect("a command");
                    let command = command.replace("postgres://postgres@db.example/shop", &admin);
                    let arguments: Vec<&str> = command.split(' ').collect();
                    let ended = work.command(&arguments).await.ok();
                    let mut expected = Vec::new();
                    while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                        expected.push(line.clone());
                    }
                    assert_answer(&command, &expected, &(ended.stdout + &ended.stderr));
                }
            }
            // The answer to the question under that key, and the places of step 2.
            "toml answer" => {
                let draft = std::fs::read_to_string(work.config_file()).unwrap();
                let inner = draft
                    .split("${")
                    .skip(1)
                    .filter_map(|rest| rest.split('}').next());
                names = inner.map(str::to_owned).collect();
                let (key, _) = lines[0].split_once(" = ").unwrap();
                let open = draft
                    .lines()
                    .find(|line| line.starts_with(&format!("{key} = \"TODO")))
                    .expect("the question");
                let places = &work.places;
                let config = draft
                    .replace(open, &lines[0])
                    .replace("${DESKIE_CDC_DATABASE_URL}", &places.database_url)
                    .replace("${DESKIE_URL}", &places.deskie_url)
                    .replace("${DESKIE_STAFF_EMAIL}", &places.staff_email)
                    .replace("${DESKIE_API_KEY}", &places.api_key)
                    .replace("\"${DESKIE_TICKET_FIELD}\"", "25")
                    .replace("${DESKIE_WEBHOOK_SECRET}", &places.webhook_secret)
                    .replace(
                        "\"0.0.0.0:8787\"",
                        &format!(
                            "\"{}\"\nadmin_listen = \"{}\"",
                            places.listen, places.admin_listen
                        ),
                    );
                work.write_config(&config);
            }
            // The places, all of them and no others.
            "sh" => {
                let named = |line: &String| line.split_once('=').unwrap().0.to_owned();
                let told: BTreeSet<String> = lines.iter().map(named).collect();
                assert_eq!(told, names);
            }
            "console run" => connector = Some(work.run()),
            "sql" => match lines.last().and_then(|last| last.strip_prefix("-- ")) {
                None => shop.batch_execute(&lines.join("\n")).await.unwrap(),
                Some(expected) => {
                    let sql = lines[..lines.len() - 1].join("\n");
                    wait_until("the reply's row", || async {
                        let rows = shop.simple_query(&sql).await.ok()?;
                        let found = rows.iter().find_map(|row| match row {
                            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                            _ => None,
                        });
                        (found.as_deref() == Some(expected)).then_some(())
                    })
                    .await;
                }
            },
            "reply" => {
                let books = deskie
                    .wait_for_within(Duration::from_secs(20), "the case", |books| {
                        !books.cases.is_empty()
                    })
                    .await
                    .unwrap();
                assert_eq!(books.cases[0].subject, "Which browser?");
                deskie
                    .agent_reply(books.cases[0].case_id, Says::text(lines.join("\n")))
                    .unwrap();
            }
            other => panic!("a block of another kind: {other}"),
        }
    }
    assert!(connector.expect("it ran").sigterm_and_wait().await.success());
}
