//! The ground that the other tests stand on: clusters of every version, the sample site, no orphans.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use deskie_cdc_sandbox::postgres::{Cluster, ClusterOptions};
use deskie_cdc_sandbox::sample_site;

use crate::support::{Connector, Site, installations, newest, wait_until};

#[tokio::test]
async fn the_sample_site_works_on_every_version() {
    for installation in installations() {
        let site = Site::start_on(&installation, ClusterOptions::default()).await;
        let row = site
            .client
            .query_one("select current_setting('server_version_num')::int / 10000", &[])
            .await;
        assert_eq!(row.unwrap().get::<_, i32>(0), i32::from(installation.version()));
        let row = site.client.query_one("show wal_level", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), "logical");

        let ticket = sample_site::open_ticket(&site.client, "ayse@example.com", "Şifre", "Giremiyorum")
            .await
            .unwrap();
        sample_site::customer_reply(&site.client, ticket, "Hâlâ olmuyor")
            .await
            .unwrap();
        let messages = sample_site::list_messages(&site.client, ticket).await.unwrap();
        assert_eq!(messages.len(), 1);
        assert_eq!(
            (messages[0].author.as_str(), messages[0].body.as_str()),
            ("customer", "Hâlâ olmuyor")
        );
        let old = sample_site::list_messages(&site.client, 1).await.unwrap();
        assert_eq!(old.len(), 2, "internal notes are not shown: {old:?}");
    }
}

#[tokio::test]
async fn a_killed_process_leaves_no_postgres_behind() {
    // GIVEN a process with a cluster
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args([
            "postgres::holds_a_cluster_until_it_is_killed",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let folder = lines
        .find_map(|line| line.split_once("CLUSTER ").map(|(_, folder)| folder.to_owned()))
        .unwrap();
    let folder = Path::new(&folder);
    assert!(folder.exists());
    assert!(!Site::processes_naming(folder).is_empty());

    // WHEN it is killed without a chance to clean up
    holder.kill().unwrap();
    holder.wait().unwrap();

    // THEN neither the server nor its files stay
    wait_until("the server and its files are gone", async || {
        (Site::processes_naming(folder).is_empty() && !folder.exists()).then_some(())
    })
    .await;
}

#[test]
#[ignore = "the process that the test above kills"]
fn holds_a_cluster_until_it_is_killed() {
    let cluster = Cluster::start(&newest(), ClusterOptions::default()).unwrap();
    println!("CLUSTER {}", cluster.socket_dir().display());
    loop {
        std::thread::park();
    }
}

#[tokio::test]
async fn the_harness_hears_a_program_and_ends_it() {
    let script =
        "trap 'echo ending >&2; exit 3' TERM; echo one >&2; echo two >&2; while :; do sleep 0.05; done";
    let program = Connector::spawn(Path::new("/"), &["sh", "-c", script]);
    assert_eq!(program.wait_for_log("tw").await, "two");
    assert_eq!(program.wait_for_log("one").await, "one");
    assert_eq!(program.sigterm_and_wait().await.code(), Some(3));
}

#[tokio::test]
async fn a_prepared_statement_that_another_session_knows_is_named_as_a_poolers_doing() {
    // GIVEN what a pooler in transaction mode makes of two sessions of ours
    let site = Site::start().await;
    let twice = "prepare s1 as select 1; prepare s1 as select 1";
    for (sql, code) in [(twice, "42P05"), ("execute s2", "26000")] {
        // WHEN the server refuses a statement for that
        let error = site.client.batch_execute(sql).await.expect_err(sql);
        // THEN its words say what is likely, and what to do
        let said = deskie_cdc::postgres::describe(&error);
        for part in [
            code,
            "connection pooler in transaction mode",
            "direct connection string",
        ] {
            assert!(said.contains(part), "`{part}`: {said}");
        }
    }
    let error = site.client.batch_execute("select nothing").await.unwrap_err();
    assert!(!deskie_cdc::postgres::describe(&error).contains("pooler"));
}
