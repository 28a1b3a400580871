//! What a gap in the stream hides, and what a site's clock is worth for finding it again.

use std::collections::BTreeMap;

use deskie_cdc_sandbox::simulator::CaseId;

use super::support::{AYSE, Building, Connector, Stage, prepared, stage, texts, wait_until};

/// The sample site with times as many sites have them: without a zone, in the zone in which it writes.
fn naive(writes_in: &str, database: &str) -> Building {
    let mut sql = format!("alter database site set timezone = '{database}';");
    for column in ["tickets.created_at", "tickets.updated_at", "messages.created_at"] {
        let (table, column) = column.split_once('.').unwrap();
        sql.push_str(&format!(
            "alter table {table} alter {column} drop default,
                alter {column} type timestamp using {column} at time zone '{writes_in}';
             alter table {table} alter {column} set default (clock_timestamp() at time zone '{writes_in}');"
        ));
    }
    stage().schema(&sql)
}

/// Zones on both sides of Greenwich, whole hours and not, and a site that writes in another one than its database's.
const SITES: [(&str, &str); 4] = [
    ("Europe/Istanbul", "Europe/Istanbul"),
    ("America/Los_Angeles", "America/Los_Angeles"),
    ("Asia/Kolkata", "Asia/Kolkata"),
    ("UTC", "Europe/Istanbul"),
];

/// A ticket from so long before the connector.
fn old_ticket(zone: &str, ago: &str) -> String {
    format!(
        "insert into tickets (user_id, subject, body, created_at)
         values (1, 'old', 'from before', (now() - interval '{ago}') at time zone '{zone}')"
    )
}

/// Its key.
const OLD: i64 = 4;

fn is_known(stage: &Stage, ticket: i64) -> bool {
    let books = stage.simulator.books();
    !books.cases_with_field(25, &ticket.to_string()).is_empty()
}

async fn lose_the_slot(stage: &Stage, connector: Connector) {
    assert!(connector.sigterm_and_wait().await.success());
    stage
        .sql("select pg_drop_replication_slot('deskie_cdc_site')")
        .await;
}

