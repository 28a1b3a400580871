//! An expression that does not matter for a row never decides about it: what `where` or `author` leaves out is left out,
//! whatever becomes of its joins and its other values, and holds up nobody.

use crate::sites::Scene;
use crate::support::{AYSE, stage, texts, wait_until};

/// What comes with every message here: who wrote it, perhaps nobody; marks, perhaps several.
const TABLES: &str = "alter table messages add user_id bigint references users;
    create table marks (message_id bigint, word text);
    update messages set user_id = 1";

const MESSAGE: &str = "where = \"not m.is_internal\"\nauthor = \"author\"\nbody = \"body\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_where_or_author_leaves_out_neither_waits_nor_parks() {
    for mapped in [
        // A join that finds nobody.
        "join = \"join users w on w.id = m.user_id\"\nwhere = \"not m.is_internal\"\nauthor = \"author\"\nbody = \"body\"",
        // Part of the condition needs the join.
        "join = \"join users w on w.id = m.user_id\"\nwhere = \"w.email <> '' and not m.is_internal\"\nauthor = \"author\"\nbody = \"body\"",
        // The author leaves it out.
        "join = \"join users w on w.id = m.user_id\"\nauthor = \"case when m.is_internal then 'skip' else m.author end\"\nbody = \"body\"",
        // A join that finds two.
        "join = \"left join marks k on k.message_id = m.id\"\nwhere = \"not m.is_internal\"\nauthor = \"author\"\nbody = \"body\"",
        // Values that the database refuses.
        "where = \"not m.is_internal\"\nauthor = \"author\"\nbody = \"case when m.is_internal then (1 / (m.id - m.id))::text else m.body end\"",
        "where = \"not m.is_internal\"\nauthor = \"case when m.is_internal then (1 / (m.id - m.id))::text else m.author end\"\nbody = \"body\"",
        "author = \"case when m.is_internal then 'skip' else m.author end\"\nbody = \"case when m.is_internal then (1 / (m.id - m.id))::text else m.body end\"",
        // Its ticket cannot be told, either.
        "where = \"not m.is_internal\"\nauthor = \"author\"\nbody = \"body\"\nticket = \"case when m.is_internal then 1 / (m.id - m.id) else m.ticket_id end\"",
    ] {
        // GIVEN a ticket on both sides
        let mut building = stage().schema(TABLES).config(MESSAGE, mapped);
        if mapped.contains("ticket = ") {
            building = building.config("ticket = \"ticket_id\"\n", "");
        }
        let stage = building.build().await;
        let _connector = stage.run().await;
        let ticket = stage.ticket(AYSE, "one", "S0; first").await;
        let case = stage.case_of(ticket).await;
        // WHEN the site notes something of its own, and the customer writes on
        stage
            .sql(&format!(
                "with m as (insert into messages (ticket_id, author, body, is_internal) values ({ticket}, 'agent', 'private', true) returning id)
                 insert into marks select id, 'a' from m union all select id, 'b' from m;
                 insert into messages (ticket_id, author, body, user_id) values ({ticket}, 'customer', 'S1; text', 1)"
            ))
            .await;
        // THEN the customer's message arrives, and nothing waits or is parked
        let found = stage.until_deskie(case, 2).await;
        assert_eq!(texts(&found), ["S0; first", "S1; text"], "{mapped}");
        let held = "select count(*) from deskie_cdc.delivery where state in ('parked', 'unresolved')";
        assert_eq!(stage.count(held).await, 0, "{mapped}");
        // AND the note may still become a message; one for Deskie that fails is parked alone, as ever
        let seen = "select count(*) from deskie_cdc.link where section = 'message' and state = 'seen'";
        assert_eq!(stage.count(seen).await, 1, "{mapped}");
    }
}

