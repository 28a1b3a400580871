//! `[reply] attachments` and `files_dir`: an agent's files on the site.

use std::path::PathBuf;

use deskie_cdc_sandbox::simulator::{Action, CustomChannel, Says};

use crate::support::{AYSE, Building, Stage, stage, wait_until};

const TABLE: &str = "create table files (id bigint generated always as identity primary key, \
    message_id bigint references messages, ticket_id bigint references tickets, name text not null, mime text, \
    content bytea, path text)";

/// The sample site whose replies bring files by these statements.
fn with_files(statement: &str) -> Building {
    let lines = format!("attachments = [\"{statement}\"]\nfiles_dir = \"answers\"");
    stage().schema(TABLE).set("reply", &lines)
}

const INSERT: &str =
    "insert into files (message_id, name, mime, content, path) values (:row, :name, :mime, :bytes, :path)";

impl Stage {
    fn answers(&self) -> Vec<PathBuf> {
        let folder = self.workplace.folder().join("answers");
        let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        found.sort();
        found
    }

    /// message's text, name, type, content, path
    async fn files(&self) -> Vec<[String; 5]> {
        let sql = "select coalesce(m.body, ''), f.name, coalesce(f.mime, ''), coalesce(encode(f.content, 'escape'), ''), \
            coalesce(f.path, '') from files f left join messages m on m.id = f.message_id order by f.id";
        let rows = self.query(sql, &[]).await;
        rows.iter()
            .map(|row| std::array::from_fn(|n| row.get(n)))
            .collect()
    }
}

#[tokio::test]
async fn an_agents_files_become_rows_and_lie_in_the_folder() {
    let stage = with_files(INSERT).build().await;
    stage.workplace.command(&["check"]).await.ok();
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Dosya").await;
    // WHEN an agent answers with two files of odd names
    let says = Says::text("ekte")
        .with_file("../../x\".txt", "text/plain", b"one\\")
        .with_file("x.txt", "text/html", b"<p>two");
    stage.simulator.agent_reply(case, says).unwrap();
    stage.until_site(ticket, 1).await;
    // THEN each is a row with its bytes, and a file under a name of its own
    let files = stage.files().await;
    let message = stage
        .count("select message_id from deskie_cdc.remote where state = 'written'")
        .await;
    let path = |n: usize, name: &str| format!("answers/{message}-{n}-{name}");
    assert_eq!(
        files[0],
        ["ekte", "x_.txt", "text/plain", "one\\\\", &path(1, "x_.txt")]
    );
    assert_eq!(
        files[1],
        ["ekte", "x.txt", "text/html", "<p>two", &path(2, "x.txt")]
    );
    for file in &files {
        let stored = std::fs::read(stage.workplace.folder().join(&file[4])).unwrap();
        assert_eq!(stored, file[3].replace("\\\\", "\\").as_bytes());
    }
    assert_eq!(stage.answers().len(), 2);
    // WHEN the site refuses the rows, THEN the reply parks, and the folder is as it was
    stage.sql("alter table files add check (name <> 'bad.txt')").await;
    let says = Says::text("kötü")
        .with_file("good.txt", "text/plain", b"g")
        .with_file("bad.txt", "text/plain", b"b");
    stage.simulator.agent_reply(case, says).unwrap();
    connector.wait_for_log("the reply is parked").await;
    assert_eq!(stage.answers().len(), 2);
    assert_eq!(stage.rows(ticket).await, ["ekte"]);
    // WHEN that is mended, THEN it comes whole, once
    stage
        .sql("alter table files drop constraint files_name_check")
        .await;
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    stage.until_site(ticket, 2).await;
    stage.settled().await;
    assert_eq!((stage.answers().len(), stage.files().await.len()), (4, 4));
    assert!(
        !stage.rows(ticket).await[1].contains("http"),
        "no links in the text"
    );
}

#[tokio::test]
async fn a_folder_that_takes_no_files_stops_their_answers_alone_and_parks_none() {
    let stage = with_files(INSERT).build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Dosya").await;
    let (other, other_case) = stage.open("Düz").await;
    // WHEN nothing can be stored in the folder
    let folder = stage.workplace.folder().join("answers");
    let _ = std::fs::remove_dir(&folder);
    std::fs::write(&folder, "").unwrap();
    let says = Says::text("ekte").with_file("a.txt", "text/plain", b"one");
    stage.simulator.agent_reply(case, says).unwrap();
    // THEN that is told, and answers without files go on
    let stopped = "writing to the site stopped: [reply] attachments cannot be written";
    connector.wait_for_log(stopped).await;
    for n in 1..=5 {
        stage
            .simulator
            .agent_reply(other_case, Says::text(format!("düz {n}")))
            .unwrap();
        stage.until_site(other, n).await;
    }
    wait_until("it is told", || async {
        let status = stage.workplace.command(&["status"]).await;
        status.stdout.contains(stopped).then_some(())
    })
    .await;
    assert!(stage.rows(ticket).await.is_empty());
    // AND it comes by itself once the folder is mended
    std::fs::remove_file(&folder).unwrap();
    stage.until_site(ticket, 1).await;
    connector.wait_for_log("writing to the site goes on").await;
    assert_eq!((stage.answers().len(), stage.files().await.len()), (1, 1));
}

