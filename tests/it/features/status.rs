//! A status, both ways, and never back.

use std::time::Duration;

use deskie_cdc_sandbox::simulator::{Books, CaseId, Delivery, Says};

use crate::support::{AYSE, Building, Stage, stage, wait_until};

/// The site says `answered` where Deskie says `waiting`.
const STATUS: &str = "[status]\n\
    sql = [\"update tickets set status = :status where id = :ticket\"]\n\
    map = { open = \"open\", waiting = \"answered\", closed = \"closed\" }\n\n[postgres]\n";

const OF_TICKET: &str = "status = \"case t.status when 'answered' then 'waiting' else t.status::text end\"";

fn to_site() -> Building {
    stage().config("[postgres]\n", STATUS)
}

fn both_ways() -> Building {
    to_site().set("ticket", OF_TICKET)
}

trait Statuses {
    async fn site_status(&self, ticket: i64) -> String;
    async fn until_site_says(&self, ticket: i64, status: &str);
    async fn until_deskie_says(&self, case: CaseId, status: &str);
}

impl Statuses for Stage {
    async fn site_status(&self, ticket: i64) -> String {
        let sql = "select status::text from tickets where id = $1";
        self.query(sql, &[&ticket]).await[0].get(0)
    }

    async fn until_site_says(&self, ticket: i64, status: &str) {
        wait_until(&format!("ticket {ticket} is {status}"), || async {
            (self.site_status(ticket).await == status).then_some(())
        })
        .await;
    }

    async fn until_deskie_says(&self, case: CaseId, status: &str) {
        let there = |books: &Books| books.case(case).is_some_and(|case| case.status == status);
        self.deskie(&format!("case {case} is {status}"), there).await;
    }
}

/// The status updates that Deskie was sent.
fn updates(books: &Books) -> usize {
    books.calls.iter().filter(|call| call.method == "PUT").count()
}

#[tokio::test]
async fn a_webhook_that_brings_no_message_brings_the_status() {
    // GIVEN a case with an answer
    let stage = both_ways().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 1).await;
    // WHEN the agent closes it and opens it again, THEN the site has it
    for status in ["closed", "open"] {
        stage.simulator.set_status(case, status).unwrap();
        stage.until_site_says(ticket, status).await;
    }
    // AND nothing of it went back, also when the site touches the row
    stage
        .sql("update tickets set updated_at = now() where status <> 'closed'")
        .await;
    let books = stage.settled().await;
    assert_eq!(updates(&books), 0);
    assert_eq!(stage.case(case).status, "open");
}

