//! What one transaction of the site does to a row more than once: the row counts as the transaction leaves it (rule 6).

use deskie_cdc::sandbox::simulator::Action;

use crate::support::{IVAN, stage, texts, wait_until};

/// Rows of the transaction in between: none, and more than a round takes.
const BETWEEN: [&str; 2] = [
    "",
    "insert into messages (ticket_id, author, body, is_internal)
         select T, 'agent', 'filler', true from generate_series(1, 6000);",
];

#[tokio::test]
async fn a_row_counts_as_its_transaction_leaves_it() {
    for between in BETWEEN {
        // GIVEN two customers' tickets with cases
        let stage = stage().build().await;
        let _connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        let other = stage.ticket(IVAN, "Ivan", "private").await;
        let other_case = stage.case_of(other).await;
        stage.settled().await;
        let first =
            "insert into messages (ticket_id, author, body) values (T, 'customer', 'BODY') returning id";
        // WHEN the site writes messages, and in the same transaction hides one, answers with one, changes, deletes, moves and
        // copies others
        let insert = |name: &str| {
            format!(
                "create temp table {name} on commit drop as with m as ({}) select id from m;",
                first.replace("BODY", name)
            )
        };
        let sql = format!(
            "begin; {} {} {} {} {} {} {between}
             update messages set is_internal = true where id = (select id from hidden);
             update messages set author = 'agent' where id = (select id from staffs);
             update messages set body = 'changed twice' where id = (select id from changed);
             update messages set body = 'changed thrice' where id = (select id from changed);
             delete from messages where id = (select id from deleted);
             update messages set ticket_id = {other} where id = (select id from moved);
             delete from messages where id = (select id from again);
             insert into messages (id, ticket_id, author, body) overriding system value
                 select id, T, 'customer', 'made anew' from again;
             insert into messages (ticket_id, author, body) values (T, 'customer', 'the last');
             commit",
            insert("hidden"),
            insert("staffs"),
            insert("changed"),
            insert("deleted"),
            insert("moved"),
            insert("again"),
        );
        stage.sql(&sql.replace("T,", &format!("{ticket},"))).await;
        // THEN what it left is sent, each to its own ticket, and nothing else
        stage
            .deskie("the last message", |books| {
                books
                    .case(case)
                    .is_some_and(|case| texts(case).contains(&"the last"))
            })
            .await;
        stage.settled().await;
        assert_eq!(
            texts(&stage.case(case)),
            ["Soru: body", "changed thrice", "made anew", "the last"]
        );
        assert_eq!(texts(&stage.case(other_case)), ["private", "moved"]);
    }
}

#[tokio::test]
async fn a_message_that_waits_goes_where_the_site_hands_it() {
    // GIVEN two customers' tickets with cases, and messages that wait for Deskie
    let stage = stage()
        .set("deskie", "doubt_wait = \"2s\"\ntimeout = \"500ms\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let other = stage.ticket(IVAN, "Ivan", "private").await;
    let other_case = stage.case_of(other).await;
    stage.settled().await;
    let down = |down| stage.simulator.act(Action::SetDown { down }).unwrap();
    down(true);
    stage.writes(ticket, "of Ayse").await;
    let handed = stage.writes(ticket, "of Ivan").await;
    stage.writes(ticket, "and of Ayse").await;
    let are = async |what: &str, sql: &str, wanted: i64| {
        wait_until(what, || async {
            (stage.count(sql).await == wanted).then_some(())
        })
        .await;
    };
    let waiting = "select count(*) from deskie_cdc.delivery where state in ('queued', 'sending', 'doubt') and act = 'message'";
    are("all wait", waiting, 3).await;
    // WHEN the site hands one of them to the other customer's ticket
    stage
        .sql(&format!(
            "update messages set ticket_id = {other} where id = {handed}"
        ))
        .await;
    let other_lane =
        format!("{waiting} and ticket_id = (select id from deskie_cdc.ticket where key = '{other}')");
    are("it waits there", &other_lane, 1).await;
    down(false);
    // THEN each goes to its own case
    stage.until_deskie(other_case, 2).await;
    stage.settled().await;
    let own = texts(&stage.case(case)).join("\n");
    assert!(
        own.contains("of Ayse") && own.contains("and of Ayse") && !own.contains("Ivan"),
        "{own}"
    );
    assert_eq!(texts(&stage.case(other_case)), ["private", "of Ivan"]);
}
