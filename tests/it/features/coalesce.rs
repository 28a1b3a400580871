//! `coalesce`: what waits in one ticket goes as one message, and each of it exactly once.

use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::{Action, Fault, FaultKind, Match, Says};

use crate::support::{AYSE, Building, Stage, says, stage, texts};

fn coalescing() -> Building {
    stage()
        .set("message", "coalesce = true")
        .set("deskie", "doubt_wait = \"2s\"\ntimeout = \"500ms\"")
}

/// All that a case has, notes too.
fn all(stage: &Stage, case: CaseId) -> Vec<String> {
    let case = stage.case(case);
    case.messages
        .iter()
        .map(|message| says(message).to_owned())
        .collect()
}

const UNDELIVERED: &str = "select count(*) from deskie_cdc.link where section in ('ticket', 'message') \
    and state <> 'delivered' and state <> 'written'";

#[tokio::test]
async fn what_waits_goes_as_one_message_but_not_past_an_agent() {
    let stage = coalescing().build().await;
    let _connector = stage.run().await;
    let (old, old_case) = stage.open("Soru").await;
    let (told, told_case) = stage.open("Başka").await;
    stage.settled().await;
    // WHEN Deskie is away while customers write, one opens a ticket, and an agent answers on the site
    stage.simulator.act(Action::SetDown { down: true }).unwrap();
    for text in ["bir", "iki <3", "üç"] {
        stage.writes(old, text).await;
    }
    let new = stage.ticket(AYSE, "Yeni", "sıfır").await;
    stage.writes(new, "ve bir").await;
    stage.writes(told, "önce").await;
    stage
        .sql(&format!(
            "insert into messages (ticket_id, author, body) values ({told}, 'agent', 'cevap')"
        ))
        .await;
    stage.writes(told, "sonra").await;
    stage.writes(told, "daha sonra").await;
    crate::support::wait_until("all is resolved", || async {
        let sql = "select count(*) from deskie_cdc.delivery where state in ('queued', 'doubt', 'sending') and act = 'message'";
        (stage.count(sql).await == 9).then_some(())
    })
    .await;
    stage.simulator.act(Action::SetDown { down: false }).unwrap();
    let new_case = stage.case_of(new).await;
    stage.settled().await;
    // THEN each ticket's went together, each a paragraph, in order, the first message of a case too
    let whole = texts(&stage.case(old_case)).last().map(|text| (*text).to_owned());
    // the first may have been under way alone when the others came
    let heard = all(&stage, old_case)[1..].join("\n\n");
    assert_eq!(
        heard.replace("<br>", "\n").replace("&lt;", "<"),
        "bir\n\niki <3\n\nüç",
        "{whole:?}"
    );
    assert!(all(&stage, old_case).len() <= 3);
    let opened = all(&stage, new_case).join("\n\n").replace("<br>", "\n");
    assert_eq!(opened, "sıfır\n\nve bir");
    // AND never past what an agent said
    let told = all(&stage, told_case);
    assert_eq!(told[1..3], ["önce", "cevap"], "{told:?}");
    assert_eq!(told[3].replace("<br>", "\n"), "sonra\n\ndaha sonra");
    assert_eq!(stage.count(UNDELIVERED).await, 0);
}

#[tokio::test]
async fn a_lost_answer_of_joined_messages_is_about_all_of_them() {
    lost(FaultKind::LoseAnswerAfter, false).await;
}

#[tokio::test]
async fn a_call_of_joined_messages_that_was_not_done_is_done_again() {
    lost(FaultKind::CloseBefore, false).await;
}

#[tokio::test]
async fn a_process_that_dies_over_joined_messages_leaves_none_behind() {
    lost(FaultKind::LoseAnswerAfter, true).await;
}

async fn lost(loss: FaultKind, killed: bool) {
    {
        let stage = coalescing().build().await;
        let mut connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        stage.settled().await;
        // GIVEN three messages that wait; WHEN the answer to their call is lost, the process perhaps with it
        stage
            .sql("insert into deskie_cdc.pause (way) values ('to_deskie')")
            .await;
        for text in ["bir", "iki", "üç"] {
            stage.writes(ticket, text).await;
        }
        let waiting = "select count(*) from deskie_cdc.delivery where state in ('queued', 'doubt')";
        crate::support::wait_until("all wait", || async {
            (stage.count(waiting).await == 3).then_some(())
        })
        .await;
        let fault = if killed {
            FaultKind::Hang {
                ms: 3000,
                done: deskie_cdc_sandbox::simulator::Done::Before,
            }
        } else {
            loss.clone()
        };
        stage.simulator.add_fault(Fault::on(Match::Add, fault));
        stage.sql("delete from deskie_cdc.pause").await;
        if killed {
            stage.until_deskie(case, 2).await;
            connector.kill9().await;
            connector = stage.run().await;
        }
        stage.writes(ticket, "son").await;
        stage.settled().await;
        // THEN all stand there once, in order, and nothing came back to the site
        let heard = texts(&stage.case(case))[1..].join("\n\n").replace("<br>", "\n");
        assert_eq!(heard, "bir\n\niki\n\nüç\n\nson", "{loss:?}, killed: {killed}");
        assert_eq!(stage.rows(ticket).await, ["bir", "iki", "üç", "son"]);
        assert_eq!(stage.count(UNDELIVERED).await, 0);
        let joined = "select count(*) from deskie_cdc.delivery where lead is not null";
        assert!(stage.count(joined).await >= 2);
        connector.sigterm_and_wait().await;
    }
}

#[tokio::test]
async fn joined_messages_that_are_refused_or_doubted_stay_together_only_in_doubt() {
    let stage = coalescing().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    connector.sigterm_and_wait().await;
    stage.writes(ticket, "bir").await;
    stage.writes(ticket, "iki").await;
    // WHEN Deskie refuses them
    let refusal = FaultKind::RejectBefore {
        status: 422,
        body: r#"{"error":"content_empty"}"#.to_owned(),
    };
    stage.simulator.add_fault(Fault::on(Match::Add, refusal));
    let connector = stage.run().await;
    let parked = "select count(*) from deskie_cdc.delivery where state = 'parked'";
    crate::support::wait_until("it is parked", || async {
        (stage.count(parked).await > 0).then_some(())
    })
    .await;
    // THEN the first is parked, and the other waits behind it for itself
    assert_eq!(stage.count(parked).await, 1);
    assert_eq!(
        stage
            .count("select count(*) from deskie_cdc.delivery where lead is not null")
            .await,
        0
    );
    // WHEN a person has mended it, THEN both stand there
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    stage.settled().await;
    assert_eq!(
        texts(&stage.case(case))[1..].join("\n\n").replace("<br>", "\n"),
        "bir\n\niki"
    );
    // AND an edit of one of them is told by a note, since the message holds others
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 3).await;
    assert_eq!(stage.count(UNDELIVERED).await, 0);
    connector.sigterm_and_wait().await;
}
