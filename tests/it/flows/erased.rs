//! What the site deletes is not sent afterwards, and no text of it stays with us.

use deskie_cdc_sandbox::simulator::{Fault, FaultKind, Match};

use crate::support::{IVAN, Stage, stage, texts, wait_until};

/// How a first attempt may end that Deskie did not carry out.
fn failures() -> [FaultKind; 3] {
    [
        // In doubt.
        FaultKind::CloseBefore,
        FaultKind::RejectBefore {
            status: 503,
            body: String::new(),
        },
        // Certainly not done.
        FaultKind::TooManyRequests { retry_after: Some(3) },
    ]
}

/// How many deliveries hold a text.
async fn with_text(stage: &Stage, text: &str) -> i64 {
    let sql = "select count(*) from deskie_cdc.delivery
        where concat(body, image, edited, opening) like '%' || $1 || '%'";
    stage.query(sql, &[&text]).await[0].get(0)
}

#[tokio::test]
async fn a_row_that_is_deleted_before_its_message_arrived_is_not_sent() {
    for failure in failures() {
        // GIVEN a message whose call failed
        let stage = stage()
            .set("deskie", "doubt_wait = \"2s\"\ntimeout = \"500ms\"")
            .build()
            .await;
        let connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        stage.settled().await;
        let mut fault = Fault::on(Match::Add, failure.clone());
        fault.times = 2;
        stage.simulator.add_fault(fault);
        let message = stage.writes(ticket, "secret").await;
        let tried =
            "select count(*) from deskie_cdc.delivery where attempts > 0 and state in ('queued', 'doubt')
            and body::text like '%secret%'";
        wait_until("it was tried", || async {
            (stage.count(tried).await == 1).then_some(())
        })
        .await;
        // WHEN the site deletes it, and Deskie is well again
        stage
            .sql(&format!("delete from messages where id = {message}"))
            .await;
        let gone = "select count(*) from deskie_cdc.link where gone";
        wait_until("the deletion is known", || async {
            (stage.count(gone).await == 1).then_some(())
        })
        .await;
        stage.writes(ticket, "iki").await;
        stage.until_deskie(case, 2).await;
        stage.settled().await;
        // THEN it was not sent, what came behind it was, and its text is nowhere
        assert_eq!(texts(&stage.case(case)), ["Soru: body", "iki"], "{failure:?}");
        assert_eq!(with_text(&stage, "secret").await, 0, "{failure:?}");
        drop(connector);
    }
}

#[tokio::test]
async fn the_text_of_a_deleted_row_goes_at_once() {
    // GIVEN a message that Deskie has
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let message = stage.writes(ticket, "secret").await;
    stage.until_deskie(case, 2).await;
    stage.settled().await;
    assert_eq!(with_text(&stage, "secret").await, 1);
    // WHEN the site deletes it
    stage
        .sql(&format!("delete from messages where id = {message}"))
        .await;
    stage.settled().await;
    // THEN we do not keep it either, and the conversation goes on
    assert_eq!(with_text(&stage, "secret").await, 0);
    stage.writes(ticket, "iki").await;
    assert_eq!(
        texts(&stage.until_deskie(case, 3).await),
        ["Soru: body", "secret", "iki"]
    );
}

#[tokio::test]
async fn of_an_erased_ticket_no_name_stays() {
    // GIVEN a ticket that waits for Deskie, and one that has a case and an edit
    let stage = stage().set("message", "on_edit = \"edit\"").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("secret-a").await;
    let message = stage.writes(ticket, "secret-b").await;
    stage.until_deskie(case, 2).await;
    let edit = format!("update messages set body = 'secret-c' where id = {message}");
    stage.sql(&edit).await;
    stage.settled().await;
    stage.workplace.command(&["pause", "to_deskie"]).await.ok();
    let waiting = stage.ticket(IVAN, "secret-d", "secret-e").await;
    let queued =
        "select count(*) from deskie_cdc.delivery where state <> 'delivered' and opening is not null";
    wait_until("it waits", || async {
        (stage.count(queued).await == 1).then_some(())
    })
    .await;
    // WHEN the site erases both
    stage
        .sql(&format!("delete from tickets where id in ({ticket}, {waiting})"))
        .await;
    let gone = "select count(*) from deskie_cdc.link where gone and section = 'ticket'";
    wait_until("the deletions are known", || async {
        (stage.count(gone).await == 2).then_some(())
    })
    .await;
    // THEN nothing of what was not sent is kept, nor a text of what was
    for text in ["secret-b", "secret-c", "secret-d", "secret-e", IVAN] {
        wait_until(text, || async {
            (with_text(&stage, text).await == 0).then_some(())
        })
        .await;
    }
}
