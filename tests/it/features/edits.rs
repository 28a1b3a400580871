//! `on_edit`, `on_delete`, `on_hide`: what the site does to a message or a ticket that stands in Deskie.

use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::{Action, Books, Says};

use crate::support::{AYSE, Building, Stage, says, stage, texts, wait_until};

fn edits() -> Building {
    stage().set("message", "on_edit = \"edit\"")
}

fn notes() -> Building {
    stage().set("message", "on_edit = \"note\"\non_delete = \"note\"")
}

fn puts(books: &Books) -> usize {
    books.calls.iter().filter(|call| call.method == "PUT").count()
}

async fn set_body(stage: &Stage, message: i64, body: &str) {
    let sql = "update messages set body = $2 where id = $1";
    let done = stage.site.client.execute(sql, &[&message, &body]).await;
    assert_eq!(done.unwrap(), 1);
}

#[tokio::test]
async fn an_edit_of_the_site_edits_the_message() {
    let stage = edits().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let message = stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 2).await;
    // WHEN the customer edits it, and the site touches it and everything else, a reply of ours too
    set_body(&stage, message, "iki").await;
    stage
        .sql("update messages set author_name = 'x'; update messages set body = body || '!' where author = 'agent'")
        .await;
    // THEN the message says so, by one call, and nothing else changed
    let books = stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "iki", "cevap"]);
    assert_eq!(puts(&books), 1);
    assert_eq!(stage.rows(ticket).await, ["iki", "cevap!"]);
    // WHEN it is edited back, THEN that goes as well
    set_body(&stage, message, "bir").await;
    let books = stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "cevap"]);
    assert_eq!(puts(&books), 2);
}

#[tokio::test]
async fn an_edit_keeps_its_place_behind_the_message() {
    let stage = edits()
        .set("deskie", "doubt_wait = \"2s\"\ntimeout = \"500ms\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // WHEN Deskie is away while a message is written, edited twice, and another follows
    stage.simulator.act(Action::SetDown { down: true }).unwrap();
    let message = stage.writes(ticket, "bir").await;
    set_body(&stage, message, "iki").await;
    set_body(&stage, message, "üç").await;
    stage.writes(ticket, "son").await;
    stage.simulator.act(Action::SetDown { down: false }).unwrap();
    // THEN all stands there in the end, once
    stage.until_deskie(case, 3).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "üç", "son"]);
}

#[tokio::test]
async fn the_first_message_of_a_case_is_found_and_edited() {
    // GIVEN a site whose tickets open with their first message
    let stage = edits().opens_by_message().without_rules().build().await;
    let _connector = stage.run().await;
    let ticket = stage.ticket("ayse@example.com", "Soru", "").await;
    let message = stage.writes(ticket, "bir").await;
    let case = stage.case_of(ticket).await;
    // WHEN it is edited, THEN its number is looked up
    set_body(&stage, message, "iki").await;
    let edited = |books: &Books| books.case(case).is_some_and(|case| texts(case) == ["iki"]);
    stage.deskie("the edit", edited).await;
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await, ["iki"]);
}

#[tokio::test]
async fn edits_and_deletions_become_notes() {
    let stage = notes().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let message = stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    // WHEN it is edited twice and then deleted
    for body in ["iki", "üç"] {
        set_body(&stage, message, body).await;
    }
    stage
        .sql(&format!("delete from messages where id = {message}"))
        .await;
    stage.settled().await;
    // THEN the agents are told each, and the message stands as it was
    let there = stage.case(case);
    assert_eq!(texts(&there), ["Soru: body", "bir"]);
    let noted: Vec<&str> = there
        .messages
        .iter()
        .filter(|message| message.note)
        .map(says)
        .collect();
    assert_eq!(noted.len(), 3, "{noted:?}");
    for (note, expected) in noted
        .iter()
        .zip([["edited", "iki"], ["edited", "üç"], ["deleted", "üç"]])
    {
        assert!(expected.iter().all(|word| note.contains(word)), "{note}");
    }
    assert!(stage.rows(ticket).await.is_empty());
    // WHEN the whole ticket is deleted with what it holds, THEN its messages are not told one by one
    stage.writes(ticket, "dört").await;
    stage.until_deskie(case, 3).await;
    stage
        .sql(&format!("delete from tickets where id = {ticket}"))
        .await;
    stage.settled().await;
    assert_eq!(stage.case(case).messages.len(), 6);
}

