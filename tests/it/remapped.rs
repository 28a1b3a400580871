//! A name of the mapping that a migration gives to another column, or to another kind of type (rule 11).

use deskie_cdc_sandbox::simulator::Says;

use crate::support::{Connector, Stage, stage, texts, wait_until};

/// Makes the watch look often, so that what a command decides is seen at once.
const QUICK: [(&str, &str); 1] = [("DESKIE_CDC_WATCH_MS", "100")];

async fn begun(stage: &Stage) -> Connector {
    let connector = stage.workplace.run_with(&QUICK);
    connector.wait_for_log("leading").await;
    connector
}

async fn ready(stage: &Stage) -> (u16, String) {
    match reqwest::get(stage.workplace.admin_url("/health/ready")).await {
        Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
        Err(_) => (0, String::new()),
    }
}

async fn is_held(stage: &Stage, what: &str) {
    wait_until("it is held", || async {
        let (status, text) = ready(stage).await;
        (status == 503 && text.contains(what)).then_some(())
    })
    .await;
    let status = stage.workplace.command(&["status"]).await.exits(1);
    assert!(status.stdout.contains("--remap"), "{}", status.stdout);
    let check = stage.workplace.command(&["check"]).await.exits(1);
    assert!(check.stdout.contains("--remap"), "{}", check.stdout);
}

async fn is_ready(stage: &Stage) {
    wait_until("it is ready", || async {
        (ready(stage).await.0 == 200).then_some(())
    })
    .await;
}

async fn failed(stage: &Stage) -> String {
    stage
        .workplace
        .command(&["failed", "list", "--json"])
        .await
        .stdout
        .trim()
        .to_owned()
}

#[tokio::test]
async fn a_text_whose_column_was_renamed_and_made_anew_is_not_taken_for_empty() {
    // GIVEN a ticket with a case
    let stage = stage().build().await;
    let connector = begun(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN one migration renames the column of the texts, and makes another one under its name
    stage
        .sql(
            "begin; alter table messages rename column body to content;
             alter table messages alter column content set not null;
             alter table messages add column body jsonb; commit",
        )
        .await;
    stage
        .sql(&format!(
            "insert into messages (ticket_id, author, content) values ({ticket}, 'customer', 'bir')"
        ))
        .await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    // THEN nothing is sent or written or passed over, and nothing is parked
    is_held(&stage, "column body of public.messages").await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "cevap"]);
    assert_eq!(
        stage
            .count("select count(*) from deskie_cdc.link where section = 'message'")
            .await,
        0
    );
    assert_eq!(failed(&stage).await, "[]");
    // AND once the config names the right one, both sides have all
    assert!(connector.sigterm_and_wait().await.success());
    let work = &stage.workplace;
    work.change_config(
        "author = \"author\"\nbody = \"body\"",
        "author = \"author\"\nbody = \"content\"",
    );
    work.change_config("body = \":text\"", "content = \":text\"");
    let _connector = begun(&stage).await;
    is_ready(&stage).await;
    stage.until_deskie(case, 3).await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "cevap", "bir"]);
    wait_until("the answer is written", || async {
        let sql = "select count(*) from messages where content = 'cevap'";
        (stage.count(sql).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_internal_note_is_not_sent_because_its_flag_became_another_type() {
    // GIVEN a flag that is a number
    let stage = stage()
        .schema(
            "alter table messages alter is_internal drop default,
                alter is_internal type int using is_internal::int, alter is_internal set default 0",
        )
        .config("not m.is_internal", "m.is_internal::text <> '1'")
        .build()
        .await;
    let _connector = begun(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN it becomes a truth value, which the expression takes as well
    stage
        .sql(
            "alter table messages alter is_internal drop default,
                alter is_internal type boolean using is_internal = 1, alter is_internal set default false",
        )
        .await;
    stage
        .sql(&format!(
            "insert into messages (ticket_id, author, body, is_internal) values ({ticket}, 'customer', 'internal', true)"
        ))
        .await;
    is_held(&stage, "(number before, bool now)").await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body"]);
    // THEN it goes on once somebody has said that the mapping means it, here as it stands
    stage
        .sql("update messages set is_internal = false where body = 'internal'")
        .await;
    let admin_url = stage.site.admin_url();
    let setup = ["setup", "--remap", "--admin-url", &admin_url];
    stage.workplace.command(&setup).await.ok();
    is_ready(&stage).await;
    stage.writes(ticket, "bir").await;
    wait_until("it goes on", || async {
        texts(&stage.case(case)).contains(&"bir").then_some(())
    })
    .await;
}

#[tokio::test]
async fn texts_that_became_json_are_not_sent_as_its_source() {
    let stage = stage().build().await;
    let connector = begun(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    stage
        .sql("alter table messages alter body type jsonb using jsonb_build_object('text', body)")
        .await;
    stage
        .sql(&format!(
            "insert into messages (ticket_id, author, body) values ({ticket}, 'customer', '{{\"text\": \"bir\"}}')"
        ))
        .await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    is_held(&stage, "(text before, json now)").await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "cevap"]);
    assert_eq!(failed(&stage).await, "[]");
    // The expressions that name it were written anew: somebody has looked.
    assert!(connector.sigterm_and_wait().await.success());
    let work = &stage.workplace;
    work.change_config(
        "author = \"author\"\nbody = \"body\"",
        "author = \"author\"\nbody = \"m.body->>'text'\"",
    );
    work.change_config(
        "body = \":text\"",
        "body = \"jsonb_build_object('text', :text::text)\"",
    );
    let _connector = begun(&stage).await;
    is_ready(&stage).await;
    stage.until_deskie(case, 3).await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "cevap", "bir"]);
    wait_until("the answer is written", || async {
        let sql = "select count(*) from messages where body->>'text' = 'cevap'";
        (stage.count(sql).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_does_not_change_a_columns_meaning_holds_nothing() {
    let stage = stage()
        .schema(
            "delete from messages; alter table messages alter body type varchar(50), alter author type varchar(10);
             alter table tickets alter subject type varchar(60), alter created_at type timestamp(3);
             alter table messages add column kind int default 1",
        )
        .config("not m.is_internal", "not m.is_internal and m.kind = 1")
        .build()
        .await;
    let connector = begun(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN columns are widened, made stricter, renamed there and back; and others come, go and change
    stage
        .sql(
            "alter table messages alter body type varchar(200), alter kind type bigint;
             alter table messages alter body type text, alter kind type numeric;
             alter table messages alter kind type numeric(12);
             create type who as enum ('customer', 'agent');
             alter table messages drop constraint if exists messages_author_check;
             alter table messages alter author type who using author::who;
             alter table messages alter author type text;
             alter table tickets alter subject type text, alter created_at type timestamp(6);
             alter table messages rename body to x; alter table messages rename x to body;
             alter table messages add column extra int; alter table messages alter extra type jsonb using to_jsonb(extra);
             alter table messages drop column extra; alter table messages add column extra text;
             alter table messages add column body_new text; update messages set body_new = body;
             alter table messages drop column body; alter table messages rename body_new to body;
             create domain words as text; alter table tickets alter subject type words",
        )
        .await;
    // THEN both sides go on
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 2).await;
    assert_eq!(ready(&stage).await.0, 200);
    stage
        .sql("alter table tickets alter created_at type timestamptz")
        .await;
    connector.wait_for_log("goes on with what it is now").await;
    stage.writes(ticket, "iki").await;
    stage.until_deskie(case, 4).await;
    let held = "select count(*) from deskie_cdc.trouble where kind = 'held'";
    assert_eq!(stage.count(held).await, 0);
}
