//! Lost answers: what Deskie did stands once, and what it did not do is done, once.

use std::time::Duration;

use deskie_cdc_sandbox::simulator::{Action, Done, Fault, FaultKind, Match, Rule, Says, Trigger};

use crate::support::{AYSE, Building, IVAN, Stage, stage, texts};

/// What can befall a call whose answer is lost, and whether Deskie did it.
fn losses() -> Vec<(FaultKind, bool)> {
    let hang = |done| FaultKind::Hang { ms: 700, done };
    vec![
        (FaultKind::LoseAnswerAfter, true),
        (FaultKind::CloseBefore, false),
        (hang(Done::Before), true),
        (hang(Done::Never), false),
        (hang(Done::Late), true),
        (FaultKind::HtmlWith200 { done: true }, true),
        (FaultKind::HtmlWith200 { done: false }, false),
        (FaultKind::NotJson { done: true }, true),
        (FaultKind::NotJson { done: false }, false),
        (reject(500), false),
        (reject(503), false),
    ]
}

fn reject(status: u16) -> FaultKind {
    FaultKind::RejectBefore {
        status,
        body: String::new(),
    }
}

/// With time-outs that a test can wait for.
fn impatient() -> Building {
    stage().set("deskie", "doubt_wait = \"2s\"\ntimeout = \"500ms\"")
}

