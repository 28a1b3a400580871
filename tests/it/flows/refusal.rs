//! Deskie says no: to the key, to a message, to so many calls.

use std::time::Duration;

use deskie_cdc_sandbox::simulator::{Action, Bodies, Books, EmptyList, Fault, FaultKind, Match, Says};

use crate::support::{AYSE, IVAN, stage, texts};

fn refuse(status: u16, code: &str) -> FaultKind {
    FaultKind::RejectBefore {
        status,
        body: format!("{{\"error\":\"{code}\"}}"),
    }
}

#[tokio::test]
async fn a_refused_key_makes_everything_wait_and_is_told_once() {
    // GIVEN a running connector and a case
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN the key is revoked, and both sides go on
    stage.simulator.act(Action::RevokeKey).unwrap();
    let before = stage.simulator.books().calls.len();
    let mut tickets = Vec::new();
    for n in 0..10 {
        tickets.push(stage.ticket(IVAN, &format!("ticket {n}"), "bir").await);
        stage.writes(ticket, &format!("söz {n}")).await;
    }
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    connector.wait_for_log("Deskie refuses the API key").await;
    let sweeps = |books: &Books| books.calls_to("GET", "/cases.json").len();
    let swept = sweeps(&stage.simulator.books());
    stage
        .deskie("two sweeps", |books| sweeps(books) >= swept + 2)
        .await;
    // THEN nothing is hammered, nothing is parked, and it is told once
    let books = stage.simulator.books();
    let tries = books.calls[before..]
        .iter()
        .filter(|call| call.method == "POST")
        .count();
    assert!(tries <= 12, "{tries} writes against a revoked key");
    assert!(
        books.calls[before..]
            .iter()
            .all(|call| call.answered == Some(401))
    );
    assert_eq!(
        stage
            .count("select count(*) from deskie_cdc.delivery where state = 'parked'")
            .await,
        0
    );
    let told = connector
        .log()
        .iter()
        .filter(|line| line.contains("Deskie refuses the API key"))
        .count();
    assert_eq!(told, 1);
    // WHEN it is valid again
    stage.simulator.act(Action::RestoreKey).unwrap();
    connector.wait_for_log("Deskie accepts the API key again").await;
    // THEN everything goes on without a restart, and stands once
    let record = stage.until_deskie(case, 12).await;
    let ours: Vec<&str> = texts(&record)
        .into_iter()
        .filter(|text| text.starts_with("söz"))
        .collect();
    let wanted: Vec<String> = (0..10).map(|n| format!("söz {n}")).collect();
    assert_eq!(ours, wanted);
    for ticket in tickets {
        assert_eq!(texts(&stage.case(stage.case_of(ticket).await)), ["bir"]);
    }
}

#[tokio::test]
async fn an_employee_who_is_not_active_makes_everything_wait_and_is_told_once() {
    // GIVEN a running connector and a case
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN the employee whom the key belongs to is switched off, and the site goes on
    stage
        .simulator
        .set_options(|options| options.staff_active = false);
    let before = stage.simulator.books().calls.len();
    let mut tickets = Vec::new();
    for n in 0..5 {
        tickets.push(stage.ticket(IVAN, &format!("ticket {n}"), "bir").await);
        stage.writes(ticket, &format!("söz {n}")).await;
    }
    connector
        .wait_for_log("Deskie refuses the API key's employee, who is not active")
        .await;
    let sweeps = |books: &Books| books.calls_to("GET", "/cases.json").len();
    let swept = sweeps(&stage.simulator.books());
    stage
        .deskie("two sweeps", |books| sweeps(books) >= swept + 2)
        .await;
    // THEN nothing is hammered, nothing is parked, and it is told once
    let books = stage.simulator.books();
    let tries = books.calls[before..]
        .iter()
        .filter(|call| call.method == "POST")
        .count();
    assert!(tries <= 12, "{tries} writes while nobody may write");
    assert_eq!(
        stage
            .count("select count(*) from deskie_cdc.delivery where state = 'parked'")
            .await,
        0
    );
    let told = |line: &&String| line.contains("who is not active");
    assert_eq!(connector.log().iter().filter(told).count(), 1);
    // AND WHEN he is active again, THEN everything goes on without a restart, and stands once
    stage.simulator.set_options(|options| options.staff_active = true);
    stage.until_deskie(case, 6).await;
    stage.settled().await;
    let wanted: Vec<String> = (0..5).map(|n| format!("söz {n}")).collect();
    assert_eq!(texts(&stage.case(case))[1..], wanted);
    for ticket in tickets {
        assert_eq!(texts(&stage.case(stage.case_of(ticket).await)), ["bir"]);
    }
}

