//! No customer's text, no address and no secret leaves through a log line, an error, the admin port or a metric, at any
//! level and from any crate.

use base64::Engine;
use deskie_cdc_sandbox::simulator::{Action, CustomChannel, Says};

use crate::support::{Connector, Stage, free_port, stage, wait_until};

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
    // Each is the first of its own ticket, and waits for nothing.
    for (place, odd) in ["poison", "number", "assert"].iter().enumerate() {
        let ticket = stage.ticket(&email, &format!("{MARK} {odd}"), MARK).await;
        let case = stage.case_of(ticket).await;
        let says = Says::text(format!("{odd} {MARK}"));
        stage.simulator.agent_reply(case, says).unwrap();
        let refused = "select count(*) from deskie_cdc.remote where state = 'parked'";
        wait_until("it is parked", || async {
            (stage.count(refused).await > place as i64).then_some(())
        })
        .await;
    }
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
                if new.body like 'assert%' then assert false, 'no ' || new.body; end if;
                return new;
            end $$",
        )
        .schema("create trigger odd before insert on messages for each row execute function odd()")
        .schema(
            "create function query() returns trigger language plpgsql as $$ begin
                if new.body like 'query%' then perform to_tsquery('simple', new.body || ' (('); end if;
                return new;
            end $$;
            create trigger query before insert on messages for each row execute function query();",
        )
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
    // AND a reply is refused by what the server calls an error of the statement
    let (_, case) = stage.open(MARK).await;
    let says = Says::text(format!("query {MARK}"));
    stage.simulator.agent_reply(case, says).unwrap();
    connector.wait_for_log("syntax error in tsquery").await;
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
    // THEN nothing of it is told
    assert_eq!(told(&stage, &connector).await, Vec::<String>::new());
}

/// What the admin port, the commands and the log tell of what is marked. Each line of the log is one of ours.
async fn told(stage: &Stage, connector: &Connector) -> Vec<String> {
    let mut found = Vec::new();
    for path in [
        "/",
        "/failed",
        "/troubles",
        "/log",
        "/status",
        "/metrics",
        "/health/ready",
        "/?lang=tr",
        "/failed?q=leak",
        "/failed?lang=ru",
        "/log?lang=tr",
        "/nowhere",
    ] {
        let answer = reqwest::get(stage.workplace.admin_url(path)).await.unwrap();
        found.extend(leaks(path, &answer.text().await.unwrap()));
    }
    for arguments in [
        &["status", "--json"][..],
        &["status"],
        &["failed", "list"],
        &["failed", "retry", "--all"],
        &["setup"],
        &["healthcheck"],
        &["backfill", "--limit", "1"],
    ] {
        let ended = stage.workplace.command(arguments).await;
        found.extend(leaks(&arguments.join(" "), &(ended.stdout + &ended.stderr)));
    }
    let log = connector.log();
    assert!(
        log.len() > 5 && log.iter().any(|line| line.contains("parked")),
        "{log:#?}"
    );
    found.extend(leaks("log", &log.join("\n")));
    assert!(
        log.iter()
            .all(|line| !line.contains('\u{1b}') && !line.starts_with("ERROR forged"))
    );
    found
}

