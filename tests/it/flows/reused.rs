//! A site that uses a ticket's key anew: nobody reads what was said to another customer.

use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::{Books, Says};

use crate::support::{AYSE, Connector, IVAN, Stage, stage, texts, wait_until};

/// What replaces a ticket of Ayşe's by one of Ivan's with the same key: two transactions, else the row has only moved.
async fn replace(stage: &Stage, ticket: i64, truncate: bool) {
    match truncate {
        true => stage.sql("truncate tickets, messages restart identity").await,
        false => {
            stage
                .sql(&format!("delete from tickets where id = {ticket}"))
                .await
        }
    }
    let insert = "insert into tickets (id, user_id, subject, body) overriding system value values";
    stage
        .sql(&format!("{insert} ({ticket}, 2, 'Ivan', 'private')"))
        .await;
}

/// Freezes, or thaws, the server's half of the stream.
async fn walsender(stage: &Stage, signal: &str) {
    let sql = "select pid from pg_stat_replication";
    let pid: i32 = stage.query(sql, &[]).await[0].get(0);
    let done = std::process::Command::new("sh")
        .args(["-c", "kill -\"$1\" \"$2\"", "sh", signal, &pid.to_string()])
        .status();
    assert!(done.unwrap().success());
}

/// The old case's answer is parked, and the new ticket has its own.
async fn each_reads_his_own(stage: &Stage, connector: &Connector, ticket: i64, old: CaseId) {
    let line = connector.wait_for_log("the reply is parked").await;
    assert!(line.contains("was deleted on the site"), "{line}");
    let new = loop {
        let case = stage.case_of(ticket).await;
        if case != old {
            break case;
        }
    };
    stage.simulator.agent_reply(new, Says::text("for Ivan")).unwrap();
    stage.until_site(ticket, 1).await;
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await, ["for Ivan"]);
    assert_eq!(stage.case(new).contact, IVAN);
    assert_eq!(texts(&stage.case(new)), ["private", "for Ivan"]);
    assert_eq!(texts(&stage.case(old)), ["secret: body", "for Ayse"]);
    let failed = stage.workplace.command(&["failed", "list"]).await.ok();
    assert!(
        failed.stdout.contains("was deleted on the site"),
        "{}",
        failed.stdout
    );
}

#[tokio::test]
async fn a_reply_waits_while_the_stream_has_not_told_of_a_deletion() {
    for truncate in [false, true] {
        // GIVEN a ticket with a case
        let stage = stage().build().await;
        let connector = stage.run().await;
        let (ticket, case) = stage.open("secret").await;
        stage.settled().await;
        // WHEN the site gives its key to another customer's while the stream is late, and an agent answers the first
        walsender(&stage, "STOP").await;
        replace(&stage, ticket, truncate).await;
        stage.simulator.agent_reply(case, Says::text("for Ayse")).unwrap();
        // THEN it is not written
        let line = connector.wait_for_log("could not be written yet").await;
        assert!(line.contains("the log has not been read up to"), "{line}");
        assert!(stage.rows(ticket).await.is_empty());
        walsender(&stage, "CONT").await;
        each_reads_his_own(&stage, &connector, ticket, case).await;
    }
}

#[tokio::test]
async fn a_reply_waits_while_a_captured_deletion_is_not_dealt_with() {
    for truncate in [false, true] {
        // GIVEN a connector that deals with changes three seconds later
        let stage = stage()
            .config("[postgres]\n", "[capture]\nsettle = \"3s\"\n\n[postgres]\n")
            .build()
            .await;
        let connector = stage.run().await;
        let (ticket, case) = stage.open("secret").await;
        // WHEN the site gives the key to another customer's, and an agent answers the first
        replace(&stage, ticket, truncate).await;
        stage.simulator.agent_reply(case, Says::text("for Ayse")).unwrap();
        // THEN it is not written
        let line = connector.wait_for_log("could not be written yet").await;
        assert!(line.contains("just being changed"), "{line}");
        each_reads_his_own(&stage, &connector, ticket, case).await;
    }
}

#[tokio::test]
async fn what_takes_a_key_over_in_the_transaction_that_frees_it_is_another_customers_ticket() {
    for free in [
        "delete from tickets where id = T",
        "truncate tickets, messages restart identity",
    ] {
        // GIVEN a ticket of Ayse's with a case and a message
        let stage = stage().build().await;
        let connector = stage.run().await;
        let (ticket, case) = stage.open("secret").await;
        let message = stage.writes(ticket, "of Ayse").await;
        stage.until_deskie(case, 2).await;
        stage.settled().await;
        // WHEN one transaction of the site gives both keys to another customer's ticket and to a message of his
        let sql = format!(
            "begin; {free};
             insert into tickets (id, user_id, subject, body) overriding system value values (T, 2, 'Ivan', 'private');
             insert into messages (id, ticket_id, author, body) overriding system value values ({message}, T, 'customer', 'of Ivan');
             commit"
        );
        stage.sql(&sql.replace('T', &ticket.to_string())).await;
        // THEN he has a case of his own with all that he wrote, and she keeps hers
        let new = wait_until("his case", || async {
            let case_id = stage.case_of(ticket).await;
            (case_id != case).then_some(case_id)
        })
        .await;
        stage.until_deskie(new, 2).await;
        assert_eq!(stage.case(new).contact, IVAN);
        assert_eq!(texts(&stage.case(new)), ["private", "of Ivan"]);
        assert_eq!(texts(&stage.case(case)), ["secret: body", "of Ayse"]);
        // AND what she is answered is not his
        stage.simulator.agent_reply(case, Says::text("for Ayse")).unwrap();
        connector.wait_for_log("the reply is parked").await;
        stage.simulator.agent_reply(new, Says::text("for Ivan")).unwrap();
        stage.until_site(ticket, 2).await;
        // The server may count its own numbers anew.
        let mut rows = stage.rows(ticket).await;
        rows.sort_unstable();
        assert_eq!(rows, ["for Ivan", "of Ivan"]);
    }
}

