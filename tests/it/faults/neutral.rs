//! What the site refuses of every item alike, by a value, a trigger or row security, stops that part of the mapping and parks
//! nothing: a neutral item that is tried and rolled back tells it from what is one item's own matter.

use deskie_cdc_sandbox::simulator::Says;

use crate::support::{Stage, stage, wait_until};

/// Statuses go to the site.
const STATUS: &str = "[status]\n\
    sql = [\"update tickets set status = :status where id = :ticket\"]\n\
    map = { open = \"open\", waiting = \"answered\", closed = \"closed\" }\n\n[postgres]\n";

/// Whoever wrote is a label of an enum as well.
const WRITER: &str =
    "create type writer as enum ('customer', 'agent'); alter table messages add column who writer";

async fn nothing_parked(stage: &Stage) {
    let parked = stage.workplace.command(&["failed", "list", "--json"]).await.ok();
    assert_eq!(parked.stdout.trim(), "[]");
}

async fn is_told(stage: &Stage, what: &str) {
    wait_until("it is told", || async {
        let status = stage.workplace.command(&["status"]).await;
        status.stdout.contains(what).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_refuses_every_reply_parks_none_and_ends_by_itself() {
    // GIVEN two tickets on both sides
    let stage = stage()
        .schema(WRITER)
        .config("author = \":kind\"", "author = \":kind\", who = \":kind\"")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (other, other_case) = stage.open("Other").await;
    let trigger = |body: &str| {
        format!(
            "create function guard() returns trigger language plpgsql as $$ begin {body} end $$;
             create trigger guard before insert on messages for each row execute function guard()"
        )
    };
    let (raises, swallows) = (
        trigger("raise exception 'the table is closed';"),
        trigger("return null;"),
    );
    let unguarded = "drop function guard cascade";
    let faults = [
        // 22P02, 23514, 22001, P0001, no row, and what row security hides.
        (
            "alter type writer rename value 'agent' to 'staff'",
            "alter type writer rename value 'staff' to 'agent'",
        ),
        (
            "alter table messages add constraint kinds check (author in ('customer', 'staff')) not valid",
            "alter table messages drop constraint kinds",
        ),
        (
            "alter table messages alter author_name type varchar(3) using left(author_name, 3)",
            "alter table messages alter author_name type text",
        ),
        (&raises, unguarded),
        (&swallows, unguarded),
        (
            "alter table tickets enable row level security",
            "alter table tickets disable row level security",
        ),
        (
            "alter table tickets enable row level security; create policy read on tickets for select using (true)",
            "alter table tickets disable row level security; drop policy read on tickets",
        ),
    ];
    for (n, (breaks, mends)) in faults.iter().enumerate() {
        // WHEN the site breaks the mapping, and agents answer meanwhile
        let seen = connector.log().len();
        stage.sql(breaks).await;
        for (case, word) in [(case, "one"), (other_case, "two")] {
            let says = Says::text(format!("{word} {n}"));
            stage.simulator.agent_reply(case, says).unwrap();
        }
        // THEN that is said, and nothing is parked
        connector
            .wait_for_log_after(seen, "writing to the site stopped: [reply]")
            .await;
        is_told(&stage, "writing to the site stopped").await;
        nothing_parked(&stage).await;
        // AND it goes on by itself once the site is mended
        stage.sql(mends).await;
        connector
            .wait_for_log_after(seen, "writing to the site goes on")
            .await;
        stage.until_site(ticket, n + 1).await;
        stage.until_site(other, n + 1).await;
        nothing_parked(&stage).await;
    }
    let trials = "select count(*) from messages where body = 'deskie-cdc check'";
    assert_eq!(stage.count(trials).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_that_a_status_is_written_as_and_that_is_renamed_parks_no_status() {
    // GIVEN two cases whose statuses go to the site
    let stage = stage().config("[postgres]\n", STATUS).build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (other, other_case) = stage.open("Other").await;
    for (case, ticket) in [(case, ticket), (other_case, other)] {
        stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
        stage.until_site(ticket, 1).await;
    }
    for (breaks, mends) in [
        (
            "alter type ticket_status rename value 'closed' to 'done'",
            "alter type ticket_status rename value 'done' to 'closed'",
        ),
        (
            "alter table tickets enable row level security",
            "alter table tickets disable row level security",
        ),
    ] {
        // WHEN both are closed while that cannot be written
        let seen = connector.log().len();
        stage.sql(breaks).await;
        for case in [case, other_case] {
            stage.simulator.set_status(case, "closed").unwrap();
        }
        // THEN that is said, and nothing is parked
        connector
            .wait_for_log_after(seen, "writing to the site stopped: [status]")
            .await;
        nothing_parked(&stage).await;
        // AND it goes on by itself once the site is mended
        stage.sql(mends).await;
        for ticket in [ticket, other] {
            wait_until("it is closed", || async {
                let sql =
                    format!("select count(*) from tickets where id = {ticket} and status::text = 'closed'");
                (stage.count(&sql).await == 1).then_some(())
            })
            .await;
        }
        nothing_parked(&stage).await;
        for (case, ticket) in [(case, ticket), (other_case, other)] {
            stage.simulator.set_status(case, "open").unwrap();
            wait_until("it is open", || async {
                let sql =
                    format!("select count(*) from tickets where id = {ticket} and status::text = 'open'");
                (stage.count(&sql).await == 1).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_reply_or_one_ticket_alone_is_refused_for_is_parked_at_once() {
    // GIVEN a site that takes short texts only, and none for a ticket that it has locked
    let stage = stage()
        .schema(
            "delete from messages; alter table messages alter body type varchar(40);
             create function locked() returns trigger language plpgsql as $$ begin
                if exists (select from public.tickets where id = new.ticket_id and subject = 'Locked') then
                    raise exception 'the ticket is locked';
                end if;
                return new; end $$;
             create trigger locked before insert on messages for each row execute function locked()",
        )
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (_, locked) = stage.open("Locked").await;
    let (last, last_case) = stage.open("Last").await;
    // WHEN an agent says much, and another one something there, with nothing that was written before
    stage
        .simulator
        .agent_reply(case, Says::text("long ".repeat(20)))
        .unwrap();
    stage
        .simulator
        .agent_reply(locked, Says::text("to whom?"))
        .unwrap();
    // THEN both are parked, and nobody else waits
    wait_until("both are parked", || async {
        let sql = "select count(*) from deskie_cdc.remote where state = 'parked'";
        (stage.count(sql).await == 2).then_some(())
    })
    .await;
    stage
        .simulator
        .agent_reply(last_case, Says::text("well"))
        .unwrap();
    stage.until_site(last, 1).await;
    assert!(!connector.log().concat().contains("writing to the site stopped"));
    assert!(stage.rows(ticket).await.is_empty());
    let trials = "select count(*) from messages where body = 'deskie-cdc check'";
    assert_eq!(stage.count(trials).await, 0);
}
