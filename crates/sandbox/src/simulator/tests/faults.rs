//! Faults, scripted and random.

use super::*;

const CREATE: &str = r#"{"case":{"user_email":"ada@example.com","subject":"s","content":"c"}}"#;

/// Creates a case; the status, or none where the connection was closed unanswered.
async fn create(caller: &Caller) -> Option<u16> {
    let request = caller
        .request("POST", "cases.json")
        .header("content-type", "application/json");
    request
        .body(CREATE)
        .send()
        .await
        .ok()
        .map(|answer| answer.status().as_u16())
}

#[tokio::test]
async fn a_lost_answer_is_done_and_a_closed_connection_is_not() {
    let (simulator, caller) = start(Options::default()).await;
    simulator.add_fault(Fault::on(Match::Create, FaultKind::LoseAnswerAfter).skip(1));
    simulator.add_fault(Fault::on(Match::Create, FaultKind::CloseBefore));
    // The first fault lets the first call pass, so it falls to the second.
    assert_eq!(create(&caller).await, None);
    assert!(simulator.books().cases.is_empty());
    assert_eq!(create(&caller).await, None);
    assert_eq!(simulator.books().cases.len(), 1);
    assert_eq!(create(&caller).await, Some(201));
    let books = simulator.books();
    let story: Vec<_> = books
        .calls
        .iter()
        .map(|call| (call.fault.as_deref(), call.done, call.answered))
        .collect();
    assert_eq!(
        story,
        [
            (Some("close_before"), None, None),
            (Some("lose_answer_after"), Some(201), None),
            (None, Some(201), Some(201)),
        ]
    );
    assert_eq!(books.faults_pending, 0);
}

#[tokio::test]
async fn refusals_and_nonsense_come_as_scripted() {
    let (simulator, caller) = start(Options::default()).await;
    let body = r#"{"error":"x"}"#.to_owned();
    simulator.add_fault(Fault::on(Match::Write, FaultKind::RejectBefore { status: 503, body }).times(2));
    simulator.add_fault(Fault::on(
        Match::Write,
        FaultKind::TooManyRequests { retry_after: Some(7) },
    ));
    assert_eq!(caller.get("cases.json").await, json!({"case": []}));
    assert_eq!(create(&caller).await, Some(503));
    assert_eq!(create(&caller).await, Some(503));
    let answer = caller
        .request("POST", "cases.json")
        .body(CREATE)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry_after"]),
        (429, &"7".parse().unwrap())
    );
    simulator.add_fault(Fault::on(Match::Any, FaultKind::HtmlWith200 { done: false }));
    let page = caller.request("GET", "cases.json").send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    simulator.add_fault(Fault::on(Match::Any, FaultKind::NotJson { done: true }));
    let answer = caller
        .request("POST", "cases.json")
        .header("content-type", "application/json")
        .body(CREATE);
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.json::<Value>().await.is_err());
    assert_eq!(simulator.books().cases.len(), 1);
}

#[tokio::test]
async fn a_hanging_call_is_done_late_though_the_caller_is_gone() {
    let (simulator, caller) = start(Options::default()).await;
    simulator.add_fault(Fault::on(
        Match::Create,
        FaultKind::Hang {
            ms: 1500,
            done: Done::Late,
        },
    ));
    let request = caller
        .request("POST", "cases.json")
        .header("content-type", "application/json");
    let error = request
        .timeout(Duration::from_millis(50))
        .body(CREATE)
        .send()
        .await
        .unwrap_err();
    assert!(error.is_timeout());
    assert!(simulator.books().cases.is_empty());
    let books = simulator
        .wait_for("the late case", |books| books.cases.len() == 1)
        .await
        .unwrap();
    assert_eq!(books.calls[0].answered, None);

    simulator.add_fault(Fault::on(
        Match::Create,
        FaultKind::Hang {
            ms: 60_000,
            done: Done::Before,
        },
    ));
    let request = caller
        .request("POST", "cases.json")
        .header("content-type", "application/json");
    let calling = request.timeout(Duration::from_millis(500)).body(CREATE).send();
    let (error, books) = tokio::join!(
        calling,
        simulator.wait_for("the case", |books| books.cases.len() == 2)
    );
    assert!(error.unwrap_err().is_timeout());
    assert!(!books.unwrap().calls[1].over);
}

#[tokio::test]
async fn a_slow_answer_comes_after_the_deed() {
    let (simulator, caller) = start(Options::default()).await;
    simulator.add_fault(Fault::on(Match::Any, FaultKind::RespondSlowly { ms: 200 }));
    let before = crate::clock::monotonic();
    assert_eq!(create(&caller).await, Some(201));
    assert!(before.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn random_faults_repeat_with_their_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (simulator, caller) = start(Options::default()).await;
        let random = RandomFaults {
            seed: 3,
            reject_before: 0.3,
            close_before: 0.3,
            ..RandomFaults::default()
        };
        simulator.set_random_faults(Some(random));
        let mut run = Vec::new();
        for _ in 0..20 {
            run.push(create(&caller).await);
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    for outcome in [None, Some(201), Some(503)] {
        assert!(runs[0].contains(&outcome), "{outcome:?} never came");
    }
}

#[tokio::test]
async fn down_means_no_answer_at_all_and_stop_closes_what_is_open() {
    let (simulator, caller) = start(Options::default()).await;
    simulator.act(Action::SetDown { down: true }).unwrap();
    assert_eq!(create(&caller).await, None);
    simulator.act(Action::SetDown { down: false }).unwrap();
    assert_eq!(create(&caller).await, Some(201));
    simulator.stop();
    assert_eq!(create(&caller).await, None);
}
