//! No customer's text, no address and no secret leaves through a log line, an error, the admin port or a metric, at any
//! level and from any crate.

use base64::Engine;
use deskie_cdc::sandbox::simulator::{Action, Says};

use crate::support::{Stage, stage, wait_until};

/// What every text and address of the test holds.
const MARK: &str = "leak7f3";

/// What the sample's config keeps secret.
const SECRETS: [&str; 2] = ["simulator-key", "demo-webhook-secret"];

fn leaks(what: &str, text: &str) -> Vec<String> {
    let basic = base64::engine::general_purpose::STANDARD.encode("api@example.com:simulator-key");
    let marks: Vec<String> = [MARK, SECRETS[0], SECRETS[1], basic.as_str()]
        .iter()
        .flat_map(|mark| {
            let hex: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
            let list: Vec<String> = mark.bytes().map(|byte| byte.to_string()).collect();
            [(*mark).to_owned(), hex, list.join(", ")]
        })
        .collect();
    text.lines()
        .filter(|line| {
            marks
                .iter()
                .any(|mark| line.to_lowercase().contains(&mark.to_lowercase()))
        })
        .map(|line| format!("{what}: {line}"))
        .collect()
}

async fn marked(stage: &Stage) {
    let email = format!("{MARK}@customer.example");
    let sql = "insert into users (email, full_name) values ($1, $2)";
    let name = format!("Name {MARK}");
    stage.site.client.execute(sql, &[&email, &name]).await.unwrap();
    let ticket = stage
        .ticket(&email, &format!("Subject {MARK}"), &format!("Body {MARK}"))
        .await;
    let case = stage.case_of(ticket).await;
    // A message that goes out, and one whose mapping fails on its text.
    stage.writes(ticket, &format!("Message {MARK}")).await;
    stage.until_deskie(case, 2).await;
    stage.writes(ticket, &format!("cast {MARK}")).await;
    // Answers: one that is written, and one that the site's own trigger refuses, which quotes it.
    stage
        .simulator
        .agent_reply(case, Says::text(format!("Answer {MARK}")))
        .unwrap();
    stage.until_site(ticket, 3).await;
    let mail = Action::CustomerMailReply {
        case,
        says: Says::html(format!("<p>Mail {MARK}\u{1b}[2J\nERROR forged</p>")),
        from: None,
        quote: true,
    };
    stage.simulator.act(mail).unwrap();
    stage
        .simulator
        .note(case, Says::text(format!("Note {MARK}")))
        .unwrap();
    stage
        .simulator
        .agent_reply(case, Says::text(format!("poison {MARK}")))
        .unwrap();
    stage
        .simulator
        .agent_reply(case, Says::text(format!("number {MARK}")))
        .unwrap();
    let parked = "select count(*) from deskie_cdc.delivery where state = 'parked'";
    let refused = "select count(*) from deskie_cdc.remote where state = 'parked'";
    wait_until("both directions have something parked", || async {
        (stage.count(parked).await > 0 && stage.count(refused).await > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nothing_of_a_customers_is_logged_or_shown_at_any_level() {
    // GIVEN a site whose triggers raise what a customer wrote, a mapping that fails on it, and a log of everything
    let stage = stage()
        .schema(
            "create function odd() returns trigger language plpgsql as $$ begin
                raise notice 'a new row: %', new.body;
                raise warning 'a new row: %', new.body;
                if new.body like 'poison%' then raise exception 'refused: %', new.body; end if;
                if new.body like 'number%' then perform new.body::int; end if;
                return new;
            end $$",
        )
        .schema("create trigger odd before insert on messages for each row execute function odd()")
        .config(
            "author = \"author\"\nbody = \"body\"",
            "author = \"author\"\nbody = \"case when m.body like 'cast%' then (m.body::int)::text else m.body end\"",
        )
        .build()
        .await;
    let connector = stage.workplace.run_with(&[("RUST_LOG", "trace")]);
    connector.wait_for_log("leading").await;
    // WHEN all flows are played with texts and addresses that are marked, and some of them fail
    marked(&stage).await;
    // AND somebody asks with a secret that is wrong, and sends what nobody can read
    let url = stage.workplace.webhook_url();
    let http = reqwest::Client::new();
    for (url, body) in [
        (format!("{url}{MARK}"), format!("case_id=1&x={MARK}")),
        (url.clone(), format!("{MARK}\nERROR forged")),
        (
            url,
            format!("{{\"case_id\": 5, \"custom_field_25\": \"{MARK}\"}}"),
        ),
    ] {
        http.post(url).body(body).send().await.unwrap();
    }
    // THEN neither the admin port nor the commands tell any of it
    let mut found = Vec::new();
    for path in ["/", "/status", "/metrics", "/health/ready"] {
        let answer = http.get(stage.workplace.admin_url(path)).send().await.unwrap();
        found.extend(leaks(path, &answer.text().await.unwrap()));
    }
    for arguments in [&["status", "--json"][..], &["status"], &["failed", "list"]] {
        let ended = stage.workplace.command(arguments).await;
        found.extend(leaks(&arguments.join(" "), &(ended.stdout + &ended.stderr)));
    }
    // NOR does the log, of which each line is one of ours
    let log = connector.log();
    assert!(
        log.len() > 5 && log.iter().any(|line| line.contains("parked")),
        "{log:#?}"
    );
    found.extend(leaks("log", &log.join("\n")));
    assert!(found.is_empty(), "{found:#?}");
    assert!(
        log.iter()
            .all(|line| !line.contains('\u{1b}') && !line.starts_with("ERROR forged"))
    );
}