#[tokio::test]
async fn a_ticket_that_is_left_out_takes_its_messages_along() {
    // GIVEN a condition on tickets, and values that fail for those it leaves out
    let stage = stage()
        .config(
            "open_on = \"ticket\"\nsubject = \"subject\"",
            "open_on = \"ticket\"\nwhere = \"t.subject not like 'spam%'\"\n\
             subject = \"case when t.subject like 'spam%' then (1 / (t.id - t.id))::text else t.subject end\"",
        )
        .config(
            MESSAGE,
            "where = \"not m.is_internal\"\nauthor = \"author\"\n\
             body = \"case when m.body = 'boom' then (1 / (m.id - m.id))::text else m.body end\"",
        )
        .build()
        .await;
    let _connector = stage.run().await;
    // WHEN spam comes, with a message that fails, and a ticket that is none
    let spam = stage.ticket(AYSE, "spam 1", "buy").await;
    stage.writes(spam, "boom").await;
    let (_, case) = stage.open("Soru").await;
    // THEN nothing of it is parked, and nothing counts as waiting for it
    wait_until("it is dormant", || async {
        let dormant = "select count(*) from deskie_cdc.delivery where dormant";
        (stage.count(dormant).await == 1).then_some(())
    })
    .await;
    wait_until("nothing waits for it", || async {
        let status = stage.workplace.command(&["status", "--json"]).await.ok();
        let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
        let queues = &status["queues"];
        (queues["deliveries"] == 0 && queues["oldest_seconds"].is_null()).then_some(())
    })
    .await;
    assert_eq!(stage.case(case).conversation().len(), 1);
    let parked = "select count(*) from deskie_cdc.delivery where state = 'parked'";
    assert_eq!(stage.count(parked).await, 0);
    // AND where the ticket is for Deskie the same message is
    let (ticket, _) = stage.open("Soru 2").await;
    stage.writes(ticket, "boom").await;
    wait_until("it is parked", || async {
        (stage.count(parked).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_message_of_a_list_that_is_left_out_takes_none_of_its_neighbours_along() {
    let scene = Scene::mutated(
        "thread",
        &[
            (
                "where = \"m.visible\"",
                "where = \"m.visible and e.said->>'hidden' is null\"",
            ),
            (
                "when 'staff' then 'agent'",
                "when 'staff' then 'agent' when 'boom' then (1 / (m.id - m.id))::text",
            ),
        ],
    )
    .await;
    let _connector = scene.run().await;
    scene
        .app(
            r#"insert into tickets (email, subject, thread) values ('ayse@example.com', 'New',
            '[{"from": "user", "text": "one"}, {"from": "boom", "text": "hidden", "hidden": true}, {"from": "user", "text": "two"}]')"#,
        )
        .await;
    let books = scene.until_heard("3", 2).await;
    assert_eq!(books.cases.len(), 1);
    assert_eq!(scene.reasons().await, Vec::<String>::new());
    // One that is for Deskie is parked, and only what follows it waits.
    scene
        .app(r#"update tickets set thread = thread || '[{"from": "user", "text": "three"}, {"from": "boom", "text": "bad"}]' where id = 3"#)
        .await;
    scene.until_heard("3", 3).await;
    scene
        .until(
            "select count(*) from deskie_cdc.delivery where state = 'parked'",
            "1",
        )
        .await;
    assert_eq!(scene.heard().await["3"], ["one", "two", "three"]);
}

#[tokio::test]
async fn a_file_that_is_left_out_keeps_nothing_back() {
    let scene = Scene::mutated(
        "files",
        &[(
            "name = \"title\"",
            "name = \"case when a.is_virus then (1 / (a.id - a.id))::text else a.title end\"",
        )],
    )
    .await;
    let folder = scene.workplace.folder().join("uploads/images");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("good"), "good").unwrap();
    let _connector = scene.run().await;
    scene
        .app(
            "insert into tickets (email, subject) values ('ayse@example.com', 'One');
             insert into messages (ticket_id, body) values (1, 'With');
             insert into uploads (message_id, title, stored_as, is_virus) values (1, 'bad', 'bad', true), (1, 'good', 'good', false)",
        )
        .await;
    let books = scene.until_heard("1", 1).await;
    let message = &books.cases[0].messages[0];
    let names: Vec<&str> = message
        .attachments
        .iter()
        .map(|file| file.file_name.as_str())
        .collect();
    assert_eq!(names, ["good"]);
    assert_eq!(scene.reasons().await, Vec::<String>::new());
}
