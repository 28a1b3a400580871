//! Our own state went back, and Deskie knows more than we do (rule 11).

use deskie_cdc_sandbox::simulator::Says;

use crate::support::{AYSE, IVAN, Stage, stage, texts};

/// The server is stopped and put back, with our state and the site's rows alike.
async fn roll_back(stage: &mut Stage, to: &deskie_cdc_sandbox::postgres::Snapshot) {
    stage.site.cluster.roll_back(to).unwrap();
    stage.reconnect().await;
}

#[tokio::test]
async fn what_deskie_has_is_not_sent_again_after_a_snapshot_was_put_back() {
    // GIVEN a ticket with a case, and what the site wrote while the connector was away
    let mut stage = stage().build().await;
    let (ticket, case) = stage.opened_before("Soru").await;
    stage.writes(ticket, "bir").await;
    let second = stage.ticket(AYSE, "İkinci", "ikinci").await;
    stage.writes(second, "ikinci bir").await;
    let snapshot = stage.site.cluster.snapshot("snapshot").unwrap();
    stage.reconnect().await;
    // AND it was sent, and answered
    let connector = stage.run().await;
    stage.until_deskie(case, 2).await;
    let second_case = stage.case_of(second).await;
    stage.until_deskie(second_case, 2).await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 2).await;
    assert!(connector.sigterm_and_wait().await.success());
    // WHEN the machine is put back to before that, and the connector starts
    roll_back(&mut stage, &snapshot).await;
    let connector = stage.run().await;
    connector.wait_for_log("our own state went back").await;
    stage.until_site(ticket, 2).await;
    stage.writes(ticket, "iki").await;
    stage.until_deskie(case, 4).await;
    let books = stage.settled().await;
    // THEN nothing is sent twice, and the answer is on the site again, once
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "cevap", "iki"]);
    assert_eq!(books.cases_with_field(25, &second.to_string()).len(), 1);
    assert_eq!(stage.rows(ticket).await, ["bir", "cevap", "iki"]);
    assert_eq!(stage.case_of(second).await, second_case);
    assert_eq!(texts(&stage.case(second_case)), ["ikinci", "ikinci bir"]);
    let failed = stage.workplace.command(&["failed", "list"]).await.ok();
    assert!(failed.stdout.contains("nothing waits"), "{}", failed.stdout);
}

#[tokio::test]
async fn another_message_than_the_one_that_opened_a_forgotten_case_is_sent_there() {
    // GIVEN a ticket from before the connector, which its customer's first message opens a case for, in lost hours
    let mut stage = stage().build().await;
    let connector = stage.run().await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    let snapshot = stage.site.cluster.snapshot("snapshot").unwrap();
    stage.reconnect().await;
    let connector = stage.run().await;
    let before = stage.rows(1).await.len();
    stage.writes(1, "lost with the hours").await;
    let case = stage.case_of(1).await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    // WHEN the machine is put back, and he writes something else
    roll_back(&mut stage, &snapshot).await;
    stage.writes(1, "after them").await;
    let _connector = stage.run().await;
    // THEN that goes into the forgotten case, once, and there is no second one
    stage.until_deskie(case, 2).await;
    let books = stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["lost with the hours", "after them"]);
    assert_eq!(books.cases_with_field(25, "1").len(), 1);
    // AND what was lost on the site stands there again
    let rows = stage.rows(1).await;
    assert_eq!(rows[before..], ["after them", "lost with the hours"]);
}

#[tokio::test]
async fn a_key_that_comes_again_after_lost_commits_is_another_ticket() {
    // GIVEN a ticket whose commit the promoted standby will not have
    let mut stage = stage().build().await;
    let connector = stage.run().await;
    stage.open("earlier").await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    let snapshot = stage.site.cluster.snapshot("snapshot").unwrap();
    stage.reconnect().await;
    let connector = stage.run().await;
    let (lost, old) = stage.open("secret").await;
    stage.simulator.agent_reply(old, Says::text("for Ayse")).unwrap();
    stage.until_site(lost, 1).await;
    assert!(connector.sigterm_and_wait().await.success());
    roll_back(&mut stage, &snapshot).await;
    // WHEN another customer's ticket gets its key
    let connector = stage.run().await;
    connector
        .wait_for_log("say that they are tickets of the site")
        .await;
    let ticket = stage.ticket(IVAN, "Ivan", "private").await;
    assert_eq!(ticket, lost);
    let new = stage.case_of(ticket).await;
    // AND the old case is answered, and so is the new one
    stage
        .simulator
        .agent_reply(old, Says::text("again for Ayse"))
        .unwrap();
    stage.simulator.agent_reply(new, Says::text("for Ivan")).unwrap();
    stage.until_site(ticket, 1).await;
    stage.settled().await;
    // THEN each customer reads his own, and the old case waits for a person
    assert_ne!(new, old);
    assert_eq!(stage.rows(ticket).await, ["for Ivan"]);
    assert_eq!(texts(&stage.case(new)), ["private", "for Ivan"]);
    assert_eq!(stage.case(new).contact, IVAN);
    let id = format!("o{old}");
    let failed = stage.workplace.command(&["failed", "list"]).await.ok();
    assert!(failed.stdout.contains(&id), "{}", failed.stdout);
    stage.workplace.command(&["failed", "discard", &id]).await.ok();
    let failed = stage.workplace.command(&["failed", "list"]).await.ok();
    assert!(!failed.stdout.contains(&id), "{}", failed.stdout);
}

#[tokio::test]
async fn nothing_is_sent_before_deskie_was_asked_and_asking_costs_one_read() {
    // GIVEN a connector with a case, which is stopped
    let stage = stage().set("deskie", "sweep = \"1h\"").build().await;
    let (ticket, case) = stage.opened_before("Soru").await;
    // WHEN its customer writes and it starts again
    stage.past_our_calls().await;
    stage.writes(ticket, "bir").await;
    let before = stage.simulator.books().calls.len();
    let _connector = stage.run().await;
    stage.until_deskie(case, 2).await;
    // THEN it asks once, and then sends
    let books = stage.simulator.books();
    let calls: Vec<(&str, &str)> = books.calls[before..]
        .iter()
        .map(|call| (call.method.as_str(), call.path.as_str()))
        .collect();
    assert_eq!(calls[0], ("GET", "/api/cases.json"));
    let lists = calls.iter().filter(|call| **call == ("GET", "/api/cases.json"));
    assert_eq!(lists.count(), 1, "{calls:?}");
    assert_eq!(
        calls.iter().filter(|(method, _)| *method == "POST").count(),
        1,
        "{calls:?}"
    );
}
