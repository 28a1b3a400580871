//! One odd entry in an answer of Deskie's stops only itself (rule 19).

use deskie_cdc::sandbox::simulator::{Fault, FaultKind, Match, Says, Spoilt};

use crate::support::{IVAN, Stage, stage, wait_until};

/// What is odd, and whether its text comes all the same.
const ODD: [(Spoilt, bool); 9] = [
    (Spoilt::Nul, true),
    (Spoilt::Surrogate, true),
    (Spoilt::Lists, false),
    (Spoilt::Null, false),
    (Spoilt::Text, false),
    (Spoilt::NoId, false),
    (Spoilt::Empty, false),
    (Spoilt::CutOff, false),
    (Spoilt::Fault, false),
];

fn spoil(matches: Match, id: i64, how: Spoilt) -> Fault {
    Fault::on(matches, FaultKind::Spoil { id, how }).times(u32::MAX)
}

/// How many entries were told to be unreadable.
async fn told(stage: &Stage) -> i64 {
    let sql = "select coalesce(sum(count), 0)::int8 from deskie_cdc.skipped where reason = 'unreadable in Deskie'";
    stage.count(sql).await
}

#[tokio::test]
async fn an_odd_message_stops_only_itself() {
    // GIVEN a case for each oddity, in which the middle one of three answers is odd
    let stage = stage().build().await;
    let mut connector = stage.run().await;
    let mut cases = Vec::new();
    for (how, comes) in ODD {
        let (ticket, case) = stage.open(&format!("{how:?}")).await;
        cases.push((how, comes, ticket, case));
    }
    stage.settled().await;
    for (how, _, _, case) in &cases {
        stage.simulator.agent_reply(*case, Says::text("bir")).unwrap();
        let odd = stage.simulator.agent_reply(*case, Says::text("iki")).unwrap();
        stage
            .simulator
            .add_fault(spoil(Match::ListMessages, odd.0, *how));
        stage.simulator.agent_reply(*case, Says::text("üç")).unwrap();
    }
    // THEN the others come, in order, and the odd one too where it has a text
    for (how, comes, ticket, _) in &cases {
        stage.until_site(*ticket, if *comes { 3 } else { 2 }).await;
        let rows = stage.rows(*ticket).await;
        match (how, comes) {
            (Spoilt::Surrogate, _) => assert_eq!(rows, ["bir", "iki\u{fffd}", "üç"]),
            (_, true) => assert_eq!(rows, ["bir", "iki", "üç"], "{how:?}"),
            (_, false) => assert_eq!(rows, ["bir", "üç"], "{how:?}"),
        }
    }
    // AND what could not be read is told, on the ticket and in the status
    wait_until("all are told", || async { (told(&stage).await >= 6).then_some(()) }).await;
    let (_, _, ticket, _) = cases[5];
    let trace = stage.workplace.command(&["trace", &ticket.to_string()]).await.ok();
    assert!(trace.stdout.contains("it has no `message_id`"), "{}", trace.stdout);
    let status = stage.workplace.command(&["status"]).await;
    assert!(status.stdout.contains("unreadable in Deskie"), "{}", status.stdout);
    // AND a restart changes nothing
    connector.kill9().await;
    connector = stage.run().await;
    let (other, case) = stage.open("after").await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(other, 1).await;
    // AND WHEN they can be read again, THEN the next read of each case brings them, once
    stage.simulator.clear_faults();
    for (_, comes, ticket, case) in &cases[3..] {
        stage.simulator.agent_reply(*case, Says::text("dört")).unwrap();
        stage.until_site(*ticket, if *comes { 5 } else { 4 }).await;
    }
    stage.settled().await;
    for (how, _, ticket, _) in &cases[3..] {
        let mut rows = stage.rows(*ticket).await;
        rows.sort();
        assert_eq!(rows, ["bir", "dört", "iki", "üç"], "{how:?}");
    }
    drop(connector);
}

#[tokio::test]
async fn an_odd_case_of_anybody_stops_no_sweep_and_no_start() {
    // GIVEN a connector that only sweeps, and cases of others, each of which becomes odd in the list
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1s\"")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    for (how, _) in ODD {
        let foreign = stage.ticket(IVAN, &format!("{how:?}"), "text").await;
        let foreign = stage.case_of(foreign).await;
        stage
            .simulator
            .add_fault(spoil(Match::ListCases, foreign.0, how));
    }
    // WHEN an agent answers, THEN the sweep finds it
    stage.past_our_calls().await;
    stage.simulator.agent_reply(case, Says::text("bir")).unwrap();
    stage.until_site(ticket, 1).await;
    // AND so it does after a restart, which asks Deskie what it has before anything is sent
    connector.kill9().await;
    let connector = stage.run().await;
    let other = stage.ticket(IVAN, "after", "text").await;
    stage.case_of(other).await;
    stage.past_our_calls().await;
    stage.simulator.agent_reply(case, Says::text("iki")).unwrap();
    stage.until_site(ticket, 2).await;
    assert!(told(&stage).await >= 6);
    drop(connector);
}

#[tokio::test]
async fn a_foreign_case_whose_ticket_field_holds_a_nul_stops_no_start() {
    // GIVEN a case that claims a ticket, with a U+0000 in it, and that nobody knows
    let stage = stage().without_rules().set("deskie", "sweep = \"1s\"").build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    connector.kill9().await;
    stage.sql("update deskie_cdc.ticket set case_id = case_id + 1000000").await;
    stage.simulator.add_fault(spoil(Match::ListCases, case.0, Spoilt::Nul));
    // WHEN the connector starts, THEN it sends
    let connector = stage.run().await;
    connector.wait_for_log("say that they are tickets of the site").await;
    let other = stage.ticket(IVAN, "after", "text").await;
    stage.case_of(other).await;
    let claims = format!("select count(*) from deskie_cdc.foreign_case where claims = '{ticket}'");
    assert_eq!(stage.count(&claims).await, 1);
}

#[tokio::test]
async fn what_stands_around_the_json_is_passed_over_and_told_once() {
    for (before, after) in [
        ("\u{feff}", ""),
        ("<br />\n<b>Notice</b>:  Undefined index: {x} in <b>/var/www/a.php</b> on line <b>3</b><br />\n", ""),
        ("array(1) {\n  [0]=> {\"a\": 1}\n}\n", "\n<!-- 0.013 s -->"),
        ("\n \0", "// cached {}"),
    ] {
        // GIVEN a Deskie whose every answer is so
        let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
        stage.simulator.add_fault(
            Fault::on(
                Match::Any,
                FaultKind::Surround {
                    before: before.to_owned(),
                    after: after.to_owned(),
                },
            )
            .times(u32::MAX),
        );
        // THEN everything works
        let connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        stage.writes(ticket, "bir").await;
        stage.until_deskie(case, 2).await;
        stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
        stage.until_site(ticket, 2).await;
        stage.settled().await;
        assert_eq!(stage.rows(ticket).await, ["bir", "cevap"], "{before}{after}");
        assert_eq!(stage.case(case).messages.len(), 3);
        // AND it is told once
        let told = |line: &&String| line.contains("this is told once");
        assert_eq!(connector.log().iter().filter(told).count(), 1, "{before}{after}");
    }
}
