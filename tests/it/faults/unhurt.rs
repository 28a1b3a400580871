//! The site is never hurt: its disk, its locks, its statements.

use std::collections::HashSet;
use std::time::Duration;

use deskie_cdc::config::FREEZE_VARIABLE;
use deskie_cdc::model::clock;
use deskie_cdc::model::crash::{CrashPoint, SAYS};
use deskie_cdc_sandbox::sample_site;
use deskie_cdc_sandbox::simulator::{Action, Books, Says};

use super::compare::compare;
use crate::support::{AYSE, Stage, stage, wait_until};

const MIB: i64 = 1 << 20;

/// WAL that our slot holds, by the server's own count.
const HELD: &str = "select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::int8 from pg_replication_slots
    where slot_name = 'deskie_cdc_site'";

/// Writes this much WAL, in tables that are none of ours.
async fn busy(stage: &Stage, mib: i64) {
    stage.sql("create table if not exists busy (filler text); alter table busy alter filler set storage external").await;
    let begun = stage
        .count("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8")
        .await;
    let sql = "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8";
    while stage.count(sql).await - begun < mib * MIB {
        stage
            .sql("insert into busy select repeat('x', 2000) from generate_series(1, 5000); truncate busy")
            .await;
    }
}

/// Waits until all that the log holds by now, but for the last of it, is acknowledged.
async fn acknowledged(stage: &Stage) {
    let here = stage
        .count("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8")
        .await;
    let there = "select pg_wal_lsn_diff(confirmed_flush_lsn, '0/0')::int8 from pg_replication_slots";
    wait_until("it is acknowledged", || async {
        (stage.count(there).await + MIB > here).then_some(())
    })
    .await;
}

