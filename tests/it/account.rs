//! Our cases are of one Deskie account (rule 11): another one, or one that has begun its numbers anew, is not mistaken for
//! it, and nothing crosses between customers.

use std::time::Duration;

use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::{Action, Options, Says, Simulator};

use crate::support::{Connector, IVAN, LIMIT, Stage, free_port, stage, texts, wait_until};

/// Makes the watch look often, so that what a command decides is seen at once.
const QUICK: [(&str, &str); 1] = [("DESKIE_CDC_WATCH_MS", "100")];

/// Somebody writes to the support address, and is answered.
fn stranger(simulator: &Simulator, from: &str) -> CaseId {
    let action = Action::CreateCaseByMail {
        user_email: from.to_owned(),
        user_full_name: "A stranger".to_owned(),
        subject: "private".to_owned(),
        says: Says::text("private matter"),
    };
    let case = simulator.act(action).unwrap().case_id.unwrap();
    simulator
        .agent_reply(case, Says::text("answer for the stranger"))
        .unwrap();
    case
}

async fn ready(stage: &Stage) -> (u16, String) {
    let answer = reqwest::get(stage.workplace.admin_url("/health/ready"))
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn is_held(stage: &Stage, word: &str) {
    wait_until("it is held", || async {
        let (status, body) = ready(stage).await;
        (status == 503 && body.contains(word)).then_some(())
    })
    .await;
    let status = stage.workplace.command(&["status"]).await.exits(1);
    assert!(status.stdout.contains(word), "{}", status.stdout);
}

async fn is_ready(stage: &Stage) {
    wait_until("it is ready", || async {
        (ready(stage).await.0 == 200).then_some(())
    })
    .await;
}

async fn begun_with(stage: &Stage, subject: &str) -> (Connector, i64, CaseId) {
    let connector = stage.workplace.run_with(&QUICK);
    connector.wait_for_log("leading").await;
    let (ticket, case) = stage.open(subject).await;
    stage.settled().await;
    (connector, ticket, case)
}

#[tokio::test]
async fn numbers_that_begin_anew_while_it_is_stopped_are_another_accounts() {
    // GIVEN a ticket with a case, and a Deskie that then begins its books anew
    let stage = stage().build().await;
    let (connector, ticket, case) = begun_with(&stage, "Soru").await;
    assert!(connector.sigterm_and_wait().await.success());
    stage.simulator.reset();
    // AND a stranger's case has the number of ours, and is answered there
    assert_eq!(stranger(&stage.simulator, IVAN), case);
    // WHEN it starts, a customer writes in the known ticket, another one opens a new one
    stage.writes(ticket, "bir").await;
    let new = stage.ticket(IVAN, "Yeni", "yeni").await;
    let connector = stage.workplace.run_with(&QUICK);
    connector.wait_for_log("this is another Deskie account").await;
    is_held(&stage, "another Deskie account").await;
    stage.simulator.agent_reply(case, Says::text("again")).unwrap();
    // THEN nothing crosses, either way
    assert_eq!(stage.rows(ticket).await, ["bir"]);
    assert_eq!(stage.simulator.books().cases.len(), 1);
    assert_eq!(texts(&stage.case(case)).len(), 3);
    // WHEN a person says that it is to take over, THEN it goes on: each ticket has a case of its own
    stage.adopt().await;
    is_ready(&stage).await;
    let own = stage.case_of(new).await;
    assert_eq!(texts(&stage.case(own)), ["yeni"]);
    let anew = stage.case_of(ticket).await;
    assert_ne!(anew, case);
    stage.simulator.agent_reply(anew, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 2).await;
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await, ["bir", "cevap"]);
    assert_eq!(stage.rows(new).await, [""; 0]);
    assert_eq!(texts(&stage.case(anew)), ["bir", "cevap"]);
    assert_eq!(texts(&stage.case(case)).len(), 3);
}

#[tokio::test]
async fn a_number_that_deskie_gives_a_second_time_is_parked_and_holds_everything() {
    // GIVEN a running connector with a case, and a Deskie that begins anew meanwhile
    let stage = stage().build().await;
    let (connector, ticket, case) = begun_with(&stage, "Soru").await;
    stage.simulator.reset();
    // WHEN another customer opens a ticket, and gets the number of the known case
    let new = stage.ticket(IVAN, "Yeni", "yeni").await;
    connector.wait_for_log("contradicts what is known").await;
    is_held(&stage, "another").await;
    let failed = stage.workplace.command(&["failed", "list"]).await.ok();
    assert!(failed.stdout.contains("contradicts"), "{}", failed.stdout);
    // AND it is answered there
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    // THEN that does not come to the first customer, and nothing is sent a second time
    stage.writes(ticket, "bir").await;
    assert_eq!(stage.simulator.books().cases.len(), 1);
    // WHEN a person says so, THEN the case is found to be the new ticket's, and the answer comes to it
    stage.adopt().await;
    is_ready(&stage).await;
    assert_eq!(stage.case_of(new).await, case);
    stage.until_site(new, 1).await;
    let anew = stage.case_of(ticket).await;
    assert_ne!(anew, case);
    stage.settled().await;
    assert_eq!(stage.rows(new).await, ["cevap"]);
    assert_eq!(stage.rows(ticket).await, ["bir"]);
    assert_eq!(texts(&stage.case(anew)), ["bir"]);
    assert_eq!(texts(&stage.case(case)), ["yeni", "cevap"]);
}

