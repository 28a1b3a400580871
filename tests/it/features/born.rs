//! `[case]`: cases born in Deskie become tickets of the site, once.

use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::{Action, Delivery, Fault, FaultKind, Match, Says};

use crate::support::{AYSE, Building, Stage, stage, texts, wait_until};

const CASE: &str = "[case]\nsql = [\n\
    \"insert into users (email, full_name) values (:customer_email, coalesce(:customer_name, 'x')) on conflict do nothing\",\n\
    \"insert into tickets (user_id, subject, body, created_at) select id, :subject, :text, :created_at from users where email = :customer_email returning id\"\n\
    ]\n\n[postgres]\n";

fn with_case() -> Building {
    stage().config("[postgres]\n", CASE)
}

/// Somebody writes to the support address.
fn mail(stage: &Stage, from: &str, subject: &str) -> CaseId {
    let action = Action::CreateCaseByMail {
        user_email: from.to_owned(),
        user_full_name: "Yeni Müşteri".to_owned(),
        subject: subject.to_owned(),
        says: Says::text(format!("{subject}: body")),
    };
    stage.simulator.act(action).unwrap().case_id.unwrap()
}

async fn ticket_of(stage: &Stage, case: CaseId) -> i64 {
    let sql = "select key::bigint from deskie_cdc.ticket where case_id = $1";
    wait_until(&format!("the ticket of case {case}"), || async {
        let rows = stage.query(sql, &[&case.0]).await;
        rows.first().map(|row| row.get::<_, i64>(0))
    })
    .await
}

#[tokio::test]
async fn a_case_born_in_deskie_becomes_a_ticket_and_lives_on_like_any_other() {
    // GIVEN rules that tell of everything twice
    let stage = with_case()
        .delivery(Delivery {
            duplicates: 1,
            ..Delivery::default()
        })
        .build()
        .await;
    let _connector = stage.run().await;
    // WHEN a new customer writes by mail, and again before we look
    let case = mail(&stage, "yeni@example.com", "Fatura");
    stage
        .simulator
        .customer_mail_reply(case, Says::text("daha"))
        .unwrap();
    // THEN the site has a ticket of his, with the first message in it and the second as a row
    let ticket = ticket_of(&stage, case).await;
    stage.until_site(ticket, 1).await;
    stage.settled().await;
    let sql = "select t.subject, t.body, u.email, u.full_name from tickets t join users u on u.id = t.user_id where t.id = $1";
    let row = &stage.query(sql, &[&ticket]).await[0];
    let shown: Vec<String> = (0..4).map(|n| row.get(n)).collect();
    assert_eq!(
        shown,
        ["Fatura", "Fatura: body", "yeni@example.com", "Yeni Müşteri"]
    );
    assert_eq!(stage.rows(ticket).await, ["daha"]);
    // AND it is one ticket, of which nothing went to Deskie
    assert_eq!(
        stage
            .count("select count(*) from tickets where subject = 'Fatura'")
            .await,
        1
    );
    assert_eq!(texts(&stage.case(case)), ["Fatura: body", "daha"]);
    // WHEN both sides go on, THEN it is one conversation
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 2).await;
    stage.writes(ticket, "sitede").await;
    let there = stage.until_deskie(case, 4).await;
    assert_eq!(texts(&there)[3], "sitede");
    assert_eq!(there.messages[3].user_id, there.messages[0].user_id);
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await, ["daha", "cevap", "sitede"]);
}

#[tokio::test]
async fn the_sweep_finds_what_no_webhook_told() {
    // GIVEN no webhook, and a case from before the connector
    let stage = with_case()
        .without_rules()
        .set("deskie", "sweep = \"1s\"")
        .build()
        .await;
    let _connector = stage.run().await;
    // WHEN a case comes by mail, whose message is shown a moment later, and one from the site
    let empty = FaultKind::Answer {
        status: 200,
        body: "{\"total_count\": 0}".to_owned(),
        done: false,
    };
    stage.simulator.add_fault(Fault::on(Match::ListMessages, empty));
    let case = mail(&stage, AYSE, "Posta");
    let (own, own_case) = stage.open("Soru").await;
    // THEN the first becomes a ticket, and the second stays the one that it is
    let ticket = ticket_of(&stage, case).await;
    assert_ne!(ticket, own);
    assert_eq!(ticket_of(&stage, own_case).await, own);
    stage.settled().await;
    let sql =
        "select count(*) from tickets where subject in ('Posta', 'Soru') and body = subject || ': body'";
    assert_eq!(stage.count(sql).await, 2);
}

#[tokio::test]
async fn without_the_section_such_cases_are_left_alone() {
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let _connector = stage.run().await;
    let case = mail(&stage, AYSE, "Posta");
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.settled().await;
    assert_eq!(
        stage
            .count("select count(*) from tickets where subject = 'Posta'")
            .await,
        0
    );
}