async fn parked(stage: &Stage) -> BTreeMap<String, String> {
    let listed = stage.workplace.command(&["failed", "list", "--json"]).await.ok();
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed.stdout).unwrap();
    let text = |item: &serde_json::Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    listed
        .iter()
        .map(|item| (text(item, "id"), text(item, "error")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_ticket_that_is_touched_opens_no_case_in_any_zone() {
    for (writes_in, database) in SITES {
        // GIVEN a ticket from two hours before the connector's start
        let old = old_ticket(writes_in, "2 hours");
        let stage = naive(writes_in, database).schema(&old).build().await;
        let _connector = stage.run().await;
        stage.settled().await;
        // WHEN it is touched
        let before = stage.simulator.books().cases.len();
        stage
            .sql(&format!(
                "update tickets set subject = 'touched' where id = {OLD}"
            ))
            .await;
        // THEN no case is opened for it
        let books = stage.settled().await;
        assert_eq!(books.cases.len(), before + 1, "{writes_in}: the marker's alone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_repaired_in_any_zone() {
    for (writes_in, database) in SITES {
        // GIVEN a site that writes local time without its zone, and a few tickets that the stream brought
        let old = old_ticket(writes_in, "3 hours");
        let stage = naive(writes_in, database).schema(&old).build().await;
        let connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        for text in ["bir", "iki", "üç"] {
            stage.writes(ticket, text).await;
        }
        stage.until_deskie(case, 4).await;
        stage.open("second").await;
        stage.open("third").await;
        stage.settled().await;
        let told = stage.workplace.command(&["status"]).await.ok().stdout;
        assert_eq!(
            told.contains(&format!("at time zone '{writes_in}'")),
            writes_in != "UTC",
            "{told}"
        );
        // WHEN the slot is lost, and the site goes on
        lose_the_slot(&stage, connector).await;
        stage.writes(ticket, "dört").await;
        let fresh = stage.ticket(AYSE, "fresh", "in the gap").await;
        stage
            .sql(&format!(
                "update tickets set subject = 'touched' where id = {OLD}"
            ))
            .await;
        let connector = stage.run().await;
        // THEN what it wrote arrives once, and nothing old
        connector.wait_for_log("repaired: 2 rows").await;
        stage.until_deskie(case, 5).await;
        let fresh_case = stage.case_of(fresh).await;
        stage.writes(ticket, "beş").await;
        stage.until_deskie(case, 6).await;
        stage.settled().await;
        assert_eq!(
            texts(&stage.case(case)),
            ["Soru: body", "bir", "iki", "üç", "dört", "beş"]
        );
        assert_eq!(texts(&stage.case(fresh_case)), ["in the gap"]);
        assert!(!is_known(&stage, OLD), "{writes_in}");
        assert_eq!(parked(&stage).await, BTreeMap::new(), "{writes_in}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_unproven_clock_does_not_tell_is_one_decision() {
    for (writes_in, database) in SITES {
        for retried in [false, true] {
            // GIVEN a site of whose clock too little was seen, and tickets from an hour before the start
            let stage = naive(writes_in, database).build().await;
            let connector = stage.run().await;
            let (ticket, case) = stage.open("Soru").await;
            stage.settled().await;
            let check = stage.workplace.command(&["check"]).await;
            assert!(check.stdout.contains("has no time zone"), "{}", check.stdout);
            // WHEN the slot is lost, tickets with small keys appear in the gap, and one is new for certain
            lose_the_slot(&stage, connector).await;
            stage
                .sql(&format!(
                    "insert into tickets (id, user_id, subject, body, created_at) overriding system value
                     select -n, 1, 'doubtful ' || n, 'body', now() at time zone '{writes_in}' from generate_series(1, 30) n;
                     insert into messages (ticket_id, author, body) select -n, 'customer', 'more' from generate_series(1, 30) n"
                ))
                .await;
            let fresh = stage.ticket(AYSE, "fresh", "in the gap").await;
            stage.writes(ticket, "bir").await;
            let connector = stage.run().await;
            connector.wait_for_log("wait for a person").await;
            // THEN what is certain arrives
            stage.until_deskie(case, 2).await;
            stage.case_of(fresh).await;
            // AND the others are one decision
            let waiting = parked(&stage).await;
            assert_eq!(waiting.len(), 1, "{waiting:?}");
            let (id, why) = waiting.first_key_value().unwrap();
            assert!(why.starts_with("60 rows"), "{why}");
            let verb = if retried { "retry" } else { "discard" };
            stage.workplace.command(&["failed", verb, id]).await.ok();
            assert!(parked(&stage).await.is_empty());
            let books = stage.settled().await;
            let doubtful = (1..=30).filter(|n| !books.cases_with_field(25, &format!("-{n}")).is_empty());
            assert_eq!(doubtful.count(), if retried { 30 } else { 0 });
        }
    }
}

#[tokio::test]
async fn nothing_from_before_the_start_is_repaired() {
    // GIVEN a ticket from shortly before the connector's start
    let stage = stage().schema(&old_ticket("UTC", "2 minutes")).build().await;
    let connector = stage.run().await;
    stage.settled().await;
    let before = stage.simulator.books().cases.len();
    // WHEN a gap begins just then
    lose_the_slot(&stage, connector).await;
    stage
        .sql(&format!(
            "update tickets set subject = 'touched' where id = {OLD}"
        ))
        .await;
    let connector = stage.run().await;
    // THEN it does not reach back to it
    connector.wait_for_log("repaired: 0 rows").await;
    let books = stage.settled().await;
    assert_eq!(books.cases.len(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_site_did_to_known_rows_in_a_gap_is_told() {
    // GIVEN a ticket with a draft, messages that Deskie has, and a status
    let status = "[status]\nsql = [\"update tickets set status = :status where id = :ticket\"]\n\
        map = { open = \"open\", waiting = \"answered\", closed = \"closed\" }\n\n[postgres]\n";
    let stage = stage()
        .config("[postgres]\n", status)
        .set(
            "ticket",
            "status = \"case t.status when 'answered' then 'waiting' else t.status::text end\"",
        )
        .set("message", "on_edit = \"note\"\non_delete = \"note\"")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let edited = stage.writes(ticket, "bir").await;
    let deleted = stage.writes(ticket, "iki").await;
    let draft = stage.writes(ticket, "taslak").await;
    stage.until_deskie(case, 4).await;
    let sql = "insert into messages (ticket_id, author, body, is_internal) values ($1, 'customer', 'gizli', true) returning id";
    let hidden: i64 = stage.query(sql, &[&ticket]).await[0].get(0);
    let (other, other_case) = stage.open("deleted").await;
    stage.settled().await;
    // WHEN the slot is lost, as with a failover tool that drops what it does not know, and the site goes on
    lose_the_slot(&stage, connector).await;
    stage
        .sql(&format!(
            "update messages set is_internal = false where id = {hidden};
             update messages set body = 'bir!' where id = {edited};
             update messages set author_name = 'x' where id = {draft};
             delete from messages where id = {deleted};
             update tickets set status = 'closed' where id = {ticket};
             delete from tickets where id = {other}"
        ))
        .await;
    let connector = stage.run().await;
    let told = connector.wait_for_log("repaired: 0 rows").await;
    assert!(told.contains("2 deleted"), "{told}");
    // THEN Deskie has all of it
    let all = |books: &deskie_cdc_sandbox::simulator::Books| {
        books
            .case(case)
            .is_some_and(|case| case.status == "closed" && case.messages.len() >= 7)
    };
    stage
        .deskie("the draft, the edit, the deletion and the status", all)
        .await;
    stage.settled().await;
    let said: Vec<String> = stage
        .case(case)
        .messages
        .iter()
        .map(|message| message.text.clone() + &message.html)
        .collect();
    for part in ["gizli", "bir!", "iki"] {
        assert!(said.iter().any(|text| text.contains(part)), "{part}: {said:?}");
    }
    assert_eq!(said.len(), 7, "{said:?}");
    // AND the deleted ticket takes no answer
    let gone = stage
        .count(&format!(
            "select count(*) from deskie_cdc.ticket where key = '{other}' and gone"
        ))
        .await;
    assert_eq!(gone, 1);
    let _: CaseId = other_case;
    // AND status tells what came of it
    let status = stage.workplace.command(&["status"]).await.ok();
    assert!(status.stdout.contains("2 deleted meanwhile"), "{}", status.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_servers_transactions_say_nothing() {
    for created_at in [true, false] {
        for elsewhere in ["99999999999", "3"] {
            // GIVEN tickets from before, a ticket with a case, and one that is captured and not resolved yet
            let mut building = stage();
            if !created_at {
                building = building.config("created_at = \"created_at\"\n", "");
            }
            let stage = building.build().await;
            let connector = stage.run().await;
            let (ticket, case) = stage.open("Soru").await;
            stage.writes(ticket, "bir").await;
            stage.until_deskie(case, 2).await;
            stage.settled().await;
            assert!(connector.sigterm_and_wait().await.success());
            stage
                .workplace
                .change_config("[ticket]\n", "[capture]\nsettle = \"1h\"\n[ticket]\n");
            let connector = stage.run().await;
            let waiting = stage.ticket(AYSE, "waiting", "captured before").await;
            wait_until("it is captured", || async {
                (stage.count("select count(*) from deskie_cdc.event").await > 0).then_some(())
            })
            .await;
            lose_the_slot(&stage, connector).await;
            stage
                .workplace
                .change_config("[capture]\nsettle = \"1h\"\n[ticket]\n", "[ticket]\n");
            // WHEN all of it is restored on a server whose transactions are counted otherwise: every row was written there
            stage
                .sql(&format!(
                    "update deskie_cdc.meta set system_id = '1', started_xid = '{elsewhere}', captured_xid = '{elsewhere}';
                     update deskie_cdc.event set xid = '{elsewhere}';
                     update deskie_cdc.published set checked_xid = '{elsewhere}';
                     update tickets set subject = subject; update messages set body = body"
                ))
                .await;
            // AND the site goes on, and the copy is adopted
            stage.writes(ticket, "iki").await;
            let fresh = stage.ticket(AYSE, "fresh", "in the gap").await;
            let adopted = stage.adopt().await;
            assert!(
                adopted
                    .stdout
                    .contains("those of the former server tell nothing here"),
                "{}",
                adopted.stdout
            );
            let connector = stage.run().await;
            // The one that waited is found as well, and goes once.
            connector.wait_for_log("repaired: 3 rows").await;
            // THEN what waited arrives, and what is new, and nothing of the old tickets
            stage.case_of(waiting).await;
            stage.case_of(fresh).await;
            stage.until_deskie(case, 3).await;
            let books = stage.settled().await;
            assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "iki"]);
            // Three tickets, and the markers.
            let markers = books
                .cases
                .iter()
                .filter(|case| case.subject.starts_with("marker"))
                .count();
            assert_eq!(books.cases.len() - markers, 3);
            assert!(parked(&stage).await.is_empty());
            // AND a later gap goes by this server's transactions again
            lose_the_slot(&stage, connector).await;
            stage.writes(ticket, "üç").await;
            let connector = stage.run().await;
            connector.wait_for_log("repaired: 1 rows").await;
            stage.until_deskie(case, 4).await;
            stage.settled().await;
            drop(connector);
            prepared(&stage.site, &stage.workplace).await;
        }
    }
}