/// The notes of a case.
fn notes_of(stage: &Stage, case: CaseId) -> Vec<String> {
    let case = stage.case(case);
    let notes = case.messages.iter().filter(|message| message.note);
    notes.map(|note| says(note).to_owned()).collect()
}

fn ticket_notes() -> Building {
    stage().set("ticket", "on_edit = \"note\"\non_delete = \"note\"")
}

/// Each of the notes holds its words.
fn assert_notes(found: &[String], expected: &[&[&str]]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (note, words) in found.iter().zip(expected) {
        assert!(words.iter().all(|word| note.contains(word)), "{words:?}: {note}");
    }
}

#[tokio::test]
async fn edits_and_the_deletion_of_a_ticket_become_notes() {
    let stage = ticket_notes().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN subject and body change, once together, among changes of anything else, and ours by a reply
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 1).await;
    for set in [
        "replies_count = 7",
        "subject = 'Yeni <konu>'",
        "status = 'closed'",
        "body = 'yeni metin'",
        "subject = 'Son', body = 'son metin'",
        "subject = subject",
    ] {
        stage
            .sql(&format!("update tickets set {set} where id = {ticket}"))
            .await;
    }
    stage.settled().await;
    // THEN the agents are told each, and the messages stand as they were
    let edited: &[&[&str]] = &[
        &["edited this ticket", "Yeni &lt;konu&gt;"],
        &["edited this ticket", "yeni metin"],
        &["edited this ticket", "Son", "son metin"],
    ];
    assert_notes(&notes_of(&stage, case), edited);
    assert!(!notes_of(&stage, case)[0].contains("Soru: body"));
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "cevap"]);
    // WHEN it is deleted, THEN that is told, once
    stage
        .sql(&format!("delete from tickets where id = {ticket}"))
        .await;
    stage.settled().await;
    let all = notes_of(&stage, case);
    assert_notes(&all[..3], edited);
    assert_notes(&all[3..], &[&["ticket was deleted", "Son"]]);
}

#[tokio::test]
async fn the_subject_of_a_ticket_that_opens_with_a_message_is_watched_too() {
    // GIVEN such a site, and a ticket from before the connector among its tickets
    let stage = ticket_notes().opens_by_message().build().await;
    let _connector = stage.run().await;
    let ticket = stage.ticket("ayse@example.com", "Soru", "x").await;
    for (ticket, subject) in [(ticket, "Soru"), (2, "Не приходит")] {
        stage
            .sql(&format!("update tickets set body = 'y' where id = {ticket}"))
            .await;
        stage.writes(ticket, "bir").await;
        let case = stage.case_of(ticket).await;
        // WHEN body, subject and both change, and the row goes
        for set in ["body = 'z'", "subject = 'Yeni'", "subject = 'Yeni', body = 'w'"] {
            stage
                .sql(&format!("update tickets set {set} where id = {ticket}"))
                .await;
        }
        stage.settled().await;
        // THEN the subject is told
        assert_notes(&notes_of(&stage, case), &[&["edited this ticket", "Yeni"]]);
        stage
            .sql(&format!("delete from tickets where id = {ticket}"))
            .await;
        stage.settled().await;
        assert_notes(&notes_of(&stage, case)[1..], &[&["ticket was deleted", "Yeni"]]);
        assert!(stage.case(case).subject.starts_with(subject));
    }
    // AND the deletion of one that was never edited is told as well
    let ticket = stage.ticket("ayse@example.com", "Soru", "x").await;
    stage.writes(ticket, "bir").await;
    let case = stage.case_of(ticket).await;
    stage.settled().await;
    stage
        .sql(&format!("delete from tickets where id = {ticket}"))
        .await;
    stage.settled().await;
    assert_notes(&notes_of(&stage, case), &[&["ticket was deleted", "Soru"]]);
    // AND of a ticket without a case nothing is told, nor is one opened for it
    stage
        .sql("update tickets set subject = 'x' where id = 3; delete from tickets where id = 3")
        .await;
    let books = stage.settled().await;
    assert!(books.cases_with_field(25, "3").is_empty());
}

