//! Where the log's position goes elsewhere, or back: a failover that takes the slot along, a restart that forgets what
//! was acknowledged.

use deskie_cdc_sandbox::postgres::Installation;

use crate::support::{Connector, Site, Stage, installations, stage_on, texts, wait_until};

fn no_gap(connector: &Connector) {
    let gap = |line: &String| line.contains("gap:") || line.contains("repaired:");
    assert_eq!(connector.log().into_iter().find(gap), None);
}

/// Until the standby has the slot for good. The primary's must come past where the standby began to keep it: a record of
/// the running transactions, which a server writes every 15 s by itself, and captured rows move it there. (Not by
/// `pg_sync_replication_slots()`: each call begins to keep it anew, so that it never gets there while anything is written.)
async fn synchronised(stage: &Stage, replica: &tokio_postgres::Client) {
    // Its pauses grow from 0.2 s to 30 s while it finds nothing to do: it begins when there is something.
    for sql in [
        "alter system set sync_replication_slots = on",
        "select pg_reload_conf()",
    ] {
        replica.batch_execute(sql).await.unwrap();
    }
    wait_until("the slot is synchronised", || async {
        stage
            .sql("update tickets set updated_at = now() where id = 1")
            .await;
        stage.sql("select pg_log_standby_snapshot()").await;
        let sql = "select 1 from pg_replication_slots where synced and not temporary";
        replica.query_opt(sql, &[]).await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_slot_goes_on_on_the_promoted_standby_without_a_gap() {
    let with_failover_slots = |installation: &Installation| installation.version() >= 17;
    for installation in installations().into_iter().filter(with_failover_slots) {
        // GIVEN a server with a standby that takes slots over, and a connector that is told of both
        let mut stage = stage_on(&installation).build().await;
        stage
            .sql("select pg_create_physical_replication_slot('standby', true)")
            .await;
        let standby = stage.site.cluster.failover_standby("standby").unwrap();
        stage.reconnect().await;
        let first = format!("127.0.0.1:{}", stage.site.cluster.port());
        stage.workplace.change_config(
            &format!("{first}/site?"),
            &format!(
                "{first},127.0.0.1:{}/site?target_session_attrs=read-write&",
                standby.port()
            ),
        );
        let connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        stage.settled().await;
        let replica = standby.connect(Site::DATABASE).await.unwrap();
        synchronised(&stage, &replica).await;
        // AND a message that the standby has, and the connector has not seen
        connector.signal("STOP").await;
        stage.writes(ticket, "bir").await;
        wait_until("the standby has it", || async {
            let sql = "select 1 from messages where body = 'bir'";
            replica.query_opt(sql, &[]).await.unwrap()
        })
        .await;
        // AND which is sent while the standby gets nothing more, slots included: it does not have that. One that went
        // on would stand ahead of our state there, a gap that the repair mends.
        replica
            .batch_execute("alter system set sync_replication_slots = off")
            .await
            .unwrap();
        wait_until("slots are no longer taken over", || async {
            let sql = "select pg_reload_conf() where exists \
                (select from pg_stat_activity where backend_type = 'slotsync worker')";
            let working = replica.query_opt(sql, &[]).await.unwrap();
            working.is_none().then_some(())
        })
        .await;
        wait_until("the standby is cut off", || async {
            let sql = "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'standby'";
            stage.sql(sql).await;
            let sql = "select pg_drop_replication_slot('standby')";
            stage.site.client.execute(sql, &[]).await.ok()
        })
        .await;
        connector.signal("CONT").await;
        connector.wait_for_log("message sent").await;
        connector.signal("STOP").await;
        // WHEN the server dies, the standby is promoted, and the site goes on there
        stage.site.cluster.stop_immediate().unwrap();
        replica.execute("select pg_promote()", &[]).await.unwrap();
        stage.site.cluster = standby;
        stage.reconnect().await;
        stage.writes(ticket, "iki").await;
        connector.signal("CONT").await;
        // THEN the connector goes on there by itself, from the slot that came along, and asks Deskie first
        connector
            .wait_for_log("failover: the server is on timeline 2")
            .await;
        stage.writes(ticket, "üç").await;
        stage.until_deskie(case, 4).await;
        stage.settled().await;
        assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "iki", "üç"]);
        no_gap(&connector);
    }
}

/// What the slot has confirmed.
async fn confirmed(stage: &Stage) -> i64 {
    stage
        .count("select pg_wal_lsn_diff(confirmed_flush_lsn, '0/0')::int8 from pg_replication_slots")
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_a_restart_moves_back_makes_no_gap_and_nothing_twice() {
    // GIVEN the oldest server, which writes down what was acknowledged only now and then (up to 16)
    let oldest = installations().into_iter().min_by_key(Installation::version);
    let oldest = oldest.unwrap();
    let mut stage = stage_on(&oldest).build().await;
    let mut connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let mut went_back = false;
    let mut said = vec!["Soru: body".to_owned()];
    // A record of the running transactions in the wrong moment saves the slot: then it is tried again.
    for n in 0..3 {
        // WHEN messages, and then far more of what is none of ours, are acknowledged, and the server restarts cleanly
        said.push(format!("söz {n}"));
        stage.writes(ticket, &format!("söz {n}")).await;
        stage.until_deskie(case, said.len()).await;
        stage.settled().await;
        let before = confirmed(&stage).await;
        stage
            .sql("create table if not exists busy (filler text); insert into busy select repeat('x', 2000) from generate_series(1, 300)")
            .await;
        wait_until("it is acknowledged", || async {
            (confirmed(&stage).await > before + 256 * 1024).then_some(())
        })
        .await;
        let skipped = "select coalesce(sum(count), 0)::int8 from deskie_cdc.skipped";
        let skipped_before = stage.count(skipped).await;
        assert!(connector.sigterm_and_wait().await.success());
        let acknowledged = confirmed(&stage).await;
        stage.site.cluster.restart().unwrap();
        stage.reconnect().await;
        went_back = confirmed(&stage).await < acknowledged;
        // THEN what was streamed is not streamed again, and nobody is said to have moved the slot
        connector = stage.run().await;
        said.push(format!("sonra {n}"));
        stage.writes(ticket, &format!("sonra {n}")).await;
        stage.until_deskie(case, said.len()).await;
        stage.settled().await;
        assert_eq!(texts(&stage.case(case)), said);
        assert_eq!(
            stage.count(skipped).await,
            skipped_before,
            "no row came a second time"
        );
        no_gap(&connector);
        if went_back {
            break;
        }
    }
    assert!(went_back || oldest.version() >= 17, "the slot did not go back");
}
