//! The commands that look at a connector's state, and the admin port.

mod console;
mod drafts;
mod init;
mod live;
mod search;

use deskie_cdc::postgres::{ConnectUrl, Pool, SessionOptions};
use deskie_cdc::store::Store;
use deskie_cdc_sandbox::sample_site::Places;
use serde_json::Value;

use crate::support::{Site, Workplace, free_port, stage};

/// A ticket with a case, a delivered and a parked message, a reply that was written and one that is parked, a webhook;
/// a ticket that is only seen.
const STATE: &str = "
    update deskie_cdc.meta set slot = 'deskie_cdc_site', database_name = 'site', captured_lsn = '0/1A2B3C',
        captured_at = '2026-01-02 03:04:05Z';
    insert into deskie_cdc.trouble (kind, text, since) values
        ('resolving_stopped', 'resolving stopped: no table', '2026-01-02 03:04:06Z');
    update deskie_cdc.lease set epoch = 7, holder = 'host-a 4711', renewed_at = clock_timestamp();
    insert into deskie_cdc.ticket (key, case_id, case_number, user_id) values ('3', 1001, '130-809267', 77), ('31', null, null, null);
    insert into deskie_cdc.link (section, key, ticket_id, state, created_at) values
        ('ticket', '3', 1, 'delivered', '2026-01-02 10:00:00Z'), ('message', '8', 1, 'parked', '2026-01-02 10:03:00Z');
    insert into deskie_cdc.delivery (position, ticket_id, link_id, section, author, body, state, call, error, queued_at, done_at) values
        (0, 1, 1, 'ticket', 'customer', '{\"text\": \"hello\"}', 'delivered', 'create_case', null,
            '2026-01-02 10:00:01Z', '2026-01-02 10:00:02Z'),
        (5, 1, 2, 'message', 'customer', '{\"text\": \"first line\\nsecond line\"}', 'parked', 'add_message',
            'Deskie refuses <b>it</b>: 422', '2026-01-02 10:03:01Z', null);
    update deskie_cdc.delivery set answer = 'HTTP 422\n{\"why\":\"<i>\"}' where id = 2;
    insert into deskie_cdc.inbox (received_at, digest, kind, case_id, state, repeats) values
        ('2026-01-02 10:01:00Z', 'x', 'rule', 1001, 'done', 2);
    insert into deskie_cdc.remote (message_id, case_id, ticket_id, state, kind, payload, row_key, error, seen_at, done_at) values
        (900, 1001, 1, 'written', 'agent', '{\"content\": \"\", \"content_html\": \"<p>Merhaba</p>\", \"staff_id\": 12}', '12', null, '2026-01-02 10:01:01Z', '2026-01-02 10:01:02Z'),
        (901, 1001, 1, 'parked', 'agent', '{\"content\": \"answer\"}', null, 'the enum has no value agent',
            '2026-01-02 10:02:00Z', null);
    insert into deskie_cdc.journal (at, ticket_id, what, detail) values
        ('2026-01-02 10:00:02Z', 1, 'create_case', 'case 1001 (130-809267)');
    insert into deskie_cdc.skipped values ('an echo', 4);";

async fn store_of(site: &Site) -> Store {
    deskie_cdc::postgres::install_tls_provider();
    let url = ConnectUrl::parse(&site.admin_url()).unwrap();
    let store = Store::new(
        Pool::new(url, SessionOptions::new("test"), 4).unwrap(),
        "deskie_cdc",
    );
    site.client
        .batch_execute("create schema deskie_cdc")
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store
}

/// The administrator is the connector's user here: rights are `setup`'s matter.
fn workplace(site: &Site) -> Workplace {
    Workplace::with(Places {
        database_url: site.admin_url(),
        deskie_url: "http://127.0.0.1:9".to_owned(),
        staff_email: "api@example.com".to_owned(),
        api_key: "simulator-key".to_owned(),
        listen: format!("127.0.0.1:{}", free_port()),
        admin_listen: format!("127.0.0.1:{}", free_port()),
        webhook_secret: "a secret".to_owned(),
    })
}

