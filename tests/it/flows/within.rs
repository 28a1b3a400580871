//! What one transaction of the site does to a row more than once: the row counts as the transaction leaves it (rule 6).

use deskie_cdc_sandbox::simulator::{Action, Fault, FaultKind, Match};

use crate::support::{AYSE, IVAN, says, stage, texts, wait_until};

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

#[tokio::test]
async fn a_message_that_waits_goes_where_the_site_hands_it() {
    // GIVEN two customers' tickets with cases, and messages that wait for Deskie
    let stage = stage()
        .set("deskie", "doubt_wait = \"2s\"\ntimeout = \"500ms\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let other = stage.ticket(IVAN, "Ivan", "private").await;
    let other_case = stage.case_of(other).await;
    stage.settled().await;
    let down = |down| stage.simulator.act(Action::SetDown { down }).unwrap();
    down(true);
    stage.writes(ticket, "of Ayse").await;
    let handed = stage.writes(ticket, "of Ivan").await;
    stage.writes(ticket, "and of Ayse").await;
    let are = async |what: &str, sql: &str, wanted: i64| {
        wait_until(what, || async {
            (stage.count(sql).await == wanted).then_some(())
        })
        .await;
    };
    let waiting = "select count(*) from deskie_cdc.delivery where state in ('queued', 'sending', 'doubt') and act = 'message'";
    are("all wait", waiting, 3).await;
    // WHEN the site hands one of them to the other customer's ticket
    stage
        .sql(&format!(
            "update messages set ticket_id = {other} where id = {handed}"
        ))
        .await;
    let other_lane =
        format!("{waiting} and ticket_id = (select id from deskie_cdc.ticket where key = '{other}')");
    are("it waits there", &other_lane, 1).await;
    down(false);
    // THEN each goes to its own case
    stage.until_deskie(other_case, 2).await;
    stage.settled().await;
    let own = texts(&stage.case(case)).join("\n");
    assert!(
        own.contains("of Ayse") && own.contains("and of Ayse") && !own.contains("Ivan"),
        "{own}"
    );
    assert_eq!(texts(&stage.case(other_case)), ["private", "of Ivan"]);
}

/// Deskie is away while `write` runs and until everything that it queued waits.
async fn away(stage: &crate::support::Stage, waiting: i64, write: impl AsyncFnOnce()) {
    let down = |down| stage.simulator.act(Action::SetDown { down }).unwrap();
    down(true);
    write().await;
    let sql = "select count(*) from deskie_cdc.delivery where state in ('unresolved', 'queued', 'sending', 'doubt') and act = 'message'";
    wait_until("all wait", || async {
        (stage.count(sql).await == waiting).then_some(())
    })
    .await;
}

async fn back(stage: &crate::support::Stage) {
    let seen = "select count(*) from deskie_cdc.event";
    wait_until("the changes are seen", || async {
        (stage.count(seen).await == 0).then_some(())
    })
    .await;
    stage.simulator.act(Action::SetDown { down: false }).unwrap();
    stage.settled().await;
}

#[tokio::test]
async fn what_waits_goes_as_the_site_has_it_by_then() {
    // GIVEN two customers' tickets with cases, and messages that wait for Deskie
    let stage = stage()
        .set("deskie", "doubt_wait = \"1s\"\ntimeout = \"500ms\"")
        .schema(
            "create table files (id bigint generated always as identity primary key, \
             message_id bigint references messages on delete cascade, name text, content bytea)",
        )
        .config(
            "[reply]\n",
            "[[attachment]]\nof = \"message\"\ntable = \"files\"\nparent = \"message_id\"\nname = \"name\"\n\
             bytes = \"content\"\n\n[reply]\n",
        )
        .set(
            "message",
            "on_edit = \"note\"\nagent_as = \"ignore\"\non_delete = \"note\"\non_hide = \"delete\"",
        )
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let other = stage.ticket(IVAN, "Ivan", "private").await;
    let other_case = stage.case_of(other).await;
    stage.settled().await;
    let mut ids = Vec::new();
    away(&stage, 7, async || {
        for body in [
            "kept",
            "first words",
            "of staff",
            "hidden",
            "with file",
            "of nobody",
        ] {
            ids.push(stage.writes(ticket, body).await);
        }
        ids.push(stage.writes(other, "of Ivan").await);
        let file = format!(
            "insert into files (message_id, name, content) values ({}, 'plan.txt', 'abc')",
            ids[4]
        );
        stage.sql(&file).await;
    })
    .await;
    // WHEN the site, in transactions of their own, changes one, gives one to an agent, hides one, makes a file another
    // customer's and deletes the message that had it
    for change in [
        format!(
            "update messages set body = 'kept after all' where id = {}",
            ids[0]
        ),
        format!("update messages set body = 'better words' where id = {}", ids[1]),
        format!("update messages set author = 'agent' where id = {}", ids[2]),
        format!("update messages set is_internal = true where id = {}", ids[3]),
        format!(
            "update files set message_id = {} where message_id = {}",
            ids[6], ids[4]
        ),
        format!("delete from messages where id = {}", ids[4]),
    ] {
        stage.sql(&change).await;
    }
    back(&stage).await;
    // THEN each goes as it is by then, in its place, and to nobody else
    let own = stage.case(case);
    assert_eq!(
        texts(&own),
        ["Soru: body", "kept after all", "better words", "of nobody"]
    );
    assert!(
        own.messages
            .iter()
            .all(|message| !message.note && message.attachments.is_empty())
    );
    let theirs = stage.case(other_case);
    assert_eq!(texts(&theirs)[..2], ["private", "of Ivan"]);
    let files: Vec<&str> = theirs
        .messages
        .iter()
        .flat_map(|message| &message.attachments)
        .map(|file| file.file_name.as_str())
        .collect();
    assert_eq!(files, ["plan.txt"]);
    // WHEN what was hidden is shown after all
    stage
        .sql(&format!(
            "update messages set is_internal = false where id = {}",
            ids[3]
        ))
        .await;
    // THEN it goes now
    stage.until_deskie(case, 5).await;
    assert_eq!(texts(&stage.case(case))[4], "hidden");
}

#[tokio::test]
async fn a_ticket_that_waits_is_opened_for_whom_it_is_of_by_then() {
    for open_on in ["ticket", "message"] {
        // GIVEN tickets that wait for Deskie, opened by themselves or by their first message
        let mut building = stage()
            .set("deskie", "doubt_wait = \"1s\"\ntimeout = \"500ms\"")
            .set("ticket", "on_edit = \"note\"");
        if open_on == "message" {
            building = building.opens_by_message();
        }
        let stage = building.build().await;
        let _connector = stage.run().await;
        stage.settled().await;
        let mut tickets = Vec::new();
        let waiting = if open_on == "ticket" { 6 } else { 4 };
        away(&stage, waiting, async || {
            for subject in ["wrong", "moved"] {
                let ticket = stage.ticket(AYSE, subject, "body").await;
                stage.writes(ticket, "first").await;
                stage.writes(ticket, "second").await;
                tickets.push(ticket);
            }
        })
        .await;
        // WHEN one turns out to be another customer's, with another subject, and the address of the other's is corrected,
        // in a table that is not streamed
        stage
            .sql(&format!(
                "update tickets set user_id = (select id from users where email = '{IVAN}'), subject = 'right' where id = {}",
                tickets[0]
            ))
            .await;
        stage
            .sql(&format!(
                "update users set email = 'ayse@new.example.com' where email = '{AYSE}'"
            ))
            .await;
        stage
            .sql("update deskie_cdc.delivery set resolved_at = resolved_at - interval '1 hour'")
            .await;
        back(&stage).await;
        // THEN the cases are theirs
        let books = stage.settled().await;
        let mut opened: Vec<(String, String, usize)> = books
            .cases
            .iter()
            .filter(|case| !case.subject.starts_with("marker"))
            .map(|case| {
                let user = books
                    .users
                    .iter()
                    .find(|user| user.user_id == case.user_id)
                    .unwrap();
                (case.subject.clone(), user.contact.clone(), texts(case).len())
            })
            .collect();
        opened.sort();
        let messages = if open_on == "ticket" { 3 } else { 2 };
        assert_eq!(
            opened,
            [
                ("moved".to_owned(), "ayse@new.example.com".to_owned(), messages),
                ("right".to_owned(), IVAN.to_owned(), messages),
            ],
            "{open_on}"
        );
    }
}

#[tokio::test]
async fn a_row_that_is_made_anew_in_one_transaction_is_compared() {
    // GIVEN a message that Deskie has, of a site whose edits and statuses are told
    let stage = stage()
        .set("message", "on_edit = \"note\"")
        .set("ticket", "on_edit = \"note\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let message = stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    stage.settled().await;
    // WHEN the site deletes it and inserts it again with another text, and the same with its ticket
    stage
        .sql(&format!(
            "begin;
             create temp table kept on commit drop as select * from messages where ticket_id = {ticket};
             create temp table t on commit drop as select * from tickets where id = {ticket};
             delete from messages where ticket_id = {ticket};
             delete from tickets where id = {ticket};
             update t set subject = 'another subject';
             update kept set body = 'iki' where id = {message};
             insert into tickets overriding system value select * from t;
             insert into messages overriding system value select * from kept;
             commit"
        ))
        .await;
    stage.settled().await;
    // THEN Deskie is told what has changed, in the same case
    let told: Vec<String> = stage
        .case(case)
        .messages
        .iter()
        .map(|message| says(message).to_owned())
        .collect();
    let told = told.join("\n");
    assert!(told.contains("iki") && told.contains("another subject"), "{told}");
    let books = stage.settled().await;
    assert_eq!(books.cases_with_field(25, &ticket.to_string()).len(), 1);
}

#[tokio::test]
async fn what_deskie_has_certainly_not_taken_can_still_be_moved_or_hidden() {
    // GIVEN two customers' tickets, and messages at the heads of their lanes that Deskie has refused for a while
    let stage = stage().set("message", "agent_as = \"ignore\"").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let other = stage.ticket(IVAN, "Ivan", "private").await;
    let other_case = stage.case_of(other).await;
    stage.settled().await;
    let kind = FaultKind::TooManyRequests { retry_after: Some(4) };
    stage
        .simulator
        .add_fault(Fault::on(Match::Add, kind).times(u32::MAX));
    let moved = stage.writes(ticket, "of Ivan").await;
    let hidden = stage.writes(other, "hidden").await;
    let tried = "select count(*) from deskie_cdc.delivery where state = 'queued' and attempts > 0";
    wait_until("they were tried", || async {
        (stage.count(tried).await > 0).then_some(())
    })
    .await;
    // WHEN the site hands the one to the other ticket, and hides the other
    stage
        .sql(&format!(
            "update messages set is_internal = true where id = {hidden};
             update messages set ticket_id = {other} where id = {moved}"
        ))
        .await;
    let seen = "select count(*) from deskie_cdc.event";
    wait_until("that is seen", || async {
        (stage.count(seen).await == 0).then_some(())
    })
    .await;
    stage.simulator.clear_faults();
    // THEN it goes there, and the hidden one nowhere
    stage.until_deskie(other_case, 2).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(other_case)), ["private", "of Ivan"]);
    assert_eq!(texts(&stage.case(case)), ["Soru: body"]);
}
