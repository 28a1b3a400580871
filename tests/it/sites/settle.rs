//! A form that is several transactions: what is sent is what stands when it has settled.

use super::Scene;
use super::scene::{Heard, expected};

/// Each form as the application's own transactions, one after the other.
async fn play(scene: &Scene) -> (Heard, Vec<String>) {
    let _connector = scene.run().await;
    // 1: the message comes before its ticket and is handed to it; then it is corrected, and the category is picked.
    scene.app("insert into messages (text) values ('Helo')").await;
    scene
        .app("insert into tickets (customer, subject) values (1, 'One')")
        .await;
    scene.app("update messages set ticket_id = 1 where id = 1").await;
    scene.app("update messages set text = 'Hello' where id = 1").await;
    scene
        .app("update tickets set category = 'Billing' where id = 1")
        .await;
    // 2: hidden a moment later.
    scene
        .app("insert into tickets (customer, subject) values (1, 'Two'); insert into messages (ticket_id, text) values (2, 'Insult')")
        .await;
    scene.app("update messages set hidden = true where id = 2").await;
    // 3: undone. 4: undone with its ticket.
    scene
        .app("insert into tickets (customer, subject) values (1, 'Three'); insert into messages (ticket_id, text) values (3, 'Oops')")
        .await;
    scene.app("delete from messages where id = 3").await;
    scene
        .app("insert into tickets (customer, subject) values (1, 'Four'); insert into messages (ticket_id, text) values (4, 'Gone')")
        .await;
    scene.app("delete from tickets where id = 4").await;
    // 5: merged into the first.
    scene
        .app("insert into tickets (customer, subject) values (1, 'Five'); insert into messages (ticket_id, text) values (5, 'Merged')")
        .await;
    scene
        .app("update messages set ticket_id = 1 where id = 5; delete from tickets where id = 5")
        .await;
    let books = scene.settled().await;
    let subjects = books.cases.iter().map(|case| case.subject.clone()).collect();
    (scene.heard().await, subjects)
}

fn outcome() -> (Heard, Vec<String>) {
    (
        expected([("1", &["Hello", "Merged"])]),
        vec!["Billing: One".to_owned()],
    )
}

#[tokio::test]
async fn settle_sends_what_stands_when_the_form_is_done() {
    // GIVEN the site; WHEN its forms are filled in; THEN what was undone, hidden or merged away opened no case
    let scene = Scene::new("settle").await;
    scene.check_ok().await;
    assert_eq!(play(&scene).await, outcome());
    assert_eq!(scene.reasons().await, Vec::<String>::new(), "nothing is stuck");
    // WHEN the moderator shows the second after all; THEN it opens its case
    let _connector = scene.run().await;
    scene.app("update messages set hidden = false where id = 2").await;
    scene.until_heard("2", 1).await;
    // WHEN delivered messages are handed on to another ticket; THEN that is no news
    scene.app("update messages set ticket_id = 2").await;
    let heard = scene.heard().await;
    assert_eq!(heard["1"], ["Hello", "Merged"]);
    assert_eq!(heard["2"], ["Insult"]);
}

#[tokio::test]
async fn settle_zero_would_send_what_is_taken_back() {
    let scene = Scene::mutated("settle", &[("settle = \"2s\"", "settle = \"0s\"")]).await;
    let _connector = scene.run().await;
    scene
        .app("insert into tickets (customer, subject) values (1, 'One'); insert into messages (ticket_id, text) values (1, 'Insult')")
        .await;
    scene.until_heard("1", 1).await;
    scene
        .app("update messages set hidden = true; update tickets set category = 'Billing'")
        .await;
    scene.settled().await;
    let case = scene.case_of("1").await;
    assert_eq!((case.subject.as_str(), case.messages.len()), ("One", 1));
}

#[tokio::test]
async fn a_row_that_moves_while_it_settles_is_sent_once() {
    // GIVEN a message table by partitions
    let scene = Scene::mutated(
        "partitions",
        &[("[ticket]\n", "[capture]\nsettle = \"2s\"\n[ticket]\n")],
    )
    .await;
    let _connector = scene.run().await;
    // WHEN a new message moves to another partition before it has settled, and another is truncated away
    scene
        .app("insert into tickets (email, subject) values ('ayse@example.com', 'Moving'), ('ivan@example.com', 'Truncated')")
        .await;
    scene
        .app("insert into messages (ticket_id, body) values (1, 'One')")
        .await;
    scene
        .app("update messages set created_at = now() - interval '20 years', body = 'One, moved'")
        .await;
    // THEN it is there, as it stands. Its time is that of the past by now, so it must not be taken for an import.
    scene.app("update messages set created_at = now()").await;
    assert_eq!(scene.heard().await, expected([("1", &["One, moved"])]));
    scene
        .app("insert into messages (ticket_id, body) values (2, 'Two')")
        .await;
    scene.app("truncate messages").await;
    assert_eq!(scene.heard().await.get("2"), None);
}