/// Asserts that all of these stand in the text, in this order.
#[track_caller]
fn in_order(text: &str, pieces: &[&str]) {
    let mut rest = text;
    for piece in pieces {
        let Some(at) = rest.find(piece) else {
            panic!("`{piece}` is not there, or not in its place:\n{text}")
        };
        rest = &rest[at + piece.len()..];
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

#[tokio::test]
async fn a_state_is_shown_and_mended_by_the_commands() {
    let site = Site::start().await;
    let place = workplace(&site);

    // GIVEN a database in which `setup` was not run, THEN each of them says so.
    for command in [&["status"][..], &["failed", "list"], &["trace", "3"]] {
        let ended = place.command(command).await.exits(1);
        assert!(
            ended.stderr.contains("run `deskie-cdc setup` first"),
            "{}",
            ended.stderr
        );
    }
    let _store = store_of(&site).await;
    let ended = place.command(&["status"]).await.ok();
    in_order(
        &ended.stdout,
        &[
            "connector",
            "not running: `deskie-cdc run` starts it",
            "leader",
            "nobody yet",
            "slot",
            "not made yet",
            "nothing waits",
        ],
    );
    assert_eq!(
        place.command(&["failed", "list"]).await.ok().stdout,
        "nothing waits for a person\n"
    );

    site.client.batch_execute(STATE).await.unwrap();

    // status
    let shown = place.command(&["status"]).await.exits(1).stdout;
    in_order(
        &shown,
        &[
            "TO DO",
            "parked: 2 wait for a person",
            "resolving_stopped: resolving stopped: no table (since 2026-01-02 03:04:06 UTC)",
            "host-a 4711, term 7",
            "deskie_cdc_site is not there",
            "0/1A2B3C",
            "parked",
            "2; see",
            "1 with a case",
            "1 to Deskie, 1 written",
            "4: an echo",
            "agents' rule",
            "not heard yet; no answer of theirs within a week",
            "customers' rule",
            "API budget",
            "not running",
            "resolving stopped: no table (2026-01-02 03:04:06 UTC)",
        ],
    );
    let status = json(&place.command(&["status", "--json"]).await.exits(1).stdout);
    assert_eq!(status["queues"]["parked"], 2);
    assert_eq!(status["leader"]["alive"], true);
    assert_eq!(status["slot"]["exists"], false);
    assert_eq!(status["positions"]["captured_lsn"], "0/1A2B3C");
    assert_eq!(status["skipped"]["an echo"], 4);
    assert_eq!(status["running"], Value::Null);
    let mut keys: Vec<&str> = status.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "budget",
            "database",
            "held",
            "last_error",
            "last_error_at",
            "leader",
            "parked",
            "paused",
            "positions",
            "queues",
            "repair",
            "rules",
            "running",
            "skipped",
            "slot",
            "started_at",
            "troubles"
        ]
    );

    // trace
    let story = place.command(&["trace", "3"]).await.ok().stdout;
    in_order(
        &story,
        &[
            "ticket 3: case 130-809267 (case_id 1001), customer 77\n",
            "2026-01-02 10:00:00.000  row seen",
            "ticket 3: delivered",
            "10:00:01",
            "10:00:02",
            "create_case",
            "case 1001",
            "webhook",
            "repeated 2 times",
            "message in Deskie",
            "message 900: written",
            "row written",
            "became row 12",
            "message 901: parked: the enum",
            "message 8: parked",
        ],
    );
    let story = json(&place.command(&["trace", "3", "--json"]).await.ok().stdout);
    assert_eq!(story["case_id"], 1001);
    assert_eq!(story["story"][0]["what"], "row seen");
    let told = place.command(&["trace", "3", "--text"]).await.ok().stdout;
    in_order(
        &told,
        &[
            "ticket part 1/1, delivered, by customer, done after 1.000 s",
            "| hello",
            "message 900: written, by agent 12, done after 1.000 s",
            "| Merhaba\n",
            "message 901: parked",
            "| answer",
            "| first line\n",
            "| second line",
        ],
    );
    for (key, hint) in [
        ("130-809267", "did you mean ticket `3`?"),
        (" 31", "did you mean ticket `31`?"),
        ("nowhere", "deskie-cdc plan --ticket nowhere"),
    ] {
        let ended = place.command(&["trace", key]).await.exits(1);
        assert!(ended.stderr.contains(hint), "{key}: {}", ended.stderr);
    }

    // failed
    in_order(
        &place.command(&["failed", "list"]).await.ok().stdout,
        &[
            "ID",
            "TICKET",
            "r901",
            "3",
            "the enum has no value agent",
            "d2",
            "Deskie refuses",
        ],
    );
    assert_eq!(
        json(&place.command(&["failed", "list", "--json"]).await.ok().stdout)[1]["id"],
        "d2"
    );
    in_order(
        &place.command(&["failed", "show", "d2"]).await.ok().stdout,
        &[
            "d2: a message for Deskie, ticket 3",
            "Deskie refuses <b>it</b>: 422",
            "what Deskie answered",
            "{\"why\":\"<i>\"}",
            "stored",
            "first line\n",
            "second line",
            "row",
            "message 8",
            "what to do",
            "failed retry d2",
        ],
    );
    let reply = json(
        &place
            .command(&["failed", "show", "r901", "--json"])
            .await
            .ok()
            .stdout,
    );
    assert_eq!(reply["stored"]["payload"]["content"], "answer");
    assert!(reply["what_to_do"].as_array().unwrap().len() > 1);
    for id in ["d999", "12", "", "d2' or true --"] {
        for command in ["show", "retry", "discard"] {
            let ended = place.command(&["failed", command, id]).await.exits(1);
            assert!(
                ended.stderr.contains("nothing parked has the id"),
                "{}",
                ended.stderr
            );
        }
    }
    place.command(&["failed", "retry"]).await.exits(2);
    place.command(&["failed", "retry", "d2", "--all"]).await.exits(2);
    let ended = place
        .command(&["failed", "retry", "d2", "--reason", "the field was emptied"])
        .await
        .ok();
    assert!(ended.stdout.starts_with("d2 is queued"), "{}", ended.stdout);
    in_order(
        &place.command(&["trace", "3"]).await.ok().stdout,
        &["tried again", "d2: the field was emptied"],
    );
    // A kind at once; giving up asks, and no terminal is no answer.
    let ended = place.command(&["failed", "retry", "--kind", "status"]).await.ok();
    assert_eq!(ended.stdout, "nothing was parked\n");
    let reply = [
        "failed",
        "discard",
        "--kind",
        "reply",
        "--reason",
        "said by phone",
    ];
    let ended = place.command(&reply).await.exits(1);
    assert!(
        ended.stderr.contains("1 are parked of this kind"),
        "{}",
        ended.stderr
    );
    let ended = place.command(&[&reply[..], &["--yes"]].concat()).await.ok();
    assert!(ended.stdout.starts_with("1 are discarded"), "{}", ended.stdout);
    in_order(
        &place.command(&["trace", "3"]).await.ok().stdout,
        &[
            "discarded",
            "r901: said by phone (was: the enum has no value agent)",
        ],
    );
    let rows = site
        .client
        .query(
            "select state, coalesce(error, '') from deskie_cdc.delivery where id = 2 union all
         select state, reason from deskie_cdc.remote where message_id = 901",
            &[],
        )
        .await
        .unwrap();
    let found: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(
        (found[0].0.as_str(), found[1].0.as_str(), found[1].1.as_str()),
        ("queued", "discarded", "said by phone")
    );
    assert_eq!(
        place.command(&["failed", "retry", "--all"]).await.ok().stdout,
        "nothing was parked\n"
    );
}