#[tokio::test]
async fn an_edit_that_goes_in_several_parts_is_told_in_their_order() {
    // GIVEN a message that Deskie has
    let stage = edits().set("deskie", "max_body = \"1kB\"").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let message = stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    stage.settled().await;
    // WHEN its text becomes longer than goes in one part, and later another one
    for words in ["first", "later"] {
        let paragraphs: Vec<String> = (1..=4)
            .map(|n| format!("{words} {n} {}", "x".repeat(700)))
            .collect();
        set_body(&stage, message, &paragraphs.join("\n\n")).await;
        stage.settled().await;
    }
    // THEN the notes read on from one to the next
    let notes = notes_of(&stage, case).join("\n");
    let places: Vec<usize> = ["first 1", "first 2", "first 3", "first 4", "later 1", "later 4"]
        .iter()
        .map(|words| notes.find(words).unwrap_or_else(|| panic!("{words}: {notes}")))
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(
        notes.find("The customer edited") < places.first().copied(),
        "{notes}"
    );
}

#[tokio::test]
async fn a_soft_deletion_is_told_where_it_counts_as_one() {
    let hide = "on_delete = \"note\"\non_hide = \"delete\"";
    let stage = stage()
        .schema(
            "alter table tickets add column deleted_at timestamptz; alter table messages add column deleted_at timestamptz",
        )
        .set("ticket", &format!("{hide}\nwhere = \"t.deleted_at is null\""))
        .config("where = \"not m.is_internal\"", &format!("where = \"not m.is_internal and m.deleted_at is null\"\n{hide}"))
        // Deskie may be away in the middle of a call.
        .set("deskie", "doubt_wait = \"2s\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let message = stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    let set = async |table: &str, id: i64, what: &str| {
        stage
            .sql(&format!("update {table} set {what} where id = {id}"))
            .await;
    };
    // WHEN a message is hidden, touched, shown again, hidden again, and deleted in the end
    set("messages", message, "deleted_at = now()").await;
    set("messages", message, "author_name = 'x'").await;
    set("messages", message, "deleted_at = null").await;
    set("messages", message, "author_name = 'y'").await;
    set("messages", message, "deleted_at = now()").await;
    stage
        .sql(&format!("delete from messages where id = {message}"))
        .await;
    // AND the ticket likewise
    set("tickets", ticket, "deleted_at = now()").await;
    set("tickets", ticket, "replies_count = 9").await;
    set("tickets", ticket, "deleted_at = null").await;
    stage.settled().await;
    // THEN each step that means something is told once
    assert_notes(
        &notes_of(&stage, case),
        &[
            &["message was deleted", "bir"],
            &["message is on the site again", "bir"],
            &["message was deleted", "bir"],
            &["ticket was deleted", "Soru"],
            &["ticket is on the site again", "Soru"],
        ],
    );
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir"]);
    // WHEN one is hidden before it was sent, behind another one, THEN it goes once it is shown again
    stage.simulator.act(Action::SetDown { down: true }).unwrap();
    stage.writes(ticket, "iki").await;
    let held = stage.writes(ticket, "üç").await;
    set("messages", held, "deleted_at = now()").await;
    let seen = "select count(*) from deskie_cdc.event";
    wait_until("all is resolved", || async {
        (stage.count(seen).await == 0).then_some(())
    })
    .await;
    stage.simulator.act(Action::SetDown { down: false }).unwrap();
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "iki"]);
    set("messages", held, "deleted_at = null").await;
    stage.until_deskie(case, 4).await;
    stage.settled().await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir", "iki", "üç"]);
    assert_eq!(notes_of(&stage, case).len(), 5);
}

