//! What stands in the way is named with its own mend (faults II9, VI4).

use std::time::Duration;

use deskie_cdc_sandbox::postgres::ClusterOptions;
use deskie_cdc_sandbox::simulator::{Fault, FaultKind, Match};

use super::mapped_later::watching;
use crate::support::{AYSE, IVAN, Site, Workplace, newest, prepared, stage, texts, wait_until};

/// A Deskie that nobody asks.
const NOWHERE: &str = "http://127.0.0.1:9";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_transaction_that_holds_up_the_slot_is_named() {
    let options = ClusterOptions::default().set("max_prepared_transactions", "5");
    let site = Site::start_on(&newest(), options).await;
    let work = Workplace::new(&site, NOWHERE);
    // GIVEN a transaction that somebody prepared and forgot
    site.client
        .batch_execute("begin; update tickets set subject = subject; prepare transaction 'it''s forgotten'")
        .await
        .unwrap();
    // WHEN it is set up, THEN that is said, with the statement that ends it
    let admin_url = site.admin_url();
    let arguments = ["setup", "--admin-url", &admin_url, "--slot-wait", "1"];
    let refused = work.command(&arguments).await.exits(1);
    assert!(
        refused.stderr.contains("rollback prepared 'it''s forgotten'"),
        "{}",
        refused.stderr
    );
    assert!(
        !refused.stderr.contains("pg_terminate_backend"),
        "{}",
        refused.stderr
    );
    // AND it does
    site.client
        .batch_execute("rollback prepared 'it''s forgotten'")
        .await
        .unwrap();
    work.command(&["setup"]).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_the_server_waits_for_is_named() {
    if newest().version() < 17 {
        return;
    }
    // GIVEN a ticket on both sides, and a standby that went away for good, in two ways
    let stage = stage().build().await;
    let connector = watching(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    stage
        .sql("select pg_create_physical_replication_slot('old', true)")
        .await;
    stage
        .sql("alter system set synchronized_standby_slots = 'old'")
        .await;
    stage.sql("select pg_reload_conf()").await;
    for (n, (change, what)) in [
        ("select 1", "its standby is away"),
        (
            "select pg_drop_replication_slot('old')",
            "there is no such slot of a standby",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        // WHEN the site goes on
        stage.sql(change).await;
        stage.writes(ticket, &format!("{n}")).await;
        // THEN log, status and check name it, with the mend
        let says = format!("synchronized_standby_slots names old, and {what}");
        connector.wait_for_log(&says).await;
        let status = stage.workplace.command(&["status"]).await.exits(1);
        assert!(status.stdout.contains(&says), "{}", status.stdout);
        let checked = stage.workplace.command(&["check"]).await.exits(1);
        assert!(
            checked.stdout.contains(&says)
                && checked
                    .stdout
                    .contains("take old out of synchronized_standby_slots"),
            "{}",
            checked.stdout
        );
    }
    // AND the mend mends it
    stage.sql("alter system reset synchronized_standby_slots").await;
    stage.sql("select pg_reload_conf()").await;
    stage.until_deskie(case, 3).await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "0", "1"]);
    let status = stage.workplace.command(&["status"]).await.ok();
    assert!(
        !status.stdout.contains("synchronized_standby_slots"),
        "{}",
        status.stdout
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_stood_idle_for_too_long_is_told_as_that() {
    if newest().version() < 18 {
        return;
    }
    // GIVEN a server that drops idle slots
    let stage = stage().build().await;
    stage
        .sql("alter system set idle_replication_slot_timeout = '1s'")
        .await;
    stage.sql("select pg_reload_conf()").await;
    wait_until("the slot is invalidated", || async {
        stage.sql("checkpoint").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let lost = "select count(*) from pg_replication_slots where invalidation_reason = 'idle_timeout'";
        (stage.count(lost).await == 1).then_some(())
    })
    .await;
    // THEN check says so, and not that the WAL was too much
    let checked = stage.workplace.command(&["check"]).await.exits(1);
    assert!(
        checked
            .stdout
            .contains("nobody streamed from it for longer than idle_replication_slot_timeout")
            && !checked.stdout.contains("has thrown its WAL away"),
        "{}",
        checked.stdout
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_senders_or_without_tls_is_told_as_that() {
    let options = ClusterOptions::default().set("max_wal_senders", "0");
    let site = Site::start_on(&newest(), options).await;
    let work = Workplace::new(&site, NOWHERE);
    let admin_url = site.admin_url();
    let refused = work.command(&["setup", "--admin-url", &admin_url]).await.exits(1);
    assert!(
        refused.stderr.contains("raise max_wal_senders") && !refused.stderr.contains("max_connections"),
        "{}",
        refused.stderr
    );
    let url = work.places.database_url.clone();
    let with = if url.contains('?') { '&' } else { '?' };
    work.change_config(&url, &format!("{url}{with}sslmode=require"));
    let refused = work.command(&["check"]).await.exits(1);
    assert!(
        refused.stdout.contains("ssl = on") && !refused.stdout.contains("sslrootcert"),
        "{}",
        refused.stdout
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_security_that_refuses_a_reply_is_no_missing_grant() {
    let stage = stage().build().await;
    stage
        .sql(
            "alter table messages enable row level security; create policy reads on messages for select using (true)",
        )
        .await;
    let checked = stage.workplace.command(&["check"]).await.exits(1);
    assert!(
        checked.stdout.contains("row security refuses the row") && !checked.stdout.contains("grant insert"),
        "{}",
        checked.stdout
    );
    stage
        .sql("create policy writes on messages for insert with check (true)")
        .await;
    prepared(&stage.site, &stage.workplace).await;
    let checked = stage.workplace.command(&["check"]).await;
    assert!(
        !checked.stdout.contains("row security refuses"),
        "{}",
        checked.stdout
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_whom_deskie_refuses_is_looked_up_anew_with_the_retry() {
    // GIVEN two tickets of a customer whose address is none, with a message behind each
    let stage = stage()
        .schema("insert into users (email, full_name) values ('nobody', 'No Address')")
        .build()
        .await;
    let connector = stage.run().await;
    let mut tickets = Vec::new();
    for subject in ["one", "two"] {
        let seen = connector.log().len();
        let ticket = stage.ticket("nobody", subject, subject).await;
        connector.wait_for_log_after(seen, "incorrect_user_email").await;
        stage.writes(ticket, "behind it").await;
        tickets.push(ticket);
    }
    // WHEN the one is given to somebody else, and then the address is mended
    let other = format!("update tickets set user_id = 2 where id = {}", tickets[0]);
    stage.sql(&other).await;
    stage
        .sql("update users set email = 'mended@example.com' where email = 'nobody'")
        .await;
    stage.ticket(AYSE, "Soru", "behind the change").await;
    stage
        .deskie("another one's ticket", |books| books.cases.len() == 1)
        .await;
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    // THEN both go, each for whom it is now
    for (ticket, contact) in tickets.into_iter().zip([IVAN, "mended@example.com"]) {
        let case = stage.case_of(ticket).await;
        let case = stage.until_deskie(case, 2).await;
        assert_eq!(case.contact, contact);
        assert_eq!(texts(&case)[1], "behind it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_is_noted_with_the_tickets_row_locked_first_as_resolving_locks_it() {
    // GIVEN a message whose call Deskie answers late
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    let late = FaultKind::RespondSlowly { ms: 2_000 };
    stage.simulator.add_fault(Fault::on(Match::Add, late));
    stage.writes(ticket, "bir").await;
    let sending = "select count(*) from deskie_cdc.delivery where state = 'sending'";
    wait_until("it is sent", || async {
        (stage.count(sending).await == 1).then_some(())
    })
    .await;
    // WHEN somebody has the ticket's row as resolving has it, and what was sent waits to be noted
    let resolving = stage.site.connect().await;
    let lock = format!(
        "set lock_timeout = '200ms'; begin; select 1 from deskie_cdc.ticket where key = '{ticket}' for no key update"
    );
    resolving.batch_execute(&lock).await.unwrap();
    let waits = "select count(*) from pg_locks l join pg_stat_activity a using (pid)
        where not l.granted and a.application_name like 'deskie-cdc %'";
    wait_until("it waits for the ticket", || async {
        (stage.count(waits).await == 1).then_some(())
    })
    .await;
    // THEN nobody else has what stands in the ticket's lane
    let lane = "update deskie_cdc.delivery set not_before = now() where state = 'sending'";
    resolving.batch_execute(lane).await.unwrap();
    resolving.batch_execute("commit").await.unwrap();
    // AND it is noted, once
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir"]);
    assert!(!connector.log().iter().any(|line| line.contains("40P01")));
}
