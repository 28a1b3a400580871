//! A trouble is found in `status`, readiness, the metrics and an alert, and gone from all of them once it is over (rule 21).

use deskie_cdc_sandbox::simulator::{Match, Says};
use serde_json::Value;

use super::answers;
use crate::support::{Connector, Hook, Stage, stage, wait_until};

/// A stage whose connector looks for troubles all the time, and what is alerted.
async fn watched() -> (Stage, Hook, Connector) {
    let hook = Hook::start().await;
    let alert = format!("[alert]\nurl = \"{}\"\n\n[postgres]\n", hook.url);
    let stage = stage()
        .set("deskie", "sweep = \"1s\"")
        .config("[postgres]\n", &alert)
        .build()
        .await;
    let connector = stage.workplace.run_with(&[("DESKIE_CDC_WATCH_MS", "200")]);
    connector.wait_for_log("leading").await;
    (stage, hook, connector)
}

async fn page(stage: &Stage, path: &str) -> Option<String> {
    let answer = reqwest::get(stage.workplace.admin_url(path)).await.ok()?;
    answer.text().await.ok()
}

/// Where a kind of trouble is told now: `status`, readiness, the metrics.
async fn told_in(stage: &Stage, kind: &str) -> Vec<&'static str> {
    let mut told = Vec::new();
    let status = stage.workplace.command(&["status", "--json"]).await;
    let report: Value = serde_json::from_str(&status.stdout).unwrap_or_default();
    let troubles = report["troubles"].as_array().cloned().unwrap_or_default();
    if troubles.iter().any(|trouble| trouble["kind"] == kind) {
        assert_eq!(
            status.status.code(),
            Some(1),
            "a person is needed: {}",
            status.stdout
        );
        told.push("status");
    }
    let ready: Value =
        serde_json::from_str(&page(stage, "/health/ready").await.unwrap_or_default()).unwrap_or_default();
    let kinds = ready["troubles"].as_array().cloned().unwrap_or_default();
    if kinds.iter().any(|there| there == kind) {
        told.push("readiness");
    }
    let metric = format!("deskie_cdc_troubles{{kind=\"{kind}\"}} 1");
    if page(stage, "/metrics")
        .await
        .is_some_and(|text| text.lines().any(|line| line == metric))
    {
        told.push("metrics");
    }
    told
}

async fn told_everywhere(stage: &Stage, kind: &str) {
    wait_until(&format!("{kind} is told everywhere"), || async {
        (told_in(stage, kind).await == ["status", "readiness", "metrics"]).then_some(())
    })
    .await;
}

async fn told_nowhere(stage: &Stage, kind: &str) {
    wait_until(&format!("{kind} is over everywhere"), || async {
        told_in(stage, kind).await.is_empty().then_some(())
    })
    .await;
}

/// How often a trouble of this kind began.
async fn begun(stage: &Stage, kind: &str) -> i64 {
    stage
        .count(&format!(
            "select count(*) from deskie_cdc.trouble where kind = '{kind}'"
        ))
        .await
}

