//! What the stream did not bring: a lost slot, one that was moved, tickets from before, a clone.

use std::time::Duration;

use deskie_cdc_sandbox::postgres::ClusterOptions;
use deskie_cdc_sandbox::sample_site;
use deskie_cdc_sandbox::simulator::{Books, Options, Says, Simulator};

use super::faults::mapped_later::watching;
use super::support::{Site, Workplace, installations, newest, prepared, stage, stage_on, texts, wait_until};

const EMAIL: &str = "olga@example.com";

/// A site with many tickets from before, set up; the connector is not started.
async fn prepared_on(site: &Site) -> (Simulator, Workplace) {
    prepared_with(site, 2000).await
}

/// The same with so many of them.
async fn prepared_with(site: &Site, tickets: u32) -> (Simulator, Workplace) {
    let old = "insert into tickets (user_id, subject, body, created_at) \
               select 1, 'old ' || n, 'from before', now() - interval '3 days' from generate_series(1, COUNT) n; \
               insert into messages (ticket_id, author, body, created_at) \
               select id, 'customer', 'old answer', now() - interval '2 days' from tickets";
    let old = old.replace("COUNT", &tickets.to_string());
    site.client.batch_execute(&old).await.unwrap();
    let simulator = Simulator::start(Options {
        requests_per_minute: 100_000,
        ..Options::default()
    })
    .await
    .unwrap();
    let workplace = Workplace::new(site, &simulator.url());
    workplace
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    (simulator, workplace)
}

fn cases(books: &Books, ticket: i64) -> usize {
    books.cases_with_field(25, &ticket.to_string()).len()
}

/// A ticket arrives, the connector is killed.
async fn one_ticket_then_killed(site: &Site, simulator: &Simulator, workplace: &Workplace) -> i64 {
    let connector = workplace.run();
    let first = sample_site::open_ticket(&site.client, EMAIL, "first", "before the gap")
        .await
        .unwrap();
    simulator
        .wait_for("the first case", |books| cases(books, first) == 1)
        .await
        .unwrap();
    connector.wait_for_log("case opened").await;
    connector.kill9().await;
    wait_until("the slot to be let go", || async {
        let sql = "select 1 from pg_replication_slots where not active";
        site.client.query_opt(sql, &[]).await.unwrap()
    })
    .await;
    first
}

/// How a slot can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Somebody dropped it.
    Dropped,
    /// The server has thrown its WAL away.
    Invalidated,
    /// Somebody dropped it, and made one of the same name after the gap's rows.
    MadeByAnother,
}

async fn lose(site: &Site, how: Loss) {
    if how != Loss::Invalidated {
        let sql = "select pg_drop_replication_slot('deskie_cdc_site')";
        site.client.execute(sql, &[]).await.unwrap();
    }
}

