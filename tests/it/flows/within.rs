//! What one transaction of the site does to a row more than once: the row counts as the transaction leaves it (rule 6).

use crate::support::{IVAN, stage, texts};

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