async fn asked_for_cases(stage: &Stage, times: usize) {
    let asked = |call: &&deskie_cdc_sandbox::simulator::Call| call.path == "/api/cases.json" && call.over;
    let before = stage.simulator.books().calls.iter().filter(asked).count();
    stage
        .deskie("more sweeps", |books| {
            books.calls.iter().filter(asked).count() >= before + times
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_cases_that_deskie_refuses_is_told_everywhere() {
    let (stage, hook, _connector) = watched().await;
    let (_, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN what stands in front of Deskie answers for it, THEN that is an outage, and no trouble of the sweep's
    stage
        .simulator
        .add_fault(answers(Match::ListCases, 503, "<html>Maintenance</html>"));
    asked_for_cases(&stage, 3).await;
    stage.simulator.clear_faults();
    assert_eq!(begun(&stage, "sweep_failing").await, 0);
    asked_for_cases(&stage, 2).await;
    // AND WHEN it lasts while all else is answered, THEN it is one, which ends by itself
    stage
        .simulator
        .add_fault(answers(Match::ListCases, 503, "<html>Maintenance</html>"));
    asked_for_cases(&stage, 1).await;
    stage.open("Soru 503").await;
    told_everywhere(&stage, "sweep_failing").await;
    hook.until("sweep_failing").await;
    stage.simulator.clear_faults();
    told_nowhere(&stage, "sweep_failing").await;
    hook.until("sweep_well").await;
    let refusals = [
        (403, r#"{"error":"staff_has_not_access"}"#),
        // One that nobody knows.
        (422, r#"{"error":"incorrect_from_updated_time"}"#),
    ];
    for (n, (status, body)) in refusals.into_iter().enumerate() {
        // WHEN Deskie refuses its list of updated cases
        stage.simulator.add_fault(answers(Match::ListCases, status, body));
        // THEN that is told everywhere
        told_everywhere(&stage, "sweep_failing").await;
        hook.until_times("sweep_failing", n + 2).await;
        // AND all else goes on
        stage
            .simulator
            .agent_reply(case, Says::text(format!("cevap {n}")))
            .unwrap();
        let (ticket, _) = stage.open(&format!("Soru {n}")).await;
        stage.writes(ticket, "bir").await;
        // AND WHEN it is given again, THEN the end is told as well
        stage.simulator.clear_faults();
        told_nowhere(&stage, "sweep_failing").await;
        hook.until_times("sweep_well", n + 2).await;
    }
    stage.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_the_database_does_not_store_is_told_and_no_single_failure() {
    let (stage, _hook, connector) = watched().await;
    stage.open("Soru").await;
    // WHEN a single sweep fails, THEN that is a matter of the log
    stage
        .sql(
            "create sequence public.swept; grant usage on sequence public.swept to public;
            create function public.refuses() returns trigger language plpgsql as $$ begin
                if nextval('public.swept') = 1 then raise exception 'no'; end if; return new; end $$;
            create trigger refuses before update of swept_to on deskie_cdc.meta for each row execute function public.refuses()",
        )
        .await;
    connector
        .wait_for_log("the sweep failed and is tried again")
        .await;
    wait_until("a sweep that is stored", || async {
        (stage.count("select last_value from public.swept").await > 1).then_some(())
    })
    .await;
    assert_eq!(begun(&stage, "sweep_failing").await, 0);
    // WHEN each fails, THEN it is told
    stage
        .sql(
            "create or replace function public.refuses() returns trigger language plpgsql as $$ begin
                raise exception 'no'; end $$",
        )
        .await;
    told_everywhere(&stage, "sweep_failing").await;
    stage.sql("drop trigger refuses on deskie_cdc.meta").await;
    told_nowhere(&stage, "sweep_failing").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_something_cuts_again_and_again_is_told_everywhere() {
    let (stage, hook, connector) = watched().await;
    connector.wait_for_log("streaming").await;
    for cut in 1..=4 {
        // WHEN the stream is cut, and made anew
        assert_eq!(
            begun(&stage, "stream_unstable").await,
            0,
            "after {} cuts",
            cut - 1
        );
        let seen = connector.log().len();
        let ended = "select count(pg_terminate_backend(pid)) from pg_stat_replication";
        assert_eq!(stage.count(ended).await, 1);
        connector.wait_for_log_after(seen, "streaming").await;
    }
    // THEN the fifth stream within ten minutes is told, though it is connected
    told_everywhere(&stage, "stream_unstable").await;
    hook.until("stream_unstable").await;
    assert_eq!(begun(&stage, "stream_down").await, 0);
    // AND everything arrives
    let (ticket, case) = stage.open("Soru").await;
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_may_not_be_read_is_told_by_the_refusal_and_not_by_its_words() {
    let (stage, hook, _connector) = watched().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // What is stored of it is in nobody's words that we know.
    stage
        .sql(
            "create function public.words() returns trigger language plpgsql as $$ begin
                new.read_error := 'geen toegang'; return new; end $$;
            create trigger words before update on deskie_cdc.ticket for each row when (new.read_error is not null)
                execute function public.words()",
        )
        .await;
    let reads_failed =
        "select count(*) from deskie_cdc.ticket where read_wanted is not null and read_error is not null";
    let failed_by = |refused: bool| format!("{reads_failed} and read_refused = {refused}");
    // WHEN what stands in front of Deskie does not let a case be read, THEN that is an outage
    stage
        .simulator
        .add_fault(answers(Match::ListMessages, 403, "<html>Deskie refused</html>"));
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    wait_until("the read failed", || async {
        (stage.count(&failed_by(false)).await > 0).then_some(())
    })
    .await;
    assert_eq!(begun(&stage, "case_unreadable").await, 0);
    stage.simulator.clear_faults();
    stage.until_site(ticket, 1).await;
    let refusals = [
        r#"{"error":"staff_has_not_access"}"#,
        r#"{"error":"channel_is_closed"}"#,
    ];
    for (n, body) in refusals.into_iter().enumerate() {
        // WHEN Deskie itself refuses
        stage.simulator.add_fault(answers(Match::ListMessages, 403, body));
        stage
            .simulator
            .agent_reply(case, Says::text(format!("cevap {n}")))
            .unwrap();
        wait_until("the read was refused", || async {
            (stage.count(&failed_by(true)).await > 0).then_some(())
        })
        .await;
        // THEN that is told everywhere, whatever the words are
        told_everywhere(&stage, "case_unreadable").await;
        hook.until_times("case_unreadable", n + 1).await;
        // AND WHEN it is mended, THEN the answer comes, and the end is told
        stage.simulator.clear_faults();
        stage.workplace.command(&["failed", "retry", "--all"]).await;
        stage.until_site(ticket, n + 2).await;
        told_nowhere(&stage, "case_unreadable").await;
        hook.until_times("case_readable", n + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_that_is_stopped_is_told_as_long_as_its_slot_keeps_wal() {
    // GIVEN a site that is set up, whose connector was not started yet: nothing has stopped
    let stage = stage().build().await;
    let status = stage.workplace.command(&["status"]).await.ok();
    assert!(status.stdout.contains("`deskie-cdc run`"), "{}", status.stdout);
    let told = async || {
        let status = stage.workplace.command(&["status"]).await.exits(1);
        let says = [
            "TO DO",
            "stopped: no connector leads",
            "slot deskie_cdc_site",
            "of WAL",
            "`deskie-cdc run`",
            "uninstall",
        ];
        assert!(
            says.iter().all(|piece| status.stdout.contains(piece)),
            "{}",
            status.stdout
        );
        assert!(
            status.stderr.contains("a person is needed (1 "),
            "{}",
            status.stderr
        );
        let status = stage.workplace.command(&["status", "--json"]).await.exits(1);
        let report: Value = serde_json::from_str(&status.stdout).unwrap();
        assert_eq!(report["troubles"][0]["kind"], "stopped");
    };
    // WHEN it has run and is stopped, THEN that is told
    let connector = stage.run().await;
    stage.workplace.command(&["status"]).await.ok();
    assert!(connector.sigterm_and_wait().await.success());
    told().await;
    // AND WHEN the slot is gone, THEN it keeps nothing
    stage
        .sql("select pg_drop_replication_slot('deskie_cdc_site')")
        .await;
    let status = stage.workplace.command(&["status"]).await.ok();
    assert!(!status.stdout.contains("stopped"), "{}", status.stdout);
}
