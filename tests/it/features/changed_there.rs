//! What waits for the site and is changed or deleted in Deskie meanwhile goes as it is there by then.

use deskie_cdc_sandbox::simulator::{Action, CaseId, MessageId, Says};

use crate::support::{Stage, stage, wait_until};

fn edit(stage: &Stage, case: CaseId, message: MessageId, text: &str) {
    let says = Says::text(text);
    stage
        .simulator
        .act(Action::EditMessage { case, message, says })
        .unwrap();
}

fn delete(stage: &Stage, case: CaseId, message: MessageId) {
    stage
        .simulator
        .act(Action::DeleteMessage { case, message })
        .unwrap();
}

async fn until_state(stage: &Stage, state: &str, count: i64) {
    let sql = format!("select count(*) from deskie_cdc.remote where state = '{state}'");
    wait_until(&format!("{count} {state}"), || async {
        (stage.count(&sql).await == count).then_some(())
    })
    .await;
}

/// Nobody waits for a minute here.
async fn a_minute_passes(stage: &Stage) {
    stage
        .sql("update deskie_cdc.remote set seen_at = seen_at - interval '2 minutes' where state in ('pending', 'parked')")
        .await;
}

#[tokio::test]
async fn what_is_mended_while_writing_is_paused_goes_as_it_was_mended() {
    // GIVEN answers that wait since somebody has paused the way to the site; no sweep comes for long
    let stage = stage().set("deskie", "sweep = \"10m\"").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    stage.workplace.command(&["pause", "to_site"]).await.ok();
    let reply = |text: &str| stage.simulator.agent_reply(case, Says::text(text)).unwrap();
    let (wrong, secret) = (reply("your password is WRONG"), reply("of another customer"));
    until_state(&stage, "pending", 2).await;
    a_minute_passes(&stage).await;
    // WHEN one is mended in Deskie, one is deleted, and the way is resumed
    edit(&stage, case, wrong, "your password is in the mail");
    delete(&stage, case, secret);
    stage.workplace.command(&["resume", "to_site"]).await.ok();
    // THEN they go as they are by now, and the story tells it
    stage.until_site(ticket, 1).await;
    until_state(&stage, "pending", 0).await;
    assert_eq!(stage.rows(ticket).await, ["your password is in the mail"]);
    let trace = stage
        .workplace
        .command(&["trace", &ticket.to_string()])
        .await
        .ok();
    assert!(
        trace.stdout.contains("deleted in Deskie before it was written"),
        "{}",
        trace.stdout
    );
    // AND what comes behind goes on
    reply("next");
    stage.until_site(ticket, 2).await;
}

#[tokio::test]
async fn a_parked_answer_is_tried_again_as_deskie_has_it_by_then() {
    // GIVEN two tickets' answers that the site refuses
    let stage = stage()
        .set("deskie", "sweep = \"10m\"")
        .schema("alter table messages add constraint no_secrets check (body not like '%secret%')")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (other, other_case) = stage.open("Other").await;
    stage.settled().await;
    let answer = stage.simulator.agent_reply(case, Says::text("a secret")).unwrap();
    let gone = stage
        .simulator
        .agent_reply(other_case, Says::text("another secret"))
        .unwrap();
    until_state(&stage, "parked", 2).await;
    a_minute_passes(&stage).await;
    // WHEN the agent mends the one and deletes the other, and a person retries
    edit(&stage, case, answer, "a greeting");
    delete(&stage, other_case, gone);
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    // THEN the one is written as it is now, and nothing waits
    stage.until_site(ticket, 1).await;
    assert_eq!(stage.rows(ticket).await, ["a greeting"]);
    until_state(&stage, "parked", 0).await;
    until_state(&stage, "pending", 0).await;
    assert!(stage.rows(other).await.is_empty());
}

#[tokio::test]
async fn what_waits_for_a_locked_ticket_is_followed_by_the_sweep() {
    // GIVEN an answer that waits for a ticket that the site holds locked
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    let sql = format!("begin; select from tickets where id = {ticket} for update");
    stage.site.client.batch_execute(&sql).await.unwrap();
    let answer = stage
        .simulator
        .agent_reply(case, Says::text("of the first hour"))
        .unwrap();
    until_state(&stage, "pending", 1).await;
    // WHEN it is changed in Deskie, and a sweep has seen that
    edit(&stage, case, answer, "of the second hour");
    let sql = "select count(*) from deskie_cdc.journal where what = 'changed in Deskie'";
    wait_until("it was read", || async {
        (stage.count(sql).await == 1).then_some(())
    })
    .await;
    stage.site.client.batch_execute("rollback").await.unwrap();
    // THEN that is what is written
    stage.until_site(ticket, 1).await;
    assert_eq!(stage.rows(ticket).await, ["of the second hour"]);
}
