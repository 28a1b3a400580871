//! One odd entry in an answer of Deskie's stops only itself (rule 19).

use deskie_cdc_sandbox::simulator::{Fault, FaultKind, Match, Says, Spoilt};

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

fn spoil(matches: Match, says: &str, how: Spoilt) -> Fault {
    let says = says.to_owned();
    Fault::on(matches, FaultKind::Spoil { says, how }).times(u32::MAX)
}

/// How many entries were told to be unreadable.
async fn told(stage: &Stage) -> i64 {
    let sql =
        "select coalesce(sum(count), 0)::int8 from deskie_cdc.skipped where reason = 'unreadable in Deskie'";
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
        let odd = format!("iki {how:?}");
        stage.simulator.add_fault(spoil(Match::ListMessages, &odd, *how));
        stage.simulator.agent_reply(*case, Says::text("bir")).unwrap();
        stage.simulator.agent_reply(*case, Says::text(&odd)).unwrap();
        stage.simulator.agent_reply(*case, Says::text("üç")).unwrap();
    }
    // THEN the others come, in order, and the odd one too where it has a text
    for (how, comes, ticket, _) in &cases {
        stage.until_site(*ticket, if *comes { 3 } else { 2 }).await;
        let rows = stage.rows(*ticket).await;
        match (how, comes) {
            (Spoilt::Surrogate, _) => assert_eq!(rows, ["bir", "iki Surrogate\u{fffd}", "üç"]),
            (_, true) => assert_eq!(rows, ["bir", "iki Nul", "üç"], "{how:?}"),
            (_, false) => assert_eq!(rows, ["bir", "üç"], "{how:?}"),
        }
    }
    // AND what could not be read is told, on the ticket and in the status
    wait_until("all are told", || async {
        (told(&stage).await >= 6).then_some(())
    })
    .await;
    let (_, _, ticket, _) = cases[5];
    let trace = stage
        .workplace
        .command(&["trace", &ticket.to_string()])
        .await
        .ok();
    assert!(
        trace.stdout.contains("it has no `message_id`"),
        "{}",
        trace.stdout
    );
    let status = stage.workplace.command(&["status"]).await;
    assert!(
        status.stdout.contains("unreadable in Deskie"),
        "{}",
        status.stdout
    );
    // AND a restart changes nothing
    connector.kill9().await;
    connector = stage.run().await;
    let (other, case) = stage.open("after").await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(other, 1).await;
    // AND WHEN they can be read again, THEN the next read of each case brings them, once. What is told of a list in its
    // place has no text, and stays without it.
    stage.simulator.clear_faults();
    for (_, comes, ticket, case) in &cases[3..] {
        stage.simulator.agent_reply(*case, Says::text("dört")).unwrap();
        stage.until_site(*ticket, if *comes { 5 } else { 4 }).await;
    }
    stage.settled().await;
    for (how, _, ticket, _) in &cases[3..] {
        let mut rows = stage.rows(*ticket).await;
        rows.sort();
        assert_eq!(
            rows,
            [
                "bir".to_owned(),
                "dört".to_owned(),
                format!("iki {how:?}"),
                "üç".to_owned()
            ]
        );
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
        let subject = format!("{how:?}");
        stage.simulator.add_fault(spoil(Match::ListCases, &subject, how));
        let odd = stage.ticket(IVAN, &subject, "text").await;
        stage.case_of(odd).await;
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
    wait_until("all are told", || async {
        (told(&stage).await >= 6).then_some(())
    })
    .await;
    drop(connector);
}

#[tokio::test]
async fn a_foreign_case_whose_ticket_field_holds_a_nul_stops_no_start() {
    // GIVEN a case that claims a ticket, with a U+0000 in it, and that nobody knows
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1s\"")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, _) = stage.open("Soru").await;
    connector.kill9().await;
    stage
        .sql("update deskie_cdc.ticket set case_id = case_id - 1")
        .await;
    stage
        .simulator
        .add_fault(spoil(Match::ListCases, "Soru", Spoilt::Nul));
    // WHEN the connector starts, THEN it sends
    let connector = stage.run().await;
    connector
        .wait_for_log("say that they are tickets of the site")
        .await;
    let other = stage.ticket(IVAN, "after", "text").await;
    stage.case_of(other).await;
    let claims = format!("select count(*) from deskie_cdc.foreign_case where claims = '{ticket}'");
    assert_eq!(stage.count(&claims).await, 1);
}

