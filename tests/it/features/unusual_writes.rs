//! Unusual ways in which sites write, and what the mapping says of them.

use deskie_cdc_sandbox::simulator::Says;

use crate::support::{AYSE, stage, texts, wait_until};

#[tokio::test]
async fn an_agent_who_writes_first_opens_no_case() {
    // GIVEN a site whose cases open with the first customer message
    let stage = stage().opens_by_message().build().await;
    let _connector = stage.run().await;
    let ticket = stage.ticket(AYSE, "Soru", "-").await;
    // WHEN an agent writes first
    stage
        .sql(&format!(
            "insert into messages (ticket_id, author, body) values ({ticket}, 'agent', 'Merhaba')"
        ))
        .await;
    let books = stage.settled().await;
    // THEN there is no case until the customer answers
    assert!(books.cases_with_field(25, &ticket.to_string()).is_empty());
    stage.writes(ticket, "Selam").await;
    let case = stage.case_of(ticket).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Selam"]);
}

#[tokio::test]
async fn what_fails_only_at_commit_is_parked_and_retried_and_generated_columns_are_left_out() {
    // GIVEN a message table with a number, a generated column, an identity, and a rule that is checked at COMMIT
    let stage = stage()
        .schema(
            "alter table messages add size int generated always as (length(body)) stored;
             create table allowed (word text primary key);
             alter table messages add word text references allowed deferrable initially deferred;
             alter table messages alter word set default 'reply'",
        )
        .build()
        .await;
    let checked = stage.workplace.command(&["check"]).await.exits(1).stdout;
    assert!(
        checked.contains("violates foreign key constraint") && checked.contains("the transaction's end"),
        "{checked}"
    );
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN an agent answers
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    let parked = "select count(*) from deskie_cdc.remote where state = 'parked' and error like '%violates foreign key%'";
    wait_until("it is parked", || async {
        (stage.count(parked).await >= 1).then_some(())
    })
    .await;
    assert!(stage.rows(ticket).await.is_empty());
    // WHEN the site is mended; THEN the retry writes it, with what the table makes itself
    stage.sql("insert into allowed values ('reply')").await;
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    stage.until_site(ticket, 1).await;
    assert_eq!(
        stage
            .count("select max(size)::int8 from messages where body = 'cevap'")
            .await,
        5
    );
    stage.workplace.command(&["check"]).await.ok();

    // AND `plan` shows the row that a reply would become
    let key = ticket.to_string();
    let plan = ["plan", "--ticket", &key, "--reply", "Olur", "--json"];
    let plan = stage.workplace.command(&plan).await.ok().stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan[0]["kind"], "agent");
    assert_eq!(plan[0]["table"], "messages");
    assert_eq!(plan[0]["set"]["ticket_id"], key.as_str());
    assert_eq!(plan[0]["set"]["body"], "Olur");
    assert_eq!(plan[1]["set"]["author"], "customer");
    assert_eq!(stage.rows(ticket).await.len(), 1);
}

#[tokio::test]
async fn a_key_that_is_not_unique_is_a_failure_where_rows_share_it() {
    let stage = stage()
        .config("[message]\n", "[message]\nkey = \"nr\"\n")
        .schema("alter table messages add nr int; alter table messages replica identity full")
        .build()
        .await;
    let warned = stage.workplace.command(&["check"]).await.ok().stdout;
    assert!(
        warned.contains("warn  keys") && warned.contains("is not unique"),
        "{warned}"
    );
    let ticket = stage.ticket(AYSE, "Soru", "-").await;
    stage
        .sql(&format!(
            "insert into messages (ticket_id, author, body, nr) values ({ticket}, 'customer', 'a', 7), ({ticket}, 'customer', 'b', 7)"
        ))
        .await;
    let failed = stage.workplace.command(&["check"]).await.exits(1).stdout;
    assert!(
        failed.contains("FAIL  keys") && failed.contains("there are two already: 7"),
        "{failed}"
    );
}

#[tokio::test]
async fn machines_that_answer_each_other_are_stopped() {
    // GIVEN a rule of Deskie that answers each message, and a site that answers each answer
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    for n in 0..10 {
        let says = Says {
            via_rule: true,
            ..Says::text(format!("automatic {n}"))
        };
        stage.simulator.agent_reply(case, says).unwrap();
        stage.until_site(ticket, 2 * n + 1).await;
        stage.writes(ticket, &format!("out of office {n}")).await;
    }
    // THEN it ends: parked, with the reason
    let parked = "select count(*) from deskie_cdc.delivery where state = 'parked' and error like 'an echo%rules of Deskie%'";
    wait_until("it is parked", || async {
        (stage.count(parked).await == 1).then_some(())
    })
    .await;
    let sent = |books: &deskie_cdc_sandbox::simulator::Books| {
        books
            .messages()
            .any(|message| crate::support::says(message) == "out of office 7")
    };
    stage.deskie("those before", sent).await;
    assert!(!texts(&stage.case(case)).contains(&"out of office 9"));
}
