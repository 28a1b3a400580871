//! The site renames, moves or swaps a mapped table: nothing of it is thrown away, and a person is told (faults II4, II5).

use deskie_cdc_sandbox::simulator::{Books, Says};

use super::mapped_later::watching;
use crate::support::{AYSE, Connector, Stage, prepared, stage, texts, wait_until};

const FILES: &str = "[[attachment]]
of = \"ticket\"
table = \"public.files\"
parent = \"ticket_id\"
name = \"name\"
bytes = \"content\"

[reply]
";

const FILES_TABLE: &str = "create table files (id bigint generated always as identity primary key, ticket_id bigint, \
    name text, content bytea); create schema archive";

/// The names of a case's files, in order.
fn files(books: &Books, case: deskie_cdc_sandbox::simulator::CaseId) -> Vec<String> {
    let messages = books.case(case).expect("the case").messages.clone();
    let files = messages.into_iter().flat_map(|message| message.attachments);
    files.map(|file| file.file_name).collect()
}

/// Changes the site while the connector runs, or while it is stopped; the connector that runs then.
async fn changed(stage: &Stage, connector: Connector, sql: &str, while_stopped: bool) -> Connector {
    if !while_stopped {
        stage.sql(sql).await;
        return connector;
    }
    assert!(connector.sigterm_and_wait().await.success());
    stage.sql(sql).await;
    watching(stage).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapped_table_that_is_away_under_another_name_for_a_while_loses_nothing() {
    // GIVEN a ticket on both sides
    let stage = stage()
        .schema(FILES_TABLE)
        .config("[reply]\n", FILES)
        .build()
        .await;
    let mut connector = watching(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    let mut expected = vec!["Soru: body".to_owned()];
    let (mut expected_tickets, mut expected_files) = (1, Vec::new());
    for (n, (away, now, back)) in [
        (
            "alter table messages rename to m; alter table tickets rename to t; alter table files rename to f",
            ["public.m", "public.t", "public.f"],
            "alter table m rename to messages; alter table t rename to tickets; alter table f rename to files",
        ),
        (
            "alter table messages set schema archive; alter table tickets set schema archive; alter table files set schema \
             archive",
            ["archive.messages", "archive.tickets", "archive.files"],
            "alter table archive.messages set schema public; alter table archive.tickets set schema public; alter table \
             archive.files set schema public",
        ),
        (
            "alter table messages rename to m; alter table tickets rename to t; alter table files rename to f",
            ["public.m", "public.t", "public.f"],
            "alter table m rename to messages; alter table t rename to tickets; alter table f rename to files",
        ),
        // Another schema of that name, which is not ours to look into.
        (
            "alter schema public rename to app; create schema public",
            ["app.messages", "app.tickets", "app.files"],
            "drop schema public; alter schema app rename to public",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        // The third time it is stopped while they are renamed, and again before they get their names back.
        let restarts = n == 2;
        // WHEN all three tables are renamed, and the site goes on
        connector = changed(&stage, connector, away, restarts).await;
        let [messages, tickets, names] = now;
        stage
            .sql(&format!(
                "insert into {messages} (ticket_id, author, body) values ({ticket}, 'customer', 'away {n}');
                 insert into {tickets} (user_id, subject, body) values (1, 'new {n}', 'new {n}');
                 insert into {names} (ticket_id, name, content) values ({ticket}, 'f{n}', 'x')"
            ))
            .await;
        // THEN it is told what they are called now
        for (name, now) in [("messages", messages), ("tickets", tickets), ("files", names)] {
            let says = format!("the mapped table public.{name} is called {now} now");
            wait_until(&says, || async {
                let status = stage.workplace.command(&["status"]).await;
                status.stdout.contains(&says).then_some(())
            })
            .await;
        }
        connector.wait_for_log("is called").await;
        let waiting = "select count(*) from deskie_cdc.event where schema_name = 'public' and table_name in ('messages', \
            'tickets', 'files')";
        wait_until("three rows are captured under the mapping's names", || async {
            (stage.count(waiting).await == 3).then_some(())
        })
        .await;
        // AND WHEN they have their names back
        connector = changed(&stage, connector, back, restarts).await;
        stage.writes(ticket, &format!("back {n}")).await;
        expected.extend([format!("away {n}"), format!("back {n}")]);
        expected_files.push(format!("f{n}"));
        expected_tickets += 1;
        // THEN all of it arrives, once and in order
        stage
            .deskie("everything", |books| {
                texts(books.case(case).expect("the case")).contains(&format!("back {n}").as_str())
                    && files(books, case).len() == expected_files.len()
                    && books.cases.len() == expected_tickets
            })
            .await;
        let found = stage.case(case);
        // A file that comes later is a message of its own, and where it stands among the others is nobody's promise.
        let is_file = |text: &&str| expected_files.iter().any(|name| name == text);
        let found: Vec<&str> = texts(&found).into_iter().filter(|text| !is_file(text)).collect();
        assert_eq!(found, expected);
        assert_eq!(files(&stage.simulator.books(), case), expected_files);
        wait_until("nothing is told any more", || async {
            let status = stage.workplace.command(&["status"]).await;
            (!status.stdout.contains("is called")).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_config_follows_a_table_that_was_renamed_for_good() {
    // GIVEN a ticket with a message and a file
    let stage = stage()
        .schema(FILES_TABLE)
        .config("[reply]\n", FILES)
        .build()
        .await;
    let connector = watching(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    let file = |table: &str, name: &str| {
        format!("insert into {table} (ticket_id, name, content) values ({ticket}, '{name}', 'x')")
    };
    stage.sql(&file("files", "bir.txt")).await;
    stage
        .deskie("the file", |books| files(books, case).len() == 1)
        .await;
    // WHEN two tables get other names for good, the site goes on, and only then the config is mended
    stage
        .sql("alter table messages rename to posts; alter table files set schema archive")
        .await;
    let post =
        format!("insert into posts (ticket_id, author, body) values ({ticket}, 'customer', 'yeni adla')");
    stage.sql(&post).await;
    stage.sql(&file("archive.files", "iki.txt")).await;
    connector.wait_for_log("is called public.posts now").await;
    let waiting = "select count(*) from deskie_cdc.event where table_name in ('messages', 'files')";
    wait_until("two rows wait", || async {
        (stage.count(waiting).await == 2).then_some(())
    })
    .await;
    assert!(connector.sigterm_and_wait().await.success());
    stage.workplace.change_config("public.messages", "public.posts");
    stage.workplace.change_config("public.files", "archive.files");
    prepared(&stage.site, &stage.workplace).await;
    let connector = watching(&stage).await;
    // THEN what waited goes on, and what was sent before is known still
    connector
        .wait_for_log("public.posts is the table that was called public.messages before")
        .await;
    stage
        .sql("update archive.files set name = name || '!' where name = 'bir.txt'")
        .await;
    stage
        .deskie("what waited", |books| {
            files(books, case).len() == 2 && texts(books.case(case).expect("the case")).contains(&"yeni adla")
        })
        .await;
    stage.settled().await;
    assert_eq!(files(&stage.simulator.books(), case), ["bir.txt", "iki.txt"]);
    // AND answers go into it
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    wait_until("the answer", || async {
        (stage
            .count("select count(*) from posts where body = 'cevap'")
            .await
            == 1)
            .then_some(())
    })
    .await;
    let status = stage.workplace.command(&["status"]).await.ok();
    assert!(!status.stdout.contains("is called"), "{}", status.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_takes_the_name_is_the_mapped_one_and_the_old_one_is_not() {
    // GIVEN a ticket with a message
    let stage = stage().set("message", "on_delete = \"note\"").build().await;
    let connector = watching(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    // WHEN the site swaps its message table: the old one goes aside, and is cleaned up once the new one is there
    stage.sql("alter table messages rename to messages_old").await;
    stage
        .sql(&format!(
            "insert into messages_old (ticket_id, author, body) values ({ticket}, 'customer', 'arada')"
        ))
        .await;
    stage
        .sql(
            "begin; create table messages (like messages_old including all); \
             insert into messages overriding system value select * from messages_old; \
             select setval(pg_get_serial_sequence('messages', 'id'), (select max(id) from messages)); commit; \
             delete from messages_old where body = 'bir'; truncate messages_old",
        )
        .await;
    stage.writes(ticket, "iki").await;
    // THEN it is told
    connector.wait_for_log("nothing publishes public.messages").await;
    // AND WHEN setup publishes the new one, THEN nothing is lost, nothing twice, and nothing counts as deleted
    prepared(&stage.site, &stage.workplace).await;
    connector.wait_for_log("repaired: ").await;
    stage.writes(ticket, "üç").await;
    stage
        .deskie("the last one", |books| {
            texts(books.case(case).expect("the case")).contains(&"üç")
        })
        .await;
    stage.settled().await;
    assert_eq!(
        texts(&stage.case(case)),
        ["Soru: body", "bir", "arada", "iki", "üç"]
    );
    assert!(stage.case(case).messages.iter().all(|message| !message.note));
    let gone = "select count(*) from deskie_cdc.link where section = 'message' and gone";
    assert_eq!(stage.count(gone).await, 0);
    let other = stage.ticket(AYSE, "other", "other").await;
    stage.case_of(other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_with_children_by_inherits_is_refused_and_one_that_comes_later_is_told() {
    // GIVEN a site that is well, and a running connector
    let stage = stage().build().await;
    let connector = watching(&stage).await;
    // WHEN the site makes a child of its message table
    stage
        .sql("create table messages_2020 () inherits (messages)")
        .await;
    // THEN log, status, check and setup tell it, with the mend
    let mend = "alter table \"public\".\"messages_2020\" no inherit \"public\".\"messages\"";
    connector.wait_for_log("public.messages_2020").await;
    let status = stage.workplace.command(&["status"]).await.exits(1);
    assert!(status.stdout.contains(mend), "{}", status.stdout);
    let checked = stage.workplace.command(&["check"]).await.exits(1);
    assert!(checked.stdout.contains(mend), "{}", checked.stdout);
    let admin_url = stage.site.admin_url();
    let refused = stage
        .workplace
        .command(&["setup", "--admin-url", &admin_url])
        .await;
    assert!(
        !refused.status.success() && refused.stderr.contains(mend),
        "{}{}",
        refused.stdout,
        refused.stderr
    );
    // AND the mend mends it
    stage.sql(mend).await;
    stage.workplace.command(&["check"]).await.ok();
    prepared(&stage.site, &stage.workplace).await;
    wait_until("nothing is told any more", || async {
        let status = stage.workplace.command(&["status"]).await;
        (!status.stdout.contains("messages_2020")).then_some(())
    })
    .await;
}
