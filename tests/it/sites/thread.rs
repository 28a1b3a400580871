//! The conversation as a JSON array in the ticket's row: the same table for both sections, `expand`, `after` alone.

use deskie_cdc_sandbox::simulator::Says;

use super::Scene;
use super::scene::{Heard, expected};

/// One more in a ticket's list.
fn append(ticket: i32, json: &str) -> String {
    format!("update tickets set thread = thread || '{json}'::jsonb where id = {ticket}")
}

/// Lists as they grow, shrink and are turned round; lists from before among them.
async fn play(scene: &Scene) -> Heard {
    let _connector = scene.run().await;
    // 3: it grows, with a message without an id, one of the machine, an agent's.
    scene
        .app(r#"insert into tickets (email, subject, thread) values ('ayse@example.com', 'New', '[{"from": "user", "text": "Merhaba", "id": "u1"}]')"#)
        .await;
    scene.app(&append(3, r#"{"from": "user", "text": "Acil"}"#)).await;
    scene
        .app(&append(
            3,
            r#"[{"from": "system", "text": "Assigned"}, {"from": "staff", "text": "Bakıyorum"}]"#,
        ))
        .await;
    // The same words again are another message; a known one that is edited is not.
    scene.app(&append(3, r#"{"from": "user", "text": "Acil"}"#)).await;
    // What leaves its list before it is sent is not sent.
    scene.until_heard("3", 4).await;
    scene
        .app("update tickets set thread = jsonb_set(thread, '{0,text}', '\"Merhaba!\"') where id = 3")
        .await;
    // Turned round, one taken out, all taken out and put back.
    scene
        .app("update tickets set thread = (select jsonb_agg(v order by n desc) from jsonb_array_elements(thread) with ordinality x(v, n)) where id = 3")
        .await;
    scene
        .app("update tickets set thread = thread - 1 where id = 3")
        .await;
    scene
        .app("create table shelf as select id, thread from tickets; update tickets set thread = '[]'")
        .await;
    scene
        .app("update tickets t set thread = s.thread from shelf s where s.id = t.id; drop table shelf")
        .await;
    // 1 and 2: what stood there at the start is not sent, what comes is.
    scene.app("update tickets set seen = seen + 1").await;
    scene
        .app(&append(1, r#"{"from": "user", "text": "anew", "id": "u9"}"#))
        .await;
    scene
        .app(&append(
            2,
            r#"{"from": "user", "text": "**first**", "kind": "md"}"#,
        ))
        .await;
    scene.heard().await
}

fn outcome() -> Heard {
    expected([
        ("1", &["anew"]),
        ("2", &["<p><strong>first</strong></p>"]),
        ("3", &["Merhaba", "Acil", "note: Bakıyorum", "Acil"]),
    ])
}

#[tokio::test]
async fn a_thread_arrives_message_by_message_and_takes_the_answers() {
    // GIVEN the site; WHEN its application works
    let scene = Scene::new("thread").await;
    scene.check_ok().await;
    let plan = scene
        .workplace
        .command(&["plan", "--ticket", "1"])
        .await
        .ok()
        .stdout;
    assert!(plan.contains("passed over: baseline"), "{plan}");
    // THEN each message came once, in its list's order
    assert_eq!(play(&scene).await, outcome());

    // WHEN both answer in Deskie, and the site shows the whole list again and adds to it
    let _connector = scene.run().await;
    let case = scene.case_of("3").await;
    let last = "select thread -> -1 ->> 'text' from tickets where id = 3";
    scene.agent(&case, Says::text("Yarın {{x}} $1"));
    scene.until(last, "Yarın {{x}} $1").await;
    scene.mail(&case, Says::text("Acil"));
    scene.until(last, "Acil").await;
    scene
        .app("update tickets set seen = seen + 1, thread = thread || '[]'")
        .await;
    scene.app(&append(3, r#"{"from": "user", "text": "Oldu"}"#)).await;
    // THEN only what the site added is new
    let heard = scene.heard().await;
    assert_eq!(heard["3"][4..], ["agent: Yarın {{x}} $1", "Acil", "Oldu"]);
    // AND the story tells of each
    let trace = scene.workplace.command(&["trace", "3"]).await.ok().stdout;
    assert!(trace.contains("written by us"), "{trace}");
    assert_eq!(scene.reasons().await, Vec::<String>::new());

    // WHEN the row goes and its key is used anew, THEN that is another conversation
    scene.app("delete from tickets where id = 3").await;
    scene
        .app(r#"insert into tickets (id, email, subject, thread) values (3, 'olga@example.com', 'Other', '[{"from": "user", "text": "Merhaba", "id": "u1"}]')"#)
        .await;
    scene.until_heard("3", 8).await;
    let cases = scene.settled().await;
    assert_eq!(cases.cases_with_field(25, "3").len(), 2);
}

#[tokio::test]
async fn a_thread_that_the_change_does_not_carry_is_read_by_key() {
    // GIVEN a list that is kept outside of its row, in a ticket that is not visible yet
    let scene = Scene::new("thread").await;
    let _connector = scene.run().await;
    let long = "(select string_agg(md5(n::text), '') from generate_series(1, 400) n)";
    let list = format!("jsonb_build_array(jsonb_build_object('from', 'user', 'text', 'Long ' || {long}))");
    scene
        .app(&format!("insert into tickets (email, subject, visible, thread) select 'ayse@example.com', 'S', false, {list}"))
        .await;
    assert_eq!(scene.heard().await, expected([]));
    // WHEN another column makes it visible
    scene.app("update tickets set visible = true where id = 3").await;
    // THEN it is sent whole
    let heard = scene.heard().await;
    assert_eq!(heard["3"].len(), 1);
    assert!(heard["3"][0].len() > 12_000);

    // WHEN the list is so large that no change carries it, and both sides write
    let huge = "(select string_agg(md5(n::text), '') from generate_series(1, 4000) n)";
    scene
        .app(&format!("update tickets set thread = thread || jsonb_build_object('from', 'system', 'text', {huge}) where id = 3"))
        .await;
    let case = scene.case_of("3").await;
    scene.agent(&case, Says::text("Cevap"));
    scene
        .until(
            "select thread -> -1 ->> 'text' from tickets where id = 3",
            "Cevap",
        )
        .await;
    scene
        .app(&append(3, r#"{"from": "user", "text": "Sağ ol"}"#))
        .await;
    // THEN the customer's arrives, and our own does not come back
    assert_eq!(scene.heard().await["3"][1..], ["agent: Cevap", "Sağ ol"]);
    assert_eq!(scene.reasons().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_thread_of_the_tickets_row_may_be_named_by_either_alias() {
    let scene = Scene::mutated("thread", &[("(m.thread)", "(t.thread)")]).await;
    assert_eq!(play(&scene).await, outcome());
    let _connector = scene.run().await;
    let case = scene.case_of("3").await;
    scene.agent(&case, Says::text("Yarın"));
    scene
        .until(
            "select thread -> -1 ->> 'text' from tickets where id = 3",
            "Yarın",
        )
        .await;
    scene.app("update tickets set seen = 7").await;
    assert_eq!(scene.heard().await["3"][4..], ["agent: Yarın"]);
}

#[tokio::test]
async fn a_thread_settles_first() {
    let scene = Scene::mutated(
        "thread",
        &[("[ticket]\n", "[capture]\nsettle = \"2s\"\n[ticket]\n")],
    )
    .await;
    let _connector = scene.run().await;
    // WHEN one message is taken out again, one corrected, and a row deleted, all within the time
    scene
        .app(r#"update tickets set thread = thread || '[{"from": "user", "text": "oops", "id": "a"}, {"from": "user", "text": "Helo", "id": "b"}]' where id = 2"#)
        .await;
    scene
        .app(r#"insert into tickets (email, subject, thread) values ('ayse@example.com', 'New', '[{"from": "user", "text": "gone"}]')"#)
        .await;
    scene
        .app(r#"update tickets set thread = '[{"from": "user", "text": "Hello", "id": "b"}]' where id = 2; delete from tickets where id = 3"#)
        .await;
    // THEN what stands is sent
    assert_eq!(scene.heard().await, expected([("2", &["Hello"])]));
}

#[tokio::test]
async fn a_thread_would_tell_the_customer_of_the_system() {
    let scene = Scene::mutated("thread", &[("else 'skip' end", "else 'customer' end")]).await;
    assert!(play(&scene).await["3"].contains(&"Assigned".to_owned()));

    // AND a text for a key would take the second of equal ones for the first
    let scene = Scene::mutated("thread", &[("e.said->>'id'", "e.said->>'text'")]).await;
    assert_ne!(play(&scene).await, outcome());
}

#[tokio::test]
async fn a_thread_check_points_at_the_list() {
    let scene = Scene::raw(
        "thread",
        &[("jsonb_array_elements(m.thread)", "jsonb_array_elements(m.thraed)")],
    )
    .await;
    let said = scene.setup_fails().await;
    assert!(
        said.contains("did you mean `m.thread`?") && said.contains("message.expand"),
        "{said}"
    );
    let scene = Scene::raw(
        "thread",
        &[("e.said->>'text'\"\nformat", "e.siad->>'text'\"\nformat")],
    )
    .await;
    let said = scene.setup_fails().await;
    assert!(said.contains("message.body"), "{said}");
}

#[tokio::test]
async fn a_thread_that_is_no_list_is_parked_alone() {
    let scene = Scene::new("thread").await;
    let _connector = scene.run().await;
    // WHEN a bug of the site leaves something else where the list was
    scene
        .app(r#"update tickets set thread = '{"from": "user"}' where id = 1"#)
        .await;
    scene
        .app(&append(2, r#"{"from": "user", "text": "Merhaba"}"#))
        .await;
    // THEN that row is parked, and others go on
    assert_eq!(scene.heard().await, expected([("2", &["Merhaba"])]));
    let failed = scene.workplace.command(&["failed", "list"]).await.ok().stdout;
    assert!(
        failed.contains("cannot extract elements from an object"),
        "{failed}"
    );
    // AND WHEN a person gives it up and the site writes nonsense once more, THEN it is parked once more
    let id = failed
        .split_whitespace()
        .find(|word| word.starts_with('d') && word[1..].parse::<i64>().is_ok());
    scene
        .workplace
        .command(&["failed", "discard", id.unwrap()])
        .await
        .ok();
    scene
        .app(r#"update tickets set thread = '{"from": "nobody"}' where id = 1"#)
        .await;
    scene.app(&append(2, r#"{"from": "user", "text": "Alo"}"#)).await;
    assert_eq!(scene.heard().await, expected([("2", &["Merhaba", "Alo"])]));
    let failed = scene.workplace.command(&["failed", "list"]).await.ok().stdout;
    assert!(
        failed.contains("cannot extract elements from an object"),
        "{failed}"
    );
    // WHEN it is mended, with a message more; THEN that one is sent and nothing is parked
    scene
        .app(r#"update tickets set thread = '[{"from": "staff", "text": "answered", "id": "s1"}, {"from": "user", "text": "Hâlâ?"}]' where id = 1"#)
        .await;
    assert_eq!(
        scene.heard().await,
        expected([("1", &["Hâlâ?"]), ("2", &["Merhaba", "Alo"])])
    );
    let failed = scene.workplace.command(&["failed", "list"]).await.ok().stdout;
    assert!(failed.contains("nothing waits"), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_from_before_is_told_from_what_is_written_during_setup() {
    // GIVEN many lists, and an application that goes on writing while `setup` looks through them
    let scene = Scene::raw("thread", &[]).await;
    scene
        .app(
            "insert into tickets (email, subject, thread) select 'ayse@example.com', 'Old ' || n,
                 jsonb_build_array(jsonb_build_object('from', 'user', 'text', 'a'), jsonb_build_object('from', 'user', 'text', 'a'),
                     jsonb_build_object('from', 'user', 'text', 'b ' || n))
             from generate_series(1, 10000) n",
        )
        .await;
    let writer = scene.site.connect().await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let writing = tokio::spawn(async move {
        let mut written = 0;
        while !stopped.load(std::sync::atomic::Ordering::SeqCst) {
            // Each says where the log was when it was written.
            let sql = format!(
                "update tickets set thread = thread || jsonb_build_object('from', 'system', 'text', 'during',
                     'id', 'w{written}', 'at', pg_current_wal_insert_lsn()) where id = {}",
                10 + written % 7
            );
            writer
                .batch_execute(&format!("{sql}; select pg_sleep(0.003)"))
                .await
                .unwrap();
            written += 1;
        }
        written
    });
    crate::support::prepared(&scene.site, &scene.workplace).await;
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let written = writing.await.unwrap();
    let point = scene.column("select captured_lsn from deskie_cdc.meta").await[0].clone();
    let _connector = scene.run().await;
    scene
        .app("update tickets set seen = seen + 1 where id < 20")
        .await;
    // THEN nothing is sent of what stood there before, and each that was written meanwhile is known once: what came
    // before the slot's point as standing there, what came after it as new
    assert_eq!(scene.heard().await, expected([]));
    let counts = scene
        .rows(&format!(
            "with during as (select e->>'id' as id, (e->>'at')::pg_lsn as at, lead((e->>'at')::pg_lsn) over (order by (e->>'at')::pg_lsn) as next,
                 jsonb_build_array(t.id::text, e->>'id')::text as key from tickets t, jsonb_array_elements(thread) e where e ? 'at')
             select count(*), count(*) filter (where at > '{point}'),
                 count(*) filter (where at > '{point}' and reason = 'baseline'),
                 count(*) filter (where next < '{point}' and reason is distinct from 'baseline'),
                 (select count(*) from deskie_cdc.link where reason = 'baseline' and key not like '%\"w%')
             from during left join deskie_cdc.link l on l.section = 'message' and l.key = during.key"
        ))
        .await;
    let number = |n: usize| counts[0][n].as_deref().unwrap().parse::<i32>().unwrap();
    assert!(
        number(1) > 0 && number(1) < written,
        "{} of {written} came after the point",
        number(1)
    );
    assert_eq!(
        (number(0), number(2), number(3), number(4)),
        (written, 0, 0, 30_002)
    );
}

#[tokio::test]
async fn a_thread_is_edited_repaired_and_backfilled() {
    // GIVEN lists whose edits and deletions are told
    let told = (
        "where = \"m.visible\"\n",
        "where = \"m.visible\"\non_edit = \"edit\"\non_delete = \"note\"\n",
    );
    let scene = Scene::mutated("thread", &[told]).await;
    let connector = scene.run().await;
    scene
        .app(r#"insert into tickets (email, subject, thread) values ('ayse@example.com', 'New', '[{"from": "user", "text": "one", "id": "u1"}, {"from": "user", "text": "two", "id": "u2"}]')"#)
        .await;
    scene.until_heard("3", 2).await;
    scene.settled().await;
    // WHEN one is edited, and another deleted
    scene
        .app("update tickets set thread = jsonb_set(thread, '{1,text}', '\"zwei\"') where id = 3")
        .await;
    scene.settled().await;
    scene
        .app("update tickets set thread = thread - 0 where id = 3")
        .await;
    // THEN Deskie has the edit, and a note of the other
    let heard = scene.heard().await["3"].clone();
    assert_eq!(heard[..2], ["one", "zwei"]);
    assert!(
        heard[2].starts_with("note: ") && heard[2].contains("This message was deleted"),
        "{heard:?}"
    );
    // WHEN the key of the row changes; THEN the conversation goes on
    scene.app("update tickets set id = 33 where id = 3").await;
    scene
        .app(&append(33, r#"{"from": "user", "text": "three"}"#))
        .await;
    assert_eq!(scene.heard().await["3"][3..], ["three"]);

    // WHEN the slot is lost, and both sides have written meanwhile
    connector.sigterm_and_wait().await;
    scene
        .until("select count(*) from pg_replication_slots where active", "0")
        .await;
    scene
        .app("select pg_drop_replication_slot('deskie_cdc_site')")
        .await;
    scene
        .app(&append(33, r#"{"from": "user", "text": "in the gap"}"#))
        .await;
    scene
        .app(&append(1, r#"{"from": "user", "text": "of an old one"}"#))
        .await;
    scene.app("update tickets set seen = 9").await;
    let connector = scene.run().await;
    connector.wait_for_log("repaired: 2 rows").await;
    // THEN these two are sent, and nothing that stood there before
    let heard = scene.heard().await;
    assert_eq!(heard["3"][4..], ["in the gap"]);
    assert_eq!(heard["1"], ["of an old one"]);
    // WHEN the site takes an old list's new message out and a person wants what stood there at the start
    scene
        .app(r#"insert into tickets (id, email, subject) values (50, 'olga@example.com', 'Empty')"#)
        .await;
    scene.workplace.command(&["backfill"]).await.ok();
    assert_eq!(
        scene.heard().await["1"],
        ["of an old one"],
        "a ticket with a case is left alone"
    );
}

#[tokio::test]
async fn a_thread_from_before_is_backfilled_once() {
    let scene = Scene::new("thread").await;
    let _connector = scene.run().await;
    scene.workplace.command(&["backfill"]).await.ok();
    scene.until_heard("1", 2).await;
    scene.workplace.command(&["backfill"]).await.ok();
    scene.app("update tickets set seen = 1").await;
    assert_eq!(
        scene.heard().await,
        expected([("1", &["from before", "note: answered"])])
    );
}

#[tokio::test]
async fn a_thread_in_a_table_of_its_own_is_seen_in_old_rows_that_change_by_the_dozen() {
    // GIVEN lists in a table of their own, all of them from before
    let changes = [
        ("[message]\ntable = \"tickets\"", "[message]\ntable = \"lists\""),
        ("ticket = \"id\"\nwhere = \"m.visible\"", "ticket = \"ticket_id\""),
    ];
    let scene = Scene::raw("thread", &changes).await;
    scene
        .app(
            "insert into tickets (email, subject) select 'ayse@example.com', 'T' from generate_series(1, 22);
             create table lists (id serial primary key, ticket_id int references tickets, thread jsonb not null);
             insert into lists (ticket_id, thread) select id, '[{\"from\": \"user\", \"text\": \"old\"}]' from tickets",
        )
        .await;
    crate::support::prepared(&scene.site, &scene.workplace).await;
    let _connector = scene.run().await;
    // WHEN one transaction adds to each; THEN each of these is sent
    scene
        .app(r#"update lists set thread = thread || '{"from": "user", "text": "new"}'"#)
        .await;
    let entered =
        "select count(*) from deskie_cdc.link where section = 'message' and state in ('queued', 'delivered')";
    scene.until(entered, "24").await;
    scene.app("update lists set thread = thread || '[]'").await;
    scene.until("select count(*) from deskie_cdc.event", "0").await;
    scene.until(entered, "24").await;
}
