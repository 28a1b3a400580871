//! A partitioned message table: rows that move, partitions that come later.

use deskie_cdc_sandbox::simulator::Says;

use super::Scene;
use super::scene::{Heard, expected};

/// A ticket with two messages; one moves to another partition, which Postgres does by DELETE and INSERT; then a
/// partition is made by itself, attached, and filled.
async fn play(scene: &Scene) -> Heard {
    scene
        .app("insert into tickets (email, subject) values ('ayse@example.com', 'Monthly')")
        .await;
    scene
        .app("insert into messages (ticket_id, body) values (1, 'One'); insert into messages (ticket_id, body) values (1, 'Two')")
        .await;
    scene.until_heard("1", 2).await;
    scene
        .app("create table messages_far (like messages including defaults);
              alter table messages attach partition messages_far for values from ('2099-01-01') to (maxvalue)")
        .await;
    scene
        .app("update messages set created_at = '2100-01-01' where body = 'Two'")
        .await;
    scene
        .app("insert into messages (ticket_id, body, created_at) values (1, 'Three', '2100-01-02')")
        .await;
    // The same number after a committed DELETE is another row.
    scene.app("delete from messages where body = 'One'").await;
    scene
        .app("insert into messages (id, ticket_id, body) values (1, 1, 'One anew')")
        .await;
    scene.heard().await
}

fn outcome() -> Heard {
    expected([("1", &["One", "Two", "Three", "One anew"])])
}

#[tokio::test]
async fn partitioned_messages_move_and_are_not_new() {
    // GIVEN the site
    let scene = Scene::new("partitions").await;
    scene.check_ok().await;
    let _connector = scene.run().await;
    // WHEN rows are written, moved, deleted and made anew; THEN each message came once
    assert_eq!(play(&scene).await, outcome());
    // WHEN an agent answers
    let case = scene.case_of("1").await;
    scene.agent(&case, Says::text("Answer"));
    // THEN the row is in its partition, its key known to `after`; and a move of it is not new either
    scene
        .until("select body from messages_now where is_agent", "Answer [4]")
        .await;
    scene
        .app("update messages set created_at = '2101-01-01', is_agent = false where is_agent")
        .await;
    assert_eq!(scene.heard().await["1"].len(), 5);
}

#[tokio::test]
async fn partitioned_messages_with_the_partition_key_in_the_key_come_twice() {
    // GIVEN a mapping that leaves the key to the primary key, which has the partition key in it
    let scene = Scene::mutated(
        "partitions",
        &[
            ("key = \"id\"\n", ""),
            ("where id = :row", "where id = :row_1"),
            (":row ||", ":row_1 ||"),
        ],
    )
    .await;
    // THEN `check` says what that means
    let said = scene.check_ok().await.stdout;
    assert!(said.contains("looks like a new one"), "{said}");
    // AND a move is a new row
    let _connector = scene.run().await;
    let heard = play(&scene).await;
    assert_ne!(heard, outcome());
}

#[tokio::test]
async fn a_row_that_is_split_off_into_a_partition_is_not_deleted() {
    // GIVEN a site that tells edits and deletions, and a message in the default partition
    let scene = Scene::mutated(
        "partitions",
        &[(
            "[message]\n",
            "[message]\non_edit = \"note\"\non_delete = \"note\"\n",
        )],
    )
    .await;
    scene
        .app("create table messages_rest partition of messages default")
        .await;
    let _connector = scene.run().await;
    scene
        .app("insert into tickets (email, subject) values ('ayse@example.com', 'Split')")
        .await;
    for body in ["Stays", "Goes"] {
        let sql =
            format!("insert into messages (ticket_id, body, created_at) values (1, '{body}', '2100-01-01')");
        scene.app(&sql).await;
    }
    scene.until_heard("1", 2).await;
    // WHEN one transaction moves the rows into a table and attaches that: of which the stream tells the DELETEs alone
    scene
        .app(
            "begin;
             create table messages_far (like messages including all);
             with m as (delete from messages_rest where body = 'Stays' returning *) insert into messages_far select * from m;
             delete from messages_rest where body = 'Goes';
             alter table messages attach partition messages_far for values from ('2099-01-01') to (maxvalue);
             commit",
        )
        .await;
    scene.settled().await;
    scene.app("update messages set body = 'Stays, edited'").await;
    // THEN the one that is there counts as there: its edit is told, and not its deletion; the other's deletion is
    let heard = scene.heard().await;
    let told = heard["1"].join("\n");
    assert_eq!(told.matches("was deleted on the site").count(), 1, "{told}");
    assert!(told.contains("Stays, edited"), "{told}");
}
