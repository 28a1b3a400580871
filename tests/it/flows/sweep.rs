//! Webhooks that never come cost time, not replies.

use deskie_cdc_sandbox::simulator::{Books, Delivery, Fault, FaultKind, Match, Says};

use crate::support::{Stage, stage, wait_until};

/// How often a case's messages were read.
fn reads(books: &Books) -> usize {
    books.calls_to("GET", "/messages.json").len()
}

/// Waits for so many further sweeps.
async fn sweeps(stage: &Stage, count: usize) -> Books {
    let so_far = |books: &Books| books.calls_to("GET", "/cases.json").len();
    let before = so_far(&stage.simulator.books());
    stage
        .deskie("sweeps", |books| so_far(books) >= before + count)
        .await
}

/// Flows 2 and 3, and that nothing doubles.
async fn replies_come(stage: &Stage) {
    let (ticket, case) = stage.open("Soru").await;
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    stage.past_our_calls().await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 2).await;
    stage
        .simulator
        .customer_mail_reply(case, Says::text("posta"))
        .unwrap();
    stage.until_site(ticket, 3).await;
    stage.writes(ticket, "iki").await;
    stage.until_deskie(case, 5).await;
    sweeps(stage, 3).await;
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await, ["bir", "cevap", "posta", "iki"]);
    assert_eq!(stage.case(case).messages.len(), 5);
}

/// Waits until `status` says it; gives all that it says.
async fn status_says(stage: &Stage, words: &str) -> String {
    wait_until(words, || async {
        let status = stage.workplace.command(&["status"]).await.ok().stdout;
        status.contains(words).then_some(status)
    })
    .await
}

#[tokio::test]
async fn without_any_webhook_secret_the_sweep_finds_all_replies() {
    // GIVEN a connector that takes no webhooks at all
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1s\"")
        .config("webhook_secret = \"demo-webhook-secret\"\n", "")
        .build()
        .await;
    let connector = stage.run().await;
    connector.wait_for_log("no webhook_secret is set").await;
    // THEN nobody listens on its port
    assert!(reqwest::get(stage.workplace.webhook_url()).await.is_err());
    // AND WHEN messages come both ways, THEN each stands once on both sides
    replies_come(&stage).await;
}

#[tokio::test]
async fn webhooks_that_are_lost_are_made_up_for() {
    // GIVEN a Deskie whose webhooks are lost on the way
    let drop = Delivery {
        drop: true,
        ..Delivery::default()
    };
    let stage = stage()
        .set("deskie", "sweep = \"1s\"")
        .delivery(drop)
        .build()
        .await;
    let _connector = stage.workplace.run_with(&[("DESKIE_CDC_WATCH_MS", "100")]);
    // WHEN messages come both ways, THEN each stands once on both sides
    replies_come(&stage).await;
    // AND a rule of which nothing is heard is told once several answers came without it
    let status = stage.workplace.command(&["status"]).await.ok().stdout;
    assert!(!status.contains("rule_silent"), "{status}");
    let (ticket, case) = stage.open("İkinci").await;
    stage.past_our_calls().await;
    for answer in ["a", "b"] {
        stage.simulator.agent_reply(case, Says::text(answer)).unwrap();
    }
    stage.until_site(ticket, 2).await;
    let silent = status_says(
        &stage,
        "rule_silent: no webhook told of any of the newest 3 agents' answers",
    )
    .await;
    assert!(silent.contains("step 2 of `deskie-cdc rules`"), "{silent}");
    assert!(!silent.contains("customers' answers"), "{silent}");
    // AND WHEN it is heard, THEN that is over
    let last = stage.case(case).messages.last().expect("a message").message_id;
    let webhook = format!(
        "{}?case_id={case}&last_message_id={last}",
        stage.workplace.webhook_url()
    );
    reqwest::get(webhook).await.unwrap();
    let heard = status_says(&stage, "told of 2 of their newest 3 answers").await;
    assert!(!heard.contains("rule_silent"), "{heard}");
}

#[tokio::test]
async fn the_sweep_reads_no_case_for_what_our_own_last_call_explains() {
    // GIVEN a connector that sweeps each second, and no webhooks
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1s\"")
        .build()
        .await;
    let _connector = stage.run().await;
    // WHEN only the site writes
    let (ticket, case) = stage.open("Soru").await;
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    let books = sweeps(&stage, 2).await;
    assert_eq!(reads(&books), 0);
    stage.writes(ticket, "iki").await;
    stage.until_deskie(case, 3).await;
    let books = sweeps(&stage, 4).await;
    // THEN no case is read
    assert_eq!(reads(&books), 0, "{:?}", books.calls_to("GET", "/messages.json"));

    stage.past_our_calls().await;
    // WHEN an agent answers, THEN the case is read until Deskie's whole seconds are past, and no more after that
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 3).await;
    let read = reads(&sweeps(&stage, 5).await);
    assert!((1..=5).contains(&read), "{read} reads");
    let books = sweeps(&stage, 3).await;
    assert_eq!(reads(&books), read);
}

#[tokio::test]
async fn a_sweep_that_fails_is_made_up_for() {
    // GIVEN a Deskie whose lists fail for a while
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1s\"")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    for kind in [FaultKind::HtmlWith200 { done: true }, FaultKind::LoseAnswerAfter] {
        stage
            .simulator
            .add_fault(Fault::on(Match::ListCases, kind.clone()));
        stage.simulator.add_fault(Fault::on(Match::ListMessages, kind));
    }
    stage.past_our_calls().await;
    // WHEN an agent answers meanwhile
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    connector.wait_for_log("the sweep could not ask Deskie").await;
    // THEN the answer comes once they work again
    stage.until_site(ticket, 1).await;
    assert_eq!(stage.simulator.books().faults_pending, 0);
}