#[tokio::test]
async fn a_case_that_may_not_be_read_is_told_and_read_once_that_is_mended() {
    // GIVEN a case that was moved to where the API's employee has no access
    let stage = stage().build().await;
    let connector = stage.workplace.run_with(&[("DESKIE_CDC_WATCH_MS", "200")]);
    connector.wait_for_log("leading").await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    let refused = refuse(403, "staff_has_not_access");
    stage
        .simulator
        .add_fault(Fault::on(Match::ListMessages, refused).times(1000));
    // WHEN an agent answers
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    // THEN a person is told
    connector.wait_for_log("cannot be read, so that").await;
    let status = stage.workplace.command(&["status"]).await.exits(1);
    assert!(
        status.stdout.contains("staff_has_not_access"),
        "{}",
        status.stdout
    );
    // AND WHEN he has mended it, THEN the answer comes
    stage.simulator.clear_faults();
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    stage.until_site(ticket, 1).await;
    let status = stage.workplace.command(&["status"]).await.ok();
    assert!(!status.stdout.contains("cannot be read"), "{}", status.stdout);
}

#[tokio::test]
async fn a_refused_message_parks_its_own_direction_of_its_ticket_alone() {
    // An employee may have been made active in between: that is tried once more.
    for (code, times) in [("staff_has_not_access", 1), ("staff_not_active", 2)] {
        one_refused(code, times).await;
    }
}

async fn one_refused(code: &str, times: u32) {
    // GIVEN two tickets
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (parked, parked_case) = stage.open("park").await;
    let (other, other_case) = stage.open("other").await;
    stage.settled().await;
    // WHEN Deskie refuses a message of the one
    stage
        .simulator
        .add_fault(Fault::on(Match::Add, refuse(400, code)).times(times));
    stage.writes(parked, "bir").await;
    let line = connector.wait_for_log("parked").await;
    assert!(line.contains(code), "{line}");
    stage.writes(parked, "iki").await;
    // THEN the other goes on, both ways
    stage.writes(other, "bir").await;
    stage
        .simulator
        .agent_reply(other_case, Says::text("cevap"))
        .unwrap();
    stage.until_deskie(other_case, 3).await;
    stage.until_site(other, 2).await;
    // AND so do the replies of the parked one
    stage
        .simulator
        .agent_reply(parked_case, Says::text("cevap"))
        .unwrap();
    stage.until_site(parked, 3).await;
    stage.settled().await;
    assert_eq!(
        texts(&stage.case(parked_case)),
        ["park: body", "cevap"],
        "what stands behind it waits"
    );
    // WHEN a person has mended it, and says so
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    // THEN both go out, in order
    stage.until_deskie(parked_case, 4).await;
    stage.settled().await;
    assert_eq!(
        texts(&stage.case(parked_case)),
        ["park: body", "cevap", "bir", "iki"]
    );
    assert_eq!(stage.rows(parked).await, ["bir", "iki", "cevap"]);
}

#[tokio::test]
async fn a_refused_case_parks_its_ticket_and_opens_later() {
    // GIVEN a connector
    let stage = stage().build().await;
    let connector = stage.run().await;
    // WHEN Deskie refuses a customer's address
    stage
        .simulator
        .add_fault(Fault::on(Match::Create, refuse(422, "incorrect_user_email")));
    let ticket = stage.ticket(AYSE, "Soru", "sıfır").await;
    connector.wait_for_log("incorrect_user_email").await;
    stage.writes(ticket, "bir").await;
    let books = stage.settled().await;
    // THEN no case comes of it, nor of the message behind it
    assert!(books.cases_with_field(25, &ticket.to_string()).is_empty());
    // AND WHEN it is retried, THEN one case has both
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    let case = stage.case_of(ticket).await;
    stage.until_deskie(case, 2).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["sıfır", "bir"]);
}

#[tokio::test]
async fn too_many_requests_are_waited_out_as_long_as_deskie_says() {
    // GIVEN a case
    let stage = stage().set("deskie", "sweep = \"1h\"").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN Deskie says 429 and asks for three seconds
    let before = stage.simulator.books().calls.len();
    let kind = FaultKind::TooManyRequests { retry_after: Some(3) };
    stage.simulator.add_fault(Fault::on(Match::Add, kind));
    for n in 0..5 {
        stage.writes(ticket, &format!("söz {n}")).await;
    }
    stage.until_deskie(case, 6).await;
    stage.settled().await;
    // THEN nothing at all is asked for so long, and everything goes out then, once
    let books = stage.simulator.books();
    let calls = &books.calls[before..];
    let refused = calls.iter().position(|call| call.answered == Some(429)).unwrap();
    let pause = calls[refused + 1]
        .at
        .duration_since(calls[refused].at)
        .as_secs_f64();
    assert!((2.9..10.0).contains(&pause), "{pause} s");
    assert_eq!(texts(&stage.case(case)).len(), 6);
}

