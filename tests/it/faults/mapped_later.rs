//! What becomes of the tables while the connector runs: one is mapped later, one is made anew under its name.

use deskie_cdc_sandbox::simulator::{Books, Says};

use crate::support::{AYSE, Connector, Stage, prepared, stage, texts};

/// The sample site's message table in its config.
const MESSAGES: &str = "[message]
table = \"public.messages\"
ticket = \"ticket_id\"
where = \"not m.is_internal\"
author = \"author\"
body = \"body\"
created_at = \"created_at\"

[reply]
set = { ticket_id = \"t.id\", author = \":kind\", author_name = \"coalesce(:author_name, :author_email)\", body = \":text\" }
";

/// The same site without it.
const NO_MESSAGES: &str = "[reply]\n";

const FILES: &str = "[[attachment]]
of = \"ticket\"
table = \"files\"
parent = \"ticket_id\"
name = \"name\"
bytes = \"content\"

[reply]
";

/// A connector that looks at the publications often.
pub async fn watching(stage: &Stage) -> Connector {
    let connector = stage.workplace.run_with(&[("DESKIE_CDC_WATCH_MS", "200")]);
    connector.wait_for_log("leading").await;
    connector
}

#[tokio::test]
async fn a_table_that_is_mapped_later_begins_there_and_nothing_of_the_others_is_lost() {
    for setup_first in [true, false] {
        // GIVEN a connector that knew the tickets alone for a while, and a message that was written meanwhile
        let stage = stage().config(MESSAGES, NO_MESSAGES).build().await;
        let connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        stage.writes(ticket, "eski").await;
        stage.settled().await;
        assert!(connector.sigterm_and_wait().await.success());
        // WHEN the message table is mapped as well, and setup makes it known before the start, or only when it is asked for
        stage.workplace.change_config(NO_MESSAGES, MESSAGES);
        if setup_first {
            prepared(&stage.site, &stage.workplace).await;
            stage.writes(ticket, "arada").await;
        }
        let second = stage.ticket(AYSE, "meanwhile", "sıfır").await;
        let connector = watching(&stage).await;
        if !setup_first {
            connector.wait_for_log("nothing publishes public.messages").await;
            stage.writes(ticket, "arada").await;
            prepared(&stage.site, &stage.workplace).await;
            connector.wait_for_log("repaired: 1 rows").await;
        }
        // THEN what is written from then on arrives, and none of what was there before, even where it is touched
        stage.until_deskie(case, 2).await;
        stage.sql("update messages set author_name = 'x'").await;
        stage.writes(ticket, "yeni").await;
        stage.until_deskie(case, 3).await;
        let second_case = stage.case_of(second).await;
        stage.settled().await;
        assert_eq!(texts(&stage.case(case)), ["Soru: body", "arada", "yeni"]);
        assert_eq!(texts(&stage.case(second_case)), ["sıfır"]);
        // AND replies go into it
        stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
        stage.until_site(ticket, 4).await;
    }
}

#[tokio::test]
async fn a_file_table_that_is_mapped_later_begins_there_and_is_watched_as_well() {
    // GIVEN a site with files in its database, which were not mapped so far
    let table = "create table files (id bigint generated always as identity primary key, ticket_id bigint, name text, content bytea)";
    let stage = stage().schema(table).build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let insert =
        |name: &str| format!("insert into files (ticket_id, name, content) values ({ticket}, '{name}', 'x')");
    stage.sql(&insert("eski")).await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    // WHEN they are mapped, the old one is touched, and a new one comes
    stage.workplace.change_config("[reply]\n", FILES);
    prepared(&stage.site, &stage.workplace).await;
    let connector = watching(&stage).await;
    stage.sql("update files set name = name || '!'").await;
    stage.sql(&insert("yeni")).await;
    // THEN the new one alone is sent
    let names = |books: &Books| -> Vec<String> {
        let messages = books.case(case).expect("the case").messages.clone();
        let files = messages.into_iter().flat_map(|message| message.attachments);
        files.map(|file| file.file_name).collect()
    };
    stage
        .deskie("the new file", |books| !names(books).is_empty())
        .await;
    assert_eq!(names(&stage.settled().await), ["yeni"]);
    // AND WHEN somebody takes the table out of the publication, THEN it is told, and repaired once it is back
    stage.sql("alter publication deskie_cdc drop table files").await;
    connector.wait_for_log("nothing publishes public.files").await;
    stage.sql(&insert("arada")).await;
    prepared(&stage.site, &stage.workplace).await;
    connector.wait_for_log("repaired: ").await;
    stage
        .deskie("the file of the gap", |books| names(books).len() > 1)
        .await;
    assert_eq!(names(&stage.settled().await), ["yeni", "arada"]);
}

#[tokio::test]
async fn a_partition_that_is_not_logged_is_told_and_what_it_got_is_found() {
    // GIVEN a site with partitioned files, mapped and watched
    let table = "create table files (id bigint primary key, ticket_id bigint, name text, content bytea) partition by range (id);
        create table files_a partition of files for values from (0) to (100);
        create table files_b partition of files for values from (100) to (200)";
    let stage = stage().schema(table).config("[reply]\n", FILES).build().await;
    let connector = watching(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    let insert = |id: i64, name: &str| format!("insert into files values ({id}, {ticket}, '{name}', 'x')");
    let names = |books: &Books| -> Vec<String> {
        let messages = books.case(case).expect("the case").messages.clone();
        let files = messages.into_iter().flat_map(|message| message.attachments);
        files.map(|file| file.file_name).collect()
    };
    stage.sql(&insert(1, "bir")).await;
    stage
        .deskie("the first file", |books| !names(books).is_empty())
        .await;
    stage.settled().await;
    // WHEN a partition becomes UNLOGGED, which the server allows, THEN it is told with the mend
    stage.sql("alter table files_b set unlogged").await;
    connector.wait_for_log("UNLOGGED (public.files_b)").await;
    let mend = "alter table \"public\".\"files_b\" set logged";
    for command in ["status", "check"] {
        let told = stage.workplace.command(&[command]).await.exits(1);
        let told = told.stdout + &told.stderr;
        assert!(told.contains(mend), "{command}: {told}");
        assert!(!told.contains("nothing publishes"), "{command}: {told}");
    }
    // AND the others go on, and what it got arrives once it is mended
    stage.sql(&insert(101, "iki")).await;
    stage.sql(&insert(2, "üç")).await;
    stage
        .deskie("the file of the other partition", |books| names(books).len() > 1)
        .await;
    assert_eq!(names(&stage.settled().await), ["bir", "üç"]);
    stage.sql(mend).await;
    connector.wait_for_log("repaired: ").await;
    stage
        .deskie("the file of the gap", |books| names(books).len() > 2)
        .await;
    stage.sql(&insert(102, "dört")).await;
    stage
        .deskie("a file after it", |books| names(books).len() > 3)
        .await;
    assert_eq!(names(&stage.settled().await), ["bir", "üç", "iki", "dört"]);
    stage.workplace.command(&["status"]).await.ok();
}

#[tokio::test]
async fn a_publication_that_leaves_something_out_is_told_and_its_gap_repaired() {
    // GIVEN a ticket with a case
    let stage = stage().build().await;
    let connector = watching(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    let name: String = stage
        .query("select pubname::text from pg_publication where pubupdate", &[])
        .await[0]
        .get(0);
    let mut count = 1;
    for (alter, told, mend) in [
        (
            "set (publish = 'update, delete, truncate')",
            "does not publish all of insert, update, delete and truncate",
            "set (publish = 'insert, update, delete, truncate')",
        ),
        (
            "set table tickets, messages where (id < 0)",
            "has a row filter on public.messages",
            "set table tickets, messages",
        ),
    ] {
        // WHEN somebody alters our publication, so that messages are not streamed, THEN it is told
        let publication = format!("alter publication \"{name}\" ");
        stage.sql(&format!("{publication}{alter}")).await;
        connector.wait_for_log(told).await;
        let status = stage.workplace.command(&["status"]).await.exits(1).stdout;
        let words: Vec<&str> = status.split_whitespace().collect();
        assert!(words.join(" ").contains("alter publication"), "{status}");
        // AND what was written meanwhile arrives once it is mended
        stage.writes(ticket, told).await;
        stage.sql(&format!("{publication}{mend}")).await;
        count += 1;
        stage.until_deskie(case, count).await;
        stage.settled().await;
    }
    stage.workplace.command(&["status"]).await.ok();
}

#[tokio::test]
async fn a_table_that_is_made_anew_under_its_name_is_told_and_its_gap_repaired() {
    // GIVEN a ticket with a case and a message
    let stage = stage().build().await;
    let connector = watching(&stage).await;
    let (ticket, case) = stage.open("Soru").await;
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    stage.settled().await;
    // WHEN the site copies its message table, drops it, gives the copy its name, and goes on
    stage
        .sql(
            "begin; lock table messages; create table fresh (like messages including all); \
             insert into fresh overriding system value select * from messages; \
             select setval(pg_get_serial_sequence('fresh', 'id'), (select max(id) from messages)); \
             drop table messages; alter table fresh rename to messages; commit",
        )
        .await;
    stage.writes(ticket, "iki").await;
    // THEN it is told, and nothing is believed of the numbers in it that we may not look at
    connector.wait_for_log("nothing publishes public.messages").await;
    let status = stage.workplace.command(&["status", "--json"]).await.exits(1);
    assert!(
        status.stdout.contains("nothing publishes public.messages"),
        "{}",
        status.stdout
    );
    // AND WHEN setup publishes the new table, THEN what was written meanwhile arrives, once, and nothing of the copy
    prepared(&stage.site, &stage.workplace).await;
    connector.wait_for_log("repaired: 1 rows").await;
    let (other, other_case) = stage.open("other").await;
    stage.writes(ticket, "üç").await;
    stage.writes(other, "bir").await;
    stage.until_deskie(case, 4).await;
    stage.until_deskie(other_case, 2).await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 4).await;
    let books = stage.settled().await;
    assert_eq!(
        texts(&stage.case(case)),
        ["Soru: body", "bir", "iki", "üç", "cevap"]
    );
    assert_eq!(texts(&stage.case(other_case)), ["other: body", "bir"]);
    assert_eq!(books.cases.len(), 4, "two tickets and two markers");
    let status = stage.workplace.command(&["status", "--json"]).await.ok();
    assert!(!status.stdout.contains("nothing publishes"), "{}", status.stdout);
}