#[tokio::test]
async fn a_file_that_cannot_be_had_parks_its_reply() {
    // GIVEN a live chat, whose webhook names files by their addresses alone
    let stage = with_files(INSERT)
        .config(
            "customer = { email = \"u.email\", name = \"u.full_name\" }",
            "channel = \"case when u.email like 'kate%' then null else 'cch3' end\"\n\
             customer = { email = \"u.email\", custom_id = \"'site-' || u.id\", name = \"u.full_name\" }",
        )
        .without_rules()
        .set("deskie", "sweep = \"1h\"")
        .build()
        .await;
    stage.simulator.add_channel(CustomChannel {
        channel: "cch3".into(),
        webhook_url: Some(stage.workplace.webhook_url()),
        ..CustomChannel::default()
    });
    let connector = stage.run().await;
    let ticket = stage.ticket(AYSE, "Sohbet", "Merhaba").await;
    let case = stage.case_of(ticket).await;
    let says = Says::text("ekte").with_file("a.txt", "text/plain", b"one");
    stage.simulator.agent_reply(case, says).unwrap();
    stage.until_site(ticket, 1).await;
    let files = stage.files().await;
    assert_eq!(
        [&files[0][0], &files[0][2], &files[0][3]],
        ["ekte", "text/plain", "one"]
    );
    // WHEN webhooks name a file inside, one that is gone, and the login page
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let custom_id = "select custom_id from deskie_cdc.ticket where custom_id is not null";
    let customer: String = stage.query(custom_id, &[]).await[0].get(0);
    let gone = format!("{}/user/attachments/999999", stage.simulator.url());
    for (number, url) in [(1, "http://127.0.0.1:9/secret.txt"), (2, &gone)] {
        let seen = connector.log().len();
        let body = serde_json::json!({"type": "message_new", "object": {
            "message_id": 700_000_000 + number, "case_id": case.0, "staff_id": 330, "user_id": 1, "custom_user_id": customer,
            "content": format!("dosya {number}"), "attachments": [{"url": url}]}});
        let hooked = http
            .post(stage.workplace.webhook_url())
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(hooked.status(), 200);
        // THEN each parks its reply, with the reason
        let line = connector.wait_for_log_after(seen, "the reply is parked").await;
        let expected = ["private network", "404"][number - 1];
        assert!(line.contains(expected), "{line}");
        // and nobody has to know the address
        assert!(!line.contains("http://"), "{line}");
        stage
            .workplace
            .command(&["failed", "discard", &format!("r{}", 700_000_000 + number)])
            .await
            .ok();
    }
    assert_eq!(stage.rows(ticket).await, ["ekte"]);
    assert_eq!(stage.answers().len(), 1);
}

#[tokio::test]
async fn the_first_message_of_a_case_born_in_deskie_brings_its_files() {
    let case = "[case]\nsql = [\"insert into tickets (user_id, subject, body) select id, :subject, :text from users where email = :customer_email returning id\"]\n\n[postgres]\n";
    for (statement, rows, is_link) in [
        (
            "insert into files (ticket_id, name, content) values (:ticket, :name, :bytes)",
            1,
            false,
        ),
        // A statement about a message's row has nothing to tell of: the text links to the file.
        (INSERT, 0, true),
    ] {
        let stage = with_files(statement).config("[postgres]\n", case).build().await;
        stage.workplace.command(&["check"]).await.ok();
        let _connector = stage.run().await;
        let action = Action::CreateCaseByMail {
            user_email: AYSE.to_owned(),
            user_full_name: "Ayşe".to_owned(),
            subject: "Posta".to_owned(),
            says: Says::text("ekte").with_file("a.txt", "text/plain", b"one"),
        };
        stage.simulator.act(action).unwrap();
        let found = wait_until("the ticket", || async {
            let sql = "select body from tickets where subject = 'Posta'";
            let rows = stage.query(sql, &[]).await;
            rows.first().map(|row| row.get::<_, String>(0))
        })
        .await;
        assert_eq!(found.contains("a.txt: http"), is_link, "{found}");
        let sql = "select count(*) from files f join tickets t on t.id = f.ticket_id where t.subject = 'Posta' and content = 'one'";
        assert_eq!(stage.count(sql).await, rows);
    }
}
