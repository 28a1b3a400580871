//! The site changes its tables while the connector runs: a mapped column that is gone stops the mapping, loses nothing.

use std::collections::HashSet;

use super::compare::compare;
use crate::support::{AYSE, Stage, stage, wait_until};

/// Writes `S<from>;` … on the ticket, into a column of this name.
async fn writes_into(stage: &Stage, ticket: i64, column: &str, numbers: std::ops::Range<usize>) {
    for n in numbers {
        let sql = format!("insert into messages (ticket_id, author, {column}) values ($1, 'customer', $2)");
        let text = format!("S{n}; text");
        stage.site.client.execute(&sql, &[&ticket, &text]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapped_column_that_is_renamed_stops_the_mapping_loudly_until_it_is_mended() {
    for by_config in [false, true] {
        // GIVEN a ticket on both sides
        let stage = stage().build().await;
        let connector = stage.run().await;
        let ticket = stage.ticket(AYSE, "one", "S0; first").await;
        let case = stage.case_of(ticket).await;
        writes_into(&stage, ticket, "body", 1..3).await;
        stage.until_deskie(case, 3).await;
        // WHEN the site renames a mapped column, and goes on
        stage
            .sql("alter table messages rename column body to content")
            .await;
        writes_into(&stage, ticket, "content", 3..5).await;
        // THEN that is said, and rows go on being captured and acknowledged
        connector.wait_for_log("resolving stopped").await;
        let status = stage.workplace.command(&["status"]).await.exits(1);
        assert!(status.stdout.contains("resolving stopped"), "{}", status.stdout);
        let acknowledged = "select count(*) from pg_replication_slots s, deskie_cdc.meta m
            where s.confirmed_flush_lsn >= m.captured_lsn and (select count(*) from deskie_cdc.event) >= 2";
        wait_until("two rows wait, acknowledged", || async {
            (stage.count(acknowledged).await == 1).then_some(())
        })
        .await;
        assert_eq!(stage.case(case).conversation().len(), 3);
        // WHEN the table is mended, or the config
        let connector = if by_config {
            assert!(connector.sigterm_and_wait().await.success());
            stage.workplace.change_config(
                "author = \"author\"\nbody = \"body\"",
                "author = \"author\"\nbody = \"content\"",
            );
            stage
                .workplace
                .change_config("body = \":text\"", "content = \":text\"");
            stage.run().await
        } else {
            stage
                .sql("alter table messages rename column content to body")
                .await;
            connector.wait_for_log("resolving goes on").await;
            connector
        };
        let column = if by_config { "content" } else { "body" };
        writes_into(&stage, ticket, column, 5..6).await;
        // THEN it goes on where it was
        stage.until_deskie(case, 6).await;
        if by_config {
            stage
                .sql("alter table messages rename column content to body")
                .await;
            assert!(connector.sigterm_and_wait().await.success());
            stage.workplace.change_config(
                "author = \"author\"\nbody = \"content\"",
                "author = \"author\"\nbody = \"body\"",
            );
            stage
                .workplace
                .change_config("content = \":text\"", "body = \":text\"");
            let _connector = stage.run().await;
            writes_into(&stage, ticket, "body", 6..7).await;
            stage.until_deskie(case, 7).await;
            let books = stage.settled().await;
            let found = compare(&stage, &books, &[ticket], &HashSet::new()).await;
            assert!(found.is_well(), "{found:#?}");
            continue;
        }
        let books = stage.settled().await;
        let found = compare(&stage, &books, &[ticket], &HashSet::new()).await;
        assert!(found.is_well(), "{found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapped_column_that_is_dropped_and_comes_back_loses_nothing() {
    // GIVEN a mapping with a column besides
    let stage = stage()
        .schema("alter table messages add column hidden bool not null default false")
        .config(
            "where = \"not m.is_internal\"",
            "where = \"not m.is_internal and not m.hidden\"",
        )
        .build()
        .await;
    let connector = stage.run().await;
    let ticket = stage.ticket(AYSE, "one", "S0; first").await;
    let case = stage.case_of(ticket).await;
    writes_into(&stage, ticket, "body", 1..2).await;
    stage.until_deskie(case, 2).await;
    // WHEN it is dropped, which must not fail
    stage.sql("alter table messages drop column hidden").await;
    writes_into(&stage, ticket, "body", 2..4).await;
    connector.wait_for_log("resolving stopped").await;
    // AND comes back in another place, with another type
    stage
        .sql("alter table messages add column other int, add column hidden bool not null default false")
        .await;
    connector.wait_for_log("resolving goes on").await;
    writes_into(&stage, ticket, "body", 4..5).await;
    // THEN all of it arrives once and in order
    stage.until_deskie(case, 5).await;
    let books = stage.settled().await;
    let found = compare(&stage, &books, &[ticket], &HashSet::new()).await;
    assert!(found.is_well() && found.to_deskie == 5, "{found:#?}");
}

#[tokio::test]
async fn a_label_that_the_mapping_names_and_the_site_renames_stops_the_mapping_and_parks_nothing() {
    // GIVEN a mapping that names a label of an enum
    let stage = stage()
        .config(
            "where = \"not m.is_internal\"",
            "where = \"not m.is_internal and t.status <> 'answered'\"",
        )
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("one").await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    // WHEN the site renames it
    stage
        .sql("alter type ticket_status rename value 'answered' to 'replied'")
        .await;
    let connector = stage.run().await;
    stage.writes(ticket, "waits").await;
    let line = connector.wait_for_log("resolving stopped").await;
    assert!(line.contains("ticket_status"), "{line}");
    let parked = "select count(*) from deskie_cdc.delivery where state = 'parked'";
    assert_eq!(stage.count(parked).await, 0);
    // THEN it goes on once that is mended
    stage
        .sql("alter type ticket_status rename value 'replied' to 'answered'")
        .await;
    stage.until_deskie(case, 2).await;
    stage.settled().await;
}