#[tokio::test]
async fn what_takes_a_key_over_while_nothing_is_streamed_is_another_customers_ticket() {
    // GIVEN a ticket of Ayse's with a case, and a slot that is lost
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("secret").await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    stage
        .sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
        .await;
    // WHEN the site gives its key to another customer's ticket meanwhile
    replace(&stage, ticket, false).await;
    stage.writes(ticket, "of Ivan").await;
    let _connector = stage.run().await;
    // THEN he has a case of his own
    let new = wait_until("his case", || async {
        let case_id = stage.case_of(ticket).await;
        (case_id != case).then_some(case_id)
    })
    .await;
    stage.until_deskie(new, 2).await;
    assert_eq!(stage.case(new).contact, IVAN);
    assert_eq!(texts(&stage.case(new)), ["private", "of Ivan"]);
    assert_eq!(texts(&stage.case(case)), ["secret: body"]);
}

#[tokio::test]
async fn a_ticket_that_the_site_touches_all_the_time_gets_its_replies() {
    // GIVEN a site that changes a ticket's row in a hurry
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let ticket = stage.ticket(AYSE, "Soru", "body").await;
    let case = stage.case_of(ticket).await;
    let site = stage.site.connect().await;
    let touch = "update tickets set updated_at = clock_timestamp() where id = $1";
    let touching = async {
        loop {
            site.execute(touch, &[&ticket]).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(15)).await;
        }
    };
    let replies = async {
        for n in 1..=5 {
            stage
                .simulator
                .agent_reply(case, Says::text(format!("cevap {n}")))
                .unwrap();
        }
        stage.until_site(ticket, 5).await;
    };
    // THEN its replies come all the same
    tokio::select! {
        () = touching => {}
        () = replies => {}
    }
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await.len(), 5);
}

#[tokio::test]
async fn a_table_that_is_emptied_and_loaded_again_later_holds_the_rows_that_were_there() {
    // GIVEN tickets of some time ago, with the customer's and an agent's messages and a file
    let stage = stage()
        .schema(
            "create table files (id bigint generated always as identity primary key, \
             message_id bigint references messages on delete cascade, name text, content bytea)",
        )
        .config(
            "[reply]\n",
            "[[attachment]]\nof = \"message\"\ntable = \"files\"\nparent = \"message_id\"\nname = \"name\"\n\
             bytes = \"content\"\n\n[reply]\n",
        )
        .set("message", "on_edit = \"note\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage
        .sql(&format!(
            "with m as (insert into messages (ticket_id, author, body) values ({ticket}, 'customer', 'bir') returning id)
             insert into files (message_id, name, content) select id, 'plan.txt', 'abc' from m"
        ))
        .await;
    stage.until_deskie(case, 2).await;
    stage.simulator.agent_reply(case, Says::text("Merhaba")).unwrap();
    stage.until_site(ticket, 2).await;
    stage.settled().await;
    for table in ["tickets", "messages"] {
        stage
            .sql(&format!(
                "update {table} set created_at = created_at - interval '10 minutes'"
            ))
            .await;
    }
    stage.settled().await;
    let before = stage.settled().await;
    for empty in ["truncate tickets, messages, files", "delete from tickets"] {
        // WHEN they are emptied in one transaction, and loaded again by others
        stage
            .sql("create table kept_t as select * from tickets; create table kept_m as select * from messages; create table kept_f as select * from files")
            .await;
        stage.sql(empty).await;
        for table in ["tickets", "messages", "files"] {
            let kept = format!("kept_{}", &table[..1]);
            stage
                .sql(&format!(
                    "insert into {table} overriding system value select * from {kept}"
                ))
                .await;
            stage.sql(&format!("drop table {kept}")).await;
        }
        // THEN nothing of it is new to Deskie
        let after = stage.settled().await;
        assert_eq!(
            after.cases_with_field(25, &ticket.to_string()).len(),
            before.cases_with_field(25, &ticket.to_string()).len(),
            "{empty}"
        );
        let messages = |books: &Books| books.case(case).unwrap().messages.len();
        assert_eq!(messages(&after), messages(&before), "{empty}");
    }
    // AND it goes on in its case, and a row that takes a key over is another one
    stage.writes(ticket, "iki").await;
    stage.until_deskie(case, 3).await;
    let last = stage.count("select max(id) from messages").await;
    stage
        .sql(&format!("delete from messages where id = {last}"))
        .await;
    stage
        .sql(&format!(
            "insert into messages (id, ticket_id, author, body) overriding system value values ({last}, {ticket}, 'customer', 'another')"
        ))
        .await;
    stage.until_deskie(case, 4).await;
}
