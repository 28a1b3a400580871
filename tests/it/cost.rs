//! What the connector costs the site's server, counted in statements by the server itself.

use std::time::Duration;

use deskie_cdc_sandbox::simulator::Says;

use crate::support::{installations, stage, stage_on};

/// An idle connector is watched for so many seconds.
const SECONDS: u64 = 20;

#[tokio::test]
async fn an_idle_site_is_asked_once_a_second_at_most() {
    let watched = installations().into_iter().map(|installation| async move {
        // GIVEN a connector that has worked, and has nothing to do
        let stage = stage_on(&installation).asked().build().await;
        let _connector = stage.run().await;
        stage.open("Soru").await;
        stage.settled().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        // WHEN time passes
        let before = stage.asked();
        tokio::time::sleep(Duration::from_secs(SECONDS)).await;
        // THEN it renews its lease, and asks for next to nothing else
        let asked = stage.asked_since(&before);
        let most = SECONDS as usize;
        assert!(
            asked.count() <= most && asked.count() >= most / 4,
            "{} statements in {SECONDS} s on {}:\n{asked}",
            asked.count(),
            installation.full_version(),
        );
    });
    futures::future::join_all(watched).await;
}

#[tokio::test]
async fn a_message_and_an_answer_cost_few_statements() {
    // GIVEN a conversation that has gone both ways, so that everything is prepared
    let stage = stage().asked().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    for n in 0..3 {
        stage.writes(ticket, &format!("soru {n}")).await;
        stage.until_deskie(case, 2 + 2 * n).await;
        stage.settled().await;
        let answer = format!("cevap {n}");
        stage.simulator.agent_reply(case, Says::text(answer)).unwrap();
        stage.until_site(ticket, 2 + 2 * n).await;
        stage.settled().await;
    }
    // WHEN the customer writes again, which causes a webhook of Deskie's
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = stage.asked();
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 8).await;
    stage.quiet().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let message = stage.asked_since(&before).without_beats();
    // AND an agent answers
    let before = stage.asked();
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 8).await;
    stage.quiet().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let answer = stage.asked_since(&before).without_beats();
    // THEN both cost the site's server little
    let told = format!(
        "a customer's message: {} statements\n{message}\nan agent's answer: {} statements\n{answer}",
        message.count(),
        answer.count()
    );
    eprintln!("{told}");
    // 71 and 73 before messages of a conversation were taken in sets.
    assert!(message.count() <= 13 && answer.count() <= 17, "{told}");
}
