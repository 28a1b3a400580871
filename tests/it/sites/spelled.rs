//! Keys that are equal for the database and written otherwise name one ticket.

use deskie_cdc_sandbox::simulator::Says;

use crate::support::{AYSE, Stage, stage, texts, wait_until};

/// Tickets that are known by a code, of this type in either table.
async fn coded(ticket: &str, message: &str) -> Stage {
    stage()
        .schema(&format!(
            "create extension if not exists citext;
             create collation folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             alter table tickets add column code {ticket}; update tickets set code = id;
             alter table tickets alter code set not null, add unique (code);
             alter table tickets replica identity using index tickets_code_key;
             alter table messages add column code {message}, alter ticket_id drop not null;
             update messages set code = ticket_id"
        ))
        .set("ticket", "key = \"code\"")
        .config(
            "ticket = \"ticket_id\"",
            &format!(
                "ticket = \"{}\"",
                match message {
                    "text" => "m.code::numeric",
                    _ => "code",
                }
            ),
        )
        .config(
            "set = { ticket_id = \"t.id\"",
            "set = { ticket_id = \"t.id\", code = \"t.code\"",
        )
        .config("where id = :ticket", "where code = :ticket")
        .build()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_equal_and_spelled_otherwise_are_one_ticket() {
    for (ticket, message, codes) in [
        ("citext", "citext", ["Ab-1", "AB-1", "ab-1"]),
        ("numeric", "numeric", ["7", "7.0", "7.00"]),
        (
            "text collate folded",
            "text collate folded",
            ["Ab-1", "AB-1", "ab-1"],
        ),
        ("numeric", "text", ["7.10", "7.1", "07.100"]),
        ("char(8)", "char(8)", ["T1", "T1 ", "T1"]),
    ] {
        // GIVEN a ticket that is known by the first of these
        let stage = coded(ticket, message).await;
        let connector = stage.run().await;
        let [own, other, third] = codes;
        let says = |code: &str, text: &str| {
            format!("insert into messages (code, author, body) values ('{code}', 'customer', '{text}')")
        };
        stage
            .sql(&format!(
                "insert into tickets (user_id, subject, body, code)
                 select id, 'Soru', 'open', '{own}' from users where email = '{AYSE}'"
            ))
            .await;
        // WHEN its customer's messages call it otherwise, one and many at once
        stage.sql(&says(other, "one")).await;
        stage
            .sql(&format!(
                "begin; {}; {}; commit",
                says(own, "two"),
                says(third, "three")
            ))
            .await;
        // THEN all of it is in its case
        let wanted = ["open", "one", "two", "three"];
        stage
            .deskie(&format!("the case of {ticket}"), |books| {
                books.cases.iter().any(|case| texts(case) == wanted)
            })
            .await;
        assert_eq!(stage.simulator.books().cases.len(), 1, "{ticket}");
        // AND the answer is in the ticket; what came while it was away as well
        let case = stage.simulator.books().cases[0].case_id;
        stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
        wait_until("the answer is written", || async {
            let sql = "select count(*) from messages m join tickets t on t.code = m.code
                where t.subject = 'Soru' and m.body = 'cevap'";
            let sql = match message {
                "text" => sql.replace("m.code", "m.code::numeric"),
                _ => sql.to_owned(),
            };
            (stage.count(&sql).await == 1).then_some(())
        })
        .await;
        connector.kill9().await;
        stage
            .sql("select pg_terminate_backend(active_pid) from pg_replication_slots where active")
            .await;
        wait_until("the slot is dropped", || async {
            stage
                .site
                .client
                .batch_execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
                .await
                .ok()
        })
        .await;
        stage.sql(&says(third, "four")).await;
        let _connector = stage.run().await;
        stage
            .deskie(&format!("the gap's message of {ticket}"), |books| {
                books.cases.iter().any(|case| texts(case).contains(&"four"))
            })
            .await;
        stage.quiet().await;
        assert_eq!(stage.simulator.books().cases.len(), 1, "{ticket}");
    }
}