/// Capture's commits do not wait for the disk: a server that crashes may have forgotten them, and streams them again only
/// from where we have acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_on_the_disk_yet_is_not_acknowledged() {
    // GIVEN a stream whose position is told every second
    let stage = stage().server("wal_sender_timeout", "3s").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN nothing of ours waits for the disk, since the lease cannot be renewed, and a message is captured
    let mut other = stage.site.connect().await;
    let held = other.transaction().await.unwrap();
    let lock = "select from deskie_cdc.lease for share";
    held.execute(lock, &[]).await.unwrap();
    let before = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8";
    let before = stage.count(before).await;
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    let now: String = stage.query("select clock_timestamp()::text", &[]).await[0].get(0);
    let told = format!("select count(*) from pg_stat_replication where reply_time > '{now}'");
    wait_until("the position is told", || async {
        (stage.count(&told).await == 1).then_some(())
    })
    .await;
    // THEN the server may not forget it
    let confirmed = "select pg_wal_lsn_diff(confirmed_flush_lsn, '0/0')::int8 from pg_replication_slots";
    let kept_from = stage.count(confirmed).await;
    assert!(kept_from <= before, "{kept_from} > {before}");
    // AND WHEN it is on the disk, it may
    held.rollback().await.unwrap();
    wait_until("it is acknowledged", || async {
        (stage.count(confirmed).await > before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_deskie_and_an_idle_publication_hold_no_wal() {
    // GIVEN a connector whose Deskie is away
    let stage = stage()
        .set("deskie", "timeout = \"1s\"\ndoubt_wait = \"1s\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.simulator.act(Action::SetDown { down: true }).unwrap();
    // WHEN the site writes on, for us and much more for itself
    let mut most = 0;
    for n in 0..22 {
        stage.writes(ticket, &format!("{n}")).await;
        busy(&stage, 10).await;
        // No site writes faster than the stream can be read at all; what counts is that nothing but that is waited for.
        acknowledged(&stage).await;
        // The server moves restart_lsn with a checkpoint, or every 15 s by itself.
        stage.sql("checkpoint").await;
        most = most.max(stage.count(HELD).await);
    }
    // THEN the slot never holds more than a little
    eprintln!("held {} MiB at most", most / MIB);
    assert!(most < 64 * MIB, "{most}");
    // AND WHEN nobody writes for us at all, THEN it holds next to nothing of what the others write
    busy(&stage, 40).await;
    wait_until("the slot lets go", || async {
        stage.sql("checkpoint").await;
        (stage.count(HELD).await < MIB).then_some(())
    })
    .await;
    // AND all of it arrives, once Deskie is back
    stage.simulator.act(Action::SetDown { down: false }).unwrap();
    let all = |books: &Books| {
        books
            .case(case)
            .is_some_and(|case| case.conversation().len() == 23)
    };
    stage
        .simulator
        .wait_for_within(Duration::from_secs(60), "all of it", all)
        .await
        .unwrap();
}

/// A connector that cannot store what it captures: somebody holds its table.
async fn stalled(reaction: &str) -> (Stage, crate::support::Connector, tokio_postgres::Client) {
    let stage = stage()
        .config(
            "[postgres]\n",
            &format!("[capture]\nmax_wal = \"1MB\"\non_max_wal = \"{reaction}\"\n\n[postgres]\n"),
        )
        .build()
        .await;
    let connector = stage.workplace.run_with(&[("DESKIE_CDC_WATCH_MS", "200")]);
    connector.wait_for_log("streaming").await;
    stage.open("önce").await;
    let holder = stage.site.connect().await;
    let sql = "begin; lock table deskie_cdc.event in access exclusive mode";
    holder.batch_execute(sql).await.unwrap();
    (stage, connector, holder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_capture_is_told_or_loses_its_slot_and_nothing_else() {
    for reaction in ["warn", "drop_slot"] {
        // GIVEN a connector that does not get on
        let (stage, connector, holder) = stalled(reaction).await;
        let ticket = stage.ticket(AYSE, "meanwhile", "S0; first").await;
        // WHEN the slot holds more than [capture] max_wal
        busy(&stage, 3).await;
        connector.wait_for_log("more than [capture] max_wal").await;
        if reaction == "drop_slot" {
            // THEN it is dropped: the site's disk comes first
            let sql = "select count(*) from pg_replication_slots";
            wait_until("the slot is gone", || async {
                (stage.count(sql).await == 0).then_some(())
            })
            .await;
            busy(&stage, 3).await;
        }
        stage.writes(ticket, "S1; second").await;
        holder.batch_execute("rollback").await.unwrap();
        // AND nothing is lost or doubled
        let case = stage.case_of(ticket).await;
        stage.until_deskie(case, 2).await;
        stage.writes(ticket, "S2; third").await;
        let books = stage.settled().await;
        let found = compare(&stage, &books, &[ticket], &HashSet::new()).await;
        assert!(found.is_well(), "{reaction}: {found:#?}");
        assert_eq!(found.to_deskie, 3);
        let repaired = connector.log().iter().any(|line| line.contains("repaired: "));
        assert_eq!(repaired, reaction == "drop_slot");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_that_freezes_in_a_write_back_holds_nobody_up() {
    // GIVEN a connector that freezes with everything but the COMMIT of a write-back done
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let connector = stage
        .workplace
        .run_with(&[(FREEZE_VARIABLE, CrashPoint::WritebackOpen.name())]);
    connector.wait_for_log("streaming").await;
    let (ticket, case) = stage.open("Soru").await;
    stage
        .simulator
        .agent_reply(case, Says::text("D0; cevap"))
        .unwrap();
    connector.wait_for_log(SAYS).await;
    // WHEN the customer writes on that very ticket, THEN the INSERT does not wait
    let begun = clock::monotonic();
    let sql = "insert into messages (ticket_id, author, body) values ($1, 'customer', 'S1; yine')";
    stage.site.client.execute(sql, &[&ticket]).await.unwrap();
    let insert = begun.elapsed();
    assert!(insert < Duration::from_millis(500), "{insert:?}");
    // AND WHEN the site changes the ticket's row, THEN that waits two seconds at most
    let begun = clock::monotonic();
    let sql = "update tickets set updated_at = now() where id = $1";
    stage.site.client.execute(sql, &[&ticket]).await.unwrap();
    let update = begun.elapsed();
    eprintln!("the site's INSERT took {insert:?}, its UPDATE {update:?}");
    assert!(update < Duration::from_millis(2500), "{update:?}");
    // AND once it thaws, the answer comes, once
    connector.signal("CONT").await;
    stage.until_site(ticket, 2).await;
    let books = stage.settled().await;
    let found = compare(&stage, &books, &[ticket], &HashSet::new()).await;
    assert!(found.is_well() && found.to_site == 1, "{found:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sites_own_statements_work_with_the_connector_on() {
    // GIVEN a site with a partitioned table of its own besides, and messages under way
    let mut stage = stage().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let mut n = 0;
    // WHEN it does to its tables whatever sites do, and writes in between
    for sql in [
        "update messages set author_name = 'x'; update tickets set subject = subject",
        "alter table messages add column stars int default 5",
        "alter table messages alter column stars type bigint",
        "create index on messages (stars); alter table messages rename column stars to points",
        "vacuum full messages",
        "vacuum full tickets",
        "cluster messages using messages_pkey",
        "alter table messages drop column points",
        "alter table messages alter column body set storage external, alter column body type varchar",
        "alter table messages alter column body type text",
        "reindex table messages",
        "alter table tickets disable trigger all; alter table tickets enable trigger all",
        "delete from messages where id = 4",
        "create table archive (like messages); insert into archive select * from messages; truncate archive; drop table archive",
    ] {
        stage.sql(sql).await;
        stage.writes(ticket, &format!("S{n}; after `{sql}`")).await;
        stage
            .simulator
            .agent_reply(case, Says::text(format!("D{n}; cevap")))
            .unwrap();
        n += 1;
    }
    stage.until_deskie(case, 1 + 2 * n).await;
    stage.until_site(ticket, 2 * n).await;
    // THEN all of it works, and nothing is lost or doubled
    let books = stage.settled().await;
    let found = compare(&stage, &books, &[ticket], &HashSet::new()).await;
    assert!(found.is_well(), "{found:#?}");
    assert_eq!((found.to_deskie, found.to_site), (n, n));
    // AND WHEN the table is emptied, or made anew under its name, what is written after that comes as well
    stage.sql("truncate messages").await;
    stage.writes(ticket, "S100; after TRUNCATE").await;
    stage.until_deskie(case, 2 + 2 * n).await;
    stage
        .sql(
            "begin; lock table messages; create table fresh (like messages including all); \
             insert into fresh overriding system value select * from messages; \
             select setval(pg_get_serial_sequence('fresh', 'id'), (select max(id) from messages)); \
             alter table messages rename to stale; alter table fresh rename to messages; commit",
        )
        .await;
    stage
        .workplace
        .command(&["setup", "--admin-url", &stage.site.admin_url()])
        .await
        .ok();
    stage
        .sql("grant select, insert, update on messages to deskie_cdc")
        .await;
    stage.reconnect().await;
    stage.writes(ticket, "S101; in the new table").await;
    stage.until_deskie(case, 3 + 2 * n).await;
    stage
        .simulator
        .agent_reply(case, Says::text("D101; cevap"))
        .unwrap();
    stage.until_site(ticket, 3).await;
    let books = stage.settled().await;
    let texts = crate::support::texts(books.case(case).unwrap());
    assert_eq!(
        texts.iter().filter(|text| text.contains("S100;")).count(),
        1,
        "{texts:?}"
    );
    assert_eq!(
        texts.iter().filter(|text| text.contains("S101;")).count(),
        1,
        "{texts:?}"
    );
}

#[tokio::test]
async fn what_nobody_can_avoid_is_named_by_status() {
    // GIVEN a site whose message table loses its primary key
    let stage = stage().build().await;
    let connector = stage.workplace.run_with(&[("DESKIE_CDC_WATCH_MS", "200")]);
    connector.wait_for_log("streaming").await;
    let (ticket, _) = stage.open("Soru").await;
    let unlogged = stage
        .site
        .client
        .batch_execute("alter table messages set unlogged")
        .await;
    let refused = unlogged.unwrap_err();
    let words = refused.as_db_error().map(|error| error.message().to_owned());
    assert!(
        words.is_some_and(|words| words.contains("part of a publication")),
        "the server refuses it by itself"
    );
    stage
        .sql("alter table messages drop constraint messages_pkey")
        .await;
    let update = format!("update messages set body = body where ticket_id = {ticket}");
    sample_site::customer_reply(&stage.site.client, ticket, "an INSERT works")
        .await
        .unwrap();
    assert!(
        stage.site.client.batch_execute(&update).await.is_err(),
        "the server refuses the site's UPDATE"
    );
    // WHEN somebody asks, THEN he is told, with the mend; and the log says it by itself
    let status = stage.workplace.command(&["status"]).await.exits(1);
    assert!(
        status
            .stdout
            .contains("the server refuses the site's UPDATE and DELETE on public.messages NOW"),
        "{}",
        status.stdout
    );
    connector
        .wait_for_log("the server refuses the site's UPDATE and DELETE on public.messages NOW")
        .await;
    // AND the mend mends it
    stage.workplace.change_config(
        "table = \"public.messages\"\n",
        "table = \"public.messages\"\nkey = \"id\"\n",
    );
    stage
        .workplace
        .command(&["setup", "--admin-url", &stage.site.admin_url()])
        .await
        .ok();
    stage.sql(&update).await;
    let status = stage.workplace.command(&["status"]).await.ok();
    assert!(!status.stdout.contains("the server refuses"), "{}", status.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_standby_that_is_away_makes_no_echo_and_no_false_alarm() {
    // GIVEN a ticket on both sides
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    let admin = stage.site.connect().await;
    // WHEN the server waits for a standby that is away, and both sides write
    let away = "alter system set synchronous_standby_names = 'nobody'";
    admin.batch_execute(away).await.unwrap();
    admin.execute("select pg_reload_conf()", &[]).await.unwrap();
    let writer = stage.site.connect().await;
    let writing = async {
        // Of a cell this large the log brings nothing: it is read from the table, where nobody sees it yet.
        let sql = format!(
            "insert into messages (ticket_id, author, body) values ({ticket}, 'customer', 'S9; ' || repeat('x ', 35000))"
        );
        writer.batch_execute(&sql).await.unwrap();
        for n in 0..3 {
            let sql = format!(
                "insert into messages (ticket_id, author, body) values ({ticket}, 'customer', 'S{n}; yine')"
            );
            writer.batch_execute(&sql).await.unwrap();
        }
    };
    let waiting = async {
        let sql = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
        wait_until("somebody waits for the standby", || async {
            (admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0).then_some(())
        })
        .await;
        stage
            .simulator
            .agent_reply(case, Says::text("D0; cevap"))
            .unwrap();
        // Our own commits wait, too, until statement_timeout ends that: here somebody does it sooner.
        let ends_our_waiting = "select count(pg_cancel_backend(pid)) from pg_stat_activity
            where wait_event = 'SyncRep' and application_name like 'deskie-cdc %'";
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(250)).await;
            admin.query(ends_our_waiting, &[]).await.unwrap();
        }
        admin
            .batch_execute("alter system reset synchronous_standby_names")
            .await
            .unwrap();
        admin.execute("select pg_reload_conf()", &[]).await.unwrap();
    };
    tokio::join!(writing, waiting);
    // THEN all of it arrives once, nothing comes back, and nothing was taken for missing
    stage.until_deskie(case, 7).await;
    stage.until_site(ticket, 5).await;
    let books = stage.settled().await;
    let found = compare(&stage, &books, &[ticket], &HashSet::new()).await;
    assert!(found.is_well(), "{found:#?}");
    assert_eq!((found.to_deskie, found.to_site), (4, 1));
    let alarms: Vec<String> = connector
        .log()
        .into_iter()
        .filter(|line| line.contains("waits: ") || line.contains("parked"))
        .collect();
    assert!(alarms.is_empty(), "{alarms:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_counts_as_a_standby_holds_nobody_up() {
    // GIVEN a ticket on both sides
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN whoever streams becomes a standby, and both sides write
    let admin = stage.site.connect().await;
    let set = async |sql: &str| {
        admin.batch_execute(sql).await.unwrap();
        admin.execute("select pg_reload_conf()", &[]).await.unwrap();
    };
    set("alter system set synchronous_standby_names = '*'").await;
    wait_until("it is set", || async {
        let names = stage.query("show synchronous_standby_names", &[]).await;
        (names[0].get::<_, &str>(0) == "*").then_some(())
    })
    .await;
    for n in 0..3 {
        let written =
            tokio::time::timeout(Duration::from_secs(20), stage.writes(ticket, &format!("S{n}"))).await;
        assert!(written.is_ok(), "the site's INSERT {n} hangs");
    }
    stage
        .simulator
        .agent_reply(case, Says::text("D0; cevap"))
        .unwrap();
    // THEN all of it arrives, on a busy day as well as after a start
    stage.until_deskie(case, 5).await;
    stage.until_site(ticket, 4).await;
    let status = || async { stage.workplace.command(&["status"]).await.stdout };
    wait_until("it is told", || async {
        status()
            .await
            .contains("synchronous_standby_names is `*`")
            .then_some(())
    })
    .await;
    assert!(connector.sigterm_and_wait().await.success());
    let _connector = stage.run().await;
    stage.writes(ticket, "S3").await;
    stage.until_deskie(case, 6).await;
    // AND the pause between two acknowledgements bounds what that costs the server
    let commits =
        "select pg_stat_get_db_xact_commit(oid) from pg_database where datname = current_database()";
    let before = stage.count(commits).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let commits = stage.count(commits).await - before;
    assert!(commits < 300, "{commits} commits in three idle seconds");
    set("alter system reset synchronous_standby_names").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_fast_does_not_wait_for_the_stream() {
    // GIVEN a site on which nothing happens, with the connector
    let mut stage = stage().build().await;
    let _connector = stage.run().await;
    stage.open("Soru").await;
    stage.settled().await;
    // WHEN the server is stopped in order, THEN it is gone at once
    for _ in 0..3 {
        let begun = clock::monotonic();
        tokio::task::block_in_place(|| stage.parts().0.cluster.stop_fast()).unwrap();
        let took = begun.elapsed();
        eprintln!("stopped in {took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
        stage.parts().0.start_again().await;
        stage.reconnect().await;
        let (_, case) = stage.open("Soru").await;
        stage.until_deskie(case, 1).await;
    }
}
