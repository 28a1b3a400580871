//! Ends and beginnings: of the connector, and of the database.

use std::time::Duration;

use deskie_cdc::model::clock;
use deskie_cdc_sandbox::simulator::{Done, Fault, FaultKind, Match, Says};

use crate::support::{AYSE, Stage, installations, stage, stage_on, texts};

/// One message each way; each must stand once on both sides, with nothing else of them.
async fn both_ways(stage: &Stage) {
    let (ticket, case) = stage.open("Soru").await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 1).await;
    stage.writes(ticket, "yine").await;
    stage.until_deskie(case, 3).await;
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await, ["cevap", "yine"]);
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "cevap", "yine"]);
}

#[tokio::test]
async fn sigterm_ends_it_soon_and_nothing_is_lost_or_doubled() {
    for installation in installations() {
        // GIVEN an idle connector
        let stage = stage_on(&installation).build().await;
        let connector = stage.run().await;
        both_ways(&stage).await;
        // WHEN it is asked to end
        let begun = clock::monotonic();
        let status = connector.sigterm_and_wait().await;
        // THEN it does so at once
        assert_eq!(status.code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());

        // WHEN both sides go on without it, and it starts again
        let ticket = stage.ticket(AYSE, "meanwhile", "bir").await;
        stage.writes(ticket, "iki").await;
        let connector = stage.run().await;
        let case = stage.case_of(ticket).await;
        // THEN it takes up what happened meanwhile
        assert_eq!(texts(&stage.until_deskie(case, 2).await), ["bir", "iki"]);

        // WHEN a call hangs for five seconds as it is asked to end
        let slow = FaultKind::RespondSlowly { ms: 5000 };
        stage.simulator.add_fault(Fault::on(Match::Add, slow));
        stage.writes(ticket, "üç").await;
        stage.deskie("the call", |books| books.faults_pending == 0).await;
        let begun = clock::monotonic();
        let status = connector.sigterm_and_wait().await;
        // THEN it ends in time, and well
        assert_eq!(status.code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        // AND the message stands once
        let _connector = stage.run().await;
        stage.settled().await;
        assert_eq!(texts(&stage.case(case)), ["bir", "iki", "üç"]);
        both_ways(&stage).await;
    }
}

#[tokio::test]
async fn an_answer_in_deskie_while_the_connector_is_away_comes_with_the_first_sweep() {
    // GIVEN a connector that has ended
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    // WHEN an agent answers, and nobody takes the webhook
    stage.past_our_calls().await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.quiet().await;
    // THEN it comes with the sweep at the next start
    let _connector = stage.run().await;
    stage.until_site(ticket, 1).await;
}

#[tokio::test]
async fn a_kill_loses_and_doubles_nothing() {
    // GIVEN a connector that is killed while idle
    let stage = stage()
        .set("deskie", "doubt_wait = \"2s\"\ntimeout = \"1s\"\nsweep = \"1s\"")
        .build()
        .await;
    let mut connector = stage.run().await;
    both_ways(&stage).await;
    connector.kill9().await;
    let ticket = stage.ticket(AYSE, "meanwhile", "bir").await;
    connector = stage.run().await;
    let case = stage.case_of(ticket).await;
    // WHEN it is killed in the middle of calls that Deskie does, or does not
    for (n, done) in [Done::Before, Done::Never].into_iter().enumerate() {
        let hang = FaultKind::Hang { ms: 2000, done };
        stage.simulator.add_fault(Fault::on(Match::Write, hang).times(2));
        let opened = stage.ticket(AYSE, &format!("killed {n}"), "bir").await;
        stage.writes(ticket, &format!("söz {n}")).await;
        stage
            .deskie("both calls", |books| books.faults_pending == 0)
            .await;
        connector.kill9().await;
        connector = stage.run().await;
        connector
            .wait_for_log("2 calls were cut off by the last stop")
            .await;
        // THEN both are done once all the same
        let new_case = stage.case_of(opened).await;
        stage.until_deskie(case, 2 + n).await;
        let books = stage.settled().await;
        assert_eq!(
            books.cases_with_field(25, &opened.to_string()).len(),
            1,
            "{done:?}"
        );
        assert_eq!(texts(books.case(new_case).unwrap()), ["bir"], "{done:?}");
        assert_eq!(stage.rows(opened).await.len(), 0, "{done:?}");
        assert_eq!(texts(books.case(case).unwrap()).len(), 2 + n, "{done:?}");
    }
    assert_eq!(texts(&stage.case(case)), ["bir", "söz 0", "söz 1"]);
    assert_eq!(stage.rows(ticket).await, ["söz 0", "söz 1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_at_the_start_is_waited_for() {
    // GIVEN a database that is down
    let mut stage = stage().build().await;
    stage.site.cluster.stop_fast().unwrap();
    // WHEN the connector starts
    let connector = stage.workplace.run();
    connector.wait_for_log("the database cannot be used yet").await;
    stage.site.cluster.restart().unwrap();
    stage.reconnect().await;
    // THEN it works once the database is there
    connector.wait_for_log("leading").await;
    both_ways(&stage).await;
    assert_eq!(connector.sigterm_and_wait().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_or_restarts_is_survived() {
    for installation in installations() {
        // GIVEN a running connector
        let mut stage = stage_on(&installation).build().await;
        let connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        for crash in [true, false] {
            let before = stage.rows(ticket).await.len();
            // WHEN the database crashes, or is restarted, right after a message
            stage.writes(ticket, "önce").await;
            let seen = connector.log().len();
            let begun = clock::monotonic();
            match crash {
                true => stage.site.cluster.stop_immediate().unwrap(),
                false => stage.site.cluster.stop_fast().unwrap(),
            }
            // The server waits for the stream's last acknowledgement: it does not wait for us.
            assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
            // AND an agent answers while it is away
            stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
            stage.site.cluster.restart().unwrap();
            stage.reconnect().await;
            stage.writes(ticket, "sonra").await;
            // THEN the connector goes on by itself, and nothing of the site is lost or doubled
            connector.wait_for_log_after(seen, "leading").await;
            let wanted = if crash { 4 } else { 8 };
            stage.until_deskie(case, wanted).await;
            // AND the answer whose webhook nobody took comes with the next webhook of the case
            stage.simulator.agent_reply(case, Says::text("yine")).unwrap();
            stage.until_site(ticket, before + 4).await;
            stage.settled().await;
            let mut rows = stage.rows(ticket).await.split_off(before);
            rows.sort();
            assert_eq!(rows, ["cevap", "sonra", "yine", "önce"]);
            let record = stage.case(case);
            assert_eq!(record.messages.len(), wanted + 1, "{:?}", texts(&record));
        }
    }
}