#[tokio::test]
async fn a_message_that_is_deleted_as_its_turn_comes_is_not_sent() {
    // GIVEN a message that waits, and somebody who is at what we know of it
    let stage = notes().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage
        .sql("insert into deskie_cdc.pause (way) values ('to_deskie')")
        .await;
    let message = stage.writes(ticket, "bir").await;
    let of_message =
        format!("(select id from deskie_cdc.link where section = 'message' and key = '{message}')");
    let is = async |sql: String| {
        let row = stage.site.client.query_one(&format!("select {sql}"), &[]).await;
        row.unwrap().get::<_, bool>(0)
    };
    let queued =
        format!("exists (select from deskie_cdc.delivery where link_id = {of_message} and state = 'queued')");
    wait_until("it waits", || async { is(queued.clone()).await.then_some(()) }).await;
    let other = stage.site.connect().await;
    let hold = format!("begin; select from deskie_cdc.link where id = {of_message} for update");
    other.batch_execute(&hold).await.unwrap();
    // WHEN the site deletes it, which has to wait for that, and its turn comes meanwhile
    stage
        .sql(&format!("delete from messages where id = {message}"))
        .await;
    let waits = "exists (select from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'deskie-cdc flow%')";
    wait_until("its deletion waits", || async {
        is(waits.into()).await.then_some(())
    })
    .await;
    stage.sql("delete from deskie_cdc.pause").await;
    let sender = "exists (select from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'deskie-cdc state%')";
    wait_until("its turn has come", || async {
        let is_sent = stage.case(case).conversation().len() > 1;
        (is_sent || is(sender.into()).await).then_some(())
    })
    .await;
    other.batch_execute("rollback").await.unwrap();
    stage.settled().await;
    // THEN it does not go, or Deskie is told
    let is_told = notes_of(&stage, case)
        .iter()
        .any(|note| note.contains("was deleted"));
    assert!(is_told || texts(&stage.case(case)) == ["Soru: body"]);
}

async fn waits_for_a_lock(stage: &Stage, who: &str) {
    let sql = format!(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'deskie-cdc {who}%'"
    );
    let waits = || async { (stage.count(&sql).await > 0).then_some(()) };
    wait_until(&format!("{who} waits"), waits).await;
}

/// A delivery whose turn comes, and what the site does to its row at that very moment: `of` names the delivery in our table.
/// Its sender waits for a lock of ours, and has to be waited for by whoever decides what the site's deed means.
async fn raced(stage: &Stage, of: &str, deed: &str) {
    let queued = format!("select count(*) from deskie_cdc.delivery where {of} and state = 'queued'");
    let is_queued = || async { (stage.count(&queued).await > 0).then_some(()) };
    wait_until("it is queued", is_queued).await;
    let other = stage.site.connect().await;
    let hold = format!("begin; select from deskie_cdc.delivery where {of} for update");
    other.batch_execute(&hold).await.unwrap();
    stage.sql("delete from deskie_cdc.pause").await;
    waits_for_a_lock(stage, "state").await;
    stage.sql(deed).await;
    waits_for_a_lock(stage, "flow").await;
    other.batch_execute("rollback").await.unwrap();
    stage.settled().await;
}

const PAUSED: &str = "insert into deskie_cdc.pause (way) values ('to_deskie')";

fn of_message(message: i64) -> String {
    format!("link_id = (select id from deskie_cdc.link where section = 'message' and key = '{message}')")
}