#[tokio::test]
async fn a_case_that_the_site_refuses_waits_for_a_person() {
    // GIVEN a site that does not take such tickets, and an open_on that leaves the text to [reply]
    let stage = with_case()
        .schema("alter table tickets add constraint short check (length(subject) < 20) not valid")
        .config("open_on = \"ticket\"", "open_on = \"message\"")
        .config("[ticket]\n", "[ticket]\n")
        .config(
            "body = \"body\"\ncreated_at = \"created_at\"\ncustomer",
            "created_at = \"created_at\"\ncustomer",
        )
        .build()
        .await;
    let connector = stage.run().await;
    // WHEN one comes, THEN it is parked with the database's own words, and nothing of it is written
    let case = mail(&stage, "yeni@example.com", "A subject that is much too long");
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    connector.wait_for_log("the case is parked").await;
    let listed = stage.workplace.command(&["failed", "list"]).await.ok();
    assert!(listed.stdout.contains("short"), "{}", listed.stdout);
    let id = format!("c{case}");
    let shown = stage.workplace.command(&["failed", "show", &id]).await.ok();
    assert!(shown.stdout.contains("short"), "{}", shown.stdout);
    let users = "select count(*) from users where email = 'yeni@example.com'";
    assert_eq!(stage.count(users).await, 0);
    // WHEN the site is mended, THEN it becomes a ticket with all of its messages
    stage.sql("alter table tickets drop constraint short").await;
    stage.workplace.command(&["failed", "retry", &id]).await.ok();
    let ticket = ticket_of(&stage, case).await;
    stage.until_site(ticket, 2).await;
    assert_eq!(
        stage.rows(ticket).await,
        ["A subject that is much too long: body", "cevap"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequence_behind_the_tickets_stops_the_section_and_parks_nothing() {
    // GIVEN tickets that were copied without their sequence
    let stage = with_case().build().await;
    let connector = stage.run().await;
    stage
        .sql(
            "insert into tickets (id, user_id, subject, body) overriding system value
                 select n, (select min(id) from users), 'old', 'old' from generate_series(5001, 5003) n;
             select setval('tickets_id_seq', 5000)",
        )
        .await;
    // WHEN cases are born, THEN that is said once with its mend, and nothing is parked
    let (first, second) = (mail(&stage, AYSE, "Bir"), mail(&stage, AYSE, "Iki"));
    let told = "run `select setval('public.tickets_id_seq', (select max(id) from public.tickets))`";
    wait_until("it is told", || async {
        let status = stage.workplace.command(&["status"]).await;
        status.stdout.contains(told).then_some(())
    })
    .await;
    let failed = stage.workplace.command(&["failed", "list"]).await.ok();
    assert!(failed.stdout.contains("nothing waits"), "{}", failed.stdout);
    // AND it goes on by itself once the site is mended
    stage
        .sql("select setval('public.tickets_id_seq', (select max(id) from public.tickets))")
        .await;
    connector.wait_for_log("writing to the site goes on").await;
    assert_ne!(ticket_of(&stage, first).await, ticket_of(&stage, second).await);
    stage.settled().await;
    stage.workplace.command(&["status"]).await.ok();
    // AND a number that the statement gives itself is that one case's matter
    stage
        .sql("create unique index subjects on tickets (subject) where subject = 'Tek'; insert into tickets (user_id, subject, body) select min(id), 'Tek', 'x' from users")
        .await;
    let taken = mail(&stage, AYSE, "Tek");
    let parked = format!("c{taken}");
    wait_until("it is parked", || async {
        let failed = stage.workplace.command(&["failed", "list"]).await;
        failed.stdout.contains(&parked).then_some(())
    })
    .await;
    let next = mail(&stage, AYSE, "Uc");
    ticket_of(&stage, next).await;
}

#[tokio::test]
async fn a_case_never_becomes_a_ticket_that_was_there_before() {
    // GIVEN a [case] that finds a ticket in place of making one, after it has written something
    let first = "update tickets set replies_count = 77 where id = 1";
    let found = format!("[case]\nsql = [\"{first}\", \"select 1\"]\n\n[postgres]\n");
    let stage = stage().config("[postgres]\n", &found).build().await;
    let _connector = stage.run().await;
    for id in [1_i64, 2] {
        // WHEN a case is born, THEN it is parked, and nothing is written
        let case = mail(&stage, &format!("yeni{id}@example.com"), "Fatura");
        let sql = "select count(*) from deskie_cdc.birth where state = 'parked' and case_id = ";
        wait_until("it is parked", || async {
            (stage.count(&format!("{sql}{case}")).await == 1).then_some(())
        })
        .await;
    }
    let sql = "select count(*) from tickets where replies_count = 77";
    assert_eq!(stage.count(sql).await, 0);
    assert_eq!(
        stage
            .count("select count(*) from deskie_cdc.ticket where case_id is not null")
            .await,
        0
    );
    // AND one that a function makes in a block of its own is a new one
    let sql = "create function made(u text) returns bigint language plpgsql security definer set search_path = public as $$ declare n bigint; begin
            begin insert into tickets (user_id, subject, body) select min(id), u, u from users returning id into n;
            exception when division_by_zero then null; end;
            return n; end $$";
    stage.sql(sql).await;
    let right = std::fs::read_to_string(stage.workplace.config_file()).unwrap();
    stage.workplace.write_config(
        &right
            .replace("\"select 1\"", "\"select made(:subject)\"")
            .replace(&format!("\"{first}\", "), ""),
    );
    drop(_connector);
    let _connector = stage.run().await;
    let case = mail(&stage, "son@example.com", "Yeni");
    let ticket = ticket_of(&stage, case).await;
    assert_eq!(
        stage
            .count(&format!(
                "select count(*) from tickets where subject = 'Yeni' and id = {ticket}"
            ))
            .await,
        1
    );
}