#[tokio::test]
async fn what_fails_on_its_way_tells_no_customers_text_either() {
    // GIVEN a custom channel, an alert whose address is a secret and leads nowhere, a status and a file whose statements
    // fail on what a customer wrote
    let alert = format!(
        "[alert]\nurl = \"http://127.0.0.1:{}/{MARK}?key={MARK}\"\n",
        free_port()
    );
    let status =
        "[status]\nsql = [\"update tickets set subject = (subject::int)::text where id = :ticket\"]\n";
    let file = "attachments = [\"insert into ticket_files (ticket_id, message_id, name, content) values \
        (:ticket, case when :name like '%bad%' then :name::int else :row end, :name, :bytes)\"]";
    let files = "[[attachment]]\nof = \"message\"\ntable = \"ticket_files\"\nparent = \"message_id\"\nname = \"name\"\n\
        mime = \"mime\"\nbytes = \"content\"\n";
    let stage = stage()
        .schema(
            "create table ticket_files (id bigint generated always as identity primary key, ticket_id bigint not null,
             message_id bigint not null, name text not null, mime text, content bytea not null)",
        )
        .config("[deskie]\n", &format!("{alert}\n{status}\n{files}\n[deskie]\n"))
        .config(
            "customer = { email = \"u.email\", name = \"u.full_name\" }",
            &format!(
                "channel = \"case when u.email like 'chat%' then 'cch3' end\"\n\
                 customer = {{ email = \"u.email\", custom_id = \"'{MARK}-' || u.id\", name = \"u.full_name\" }}"
            ),
        )
        .set("reply", file)
        .build()
        .await;
    stage.simulator.add_channel(CustomChannel {
        channel: "cch3".into(),
        webhook_url: Some(stage.workplace.webhook_url()),
        ..CustomChannel::default()
    });
    let connector = stage.workplace.run_with(&[("RUST_LOG", "trace")]);
    connector.wait_for_log("leading").await;
    // WHEN a ticket has an address that Deskie refuses, another goes through the channel, a third has a file that is too large
    for (email, name) in [("none", "one"), ("chat", "two"), ("mail", "three")] {
        let email = match email {
            "none" => format!("{MARK} is no address"),
            _ => format!("{email}-{MARK}@customer.example"),
        };
        let sql = "insert into users (email, full_name) values ($1, $2)";
        let name = format!("{MARK} {name}");
        stage.site.client.execute(sql, &[&email, &name]).await.unwrap();
    }
    let emails = ["chat", "mail"].map(|of| format!("{of}-{MARK}@customer.example"));
    stage.ticket(&format!("{MARK} is no address"), MARK, MARK).await;
    let mut cases = Vec::new();
    for email in &emails {
        let ticket = stage
            .ticket(email, &format!("Subject {MARK}"), &format!("Body {MARK}"))
            .await;
        let sql = format!(
            "with m as (insert into messages (ticket_id, author, body) values ({ticket}, 'customer', '{MARK}') returning id)
             insert into ticket_files (ticket_id, message_id, name, mime, content)
             select {ticket}, id, '{MARK}\u{1b}[2J.txt', '{MARK}/x', convert_to(repeat('{MARK}', 4000000), 'utf8') from m"
        );
        stage.sql(&sql).await;
        cases.push(stage.case_of(ticket).await);
    }
    // AND agents answer in both, with files, and close them
    for case in cases {
        for name in ["good", "bad"] {
            let says = Says::text(format!("Answer {MARK}")).with_file(
                &format!("../../{name}-{MARK}.txt"),
                &format!("{MARK}/x"),
                MARK.as_bytes(),
            );
            stage.simulator.agent_reply(case, says).unwrap();
        }
        stage.simulator.set_status(case, "closed").unwrap();
    }
    // AND a webhook of the channel's tells of a case that is another's
    let form = format!(
        "type=message_new&object[message_id]=77&object[case_id]=99&object[custom_user_id]={MARK}-1&object[content]={MARK}"
    );
    let kind = "application/x-www-form-urlencoded";
    let post = reqwest::Client::new().post(stage.workplace.webhook_url());
    post.header("content-type", kind).body(form).send().await.unwrap();
    let parked = "select count(*) from deskie_cdc.delivery where state = 'parked'";
    let refused = "select count(*) from deskie_cdc.remote where state = 'parked'";
    wait_until("an address, two files, two replies are parked", || async {
        (stage.count(parked).await >= 3 && stage.count(refused).await >= 2).then_some(())
    })
    .await;
    connector.wait_for_log("[status] does not fit the database").await;
    connector.wait_for_log("an alert could not be posted").await;
    // THEN nothing of it is told
    assert_eq!(told(&stage, &connector).await, Vec::<String>::new());
}
