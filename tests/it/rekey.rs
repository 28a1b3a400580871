//! A key of the site's that is made anew (rule 11): its numbers are other rows' then, and the stream does not say so.

use deskie_cdc_sandbox::simulator::Says;

use crate::support::{AYSE, Connector, IVAN, Stage, stage, texts, wait_until};

/// Makes the watch look often, so that what a command decides is seen at once.
const QUICK: [(&str, &str); 1] = [("DESKIE_CDC_WATCH_MS", "100")];

/// What TypeORM makes of number → bigint where it cannot alter the column: everything is numbered anew, here the other way
/// round.
const ANEW: &str = "
    alter table messages drop constraint messages_ticket_id_fkey;
    alter table tickets rename column id to old_id;
    alter table tickets alter column old_id drop identity if exists;
    alter table tickets add column id bigint;
    update tickets t set id = n.place
        from (select old_id, row_number() over (order by old_id desc) as place from tickets) n where n.old_id = t.old_id;
    alter table tickets alter column id set not null;
    alter table tickets drop constraint tickets_pkey;
    alter table tickets add primary key (id);
    create sequence tickets_new_seq owned by tickets.id;
    select setval('tickets_new_seq', (select max(id) from tickets));
    alter table tickets alter column id set default nextval('tickets_new_seq');
    update messages m set ticket_id = t.id from tickets t where t.old_id = m.ticket_id;
    alter table messages add constraint messages_ticket_id_fkey foreign key (ticket_id) references tickets (id);
    alter table tickets drop column old_id;
    grant usage on sequence tickets_new_seq to public;";

async fn begun(stage: &Stage) -> Connector {
    let connector = stage.workplace.run_with(&QUICK);
    connector.wait_for_log("leading").await;
    connector
}

async fn migrate(stage: &Stage, sql: &str) {
    stage.sql(&format!("begin; {sql}; commit")).await;
}

async fn is_held(stage: &Stage) {
    wait_until("it is held", || async {
        let answer = reqwest::get(stage.workplace.admin_url("/health/ready"))
            .await
            .ok()?;
        let held = answer.status() == 503;
        (held && answer.text().await.ok()?.contains("made anew")).then_some(())
    })
    .await;
    let status = stage.workplace.command(&["status"]).await.exits(1);
    assert!(status.stdout.contains("--rekey"), "{}", status.stdout);
}