#[tokio::test]
async fn what_the_site_takes_back_as_its_turn_comes_is_told() {
    let hide = "on_edit = \"note\"\non_delete = \"note\"\non_hide = \"delete\"";
    let stage = stage()
        .schema(
            "alter table tickets add column deleted_at timestamptz; alter table messages add column deleted_at timestamptz",
        )
        .set("ticket", &format!("{hide}\nwhere = \"t.deleted_at is null\""))
        .config(
            "where = \"not m.is_internal\"",
            &format!("where = \"not m.is_internal and m.deleted_at is null\"\n{hide}"),
        )
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN a message is hidden, deleted or edited in the very moment in which it is sent
    for (n, (deed, line)) in [
        ("update messages set deleted_at = now()", "message was deleted"),
        ("delete from messages", "message was deleted"),
        ("update messages set body = 'yeni'", "edited this message"),
    ]
    .iter()
    .enumerate()
    {
        stage.sql(PAUSED).await;
        let message = stage.writes(ticket, "bir").await;
        raced(
            &stage,
            &of_message(message),
            &format!("{deed} where id = {message}"),
        )
        .await;
        // THEN Deskie is told
        assert_eq!(texts(&stage.case(case)).len(), n + 2);
        let notes = notes_of(&stage, case);
        assert_eq!(notes.len(), n + 1, "{deed}: {notes:?}");
        assert!(notes[n].contains(line), "{deed}: {notes:?}");
    }
    // WHEN a ticket is hidden, deleted or edited in the very moment in which its case is opened
    for (deed, line) in [
        ("update tickets set deleted_at = now()", "ticket was deleted"),
        ("delete from tickets", "ticket was deleted"),
        ("update tickets set subject = 'Yeni'", "edited this ticket"),
    ] {
        stage.sql(PAUSED).await;
        let ticket = stage.ticket(AYSE, "Soru", "body").await;
        let of_ticket = format!(
            "section = 'ticket' and act = 'message' and ticket_id = (select id from deskie_cdc.ticket where key = '{ticket}')"
        );
        raced(&stage, &of_ticket, &format!("{deed} where id = {ticket}")).await;
        // THEN the case says so
        let case = stage.case_of(ticket).await;
        let notes = notes_of(&stage, case);
        assert_eq!(notes.len(), 1, "{deed}: {notes:?}");
        assert!(notes[0].contains(line), "{deed}: {notes:?}");
    }
    // WHEN one is hidden while it waits, THEN its case says so as well
    stage.sql(PAUSED).await;
    let ticket = stage.ticket(AYSE, "Soru", "body").await;
    let lane = format!(
        "select count(*) from deskie_cdc.delivery d join deskie_cdc.ticket t on t.id = d.ticket_id where key = '{ticket}'"
    );
    let is_queued = || async { (stage.count(&lane).await > 0).then_some(()) };
    wait_until("it is queued", is_queued).await;
    stage
        .sql(&format!(
            "update tickets set deleted_at = now() where id = {ticket}"
        ))
        .await;
    let is_seen =
        || async { (stage.count("select count(*) from deskie_cdc.event").await == 0).then_some(()) };
    wait_until("that is resolved", is_seen).await;
    stage.sql("delete from deskie_cdc.pause").await;
    let books = stage.settled().await;
    for case in books.cases_with_field(25, &ticket.to_string()) {
        let notes = notes_of(&stage, case.case_id);
        assert!(notes[0].contains("ticket was deleted"), "{notes:?}");
    }
}

#[tokio::test]
async fn an_edit_that_comes_as_messages_are_joined_changes_its_own_alone() {
    // GIVEN two messages that would go together, and an edit of the second that is just being decided
    let stage = edits().set("message", "coalesce = true").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage
        .sql(
            "create function public.slow() returns trigger language plpgsql as $$ begin
                 perform pg_catalog.pg_advisory_xact_lock(42); return new; end $$;
             create trigger slow before update on deskie_cdc.delivery for each row when (new.state = 'unresolved')
                 execute function public.slow()",
        )
        .await;
    stage.sql(PAUSED).await;
    stage.writes(ticket, "bir").await;
    let second = stage.writes(ticket, "iki").await;
    let queued = format!(
        "select count(*) from deskie_cdc.delivery where {} and state = 'queued'",
        of_message(second)
    );
    let is_queued = || async { (stage.count(&queued).await > 0).then_some(()) };
    wait_until("it is queued", is_queued).await;
    let other = stage.site.connect().await;
    other
        .batch_execute("begin; select pg_advisory_xact_lock(42)")
        .await
        .unwrap();
    set_body(&stage, second, "üç").await;
    waits_for_a_lock(&stage, "flow").await;
    // WHEN their turn comes meanwhile
    stage.sql("delete from deskie_cdc.pause").await;
    let is_sent = || async { (texts(&stage.case(case)).len() > 1).then_some(()) };
    tokio::select! {
        () = waits_for_a_lock(&stage, "state") => {}
        () = wait_until("it is sent", is_sent) => {}
    }
    other.batch_execute("rollback").await.unwrap();
    stage.settled().await;
    // THEN nothing of the first is lost
    let whole = texts(&stage.case(case)).join("|");
    assert!(whole.contains("bir") && whole.contains("üç"), "{whole}");
}