#[tokio::test]
async fn an_address_that_leads_to_another_account_is_held_and_an_alias_is_not() {
    // GIVEN a ticket with a case, and another account with a stranger's case of the same number
    let stage = stage().build().await;
    let (connector, ticket, case) = begun_with(&stage, "Soru").await;
    assert!(connector.sigterm_and_wait().await.success());
    let other = Simulator::start(Options::default()).await.unwrap();
    assert_eq!(stranger(&other, IVAN), case);
    // WHEN the config names that one
    stage
        .workplace
        .change_config(&stage.simulator.url(), &other.url());
    stage.writes(ticket, "bir").await;
    let connector = stage.workplace.run_with(&QUICK);
    connector.wait_for_log("this is another Deskie account").await;
    is_held(&stage, "another Deskie account").await;
    // THEN nothing is sent there
    assert_eq!(other.books().messages().count(), 2);
    assert!(connector.sigterm_and_wait().await.success());
    // WHEN it names the first one by another name
    let alias = stage.simulator.url().replace("127.0.0.1", "LOCALHOST") + "/";
    stage.workplace.change_config(&other.url(), &alias);
    let connector = stage.workplace.run_with(&QUICK);
    // THEN that is proved, and it goes on by itself
    connector.wait_for_log("it is the same account").await;
    stage.until_deskie(case, 2).await;
    is_ready(&stage).await;
    assert_eq!(other.books().messages().count(), 2);
}

#[tokio::test]
async fn a_case_that_says_it_is_another_tickets_is_not_written_from() {
    // GIVEN two tickets with cases
    let stage = stage().build().await;
    let (_connector, ticket, case) = begun_with(&stage, "Soru").await;
    let field = |value: &str| Action::SetField {
        case,
        field: 25,
        value: value.to_owned(),
    };
    // WHEN somebody makes the one's case say that it is the other's, and it is answered
    stage.simulator.act(field("4711")).unwrap();
    stage
        .simulator
        .agent_reply(case, Says::text("for whom?"))
        .unwrap();
    // THEN it is told, nothing is written, and nothing is added to it
    wait_until("it is told", || async {
        let status = stage.workplace.command(&["status"]).await;
        status.stdout.contains("it is the ticket 4711").then_some(())
    })
    .await;
    stage.writes(ticket, "bir").await;
    let (next, _) = stage.open("Another").await;
    stage.simulator.act(field("4711")).unwrap();
    assert_eq!(stage.rows(ticket).await, ["bir"]);
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "for whom?"]);
    assert_eq!(stage.rows(next).await, [""; 0]);
    // WHEN the field is put right, and it is answered again, THEN all of it comes
    stage.simulator.act(field(&ticket.to_string())).unwrap();
    stage.simulator.agent_reply(case, Says::text("for you")).unwrap();
    stage.until_site(ticket, 3).await;
    assert_eq!(stage.rows(ticket).await, ["bir", "for whom?", "for you"]);
    stage.until_deskie(case, 4).await;
}

#[tokio::test]
async fn a_simulator_that_keeps_its_books_goes_on_with_its_numbers() {
    // GIVEN the real simulator with a folder, and a ticket with a case in it
    let stage = stage().build().await;
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let folder = stage.workplace.folder().join("books");
    let (listen, webhook) = (format!("127.0.0.1:{port}"), stage.workplace.webhook_url());
    let books = folder.to_str().unwrap().to_owned();
    let arguments = [
        "simulator",
        "--listen",
        &listen,
        "--webhook",
        &webhook,
        "--books",
        &books,
    ];
    let up = |url: String| async move {
        wait_until("the simulator answers", || async {
            reqwest::get(format!("{url}/_control/books")).await.ok()
        })
        .await
        .json::<serde_json::Value>()
        .await
        .unwrap()
    };
    stage.workplace.change_config(&stage.simulator.url(), &url);
    let simulator = stage.workplace.spawn(&arguments);
    up(url.clone()).await;
    let connector = stage.workplace.run_with(&QUICK);
    let (ticket, case) = stage.open("Soru").await;
    // WHEN it is killed and started again
    simulator.kill9().await;
    let _simulator = stage.workplace.spawn(&arguments);
    let kept = up(url.clone()).await;
    // THEN the case is there, what is written in it arrives, and a new one has another number
    assert_eq!(kept["cases"].as_array().unwrap().len(), 1);
    assert_eq!(kept["cases"][0]["case_id"], case.0);
    stage.writes(ticket, "bir").await;
    let (_, second) = tokio::time::timeout(LIMIT + Duration::from_secs(10), stage.open("Yeni"))
        .await
        .unwrap();
    assert_ne!(second, case);
    let reply = serde_json::json!({"do": "agent_reply", "case": case.0, "text": "cevap"});
    let told = reqwest::Client::new()
        .post(format!("{url}/_control/people"))
        .json(&reply)
        .send();
    assert!(told.await.unwrap().status().is_success());
    stage.until_site(ticket, 2).await;
    assert_eq!(stage.rows(ticket).await, ["bir", "cevap"]);
    assert!(stage.workplace.command(&["status"]).await.status.success());
    assert!(connector.sigterm_and_wait().await.success());
}