async fn is_ready(stage: &Stage) {
    wait_until("it is ready", || async {
        let answer = reqwest::get(stage.workplace.admin_url("/health/ready"))
            .await
            .ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
}

async fn rekey(stage: &Stage, word: &str) {
    let admin_url = stage.site.admin_url();
    stage
        .workplace
        .command(&["setup", "--rekey", word, "--admin-url", &admin_url])
        .await
        .ok();
}

/// The key of a ticket by its subject.
async fn key_of(stage: &Stage, subject: &str) -> i64 {
    let rows = stage
        .query("select id::int8 from tickets where subject = $1", &[&subject])
        .await;
    rows[0].get(0)
}

#[tokio::test]
async fn numbers_made_anew_are_not_believed_and_nothing_crosses() {
    // GIVEN two customers' tickets with cases
    let stage = stage().build().await;
    let _connector = begun(&stage).await;
    let (first, case) = stage.open("Ayse").await;
    let second = stage.ticket(IVAN, "Ivan", "private").await;
    let second_case = stage.case_of(second).await;
    stage.settled().await;
    // WHEN the site numbers its tickets anew and calls one of them otherwise, both sides going on
    let named = "update tickets set subject = 'Ivan 2' where subject = 'Ivan'";
    migrate(&stage, &format!("{named};{ANEW}")).await;
    let (now, now_second) = (key_of(&stage, "Ayse").await, key_of(&stage, "Ivan 2").await);
    assert_ne!((now, now_second), (first, second));
    stage.simulator.agent_reply(case, Says::text("for Ayse")).unwrap();
    stage
        .simulator
        .agent_reply(second_case, Says::text("for Ivan"))
        .unwrap();
    stage.writes(now, "of Ayse").await;
    stage.writes(now_second, "of Ivan").await;
    is_held(&stage).await;
    // THEN nothing is written or sent
    let rows = stage
        .count("select count(*) from messages where body like 'for %'")
        .await;
    assert_eq!(rows, 0);
    assert_eq!(texts(&stage.case(case)), ["Ayse: body", "for Ayse"]);
    assert_eq!(texts(&stage.case(second_case)), ["private", "for Ivan"]);
    // WHEN a person says that the numbers are others
    rekey(&stage, "anew").await;
    is_ready(&stage).await;
    // THEN the one that is found goes on in its case under its new number
    stage.until_deskie(case, 3).await;
    stage.until_site(now, 2).await;
    stage.simulator.agent_reply(case, Says::text("again")).unwrap();
    stage.until_site(now, 3).await;
    stage.writes(now, "and again").await;
    stage.until_deskie(case, 5).await;
    assert_eq!(
        texts(&stage.case(case)),
        ["Ayse: body", "for Ayse", "of Ayse", "again", "and again"]
    );
    assert_eq!(
        stage.rows(now).await,
        ["of Ayse", "for Ayse", "again", "and again"]
    );
    // AND the other one is in a new case; what was said in the old one is told, and not written
    let anew = stage.case_of_open(now_second).await;
    assert_ne!(anew, second_case);
    assert_eq!(texts(&stage.case(anew))[0], "of Ivan");
    stage.simulator.agent_reply(anew, Says::text("to Ivan")).unwrap();
    stage.until_site(now_second, 2).await;
    assert_eq!(stage.rows(now_second).await, ["of Ivan", "to Ivan"]);
    assert_eq!(texts(&stage.case(second_case)), ["private", "for Ivan"]);
    let next = stage.ticket(AYSE, "Later", "later").await;
    assert_eq!(texts(&stage.case(stage.case_of_open(next).await)), ["later"]);
}

#[tokio::test]
async fn a_key_made_anew_holds_before_anybody_has_looked() {
    // GIVEN a ticket with a case, and a connector that is away
    let stage = stage().build().await;
    let connector = begun(&stage).await;
    stage.open("Ayse").await;
    stage.settled().await;
    connector.kill9().await;
    let free = format!(
        "select count(*) where {}",
        deskie_cdc::store::UNHELD.replace("{s}", "deskie_cdc")
    );
    assert_eq!(stage.count(&free).await, 1);
    // WHEN the site numbers its tickets anew
    migrate(&stage, ANEW).await;
    // THEN what every sending and every writing asks within its transaction refuses, though nobody has told it yet
    assert_eq!(stage.count("select count(*) from deskie_cdc.hold").await, 0);
    let refused = stage.site.client.query(&free, &[]).await.unwrap_err();
    assert_eq!(
        refused.code().map(tokio_postgres::error::SqlState::code),
        Some("DC005"),
        "{refused:?}"
    );
}

/// The column is exchanged for another one with the same values.
const SWAPPED: &str = "
    alter table messages drop constraint messages_ticket_id_fkey;
    alter table tickets rename column id to old_id;
    alter table tickets alter column old_id drop identity if exists;
    alter table tickets add column id bigint;
    update tickets set id = old_id;
    alter table tickets drop constraint tickets_pkey;
    alter table tickets add primary key (id);
    alter table tickets drop column old_id;
    alter table messages add constraint messages_ticket_id_fkey foreign key (ticket_id) references tickets (id);";

#[tokio::test]
async fn a_key_swapped_with_its_values_goes_on_by_itself() {
    // GIVEN a ticket with a case and a message
    let stage = stage().build().await;
    let connector = begun(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    stage.settled().await;
    // WHEN the site exchanges its key, both sides going on
    migrate(&stage, SWAPPED).await;
    stage.writes(ticket, "iki").await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    // THEN the rows tell that they are the same
    connector.wait_for_log("have kept their numbers").await;
    stage.until_deskie(case, 4).await;
    stage.until_site(ticket, 3).await;
    assert_eq!(stage.rows(ticket).await, ["bir", "iki", "cevap"]);
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "cevap", "iki"]);
}

#[tokio::test]
async fn what_cannot_be_compared_goes_on_once_a_person_has_said_so() {
    // GIVEN a ticket with a case, and a mapping that does not tell when rows were made
    let stage = stage().config("created_at = \"created_at\"\n", "").build().await;
    let connector = begun(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    // WHEN the site exchanges its key while the connector is stopped
    migrate(&stage, SWAPPED).await;
    stage.writes(ticket, "bir").await;
    let _connector = begun(&stage).await;
    is_held(&stage).await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body"]);
    // THEN it goes on where it was, once a person has said so
    rekey(&stage, "same").await;
    is_ready(&stage).await;
    stage.until_deskie(case, 2).await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 2).await;
    assert_eq!(stage.rows(ticket).await, ["bir", "cevap"]);
}

#[tokio::test]
async fn int_to_uuid_and_a_table_in_anothers_place_are_held() {
    for change in [
        "alter table messages drop constraint messages_ticket_id_fkey;
         alter table tickets drop constraint tickets_pkey;
         alter table tickets rename column id to old_id;
         alter table tickets add column id uuid primary key default gen_random_uuid();
         alter table messages rename column ticket_id to old_ticket_id;
         alter table messages add column ticket_id uuid;
         update messages m set ticket_id = t.id from tickets t where t.old_id = m.old_ticket_id",
        "alter table messages drop constraint messages_ticket_id_fkey;
         alter table messages rename to former;
         create table messages (like former including all)",
        "alter table messages drop constraint messages_ticket_id_fkey;
         alter table tickets alter column id drop identity if exists;
         alter table tickets alter column id drop default;
         alter table tickets alter column id type text using md5(id::text)",
    ] {
        let stage = stage().build().await;
        let _connector = begun(&stage).await;
        let (ticket, case) = stage.open("Soru").await;
        stage.writes(ticket, "bir").await;
        stage.until_deskie(case, 2).await;
        stage.settled().await;
        migrate(&stage, change).await;
        stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
        is_held(&stage).await;
        assert_eq!(texts(&stage.case(case)).len(), 3, "{change}");
    }
}

#[tokio::test]
async fn what_does_not_change_a_key_holds_nothing() {
    let stage = stage().build().await;
    let connector = begun(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN the site widens the key in place, adds and drops columns, rewrites, renames there and back
    migrate(
        &stage,
        "alter table tickets alter column id type int; alter table messages alter column ticket_id type int;
         alter table tickets alter column id type bigint; alter table messages alter column ticket_id type bigint;
         alter table tickets add column extra text default 'x'; alter table messages add column extra int;
         alter table tickets rename to t2; alter table t2 rename to tickets;
         alter table tickets rename column id to x; alter table tickets rename column x to id;
         alter table tickets drop column extra",
    )
    .await;
    stage.sql("vacuum full tickets").await;
    stage.sql("cluster messages using messages_pkey").await;
    // THEN both sides go on
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    connector
        .wait_for_log("was written anew, with the same numbers")
        .await;
    let told = "select count(*) from deskie_cdc.journal where what like '%held%'";
    assert_eq!(stage.count(told).await, 0);
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 2).await;
    assert!(stage.workplace.command(&["status"]).await.status.success());
}

/// Other numbers in the same column, of which nothing is streamed.
fn moved_on(by: i64) -> String {
    format!(
        "alter table messages drop constraint messages_ticket_id_fkey;
         alter table tickets alter column id type bigint using id + {by};
         alter table messages alter column ticket_id type bigint using ticket_id + {by};
         alter table messages add constraint messages_ticket_id_fkey foreign key (ticket_id) references tickets (id);
         select setval(pg_get_serial_sequence('tickets', 'id'), (select max(id) from tickets))"
    )
}

#[tokio::test]
async fn other_numbers_in_the_same_column_are_not_believed() {
    // All known numbers are nobody's now, or the second ticket has the number of the first.
    for by in [1000, -1] {
        // GIVEN two customers' tickets with cases
        let stage = stage().build().await;
        let _connector = begun(&stage).await;
        let (first, case) = stage.open("Ayse").await;
        stage.settled().await;
        // Times are compared in whole seconds.
        stage
            .sql(&format!(
                "insert into tickets (user_id, subject, body, created_at)
                 select id, 'Ivan', 'private', now() - interval '1 minute' from users where email = '{IVAN}'"
            ))
            .await;
        let second = key_of(&stage, "Ivan").await;
        let second_case = stage.case_of(second).await;
        stage.settled().await;
        // WHEN the site numbers its tickets anew in their column, both sides going on
        migrate(&stage, &moved_on(by)).await;
        assert_eq!(key_of(&stage, "Ivan").await, second + by);
        stage.writes(second + by, "of Ivan").await;
        stage.simulator.agent_reply(case, Says::text("for Ayse")).unwrap();
        is_held(&stage).await;
        // THEN nothing is written or sent
        let rows = stage
            .count("select count(*) from messages where body like 'for %'")
            .await;
        assert_eq!(rows, 0, "{by}");
        assert_eq!(texts(&stage.case(case)), ["Ayse: body", "for Ayse"], "{by}");
        assert_eq!(texts(&stage.case(second_case)), ["private"], "{by}");
        // AND once a person has said so, each goes on in its own case
        rekey(&stage, "anew").await;
        is_ready(&stage).await;
        stage.until_deskie(second_case, 2).await;
        stage.until_site(first + by, 1).await;
        assert_eq!(texts(&stage.case(second_case)), ["private", "of Ivan"], "{by}");
        assert_eq!(stage.rows(first + by).await, ["for Ayse"], "{by}");
        assert_eq!(stage.rows(second + by).await, ["of Ivan"], "{by}");
    }
}

/// A new serial key: the table is written anew, and no row of it is streamed.
const SERIAL: &str = "
    alter table messages drop constraint messages_ticket_id_fkey;
    alter table tickets drop constraint tickets_pkey;
    alter table tickets rename column id to old_id;
    alter table tickets alter column old_id drop identity if exists;
    create sequence tickets_anew start 1000;
    alter table tickets add column id bigint not null default nextval('tickets_anew');
    alter table tickets add primary key (id);
    alter table tickets drop column old_id;
    alter table messages add constraint messages_ticket_id_fkey foreign key (ticket_id) references tickets (id);
    grant usage on sequence tickets_anew to public;";

#[tokio::test]
async fn the_oldest_change_that_waited_is_found_as_well() {
    // GIVEN a ticket with a case, and a site whose tickets are numbered anew without an UPDATE
    let stage = stage().build().await;
    let _connector = begun(&stage).await;
    stage.sql("delete from messages").await;
    let (_, case) = stage.open("Ayse").await;
    stage.settled().await;
    migrate(&stage, SERIAL).await;
    // WHEN the customer's message is the first change behind that, and a person says that the numbers are others
    let now = key_of(&stage, "Ayse").await;
    stage.writes(now, "first").await;
    is_held(&stage).await;
    stage.writes(now, "second").await;
    rekey(&stage, "anew").await;
    is_ready(&stage).await;
    // THEN it is found, and what Deskie has is not sent again
    stage.until_deskie(case, 3).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Ayse: body", "first", "second"]);
}

#[tokio::test]
async fn new_tables_in_the_place_of_archived_ones_lose_nothing_that_was_written_before_setup() {
    for (is_set_up_before, is_running) in [(false, true), (true, true), (false, false)] {
        // GIVEN a ticket with a case
        let stage = stage().build().await;
        let connector = begun(&stage).await;
        let (_, case) = stage.open("Ayse").await;
        stage.settled().await;
        if !is_running {
            connector.kill9().await;
        }
        // WHEN the site archives its tables and begins anew, with tickets from the first moment on
        migrate(
            &stage,
            &format!(
                "alter table messages rename to messages_2025; alter table tickets rename to tickets_2025;
                 create table tickets (like tickets_2025 including all);
                 create table messages (like messages_2025 including all);
                 insert into tickets (user_id, subject, body)
                 select u.id, 'New ' || n, 'opens ' || n from users u, generate_series(1, 3) n where u.email = '{IVAN}'"
            ),
        )
        .await;
        for ticket in 1..=3 {
            stage.writes(ticket, &format!("before {ticket}")).await;
        }
        let restarted = match is_running {
            true => None,
            false => Some(begun(&stage).await),
        };
        is_held(&stage).await;
        if is_set_up_before {
            let admin_url = stage.site.admin_url();
            let setup = ["setup", "--admin-url", &admin_url];
            stage.workplace.command(&setup).await.ok();
            stage.writes(1, "between").await;
        }
        rekey(&stage, "anew").await;
        is_ready(&stage).await;
        stage.writes(3, "after").await;
        // THEN each of them is in a case of its own, from its first word on
        for (ticket, later) in [
            (1, is_set_up_before.then_some("between")),
            (2, None),
            (3, Some("after")),
        ] {
            let mut wanted = vec![format!("opens {ticket}"), format!("before {ticket}")];
            wanted.extend(later.map(str::to_owned));
            let what = format!("ticket {ticket} ({is_set_up_before}, {is_running})");
            stage
                .deskie(&what, |books| {
                    books.cases.iter().any(|case| texts(case) == wanted)
                })
                .await;
        }
        assert_eq!(texts(&stage.case(case)), ["Ayse: body"]);
        drop(restarted);
    }
}

#[tokio::test]
async fn a_key_that_changes_while_keys_are_noted_is_compared() {
    // GIVEN a look at the keys that has compared them, and has to wait before it notes them
    let stage = stage().build().await;
    let _connector = begun(&stage).await;
    stage.sql("delete from messages").await;
    stage.open("Ayse").await;
    stage.settled().await;
    let other = stage.site.connect().await;
    other
        .batch_execute("begin; lock table deskie_cdc.key_column in exclusive mode")
        .await
        .unwrap();
    wait_until("it waits", || async {
        let sql = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'deskie-cdc state%'";
        (stage.count(sql).await > 0).then_some(())
    })
    .await;
    // WHEN the site numbers its tickets anew meanwhile
    migrate(&stage, SERIAL).await;
    other.batch_execute("rollback").await.unwrap();
    // THEN that is not believed
    is_held(&stage).await;
}
