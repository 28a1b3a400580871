//! A start that is refused until a person does something (XI4): it is told where everybody looks, with what to do, and goes
//! on by itself once that is done.

use deskie_cdc_sandbox::simulator::Says;

use crate::support::{Stage, stage, wait_until};

/// Makes the watch look often, so that what a command decides is seen at once.
const QUICK: [(&str, &str); 1] = [("DESKIE_CDC_WATCH_MS", "100")];

/// How a start is refused.
struct Form {
    breaks: &'static str,
    /// A setting of the server, which is started anew with it.
    setting: Option<(&'static str, &'static str, &'static str)>,
    /// What is told, and what is to be done.
    told: [&'static str; 2],
    mends: &'static str,
}

const FORMS: [Form; 6] = [
    Form {
        breaks: "alter role deskie_cdc noreplication",
        setting: None,
        told: ["start", "REPLICATION attribute"],
        mends: "alter role deskie_cdc replication",
    },
    Form {
        breaks: "select pg_drop_replication_slot('deskie_cdc_site');
            select pg_create_physical_replication_slot(name) from unnest(array['a', 'b']) name",
        setting: None,
        told: ["all replication slots are in use", "raise max_replication_slots"],
        mends: "select pg_drop_replication_slot(name) from unnest(array['a', 'b']) name",
    },
    Form {
        breaks: "select pg_drop_replication_slot('deskie_cdc_site'); select pg_create_physical_replication_slot('deskie_cdc_site')",
        setting: None,
        told: ["is a physical slot", "name another slot"],
        mends: "select pg_drop_replication_slot('deskie_cdc_site')",
    },
    Form {
        breaks: "select pg_drop_replication_slot('deskie_cdc_site');
            select pg_create_logical_replication_slot('deskie_cdc_site', 'test_decoding')",
        setting: None,
        told: ["uses the plugin test_decoding", "name another slot"],
        mends: "select pg_drop_replication_slot('deskie_cdc_site')",
    },
    Form {
        breaks: "select pg_drop_replication_slot('deskie_cdc_site')",
        setting: Some(("wal_level", "replica", "logical")),
        told: ["wal_level is replica", "alter system set wal_level = 'logical'"],
        mends: "",
    },
    Form {
        breaks: "",
        setting: Some(("max_wal_senders", "0", "10")),
        told: ["max_wal_senders is 0", "alter system set max_wal_senders"],
        mends: "",
    },
];

async fn health(stage: &Stage) -> Option<(u16, String)> {
    let answer = reqwest::get(stage.workplace.admin_url("/health/ready"))
        .await
        .ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

async fn restarted_with(stage: &mut Stage, name: &str, value: &str) {
    stage.site.cluster.set(name, value);
    stage.site.start_again().await;
    stage.reconnect().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refused_start_says_what_to_do_and_goes_on_once_that_is_done() {
    let mut stage = stage().server("max_replication_slots", "2").build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    for (n, form) in FORMS.iter().enumerate() {
        // GIVEN a server that refuses the start
        stage.sql(form.breaks).await;
        if let Some((name, value, _)) = form.setting {
            restarted_with(&mut stage, name, value).await;
        }
        let connector = stage.workplace.run_with(&QUICK);
        let [what, mend] = form.told;
        // THEN it is not ready, and says why and what to do
        let refused = || async {
            let (status, body) = health(&stage).await?;
            (status == 503 && body.contains(what) && body.contains(mend)).then_some(())
        };
        wait_until(&format!("not ready: {what}"), refused).await;
        let status = stage.workplace.command(&["status"]).await.exits(1).stdout;
        assert!(status.contains(what) && status.contains(mend), "{what}: {status}");
        wait_until("it is a trouble", || async {
            let sql = "select count(*) from deskie_cdc.trouble where kind = 'held' and ended_at is null";
            (stage.count(sql).await > 0).then_some(())
        })
        .await;
        // WHEN that is done, THEN it goes on by itself, and nothing is lost
        let written = format!("while it was refused {n}");
        stage.writes(ticket, &written).await;
        stage.sql(form.mends).await;
        if let Some((name, _, value)) = form.setting {
            restarted_with(&mut stage, name, value).await;
        }
        stage.until_deskie(case, n + 2).await;
        let ready = || async { (health(&stage).await?.0 == 200).then_some(()) };
        wait_until(&format!("ready again: {what}"), ready).await;
        stage.workplace.command(&["status"]).await.ok();
        assert!(connector.sigterm_and_wait().await.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_taken_while_it_streams_is_named_with_its_mend() {
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN the user may not replicate any more, and the stream ends
    stage
        .sql("alter role deskie_cdc noreplication; select pg_terminate_backend(active_pid) from pg_replication_slots")
        .await;
    stage.writes(ticket, "bir").await;
    // THEN the server's refusal, of which it has one code for several rights, is told as that
    let line = connector
        .wait_for_log("the user deskie_cdc does not have the REPLICATION attribute")
        .await;
    assert!(line.contains("alter role \"deskie_cdc\" replication"), "{line}");
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    // AND all goes on by itself once that is mended
    stage.sql("alter role deskie_cdc replication").await;
    stage.until_deskie(case, 3).await;
    stage.until_site(ticket, 2).await;
}