#[tokio::test]
async fn what_stands_around_the_json_is_passed_over_and_told_once() {
    for (before, after) in [
        ("\u{feff}", ""),
        (
            "<br />\n<b>Notice</b>:  Undefined index: {x} in <b>/var/www/a.php</b> on line <b>3</b><br />\n",
            "",
        ),
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

#[tokio::test]
async fn html_that_multiplies_goes_as_plain_text_and_is_told() {
    // GIVEN a mail whose HTML opens everything and closes nothing
    let stage = stage()
        .deskie(|options| options.sanitise_html = false)
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let html: String = (0..600).map(|n| format!("<p><font a={n}>")).collect();
    stage
        .simulator
        .customer_mail_reply(case, Says::html(format!("{html}Merhaba<br>iki")))
        .unwrap();
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    // THEN its words come, and what comes behind it
    stage.until_site(ticket, 2).await;
    assert_eq!(stage.rows(ticket).await, ["Merhaba\niki", "cevap"]);
    connector.wait_for_log("goes to the site as plain text").await;
    assert_eq!(stage.count("select count(*) from deskie_cdc.risk").await, 0);
}

#[tokio::test]
async fn a_body_that_ended_the_process_is_not_begun_for_ever() {
    // GIVEN an answer that ended the process twice while its body was read
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1s\"")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.past_our_calls().await;
    connector.kill9().await;
    let long = format!("<p>{}</p><ul><li>son</li></ul>", "söz ".repeat(3_000));
    let message = stage.simulator.agent_reply(case, Says::html(long)).unwrap();
    let begun =
        format!("insert into deskie_cdc.risk (kind, key, begun) values ('body', 'message {message}', 2)");
    stage.sql(&begun).await;
    // WHEN the connector comes back
    let connector = stage.run().await;
    // THEN it goes to the site without being parsed, and that is told
    stage.until_site(ticket, 1).await;
    let rows = stage.rows(ticket).await;
    assert!(
        rows[0].starts_with("söz söz") && rows[0].ends_with("\nson"),
        "{}",
        rows[0]
    );
    connector.wait_for_log("however often it was begun").await;
    let trace = stage
        .workplace
        .command(&["trace", &ticket.to_string()])
        .await
        .ok();
    assert!(trace.stdout.contains("shown as plain text"), "{}", trace.stdout);
    assert_eq!(stage.count("select count(*) from deskie_cdc.risk").await, 0);
}

#[tokio::test]
async fn more_new_messages_than_are_taken_at_once_all_come_in_order() {
    // GIVEN a case that gets more messages than one read takes, while the connector is away
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1s\"")
        .deskie(|options| {
            options.window = std::time::Duration::from_secs(4);
            options.requests_per_minute = 1500;
        })
        .build()
        .await;
    let connector = stage.run().await;
    let (_, case) = stage.open("Soru").await;
    stage.settled().await;
    stage.past_our_calls().await;
    connector.kill9().await;
    for n in 0..5_120 {
        stage.simulator.note(case, Says::text(format!("{n}"))).unwrap();
    }
    // WHEN it comes back
    let connector = stage.workplace.run_with(&[("DESKIE_CDC_RATE_WINDOW_MS", "4000")]);
    // THEN each is seen, the oldest first
    let seen = format!("select count(*) from deskie_cdc.remote where case_id = {case}");
    wait_until("all are seen", || async {
        (stage.count(&seen).await >= 5_121).then_some(())
    })
    .await;
    connector.wait_for_log("it is read on").await;
    let wrong = format!(
        "select count(*) from (select message_id, lag(message_id) over (order by seq) as before
            from deskie_cdc.remote where case_id = {case} and state = 'note') r where message_id < before"
    );
    assert_eq!(stage.count(&wrong).await, 0);
}
