//! `on_edit` and `on_delete`: what the site does to a message that stands in Deskie.

use deskie_cdc::sandbox::simulator::{Action, Books, Says};

use crate::support::{Building, Stage, says, stage, texts};

fn edits() -> Building {
    stage().set("message", "on_edit = \"edit\"")
}

fn notes() -> Building {
    stage().set("message", "on_edit = \"note\"\non_delete = \"note\"")
}

fn puts(books: &Books) -> usize {
    books.calls.iter().filter(|call| call.method == "PUT").count()
}

async fn set_body(stage: &Stage, message: i64, body: &str) {
    let sql = "update messages set body = $2 where id = $1";
    let done = stage.site.client.execute(sql, &[&message, &body]).await;
    assert_eq!(done.unwrap(), 1);
}

#[tokio::test]
async fn an_edit_of_the_site_edits_the_message() {
    let stage = edits().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let message = stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 2).await;
    // WHEN the customer edits it, and the site touches it and everything else, a reply of ours too
    set_body(&stage, message, "iki").await;
    stage
        .sql("update messages set author_name = 'x'; update messages set body = body || '!' where author = 'agent'")
        .await;
    // THEN the message says so, by one call, and nothing else changed
    let books = stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "iki", "cevap"]);
    assert_eq!(puts(&books), 1);
    assert_eq!(stage.rows(ticket).await, ["iki", "cevap!"]);
    // WHEN it is edited back, THEN that goes as well
    set_body(&stage, message, "bir").await;
    let books = stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "cevap"]);
    assert_eq!(puts(&books), 2);
}

#[tokio::test]
async fn an_edit_keeps_its_place_behind_the_message() {
    let stage = edits()
        .set("deskie", "doubt_wait = \"2s\"\ntimeout = \"500ms\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN Deskie is away while a message is written, edited twice, and another follows
    stage.simulator.act(Action::SetDown { down: true }).unwrap();
    let message = stage.writes(ticket, "bir").await;
    set_body(&stage, message, "iki").await;
    set_body(&stage, message, "üç").await;
    stage.writes(ticket, "son").await;
    stage.simulator.act(Action::SetDown { down: false }).unwrap();
    // THEN all stands there in the end, once
    stage.until_deskie(case, 3).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "üç", "son"]);
}

#[tokio::test]
async fn the_first_message_of_a_case_is_found_and_edited() {
    // GIVEN a site whose tickets open with their first message
    let stage = edits()
        .config("open_on = \"ticket\"", "open_on = \"message\"")
        .config("body = \"body\"\ncreated_at = \"created_at\"\ncustomer", "created_at = \"created_at\"\ncustomer")
        .opens_by(
            "with t as (insert into tickets (user_id, subject, body) \
             select id, $1, '' from users where email = 'kate@example.com' returning id) \
             insert into messages (ticket_id, author, body) select id, 'customer', 'marker' from t returning ticket_id",
        )
        .without_rules()
        .build()
        .await;
    let _connector = stage.run().await;
    let ticket = stage.ticket("ayse@example.com", "Soru", "").await;
    let message = stage.writes(ticket, "bir").await;
    let case = stage.case_of(ticket).await;
    // WHEN it is edited, THEN its number is looked up
    set_body(&stage, message, "iki").await;
    let edited = |books: &Books| books.case(case).is_some_and(|case| texts(case) == ["iki"]);
    stage.deskie("the edit", edited).await;
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await, ["iki"]);
}

#[tokio::test]
async fn edits_and_deletions_become_notes() {
    let stage = notes().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let message = stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    // WHEN it is edited twice and then deleted
    for body in ["iki", "üç"] {
        set_body(&stage, message, body).await;
    }
    stage
        .sql(&format!("delete from messages where id = {message}"))
        .await;
    stage.settled().await;
    // THEN the agents are told each, and the message stands as it was
    let there = stage.case(case);
    assert_eq!(texts(&there), ["Soru: body", "bir"]);
    let noted: Vec<&str> = there
        .messages
        .iter()
        .filter(|message| message.note)
        .map(says)
        .collect();
    assert_eq!(noted.len(), 3, "{noted:?}");
    for (note, expected) in noted
        .iter()
        .zip([["edited", "iki"], ["edited", "üç"], ["deleted", "üç"]])
    {
        assert!(expected.iter().all(|word| note.contains(word)), "{note}");
    }
    assert!(stage.rows(ticket).await.is_empty());
    // WHEN the whole ticket is deleted with what it holds, THEN its messages are not told one by one
    stage.writes(ticket, "dört").await;
    stage.until_deskie(case, 3).await;
    stage
        .sql(&format!("delete from tickets where id = {ticket}"))
        .await;
    stage.settled().await;
    assert_eq!(stage.case(case).messages.len(), 6);
}
