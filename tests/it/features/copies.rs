//! What comes round (rule 8), and rows that nobody can place.

use deskie_cdc_sandbox::simulator::Says;

use crate::support::{AYSE, Stage, stage, texts};

/// What a job of the site does: each reply that the connector wrote becomes a customer's message, a transaction later.
const JOB: &str = "insert into messages (ticket_id, author, body) \
    select ticket_id, 'customer', body from messages where author = 'agent' and body = $1";

async fn job(stage: &Stage, text: &str) {
    let copied = stage.site.client.execute(JOB, &[&text]).await.unwrap();
    assert_eq!(copied, 1);
}

#[tokio::test]
async fn a_job_that_copies_replies_is_stopped() {
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (other, other_case) = stage.open("Başka").await;
    for text in ["Siparişiniz yarın kargoya verilecek.", "Tamam"] {
        // GIVEN a reply on the site
        let count = stage.rows(ticket).await.len();
        stage.simulator.agent_reply(case, Says::text(text)).unwrap();
        stage.until_site(ticket, count + 1).await;
        // WHEN a job of the site copies it
        job(&stage, text).await;
        // THEN it does not reach Deskie: it is parked, and said
        let error =
            "select count(*) from deskie_cdc.delivery where state = 'parked' and error like 'an echo%'";
        crate::support::wait_until("it is parked", || async {
            (stage.count(error).await == 1).then_some(())
        })
        .await;
        let failed = stage.workplace.command(&["failed", "list"]).await.ok().stdout;
        assert!(
            failed.contains("a job of the site seems to copy replies"),
            "{failed}"
        );
        assert!(
            !texts(&stage.case(case))
                .iter()
                .skip(1)
                .filter(|said| **said == text)
                .count()
                > 1
        );
        let id = failed
            .split_whitespace()
            .find(|word| word.starts_with('d') && word[1..].parse::<i64>().is_ok());
        stage
            .workplace
            .command(&["failed", "discard", id.unwrap()])
            .await
            .ok();
    }
    // AND the same words in another ticket, and other words in this one, are a customer's
    stage.writes(other, "Tamam").await;
    stage.writes(ticket, "Teşekkürler").await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(other_case))[1..], ["Tamam"]);
    assert_eq!(
        texts(&stage.case(case))[1..],
        ["Siparişiniz yarın kargoya verilecek.", "Tamam", "Teşekkürler"]
    );
    // AND who answers a greeting with the same is a customer
    stage
        .simulator
        .agent_reply(other_case, Says::text("Merhaba"))
        .unwrap();
    stage.until_site(other, 2).await;
    stage.writes(other, "Merhaba").await;
    let record = stage.until_deskie(other_case, 4).await;
    assert_eq!(texts(&record)[1..], ["Tamam", "Merhaba", "Merhaba"]);

    // WHEN a person says that it was the customer, THEN it is sent
    stage.simulator.agent_reply(case, Says::text("Olur mu?")).unwrap();
    stage.until_site(ticket, 6).await;
    job(&stage, "Olur mu?").await;
    let parked = "select count(*) from deskie_cdc.delivery where state = 'parked'";
    crate::support::wait_until("it is parked", || async {
        (stage.count(parked).await == 1).then_some(())
    })
    .await;
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    let record = stage.until_deskie(case, 6).await;
    assert_eq!(texts(&record)[4..], ["Olur mu?", "Olur mu?"]);
}

#[tokio::test]
async fn a_row_of_two_tickets_is_parked_alone() {
    // GIVEN a site where a table tells the ticket of a message, and a column of text another one's
    let stage = stage()
        .schema("create table threads (message_id bigint, ticket_id text); grant select on threads to public")
        .config(
            "ticket = \"ticket_id\"",
            "join = \"left join threads h on h.message_id = m.id\"\nticket = \"coalesce(h.ticket_id::bigint, m.ticket_id)\"",
        )
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let next = stage.count("select coalesce(max(id), 0) + 1 from messages").await;
    // WHEN one row has several tickets, and one what is no number
    stage
        .sql(&format!(
            "insert into threads values ({next}, '1'), ({next}, '2'), ({}, 'x')",
            next + 1
        ))
        .await;
    stage.writes(ticket, "gizli bir").await;
    stage.writes(ticket, "gizli iki").await;
    stage.writes(ticket, "bir").await;
    // THEN these two are parked by themselves, and all else goes on
    stage.until_deskie(case, 2).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case))[1..], ["bir"]);
    let failed = stage.workplace.command(&["failed", "list"]).await.ok().stdout;
    assert!(failed.contains("several tickets for one message"), "{failed}");
    assert!(failed.contains("invalid input syntax"), "{failed}");
    let id = failed
        .split_whitespace()
        .find(|word| word.starts_with('d') && word[1..].parse::<i64>().is_ok());
    let shown = stage
        .workplace
        .command(&["failed", "show", id.unwrap()])
        .await
        .ok()
        .stdout;
    assert!(shown.contains("message "), "{shown}");

    // AND the log names each, why, and the command that shows more; nothing of the customer's text
    let told = |line: &str, why: &str| {
        assert!(
            line.contains(why) && line.contains("`deskie-cdc failed show d"),
            "{line}"
        );
        assert!(!line.contains("gizli"), "{line}");
    };
    let named: Vec<String> = connector.log();
    let named: Vec<&String> = named
        .iter()
        .filter(|line| line.contains("a row of public.messages is parked"))
        .collect();
    assert_eq!(named.len(), 2, "{named:?}");
    told(named[0], "several tickets for one message");
    told(named[1], "invalid input syntax");

    // WHEN a retry finds it as it was, THEN it is parked again
    let seen = connector.log().len();
    stage
        .workplace
        .command(&["failed", "retry", id.unwrap()])
        .await
        .ok();
    let line = connector.wait_for_log_after(seen, "a row is parked again").await;
    told(&line, id.unwrap());
    let parked = "select count(*) from deskie_cdc.delivery where state = 'parked' and ticket_id is null";
    crate::support::wait_until("it is parked again", || async {
        (stage.count(parked).await == 2).then_some(())
    })
    .await;
    // WHEN the one is mended and tried again, and the other changed by the site, THEN both are sent
    stage.sql("delete from threads").await;
    stage
        .workplace
        .command(&["failed", "retry", id.unwrap()])
        .await
        .ok();
    stage.until_deskie(case, 3).await;
    stage
        .sql(&format!(
            "update messages set author_name = 'x' where id = {}",
            next + 1
        ))
        .await;
    let record = stage.until_deskie(case, 4).await;
    assert_eq!(texts(&record)[2..].len(), 2);
    assert!(texts(&record)[2..].iter().all(|text| text.starts_with("gizli")));
    let (_, _) = stage.open(AYSE).await;
    assert_eq!(stage.count(parked).await, 0);
}