#[tokio::test]
async fn the_sweep_brings_the_status_without_any_webhook() {
    // GIVEN no webhook at all
    let stage = both_ways()
        .without_rules()
        .set("deskie", "sweep = \"1s\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN an agent answers, THEN the status that this brings comes as well
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site_says(ticket, "answered").await;
    // AND back and forth it stays what was said last
    stage
        .sql(&format!(
            "update tickets set status = 'closed' where id = {ticket}"
        ))
        .await;
    stage.until_deskie_says(case, "closed").await;
    let seen = stage.simulator.books().calls.len();
    stage
        .deskie("three more sweeps", |books| books.calls.len() >= seen + 3)
        .await;
    assert_eq!(stage.site_status(ticket).await, "closed");
    stage.simulator.set_status(case, "open").unwrap();
    stage.until_site_says(ticket, "open").await;
    let seen = stage.simulator.books().calls.len();
    let books = stage
        .deskie("three more sweeps", |books| books.calls.len() >= seen + 3)
        .await;
    assert_eq!(updates(&books), 1);
    assert_eq!(stage.case(case).status, "open");
}

#[tokio::test]
async fn what_the_site_changes_goes_to_deskie() {
    // GIVEN a site that writes a status of its own with each reply
    let stage = stage()
        .set("ticket", OF_TICKET)
        .config(
            "updated_at = now() where",
            "updated_at = now(), status = 'answered' where",
        )
        .build()
        .await;
    let _connector = stage.run().await;
    // WHEN a ticket is opened as closed, THEN so is its case, by the same call
    let sql = "insert into tickets (user_id, subject, body, status) \
        select id, 'done', 'done', 'closed' from users where email = $1 returning id";
    let done: i64 = stage.query(sql, &[&AYSE]).await[0].get(0);
    let done_case = stage.case_of(done).await;
    assert_eq!(stage.case(done_case).status, "closed");
    // WHEN the site closes one, THEN Deskie does
    let (ticket, case) = stage.open("Soru").await;
    stage
        .sql(&format!(
            "update tickets set status = 'closed' where id = {ticket}"
        ))
        .await;
    stage.until_deskie_says(case, "closed").await;
    // WHEN the row is touched otherwise while Deskie has another status, THEN Deskie's stays
    stage.simulator.set_status(case, "waiting").unwrap();
    stage.sql("update tickets set updated_at = now()").await;
    let books = stage.settled().await;
    assert_eq!(updates(&books), 1);
    assert_eq!(stage.case(case).status, "waiting");
    // WHEN it changes several times in one transaction, THEN only the newest counts
    stage
        .sql(&format!(
            "begin; update tickets set status = 'open' where id = {ticket};
             update tickets set status = 'answered' where id = {ticket};
             update tickets set status = 'open' where id = {ticket}; commit"
        ))
        .await;
    stage.until_deskie_says(case, "open").await;
    assert_eq!(updates(&stage.settled().await), 2);
    // WHEN we write a reply, and its `after` the status, THEN that does not go back
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site_says(ticket, "answered").await;
    stage.sql("update tickets set updated_at = now()").await;
    assert_eq!(updates(&stage.settled().await), 2);
    // WHEN the site then opens it, THEN that does
    stage
        .sql(&format!("update tickets set status = 'open' where id = {ticket}"))
        .await;
    stage.until_deskie_says(case, "open").await;
    assert_eq!(updates(&stage.settled().await), 3);
}

#[tokio::test]
async fn a_status_that_deskie_was_away_for_arrives_once_as_the_newest() {
    use deskie_cdc_sandbox::simulator::Action;
    let stage = both_ways().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN Deskie is away while the site changes the status
    stage.simulator.act(Action::SetDown { down: true }).unwrap();
    stage
        .sql(&format!(
            "update tickets set status = 'closed' where id = {ticket}"
        ))
        .await;
    connector.wait_for_log("not sent yet").await;
    stage
        .sql(&format!(
            "update tickets set status = 'answered' where id = {ticket}"
        ))
        .await;
    connector.kill9().await;
    let _connector = stage.run().await;
    stage.simulator.act(Action::SetDown { down: false }).unwrap();
    // THEN it gets the newest, and the site keeps it
    stage.until_deskie_says(case, "waiting").await;
    stage.settled().await;
    assert_eq!(stage.site_status(ticket).await, "answered");
    assert_eq!(stage.case(case).status, "waiting");
}

#[tokio::test]
async fn an_answer_and_what_closes_its_case_arrive_with_one_webhook() {
    // GIVEN an agent who answers and closes at once, of which one webhook tells; no sweep comes for long
    let delivery = Delivery {
        delay: Duration::from_millis(300),
        ..Delivery::default()
    };
    let stage = to_site()
        .set("deskie", "sweep = \"10m\"")
        .delivery(delivery)
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.simulator.set_options(|options| {
        for rule in &mut options.rules {
            rule.delivery.drop = true;
        }
    });
    stage.simulator.set_status(case, "closed").unwrap();
    // THEN both are written
    stage.until_site(ticket, 1).await;
    stage.until_site_says(ticket, "closed").await;
}

#[tokio::test]
async fn a_status_that_the_site_refuses_waits_for_a_person_or_for_the_next_one() {
    // GIVEN a site that does not close this one ticket, and a map without `waiting`
    let stage = to_site()
        .config(", waiting = \"answered\"", "")
        .schema("alter table tickets add constraint never_closed check (status <> 'closed' or subject <> 'Soru') not valid")
        .set("deskie", "sweep = \"1s\"")
        .build()
        .await;
    let connector = stage.run().await;
    stage.open("Other").await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN Deskie closes it, THEN that is parked, with the database's own words
    stage.simulator.set_status(case, "closed").unwrap();
    connector.wait_for_log("the status is parked").await;
    let listed = stage.workplace.command(&["failed", "list"]).await.ok();
    assert!(listed.stdout.contains("never_closed"), "{}", listed.stdout);
    // WHEN a word comes that the map lacks, THEN it is passed over, and the trace says so
    stage.simulator.set_status(case, "waiting").unwrap();
    let skipped = "select count(*) from deskie_cdc.journal where what = 'status skipped'";
    wait_until("the skip", || async {
        (stage.count(skipped).await == 1).then_some(())
    })
    .await;
    let parked = "select count(*) from deskie_cdc.status_write";
    assert_eq!(stage.count(parked).await, 0);
    // WHEN it is closed again on a mended site, THEN a retry writes it
    stage.simulator.set_status(case, "closed").unwrap();
    wait_until("it is parked again", || async {
        (stage.count(parked).await == 1).then_some(())
    })
    .await;
    stage
        .sql("alter table tickets drop constraint never_closed")
        .await;
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    stage.until_site_says(ticket, "closed").await;
}

#[tokio::test]
async fn check_tries_the_status_and_rolls_it_back() {
    let stage = both_ways().build().await;
    stage.ticket(AYSE, "Soru", "Soru").await;
    let checked = stage.workplace.command(&["check"]).await.ok();
    assert!(!checked.stdout.contains("not written yet"), "{}", checked.stdout);
    let planned = stage.workplace.command(&["plan", "--last", "1"]).await.ok();
    assert!(planned.stdout.contains("open"), "{}", planned.stdout);
}