#[tokio::test]
async fn an_outage_of_deskie_loses_nothing() {
    // GIVEN a case
    let stage = stage()
        .set("deskie", "doubt_wait = \"2s\"\ntimeout = \"1s\"\nsweep = \"1s\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN Deskie answers nobody for a while, and both sides go on
    stage.simulator.act(Action::SetDown { down: true }).unwrap();
    let calls = stage.simulator.books().calls.len();
    stage.writes(ticket, "bir").await;
    let opened = stage.ticket(IVAN, "meanwhile", "sıfır").await;
    stage.writes(opened, "bir").await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage
        .deskie("some calls", |books| books.calls.len() >= calls + 4)
        .await;
    stage.simulator.act(Action::SetDown { down: false }).unwrap();
    // THEN all of it stands once on both sides when it is back
    let opened_case = stage.case_of(opened).await;
    stage.until_deskie(opened_case, 2).await;
    stage.until_deskie(case, 3).await;
    stage.until_site(ticket, 2).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(opened_case)), ["sıfır", "bir"]);
    let mut in_deskie = texts(&stage.case(case))
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    in_deskie.sort();
    assert_eq!(in_deskie, ["Soru: body", "bir", "cevap"]);
    assert_eq!(stage.rows(ticket).await, ["bir", "cevap"]);
}

#[tokio::test]
async fn a_limit_that_is_lowered_on_the_way_is_kept() {
    // GIVEN an account with a large limit, and a minute of four seconds
    let stage = stage()
        .set("deskie", "sweep = \"1h\"")
        .deskie(|options| options.window = Duration::from_secs(4))
        .build()
        .await;
    let connector = stage.workplace.run_with(&[("DESKIE_CDC_RATE_WINDOW_MS", "4000")]);
    connector.wait_for_log("leading").await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN it is lowered, and the customer writes more than fits into a minute
    stage
        .simulator
        .act(Action::SetRateLimit { per_minute: 20 })
        .unwrap();
    for n in 1..=12 {
        stage.writes(ticket, &format!("söz {n}")).await;
    }
    let record = stage.until_deskie(case, 13).await;
    // THEN all arrives in order, and hardly a call was refused
    let wanted: Vec<String> = (1..=12).map(|n| format!("söz {n}")).collect();
    assert_eq!(texts(&record)[1..], wanted);
    let refused = stage.simulator.books().refused;
    assert!(refused <= 1, "{refused} refused");
}

#[tokio::test]
async fn every_form_of_json_that_was_seen_is_read() {
    for empty in [
        EmptyList::Keyed,
        EmptyList::Text,
        EmptyList::Array,
        EmptyList::Counted,
    ] {
        // GIVEN a Deskie with all the habits of a PHP program
        let stage = stage()
            .set("deskie", "sweep = \"1s\"")
            .deskie(|options| {
                options.empty_list = empty;
                options.ids_as_strings = true;
                options.booleans_as_numbers = true;
                options.mixed_offsets = true;
                options.bodies = Bodies::Html;
            })
            .build()
            .await;
        let connector = stage.run().await;
        // WHEN messages come both ways
        let (ticket, case) = stage.open("Soru").await;
        stage.writes(ticket, "bir").await;
        stage.until_deskie(case, 2).await;
        stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
        stage.until_site(ticket, 2).await;
        stage.settled().await;
        // THEN each stands once on both sides
        assert_eq!(stage.rows(ticket).await, ["bir", "cevap"], "{empty:?}");
        assert_eq!(stage.case(case).messages.len(), 3, "{empty:?}");
        let trouble = |line: &&String| line.contains("WARN") || line.contains("ERROR");
        assert_eq!(connector.log().iter().find(trouble), None, "{empty:?}");
    }
}

/// The code tells what kind of refusal it is, the rest of the answer what exactly is wrong.
#[tokio::test]
async fn what_deskie_answered_is_kept_for_who_looks_and_stands_in_no_log() {
    // GIVEN a message that Deskie refuses with more than a code
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    let refused = FaultKind::RejectBefore {
        status: 422,
        body: r#"{"error":"content_empty","details":"Alan \"content\" boş: şğı"}"#.into(),
    };
    stage.simulator.add_fault(Fault::on(Match::Add, refused));
    // WHEN it is sent
    stage.writes(ticket, "bir").await;
    connector.wait_for_log("parked").await;
    // THEN all of the answer is shown, and logged nowhere
    let id = "select 'd' || id from deskie_cdc.delivery where state = 'parked'";
    let id: String = stage.query(id, &[]).await[0].get(0);
    let shown = stage
        .workplace
        .command(&["failed", "show", &id])
        .await
        .ok()
        .stdout;
    let (_, answer) = shown.split_once("what Deskie answered").expect(&shown);
    assert!(
        answer.contains("HTTP 422") && answer.contains("boş: şğı"),
        "{shown}"
    );
    assert!(connector.log().iter().all(|line| !line.contains("boş")));
    // AND once it is delivered it is forgotten
    stage.workplace.command(&["failed", "retry", &id]).await.ok();
    stage.until_deskie(case, 2).await;
    stage.settled().await;
    let kept = "select count(*) from deskie_cdc.delivery where answer is not null";
    assert_eq!(stage.count(kept).await, 0);
}