#[tokio::test]
async fn plan_shows_the_calls_and_touches_nothing() {
    let site = Site::start().await;
    let place = workplace(&site);

    // GIVEN no state at all: the newest tickets and messages, as if they had just been written.
    let plan = json(
        &place
            .command(&["plan", "--last", "2", "--json"])
            .await
            .ok()
            .stdout,
    );
    let results: Vec<(&str, &str, &str)> = plan
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["section"].as_str().unwrap(),
                row["key"].as_str().unwrap(),
                row["result"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        results,
        [
            ("ticket", "2", "create_case"),
            ("ticket", "3", "create_case"),
            // A message of a ticket from before opens its case; an agent's answer becomes a note in it.
            ("message", "3", "create_case"),
            ("message", "4", "add_note"),
        ]
    );
    assert_eq!(plan[1]["parameters"]["custom_fields"]["cf_25"], "3");
    assert_eq!(plan[1]["parameters"]["user_email"], "kate@example.com");
    assert_eq!(plan[1]["parameters"]["user_full_name"], "Kate O'Brien");
    assert_eq!(plan[2]["parameters"]["subject"], "Kargom nerede?");

    let shown = place.command(&["plan", "--ticket", "1"]).await.ok().stdout;
    in_order(
        &shown,
        &[
            "ticket 1\n",
            "subject",
            "Kargom nerede?",
            "→ create_case",
            "user_email",
            "ayse@example.com",
            "message 1 of ticket 1",
            "→ add_note",
            "message 2 of ticket 1",
            "→ skipped: [message] where does not hold",
            "message 3 of ticket 1",
            "→ add_message",
            "Elime ulaştı, teşekkürler!",
            "4 rows, 3 calls to Deskie; nothing was sent and nothing was written",
        ],
    );
    let ended = place.command(&["plan", "--ticket", "99"]).await.exits(1);
    assert!(
        ended
            .stderr
            .contains("public.tickets has no row with the key `99`"),
        "{}",
        ended.stderr
    );

    // Nothing was written, not even a schema; and nothing can be.
    let schemas: i64 = site
        .client
        .query_one(
            "select count(*) from pg_namespace where nspname = 'deskie_cdc'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(schemas, 0);
    place.change_config(
        "subject = \"subject\"",
        "subject = \"nextval('tickets_id_seq')::text\"",
    );
    let ended = place.command(&["plan"]).await.exits(1);
    assert!(ended.stderr.contains("read-only"), "{}", ended.stderr);

    // GIVEN a ticket that has its case, THEN its messages go into it.
    place.change_config(
        "subject = \"nextval('tickets_id_seq')::text\"",
        "subject = \"t.subject || 1/(t.id - 3)\"",
    );
    let _store = store_of(&site).await;
    site.client
        .batch_execute("insert into deskie_cdc.ticket (key, case_id) values ('1', 5)")
        .await
        .unwrap();
    let plan = json(
        &place
            .command(&["plan", "--ticket", "1", "--json"])
            .await
            .ok()
            .stdout,
    );
    assert_eq!(plan[0]["why"], "the ticket has its case already");
    assert_eq!(plan[3]["result"], "add_message");
    // A row whose values an expression cannot take is told, and the others go on.
    let shown = place.command(&["plan"]).await.ok().stdout;
    in_order(
        &shown,
        &[
            "ticket 3\n",
            "→ would be parked: [ticket]",
            "division by zero",
            "message 4",
        ],
    );
}

#[tokio::test]
async fn rules_are_told_in_three_languages() {
    let place = Workplace::with(Places {
        database_url: "postgres://u@127.0.0.1:1/site".to_owned(),
        deskie_url: "http://127.0.0.1:9".to_owned(),
        staff_email: "api@example.com".to_owned(),
        api_key: "simulator-key".to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        admin_listen: "127.0.0.1:0".to_owned(),
        webhook_secret: "a secret".to_owned(),
    });
    let hook = "https://<your-server>/webhooks/<webhook_secret>";
    for (language, words) in [
        (
            "en",
            [
                "\n1. The case field",
                "For updated cases",
                "is not empty",
                "Send webhook",
            ],
        ),
        (
            "tr",
            [
                "\n1. Sitedeki destek talebinin",
                "Yönetici hesabı → Kanallar → Kurallar, \"güncellenen destek talepleri için\"",
                "boş değil",
                "Webhooku çalıştır",
            ],
        ),
        (
            "ru",
            [
                "\n1. Поле обращения",
                "Каналы → Правила, «Для изменённых обращений»",
                "не пустое",
                "отправляет вебхук",
            ],
        ),
    ] {
        let text = place.command(&["rules", "--lang", language]).await.ok().stdout;
        in_order(
            &text,
            &[
                "public_url",
                words[0],
                "cf_25",
                "\n2. ",
                words[1],
                words[2],
                words[3],
                hook,
                "{\"case_id\": \"[case_id]\", \"last_message_id\": \"[last_message_id]\", \"custom_field_25\": \"[custom_field_25]\"}",
                "\n3. ",
                words[2],
                hook,
                "\n4. ",
                "[deskie] labels",
                "\n5. ",
                "\n6. ",
                "200",
            ],
        );
        assert!(!text.contains("a secret") && !text.contains("\n7. "), "{text}");
        // The words of Deskie's own pages, and no others.
        let lower = text.to_lowercase();
        for foreign in [
            "bilet",
            "çağrı kazandır",
            "пользовательские каналы",
            "webhook gönder",
        ] {
            assert!(!lower.contains(foreign), "{foreign}");
        }
    }
    place.change_config(
        "[server]\n",
        "[server]\npublic_url = \"https://hooks.example.com/\"\n",
    );
    place.change_config(
        "ticket_field = 25",
        "ticket_field = 25\nlabels = [101]\nchannel = \"cch3\"",
    );
    let text = place.command(&["rules", "--show-secret"]).await.ok().stdout;
    in_order(
        &text,
        &[
            "it has the label with the number 101",
            "https://hooks.example.com/webhooks/a%20secret",
            "it has the label with the number 101",
            "does not have the label with the number 101",
            "6. Custom channel",
            "cch3",
            "\n7. Test",
        ],
    );
    assert!(!text.contains("your-server"), "{text}");
    place.command(&["rules", "--lang", "de"]).await.exits(2);
}

#[tokio::test]
async fn a_shell_can_complete_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let program = env!("CARGO_BIN_EXE_deskie-cdc");
        let mut command = tokio::process::Command::new(program);
        let output = command.args(["completions", shell]).current_dir(&folder).output();
        let output = output.await.unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && script.contains("backfill"),
            "{shell}: {script}"
        );
        assert!(!script.contains('\u{1b}'), "{shell}");
    }
}

#[tokio::test]
async fn nobody_has_to_read_what_a_command_says() {
    // GIVEN a site, and commands whose output goes where nothing can be written
    let stage = stage().build().await;
    let admin_url = stage.site.admin_url();
    for arguments in [
        vec!["check"],
        vec!["check", "--json"],
        vec!["check", "--config-only"],
        vec!["setup", "--print-sql"],
        vec!["setup", "--admin-url", &admin_url],
        vec!["backfill", "--dry-run"],
        vec!["uninstall", "--print-sql"],
        vec!["uninstall", "--yes", "--admin-url", &admin_url],
    ] {
        // WHEN they run, THEN none of them panics, and each says why it failed if it did
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = stage
            .workplace
            .program()
            .args(&arguments)
            .stdin(std::process::Stdio::null())
            .stdout(full)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code().is_some_and(|code| code < 2),
            "{arguments:?}: {said}"
        );
        assert!(
            !said.contains("panicked") && !said.contains("bug"),
            "{arguments:?}: {said}"
        );
    }
    // AND what they do is done all the same
    let ours = "select count(*) from pg_catalog.pg_namespace where nspname = 'deskie_cdc'";
    assert_eq!(stage.count(ours).await, 0);
}