/// The customer writes on the site a while after he thought of it: `created_at` is mapped.
async fn writes_dated(stage: &Stage, ticket: i64, body: &str, seconds_ago: f64) {
    let sql = "insert into messages (ticket_id, author, body, created_at) \
        values ($1, 'customer', $2, now() - make_interval(secs => $3))";
    stage
        .site
        .client
        .execute(sql, &[&ticket, &body, &seconds_ago])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lost_answer_of_add_message() {
    // GIVEN ten tickets with cases
    let stage = impatient().build().await;
    let _connector = stage.run().await;
    let mut lanes = Vec::new();
    for (n, (fault, done)) in losses().into_iter().enumerate() {
        let (ticket, case) = stage.open(&format!("ticket {n}")).await;
        // WHEN the answer of one call on each is lost, one way or another
        stage.simulator.add_fault(Fault::on(Match::Add, fault.clone()));
        stage.writes(ticket, "bir").await;
        stage.deskie("the fault", |books| books.faults_pending == 0).await;
        stage.writes(ticket, "iki").await;
        lanes.push((ticket, case, fault, done));
    }
    stage.settled().await;
    // THEN each message stands once in Deskie, in order, and none came back
    for (ticket, case, fault, _) in lanes {
        let record = stage.case(case);
        assert_eq!(texts(&record)[1..], ["bir", "iki"], "{fault:?}");
        assert_eq!(stage.rows(ticket).await, ["bir", "iki"], "{fault:?}");
    }
    assert_eq!(
        stage
            .count("select count(*) from deskie_cdc.delivery where state = 'parked'")
            .await,
        0
    );
}

#[tokio::test]
async fn a_lost_answer_of_create_case() {
    for lag in [0, 900] {
        // GIVEN a Deskie whose lists may lag behind, where another customer's case bears the numbers of the next tickets
        let stage = impatient()
            .deskie(|options| options.list_lag = Duration::from_millis(lag))
            .build()
            .await;
        let _connector = stage.run().await;
        for ticket in 4..16 {
            let acted = stage.simulator.act(Action::CreateCaseByAgent {
                user_email: IVAN.into(),
                user_full_name: "Ivan".into(),
                subject: "Something else".into(),
                says: Says::text("not this one"),
            });
            let case = acted.unwrap().case_id.unwrap();
            let value = ticket.to_string();
            stage
                .simulator
                .act(Action::SetField {
                    case,
                    field: 25,
                    value,
                })
                .unwrap();
        }
        let mut tickets = Vec::new();
        for (n, (fault, _)) in losses().into_iter().enumerate() {
            // WHEN the answer of create_case is lost, and the customer writes again meanwhile
            stage.simulator.add_fault(Fault::on(Match::Create, fault.clone()));
            let ticket = stage.ticket(AYSE, &format!("ticket {n}"), "sıfır").await;
            stage.deskie("the fault", |books| books.faults_pending == 0).await;
            stage.writes(ticket, "bir").await;
            tickets.push((ticket, fault));
        }
        for (ticket, _) in &tickets {
            stage.case_of(*ticket).await;
        }
        let books = stage.settled().await;
        // THEN each ticket has one case of its customer's, with both messages
        for (n, (ticket, fault)) in tickets.iter().enumerate() {
            let key = ticket.to_string();
            let cases = books.cases_with_field(25, &key);
            let own: Vec<_> = cases.into_iter().filter(|case| case.contact == AYSE).collect();
            assert_eq!(own.len(), 1, "{fault:?} with a lag of {lag} ms");
            assert_eq!(own[0].subject, format!("ticket {n}"));
            assert_eq!(
                texts(own[0]),
                ["sıfır", "bir"],
                "{fault:?} with a lag of {lag} ms"
            );
            assert_eq!(stage.rows(*ticket).await, ["bir"]);
        }
        // AND the other customer's cases have what they had
        assert!(
            books
                .cases
                .iter()
                .filter(|case| case.contact == IVAN)
                .all(|case| case.messages.len() == 1)
        );
    }
}

#[tokio::test]
async fn two_equal_texts_are_kept_on_both_sides() {
    // GIVEN cases, in a Deskie whose treatment of created_at has been seen
    let stage = impatient().build().await;
    let _connector = stage.run().await;
    let mut lanes = Vec::new();
    for (fault, done) in losses() {
        let (ticket, case) = stage.open("Soru").await;
        writes_dated(&stage, ticket, "önce", 20.0).await;
        stage.until_deskie(case, 2).await;
        // WHEN the customer writes the same on the site and by mail, and our call's answer is lost
        stage.simulator.add_fault(Fault::on(Match::Add, fault.clone()));
        writes_dated(&stage, ticket, "tamam", 8.0).await;
        stage.deskie("the fault", |books| books.faults_pending == 0).await;
        stage
            .simulator
            .customer_mail_reply(case, Says::text("tamam"))
            .unwrap();
        writes_dated(&stage, ticket, "sonra", 0.0).await;
        lanes.push((ticket, case, format!("{fault:?}, done: {done}")));
    }
    stage.settled().await;
    for (ticket, case, why) in lanes {
        // THEN both are kept on both sides
        let record = stage.case(case);
        let mut in_deskie = texts(&record);
        in_deskie.sort_unstable();
        assert_eq!(
            in_deskie,
            ["Soru: body", "sonra", "tamam", "tamam", "önce"],
            "{why}"
        );
        let mut rows = stage.rows(ticket).await;
        rows.sort_unstable();
        assert_eq!(rows, ["sonra", "tamam", "tamam", "önce"], "{why}");
    }
}

#[tokio::test]
async fn what_is_in_doubt_is_looked_for_before_it_is_sent_again() {
    // GIVEN a case
    let stage = impatient().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN Deskie answers with a 500, and with a page in place of JSON, and did nothing
    for fault in [reject(500), FaultKind::HtmlWith200 { done: false }] {
        let before = stage.simulator.books().calls.len();
        stage.simulator.add_fault(Fault::on(Match::Add, fault));
        let seen = connector.log().len();
        stage.writes(ticket, "bir").await;
        connector.wait_for_log_after(seen, "in doubt").await;
        connector.wait_for_log_after(seen, "it is sent again").await;
        stage.settled().await;
        // THEN the case was read between the two attempts, more than once, and the last time after doubt_wait
        let books = stage.simulator.books();
        let path = format!("/cases/{case}/messages.json");
        let calls: Vec<_> = books.calls[before..]
            .iter()
            .filter(|call| call.path.ends_with(&path))
            .collect();
        let sent: Vec<usize> = (0..calls.len()).filter(|n| calls[*n].method == "POST").collect();
        assert_eq!(sent.len(), 2, "{calls:?}");
        assert!(sent[1] - sent[0] > 2, "{calls:?}");
        let apart = calls[sent[1]].at.duration_since(calls[sent[0]].at).as_secs_f64();
        assert!(apart >= 2.0, "{apart} s");
    }
    assert_eq!(texts(&stage.case(case))[1..], ["bir", "bir"]);
}

#[tokio::test]
async fn a_webhook_that_names_the_ticket_settles_a_lost_create() {
    // GIVEN a Deskie whose lists lag for long, and whose rule names the ticket; a case of another customer names it, too
    let stage = stage()
        .set("deskie", "doubt_wait = \"10m\"\ntimeout = \"500ms\"")
        .deskie(|options| options.list_lag = Duration::from_secs(600))
        .without_rules()
        .build()
        .await;
    stage
        .simulator
        .add_rule(Rule::to(stage.workplace.webhook_url(), Trigger::Any));
    let connector = stage.run().await;
    let acted = stage.simulator.act(Action::CreateCaseByAgent {
        user_email: IVAN.into(),
        user_full_name: "Ivan".into(),
        subject: "Something else".into(),
        says: Says::text("not this one"),
    });
    let other = acted.unwrap().case_id.unwrap();
    stage
        .simulator
        .add_fault(Fault::on(Match::Create, FaultKind::LoseAnswerAfter));
    // WHEN the answer of create_case is lost
    let ticket = stage.ticket(AYSE, "Soru", "sıfır").await;
    let (field, value) = (25, ticket.to_string());
    stage
        .simulator
        .act(Action::SetField {
            case: other,
            field,
            value,
        })
        .unwrap();
    connector.wait_for_log("in doubt").await;
    // THEN the webhook ends the waiting, and the case is the ticket's own customer's
    let case = stage.case_of(ticket).await;
    assert_ne!(case, other);
    stage.writes(ticket, "bir").await;
    let record = stage.until_deskie(case, 2).await;
    assert_eq!(texts(&record), ["sıfır", "bir"]);
    assert_eq!(record.contact, AYSE);
}

#[tokio::test]
async fn a_lost_create_is_found_where_the_fields_filter_is_not_exact() {
    // GIVEN a Deskie that takes carets around a custom field's value for part of it (open question 3)
    let stage = impatient()
        .deskie(|options| options.exact_custom_fields = false)
        .without_rules()
        .build()
        .await;
    let _connector = stage.run().await;
    // WHEN the answer of create_case is lost
    stage
        .simulator
        .add_fault(Fault::on(Match::Create, FaultKind::LoseAnswerAfter));
    let ticket = stage.ticket(AYSE, "Soru", "sıfır").await;
    stage.case_of(ticket).await;
    // THEN there is one case
    let books = stage.settled().await;
    assert_eq!(books.cases_with_field(25, &ticket.to_string()).len(), 1);
}