#[tokio::test]
async fn an_edit_of_what_an_agent_deleted_in_deskie_holds_nothing_up() {
    // GIVEN a message that an agent has deleted in Deskie
    let stage = edits().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let row = stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    stage.settled().await;
    let message = stage.case(case).messages.last().unwrap().message_id;
    stage
        .simulator
        .act(Action::DeleteMessage { case, message })
        .unwrap();
    // WHEN the customer edits it, and writes on
    set_body(&stage, row, "iki").await;
    stage.writes(ticket, "devam").await;
    // THEN that is sent, and nobody has to do anything
    stage
        .deskie("the next message", |books| {
            books
                .case(case)
                .is_some_and(|case| texts(case).contains(&"devam"))
        })
        .await;
    stage.settled().await;
    let failed = stage.workplace.command(&["failed", "list"]).await.ok();
    assert!(failed.stdout.contains("nothing waits"), "{}", failed.stdout);
}

#[tokio::test]
async fn blanks_at_the_ends_of_lines_are_no_edit() {
    let stage = edits().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let message = stage.writes(ticket, "bir\niki").await;
    stage.until_deskie(case, 2).await;
    for body in ["bir\niki  ", "bir  \niki\n", "\n bir\r\niki", "bir\niki"] {
        set_body(&stage, message, body).await;
    }
    assert_eq!(puts(&stage.settled().await), 0);
    // What is seen goes.
    set_body(&stage, message, "bir\n\niki").await;
    assert_eq!(puts(&stage.settled().await), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_that_a_migration_rewrites_stand_before_no_new_message() {
    // GIVEN more tickets than are called for at once, with three messages each
    let stage = edits().build().await;
    let _connector = stage.run().await;
    stage
        .sql(&format!(
            "with t as (insert into tickets (user_id, subject, body)
                select u.id, 'Many', 'opens' from users u, generate_series(1, 24) where u.email = '{AYSE}' returning id)
             insert into messages (ticket_id, author, body)
             select id, 'customer', 'says ' || n from t, generate_series(1, 2) n order by n, id"
        ))
        .await;
    stage.settled().await;
    // WHEN it rewrites them, and one of their customers and another one say something
    let last = stage
        .count("select max(id)::int8 from tickets where subject = 'Many'")
        .await;
    stage
        .sql(&format!(
            "begin; update messages set body = 'They say ' || body where body like 'says %';
             insert into messages (ticket_id, author, body) values ({last}, 'customer', 'and more');
             insert into tickets (user_id, subject, body) select id, 'New', 'opens' from users where email = '{AYSE}';
             commit"
        ))
        .await;
    // THEN they come before the edits, but for those of its own ticket
    let books = stage.settled().await;
    let writes: Vec<&str> = books
        .calls
        .iter()
        .filter(|call| ["PUT", "POST"].contains(&call.method.as_str()))
        .map(|call| call.method.as_str())
        .collect();
    let first = writes.iter().position(|method| *method == "PUT").unwrap();
    let edits_before_new = |nth: usize| {
        let posts = writes[first.saturating_sub(1)..].iter().enumerate();
        let (place, _) = posts.filter(|(_, method)| **method == "POST").nth(nth).unwrap();
        place
    };
    assert_eq!(puts(&books), 48);
    assert!(edits_before_new(0) < 4, "{writes:?}");
    assert!(edits_before_new(1) < 12, "{writes:?}");
    let case = stage.case_of(last).await;
    let said = stage.case(case);
    let shown: Vec<&str> = texts(&said).into_iter().map(str::trim).collect();
    assert_eq!(shown, ["opens", "They say says 1", "They say says 2", "and more"]);
}
