//! Whatever answers in Deskie's place, and however: an outage ends by itself (rule 20).

use std::time::{Duration, Instant};

use deskie_cdc_sandbox::simulator::{Books, Fault, FaultKind, Match, Says};

use super::answers;
use crate::support::{IVAN, Stage, stage, texts};

/// Answers that are nobody's word about the one item of a call.
const COLOURS: [(u16, &str); 22] = [
    (402, "<html>Payment required</html>"),
    (402, r#"{"error":"payment_required"}"#),
    (403, "<html><title>403 Forbidden</title></html>"),
    (403, ""),
    (404, "default backend - 404"),
    (404, "<html>404</html>"),
    (301, ""),
    (307, ""),
    (405, ""),
    (410, "<html>gone</html>"),
    (421, ""),
    (423, ""),
    (425, ""),
    (451, "<html>blocked</html>"),
    (
        400,
        "<html>400 The plain HTTP request was sent to HTTPS port</html>",
    ),
    (422, ""),
    (200, r#"{"error":"too_many_requests"}"#),
    (200, r#"{"error":"internal_error"}"#),
    (200, "<!doctype html><title>Log in</title>"),
    (200, ""),
    (500, "{}"),
    (503, "<html>Maintenance</html>"),
];

/// A stage whose doubts are short and whose minute is four seconds.
async fn quick() -> Stage {
    stage()
        .set("deskie", "doubt_wait = \"2s\"\nsweep = \"1s\"")
        .deskie(|options| {
            options.window = Duration::from_secs(4);
            options.requests_per_minute = 1500;
        })
        .build()
        .await
}

async fn passes(colours: &[(u16, &str)]) {
    // GIVEN a running connector and a case
    let stage = quick().await;
    let connector = stage.workplace.run_with(&[("DESKIE_CDC_RATE_WINDOW_MS", "4000")]);
    connector.wait_for_log("leading").await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    let (mut said, mut heard) = (vec!["Soru: body".to_owned()], Vec::new());
    for (index, (status, body)) in colours.iter().enumerate() {
        // WHEN every call is answered so for a while, and both sides go on
        stage.past_our_calls().await;
        stage.simulator.add_fault(answers(Match::Any, *status, body));
        let calls = stage.simulator.books().calls.len();
        for n in 1..=2 {
            let text = format!("söz {index}.{n}");
            stage.writes(ticket, &text).await;
            said.push(text);
        }
        let opened = stage.ticket(IVAN, &format!("meanwhile {index}"), "sıfır").await;
        stage.writes(opened, "bir").await;
        let answer = format!("cevap {index}");
        stage.simulator.agent_reply(case, Says::text(&answer)).unwrap();
        heard.push(answer);
        let tried = |books: &Books| {
            let calls = &books.calls[calls..];
            let of = |method: &str| {
                calls
                    .iter()
                    .filter(|call| call.method == method && call.over)
                    .count()
            };
            (of("POST") >= 2 && of("GET") >= 4) || calls.len() >= 12 || (*status == 200 && calls.len() >= 2)
        };
        stage.deskie("some calls", tried).await;
        stage.simulator.clear_faults();
        // THEN it is told once, and within a minute of its end everything stands once, in order
        let ended = Instant::now();
        let opened_case = stage.case_of(opened).await;
        stage.until_deskie(opened_case, 2).await;
        stage
            .deskie("all is said", |books| {
                let said_there = texts(books.case(case).unwrap());
                said.iter().all(|text| said_there.contains(&text.as_str()))
            })
            .await;
        stage.until_site(ticket, said.len() - 1 + heard.len()).await;
        assert!(
            ended.elapsed() < Duration::from_secs(60),
            "{status} {body}: {:?}",
            ended.elapsed()
        );
        stage.settled().await;
        assert_eq!(
            texts(&stage.case(opened_case)),
            ["sıfır", "bir"],
            "{status} {body}"
        );
        let there = stage.case(case);
        let ours: Vec<&str> = texts(&there)
            .into_iter()
            .filter(|text| !text.starts_with("cevap"))
            .collect();
        assert_eq!(ours, said, "{status} {body}");
        let rows = stage.rows(ticket).await;
        let theirs: Vec<&String> = rows.iter().filter(|text| text.starts_with("cevap")).collect();
        assert_eq!(theirs, heard.iter().collect::<Vec<_>>(), "{status} {body}");
        let ever = "select count(*) from deskie_cdc.journal where what like '%parked%'";
        assert_eq!(stage.count(ever).await, 0, "{status} {body}");
        let log = connector.log();
        if !body.is_empty() && !body.starts_with('{') {
            assert!(log.iter().all(|line| !line.contains(body)), "{status} {body}");
        }
    }
    // AND it was told, and not with each call
    let log = connector.log();
    let told = log
        .iter()
        .filter(|line| line.contains("calls to Deskie do not go through"))
        .count();
    assert!((1..=colours.len()).contains(&told), "told {told} times");
}

#[tokio::test]
async fn a_refusal_by_a_page_is_an_outage() {
    passes(&COLOURS[..6]).await;
}

#[tokio::test]
async fn a_refusal_by_a_proxy_is_an_outage() {
    passes(&COLOURS[6..14]).await;
}

#[tokio::test]
async fn a_success_that_is_none_is_an_outage() {
    passes(&COLOURS[14..]).await;
}

#[tokio::test]
async fn a_refusal_that_nobody_knows_parks_its_item_alone_once_reads_are_answered() {
    // GIVEN a running connector and two tickets
    let stage = quick().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (other, other_case) = stage.open("other").await;
    stage.settled().await;
    // WHEN the API refuses each message with a code that nobody knows, and reads too
    stage
        .simulator
        .add_fault(answers(Match::Any, 403, r#"{"error":"account_frozen"}"#));
    stage.writes(ticket, "bir").await;
    let posts = |books: &Books| {
        books
            .calls
            .iter()
            .filter(|call| call.method == "POST" && call.over)
            .count()
    };
    let before = posts(&stage.simulator.books());
    stage
        .deskie("four tries", |books| posts(books) >= before + 4)
        .await;
    // THEN nothing is parked, and all goes on when it is over
    stage.simulator.clear_faults();
    stage.until_deskie(case, 2).await;
    // AND WHEN it refuses but one message, and answers reads
    stage
        .simulator
        .add_fault(answers(Match::Add, 422, r#"{"error":"incorrect_something"}"#).times(3));
    stage.writes(ticket, "iki").await;
    let line = connector.wait_for_log("parked").await;
    assert!(line.contains("incorrect_something"), "{line}");
    stage.writes(other, "bir").await;
    // THEN that one is parked, and its neighbours go on
    stage.until_deskie(other_case, 2).await;
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    stage.until_deskie(case, 3).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "iki"]);
}

#[tokio::test]
async fn a_refusal_that_nobody_knows_is_looked_after_since_it_may_have_been_done() {
    // GIVEN a running connector and a ticket
    let stage = quick().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN a message and a case are stored, and answered with a refusal that nobody knows
    for on in [Match::Add, Match::Create] {
        let kind = FaultKind::Answer {
            status: 400,
            body: r#"{"error":"after_hook_failed"}"#.into(),
            done: true,
        };
        stage.simulator.add_fault(Fault::on(on, kind));
    }
    stage.writes(ticket, "bir").await;
    let other = stage.ticket("ivan@example.com", "Ivan", "body").await;
    stage.writes(ticket, "iki").await;
    // THEN each is there once, and nothing waits for a person
    stage.until_deskie(case, 3).await;
    let books = stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "iki"]);
    assert_eq!(books.cases_with_field(25, &other.to_string()).len(), 1);
    stage.workplace.command(&["status"]).await.ok();
}

#[tokio::test]
async fn what_is_in_doubt_waits_while_every_read_is_refused() {
    // GIVEN a message whose answer was lost
    let stage = quick().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    stage
        .simulator
        .add_fault(Fault::on(Match::Add, FaultKind::LoseAnswerAfter));
    // WHEN the key's employee may read nothing for a while
    let refused = answers(Match::Any, 403, r#"{"error":"staff_has_not_access"}"#);
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    stage.simulator.add_fault(refused);
    let looks = |books: &Books| {
        books
            .calls
            .iter()
            .filter(|call| call.method == "GET" && call.over)
            .count()
    };
    let before = looks(&stage.simulator.books());
    stage.deskie("looks", |books| looks(books) >= before + 6).await;
    let parked = "select count(*) from deskie_cdc.delivery where state = 'parked'";
    assert_eq!(stage.count(parked).await, 0);
    stage.simulator.clear_faults();
    // THEN it is found once they are answered
    stage.writes(ticket, "iki").await;
    stage.until_deskie(case, 3).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "iki"]);
    assert_eq!(stage.count(parked).await, 0);
}

#[tokio::test]
async fn a_number_that_deskie_gives_twice_parks_its_message_alone() {
    // GIVEN a message that Deskie has given a number
    let stage = quick().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (other, other_case) = stage.open("other").await;
    stage.writes(ticket, "bir").await;
    let record = stage.until_deskie(case, 2).await;
    stage.settled().await;
    let number = record.messages[1].message_id;
    // WHEN it gives the next one the same
    let kind = FaultKind::Answer {
        status: 201,
        body: format!("{{\"message\":{{\"message_id\":{number}}}}}"),
        done: true,
    };
    stage.simulator.add_fault(Fault::on(Match::Add, kind));
    stage.writes(ticket, "iki").await;
    // THEN that is parked, with the cause
    let line = connector.wait_for_log("contradicts what is known").await;
    assert!(!line.contains("iki"), "{line}");
    let parked = "select count(*) from deskie_cdc.delivery where state = 'parked' and attempts = 1";
    crate::support::wait_until("it is parked", || async {
        (stage.count(parked).await == 1).then_some(())
    })
    .await;
    // AND the others go on
    stage.writes(other, "bir").await;
    stage.until_deskie(other_case, 2).await;
    stage
        .simulator
        .agent_reply(other_case, Says::text("cevap"))
        .unwrap();
    stage.until_site(other, 2).await;
}