/// What happens to it after the rows of the gap.
async fn lose_later(site: &Site, how: Loss) {
    let sql = match how {
        Loss::Dropped => return,
        Loss::MadeByAnother => {
            "select pg_create_logical_replication_slot('deskie_cdc_site', 'pgoutput')".to_owned()
        }
        Loss::Invalidated => {
            let more = "create table filler as select n from generate_series(1, 1000) n; drop table filler; \
                        select pg_switch_wal();";
            format!("{} checkpoint", more.repeat(4))
        }
    };
    site.client.batch_execute(&sql).await.unwrap();
    if how == Loss::Invalidated {
        let lost = "select count(*) from pg_replication_slots where wal_status = 'lost'";
        assert_eq!(
            site.client.query_one(lost, &[]).await.unwrap().get::<_, i64>(0),
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_dropped_slot_only_the_gap_is_sent() {
    only_the_gap_is_sent(true, Loss::Dropped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_dropped_slot_only_the_gap_is_sent_without_created_at() {
    only_the_gap_is_sent(false, Loss::Dropped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_invalidated_slot_only_the_gap_is_sent() {
    only_the_gap_is_sent(true, Loss::Invalidated).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_slot_that_another_made_only_the_gap_is_sent() {
    only_the_gap_is_sent(true, Loss::MadeByAnother).await;
}

async fn only_the_gap_is_sent(created_at: bool, how: Loss) {
    for installation in installations() {
        let options = ClusterOptions::default().set("max_slot_wal_keep_size", "1MB");
        let site = Site::start_on(&installation, options).await;
        let (simulator, workplace) = prepared_with(&site, 100_000).await;
        if !created_at {
            workplace.change_config("created_at = \"created_at\"\n", "");
        }
        let first = one_ticket_then_killed(&site, &simulator, &workplace).await;
        lose(&site, how).await;
        let second = sample_site::open_ticket(&site.client, EMAIL, "second", "in the gap")
            .await
            .unwrap();
        sample_site::customer_reply(&site.client, second, "and more")
            .await
            .unwrap();
        sample_site::customer_reply(&site.client, first, "an answer in the gap")
            .await
            .unwrap();
        site.client
            .execute("update tickets set status = 'closed' where id = 2", &[])
            .await
            .unwrap();
        lose_later(&site, how).await;
        let connector = workplace.run();
        connector.wait_for_log("repaired: 3 rows").await;
        let third = sample_site::open_ticket(&site.client, EMAIL, "third", "after the gap")
            .await
            .unwrap();
        let all = |books: &Books| books.messages().count() >= 5 && cases(books, third) == 1;
        let books = simulator.wait_for("everything", all).await.unwrap();
        assert_eq!(books.cases.len(), 3, "nothing of the old tickets is sent");
        assert_eq!(books.messages().count(), 5);
        assert_eq!(cases(&books, second), 1);
        // Without created_at the updated old ticket cannot be told from a new one: a person decides.
        let failed = workplace.command(&["failed", "list"]).await.ok();
        assert_eq!(
            failed.stdout.contains("without created_at"),
            !created_at,
            "{}",
            failed.stdout
        );
        connector.sigterm_and_wait().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_somebody_moved_is_noticed() {
    let site = Site::start_on(&newest(), Default::default()).await;
    let (simulator, workplace) = prepared_on(&site).await;
    one_ticket_then_killed(&site, &simulator, &workplace).await;
    let skipped = sample_site::open_ticket(&site.client, EMAIL, "skipped", "by the advance")
        .await
        .unwrap();
    let advance = "select pg_replication_slot_advance('deskie_cdc_site', pg_current_wal_lsn())";
    site.client.execute(advance, &[]).await.unwrap();
    let connector = workplace.run();
    connector.wait_for_log("somebody moved it").await;
    simulator
        .wait_for("the skipped ticket", |books| cases(books, skipped) == 1)
        .await
        .unwrap();
    assert_eq!(simulator.books().cases.len(), 2);
    connector.sigterm_and_wait().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_somebody_moves_while_the_stream_is_cut_is_noticed() {
    let deeds = [
        "select pg_replication_slot_advance('deskie_cdc_site', pg_current_wal_lsn())",
        "select pg_drop_replication_slot('deskie_cdc_site');
         select pg_create_logical_replication_slot('deskie_cdc_site', 'pgoutput')",
    ];
    for (n, deed) in deeds.into_iter().enumerate() {
        // GIVEN a running connector
        let site = Site::start_on(&newest(), Default::default()).await;
        let (simulator, workplace) = prepared_on(&site).await;
        let connector = workplace.run();
        connector.wait_for_log("streaming").await;
        // WHEN its stream is cut, the site writes, and somebody moves the slot or makes it anew before it is back
        let cut =
            "select pg_terminate_backend(active_pid) from pg_replication_slots where active_pid is not null";
        site.client.batch_execute(cut).await.unwrap();
        let skipped = sample_site::open_ticket(&site.client, EMAIL, "skipped", "in the gap").await;
        let skipped = skipped.unwrap();
        wait_until("the slot is moved", || async {
            if site.client.batch_execute(deed).await.is_ok() {
                return Some(());
            }
            site.client.batch_execute(cut).await.unwrap();
            None
        })
        .await;
        // THEN it is noticed before anything is passed over, and the gap is repaired
        connector.wait_for_log("gap: the slot").await;
        let later = sample_site::open_ticket(&site.client, EMAIL, "later", "live")
            .await
            .unwrap();
        simulator
            .wait_for("both tickets", |books| {
                cases(books, skipped) == 1 && cases(books, later) == 1
            })
            .await
            .unwrap_or_else(|error| panic!("{n}: {error}"));
        connector.sigterm_and_wait().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_of_another_connector_in_the_same_database_is_left_alone() {
    // GIVEN a connector, and the config of a second one for the same database that names another schema only
    let site = Site::start_on(&newest(), Default::default()).await;
    let (simulator, first) = prepared_on(&site).await;
    let second = Workplace::new(&site, &simulator.url());
    second.change_config("[postgres]\n", "[postgres]\nschema = \"second\"\n");
    let published = "select count(*) from pg_publication_tables";
    let before: i64 = site.client.query_one(published, &[]).await.unwrap().get(0);
    // WHEN that is set up and checked, THEN it is refused, and nothing of the first one's is touched
    let admin = site.admin_url();
    let refused = second.command(&["setup", "--admin-url", &admin]).await;
    assert!(!refused.status.success(), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("another connector, whose state stands in the schema deskie_cdc"),
        "{refused:?}"
    );
    let after: i64 = site.client.query_one(published, &[]).await.unwrap().get(0);
    assert_eq!(after, before);
    // AND with names of its own it stands beside the first
    second.change_config(
        "[postgres]\n",
        "[postgres]\nslot = \"second\"\npublication = \"second\"\n",
    );
    second.command(&["setup", "--admin-url", &admin]).await.ok();
    first.command(&["setup", "--admin-url", &admin]).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clone_sends_nothing_until_told() {
    for elsewhere in ["system_id = '1'", "database_name = 'staging'"] {
        a_clone(elsewhere).await;
    }
}

async fn a_clone(elsewhere: &str) {
    let site = Site::start_on(&newest(), Default::default()).await;
    let (simulator, workplace) = prepared_on(&site).await;
    // With a table of files that has none yet.
    workplace.change_config(
        "[reply]\n",
        "[[attachment]]\nof = \"message\"\ntable = \"public.ticket_files\"\nparent = \"message_id\"\nname = \"name\"\nbytes = \"content\"\n\n[reply]\n",
    );
    site.client
        .batch_execute(
            "create table ticket_files (id uuid primary key, message_id bigint, name text, content bytea)",
        )
        .await
        .unwrap();
    workplace
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    one_ticket_then_killed(&site, &simulator, &workplace).await;
    // As after a restore elsewhere, or in a copy by another name: the state says another server, or another database.
    let other = format!("update deskie_cdc.meta set {elsewhere}");
    site.client.execute(&other, &[]).await.unwrap();
    if elsewhere.starts_with("database_name") {
        // A copy has no slot: one of its own would prove that the database was only renamed.
        wait_until("the slot is let go of", || async {
            let drop = "select pg_drop_replication_slot('deskie_cdc_site')";
            site.client.execute(drop, &[]).await.ok()
        })
        .await;
    }
    let ticket = sample_site::open_ticket(&site.client, EMAIL, "on the copy", "must not be sent")
        .await
        .unwrap();
    let connector = workplace.run();
    connector.wait_for_log("setup --adopt").await;
    assert_eq!(cases(&simulator.books(), ticket), 0);
    assert!(connector.sigterm_and_wait().await.success());
    let adopted = workplace
        .command(&["setup", "--adopt", "--admin-url", &site.admin_url()])
        .await
        .ok();
    assert!(adopted.stdout.contains("adopted:"), "{}", adopted.stdout);
    assert!(!adopted.stdout.contains("held:"), "{}", adopted.stdout);
    let connector = workplace.run();
    let repaired = connector.wait_for_log("repaired:").await;
    assert!(!repaired.contains("may be missing"), "{repaired}");
    let later = sample_site::open_ticket(&site.client, EMAIL, "adopted", "may be sent")
        .await
        .unwrap();
    simulator
        .wait_for("the adopted one's ticket", |books| cases(books, later) == 1)
        .await
        .unwrap();
    connector.sigterm_and_wait().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backfill_queues_existing_tickets_once_behind_live_ones() {
    let site = Site::start_on(&newest(), Default::default()).await;
    let (simulator, workplace) = prepared_on(&site).await;
    let dry = workplace
        .command(&["backfill", "--limit", "5", "--dry-run"])
        .await
        .ok();
    assert!(
        dry.stdout.contains("5 tickets would be queued with 10 rows"),
        "{}",
        dry.stdout
    );
    let done = workplace.command(&["backfill", "--limit", "5"]).await.ok();
    assert!(
        done.stdout.contains("5 tickets queued with 10 rows; 0 of 5"),
        "{}",
        done.stdout
    );
    let again = workplace.command(&["backfill", "--limit", "5"]).await.ok();
    assert!(
        again.stdout.contains("5 tickets queued with 10 rows; 0 of 5"),
        "{}",
        again.stdout
    );
    let connector = workplace.run();
    // What is known does not count: the next five.
    let arrived = |books: &Books| books.messages().count() >= 20;
    let books = simulator
        .wait_for_within(Duration::from_secs(20), "the old tickets", arrived)
        .await
        .unwrap();
    assert_eq!(books.cases.len(), 10);
    for case in &books.cases {
        let texts: Vec<String> = case
            .conversation()
            .iter()
            .map(|message| deskie_cdc::text::incoming(&message.text, &message.html, None).text)
            .collect();
        assert_eq!(texts, ["from before", "old answer"]);
    }
    connector.sigterm_and_wait().await;
}

#[tokio::test]
async fn a_table_that_is_taken_out_of_the_publication_is_told_and_its_gap_repaired() {
    // GIVEN a ticket with a case
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN somebody takes a mapped table out of the publication
    stage
        .sql("alter publication deskie_cdc drop table messages")
        .await;
    stage.writes(ticket, "bir").await;
    // THEN it is told
    connector.wait_for_log("nothing publishes public.messages").await;
    let status = stage.workplace.command(&["status", "--json"]).await.exits(1);
    assert!(
        status.stdout.contains("nothing publishes public.messages"),
        "{}",
        status.stdout
    );
    assert!(connector.sigterm_and_wait().await.success());
    // AND WHEN setup has put it back, THEN what was written meanwhile arrives, once, and nothing else
    prepared(&stage.site, &stage.workplace).await;
    let connector = stage.run().await;
    connector.wait_for_log("repaired: 1 rows").await;
    stage.writes(ticket, "iki").await;
    stage.until_deskie(case, 3).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "iki"]);
    let status = stage.workplace.command(&["status", "--json"]).await.ok();
    assert!(!status.stdout.contains("nothing publishes"), "{}", status.stdout);
}

#[tokio::test]
async fn what_was_open_when_a_table_came_back_is_looked_for_when_it_has_ended() {
    // GIVEN a ticket with a case, and a table that is out of the publication
    let stage = stage().build().await;
    let connector = watching(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    stage
        .sql("alter publication deskie_cdc drop table messages")
        .await;
    connector.wait_for_log("nothing publishes public.messages").await;
    // AND a transaction that has written to it and goes on
    let (open, idle) = (stage.site.connect().await, stage.site.connect().await);
    let write =
        format!("begin; insert into messages (ticket_id, author, body) values ({ticket}, 'customer', 'bir')");
    open.batch_execute(&write).await.unwrap();
    // WHEN the table is put back and its gap repaired, and a transaction begins that never ends here
    prepared(&stage.site, &stage.workplace).await;
    connector.wait_for_log("repaired: 0 rows").await;
    idle.batch_execute("begin; create temp table report as select 1 as a")
        .await
        .unwrap();
    // AND the transaction ends, THEN what it wrote before arrives, once, though newer ones are open
    let seen = connector.log().len();
    open.batch_execute("commit").await.unwrap();
    connector.wait_for_log_after(seen, "repaired: 1 rows").await;
    stage.until_deskie(case, 2).await;
    stage.writes(ticket, "iki").await;
    stage.until_deskie(case, 3).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "iki"]);
}

#[tokio::test]
async fn a_publication_that_is_dropped_and_made_again_gets_its_slot_again() {
    // GIVEN a ticket with a case
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN somebody drops the publication, the site goes on, and he makes it again by hand
    stage.sql("drop publication deskie_cdc").await;
    stage.writes(ticket, "bir").await;
    connector.wait_for_log("nothing publishes public.tickets").await;
    stage
        .sql("create publication deskie_cdc for table tickets, messages with (publish_via_partition_root = true)")
        .await;
    // THEN all arrives once; up to 17 the slot can never go on, and is made anew
    connector.wait_for_log("repaired: 1 rows").await;
    if newest().version() < 18 {
        connector.wait_for_log("older than its publication").await;
    }
    stage.writes(ticket, "iki").await;
    stage.until_deskie(case, 3).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "iki"]);
}

#[tokio::test]
async fn a_promoted_standby_is_taken_over_and_only_the_gap_is_sent() {
    for installation in installations() {
        // GIVEN a site with a standby, and a ticket with a case
        let mut stage = stage_on(&installation).build().await;
        let (ticket, case) = stage.opened_before("Soru").await;
        let standby = stage.site.cluster.standby().unwrap();
        stage.reconnect().await;
        let connector = stage.run().await;
        stage.writes(ticket, "bir").await;
        stage.until_deskie(case, 2).await;
        stage.settled().await;
        let replica = standby.connect(Site::DATABASE).await.unwrap();
        wait_until("the standby has it", || async {
            let sql = "select 1 from deskie_cdc.delivery where state = 'delivered' offset 2 limit 1";
            replica.query_opt(sql, &[]).await.unwrap()
        })
        .await;
        // WHEN the server dies, the standby is promoted, and the site goes on there
        connector.kill9().await;
        let from = format!(":{}/", stage.site.cluster.port());
        stage.site.cluster.stop_immediate().unwrap();
        replica.execute("select pg_promote()", &[]).await.unwrap();
        let to = format!(":{}/", standby.port());
        stage.workplace.change_config(&from, &to);
        stage.site.cluster = standby;
        stage.reconnect().await;
        stage.writes(ticket, "iki").await;
        let connector = stage.run().await;
        // THEN it is noticed, the slot is made anew, and the rows of the gap arrive once
        connector
            .wait_for_log("failover: the server is on timeline 2")
            .await;
        connector.wait_for_log("repaired: 1 rows").await;
        stage.writes(ticket, "üç").await;
        stage.until_deskie(case, 4).await;
        stage.settled().await;
        assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "iki", "üç"]);
    }
}

#[tokio::test]
async fn one_of_two_connectors_of_a_server_is_uninstalled_and_the_other_goes_on() {
    // GIVEN two databases of one server, with a connector each
    let stage = stage().build().await;
    let first = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.site.cluster.create_database("second").await.unwrap();
    let client = stage.site.cluster.connect("second").await.unwrap();
    sample_site::load(&client).await.unwrap();
    let second = Workplace::new(&stage.site, &stage.simulator.url());
    second.change_config("/site?", "/second?");
    let admin = stage.site.cluster.superuser_url("second");
    second.command(&["setup", "--admin-url", &admin]).await.ok();
    let other = second.run();
    other.wait_for_log("streaming").await;
    assert!(other.sigterm_and_wait().await.success());
    // WHEN the one is uninstalled
    second
        .command(&["uninstall", "--yes", "--admin-url", &admin])
        .await
        .ok();
    // THEN its slot is gone, and the other one goes on
    let slots = stage
        .query("select slot_name::text from pg_replication_slots", &[])
        .await;
    let names: Vec<String> = slots.iter().map(|row| row.get(0)).collect();
    assert_eq!(names, ["deskie_cdc_site"]);
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    drop(first);
}

#[tokio::test]
async fn what_is_done_is_not_counted_at_each_scrape_and_foreign_cases_are_forgotten() {
    // GIVEN a connector that has written thirty thousand replies, and cases that are none of ours, one of which says that
    // it is a ticket
    let stage = stage().build().await;
    let many = "insert into deskie_cdc.remote (message_id, case_id, state, done_at) \
        select n, 1, case when n % 10 = 0 then 'ours' else 'written' end, now() from generate_series(1, 33000) n; \
        analyze deskie_cdc.remote; \
        insert into deskie_cdc.foreign_case (case_id, claims, checked_at) \
        select n, case when n = 2 then '7' end, now() - interval '40 days' from generate_series(1, 2) n; \
        insert into deskie_cdc.foreign_case (case_id) values (3)";
    stage.sql(many).await;
    let _connector = stage.run().await;
    // THEN the total is near enough
    let status = stage.workplace.command(&["status", "--json"]).await.exits(1);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let written = status["queues"]["written"].as_i64().unwrap();
    assert!((27_000..33_000).contains(&written), "{written}");
    // AND what is long past is forgotten, but for what waits for a person
    wait_until("the old case is forgotten", || async {
        let rows = stage
            .query("select case_id from deskie_cdc.foreign_case order by 1", &[])
            .await;
        let left: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        (left == [2, 3]).then_some(())
    })
    .await;
    assert_eq!(status["queues"]["parked"].as_i64(), Some(1));
}

#[tokio::test]
async fn a_late_file_of_the_gap_is_sent_and_no_old_one() {
    // GIVEN a site with files in its database: an old one, and one that went with its message
    let site = Site::start_on(&newest(), Default::default()).await;
    let table = "create table files (id bigint generated always as identity primary key, ticket_id bigint, name text, content bytea); \
        insert into files (ticket_id, name, content) values (1, 'old', 'x')";
    site.client.batch_execute(table).await.unwrap();
    let (simulator, workplace) = prepared_on(&site).await;
    let section = "[[attachment]]\nof = \"ticket\"\ntable = \"files\"\nparent = \"ticket_id\"\nname = \"name\"\nbytes = \"content\"\n\n[reply]\n";
    workplace.change_config("[reply]\n", section);
    workplace
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    let first = one_ticket_then_killed(&site, &simulator, &workplace).await;
    let connector = workplace.run();
    let insert = |name: &'static str| {
        let sql = format!("insert into files (ticket_id, name, content) values ({first}, '{name}', 'x')");
        let client = &site.client;
        async move { client.batch_execute(&sql).await.unwrap() }
    };
    insert("before").await;
    let has = |name: &'static str| {
        move |books: &Books| {
            books
                .messages()
                .any(|message| message.attachments.iter().any(|file| file.file_name == name))
        }
    };
    simulator.wait_for("the file", has("before")).await.unwrap();
    connector.wait_for_log("message sent").await;
    // WHEN the slot is lost, a file comes late, and the old one is touched
    connector.kill9().await;
    let sql = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active";
    wait_until("the slot to be let go", || async {
        site.client.query_opt(sql, &[]).await.unwrap()
    })
    .await;
    insert("in the gap").await;
    site.client
        .batch_execute("update files set name = name || '!' where ticket_id = 1")
        .await
        .unwrap();
    let _connector = workplace.run();
    // THEN the one is sent
    simulator
        .wait_for("the late file", has("in the gap"))
        .await
        .unwrap();
    insert("after").await;
    let books = simulator
        .wait_for("what comes after", has("after"))
        .await
        .unwrap();
    let files: Vec<_> = books
        .messages()
        .flat_map(|message| message.attachments.iter())
        .collect();
    assert_eq!(files.len(), 3, "{files:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repair_that_fails_holds_up_neither_capture_nor_replies() {
    // GIVEN a ticket with a case
    let stage = stage().build().await;
    let (ticket, case) = stage.opened_before("Soru").await;
    // WHEN the slot is lost, and a mapped column is renamed in the same deploy
    lose(&stage.site, Loss::Dropped).await;
    stage.writes(ticket, "bir").await;
    stage
        .sql("alter table messages rename column created_at to made_at")
        .await;
    let sweeps = |books: &Books| books.calls_to("GET", "/cases.json").len();
    let before = sweeps(&stage.simulator.books());
    let connector = stage.workplace.run_with(&[("DESKIE_CDC_WATCH_MS", "200")]);
    connector.wait_for_log("cannot be queued yet").await;
    stage.deskie("a sweep", |books| sweeps(books) > before).await;
    // THEN the site's changes are captured, and its WAL is let go of
    let before = stage.query("select pg_current_wal_lsn()::text", &[]).await;
    let before: String = before[0].get(0);
    stage.writes(ticket, "iki").await;
    let passed = format!(
        "select count(*) from pg_replication_slots \
         where slot_name = 'deskie_cdc_site' and confirmed_flush_lsn > '{before}'"
    );
    wait_until("the slot gets on", || async {
        (stage.count(&passed).await == 1).then_some(())
    })
    .await;
    let status = stage.workplace.command(&["status", "--json"]).await.exits(1);
    assert!(
        status.stdout.contains("cannot be queued yet"),
        "{}",
        status.stdout
    );
    // AND replies arrive
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    wait_until("the reply", || async {
        let sql = "select count(*) from messages where body = 'cevap'";
        (stage.count(sql).await == 1).then_some(())
    })
    .await;
    // AND WHEN the column is named as before, THEN everything of the gap arrives, once and in order
    stage
        .sql("alter table messages rename column made_at to created_at")
        .await;
    connector.wait_for_log("repaired: 2 rows").await;
    stage.writes(ticket, "üç").await;
    stage.until_deskie(case, 5).await;
    stage.settled().await;
    assert_eq!(
        texts(&stage.case(case)),
        ["Soru: body", "cevap", "bir", "iki", "üç"]
    );
    let status = stage.workplace.command(&["status", "--json"]).await.ok();
    assert!(
        !status.stdout.contains("cannot be queued yet"),
        "{}",
        status.stdout
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_waits_is_stopped_in_time_and_ends_where_another_has_taken_over() {
    // GIVEN a lost slot, a row of the gap, and a transaction that stays open, for which a new slot waits
    let stage = stage().build().await;
    let (ticket, case) = stage.opened_before("Soru").await;
    lose(&stage.site, Loss::Dropped).await;
    stage.writes(ticket, "bir").await;
    let holder = stage.site.connect().await;
    holder
        .batch_execute("begin; select pg_current_xact_id()")
        .await
        .unwrap();
    let being_made = "select count(*) from pg_replication_slots where active and confirmed_flush_lsn is null";
    let is_made = || async { (stage.count(being_made).await == 1).then_some(()) };
    let connector = stage.run().await;
    wait_until("the slot is being made", is_made).await;
    // WHEN it is stopped, THEN it ends in time
    let stopped = tokio::time::timeout(Duration::from_secs(10), connector.sigterm_and_wait()).await;
    assert!(stopped.expect("it ends within ten seconds").success());
    // AND the next one does not take the unfinished slot for its own
    let connector = stage.run().await;
    connector.wait_for_log("is still being made by the process").await;
    // AND WHEN it makes one itself, and loses the lead meanwhile, THEN it lets go
    let first = "select active_pid from pg_replication_slots where active";
    let first: i32 = stage.query(first, &[]).await[0].get(0);
    stage.sql(&format!("select pg_terminate_backend({first})")).await;
    let seen = connector.log().len();
    // By another process: the first one may take a moment to end.
    let anew = format!("{being_made} and active_pid <> {first}");
    let is_made_anew = || async { (stage.count(&anew).await == 1).then_some(()) };
    wait_until("the slot is being made anew", is_made_anew).await;
    stage.sql("update deskie_cdc.lease set epoch = epoch + 1").await;
    connector
        .wait_for_log_after(seen, "another instance has taken over")
        .await;
    // AND WHEN the transaction has ended, THEN the row of the gap arrives, once
    holder.batch_execute("rollback").await.unwrap();
    stage.until_deskie(case, 2).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir"]);
}
