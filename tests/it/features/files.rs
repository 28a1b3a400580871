//! `[[attachment]]`: what is there late, not at all, too large, forbidden, lost on the way, or in doubt.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::{Action, Books, Fault, FaultKind, Match};

use crate::support::{AYSE, Building, Stage, says, stage};

type Shelf = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// The site's own server of files.
struct FileServer {
    url: String,
    shelf: Shelf,
}

impl FileServer {
    async fn start() -> FileServer {
        let shelf = Shelf::default();
        let serve = |State(shelf): State<Shelf>, uri: Uri| async move {
            let found = shelf.lock().unwrap().get(uri.path()).cloned();
            found.ok_or(StatusCode::NOT_FOUND)
        };
        let router = axum::Router::new().fallback(serve).with_state(shelf.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        #[allow(clippy::disallowed_methods)]
        tokio::spawn(async move { axum::serve(listener, router).await });
        FileServer { url, shelf }
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        self.shelf.lock().unwrap().insert(path.to_owned(), bytes.to_vec());
    }
}

const TABLE: &str = "create table files (id bigint generated always as identity primary key, \
    message_id bigint references messages on delete cascade, name text, url text, content bytea, size int)";

/// The sample site with a table of files; `source` and whatever else the section says.
fn with_files(section: &str) -> Building {
    let section = format!(
        "[[attachment]]\nof = \"message\"\ntable = \"files\"\nparent = \"message_id\"\nname = \"name\"\n{section}\n\n[reply]\n"
    );
    stage().schema(TABLE).config("[reply]\n", &section)
}

impl Stage {
    /// The customer writes, and attaches what the SQL expressions say: name, url, content.
    async fn writes_with(&self, ticket: i64, body: &str, files: &[[&str; 3]]) {
        let mut sql = format!(
            "with m as (insert into messages (ticket_id, author, body) values ({ticket}, 'customer', '{body}') returning id)"
        );
        if files.is_empty() {
            sql.push_str(" select id from m");
        } else {
            let rows: Vec<String> = files
                .iter()
                .map(|[name, url, content]| format!("('{name}', {url}, {content})"))
                .collect();
            sql.push_str(&format!(
                " insert into files (message_id, name, url, content) \
                 select m.id, f.name, f.url::text, f.content::bytea from m, (values {}) f (name, url, content)",
                rows.join(", ")
            ));
        }
        // The foreign key is checked at the end of the statement: both rows are one transaction.
        self.sql(&sql).await;
    }
}

/// What the messages of a case say, with the names and sizes of their files.
pub(super) fn told(books: &Books, case: CaseId) -> Vec<String> {
    let case = books.case(case).expect("the case");
    let one = |message: &deskie_cdc_sandbox::simulator::MessageRecord| {
        let files: Vec<String> = message
            .attachments
            .iter()
            .map(|file| format!("{}:{}", file.file_name, file.file_size))
            .collect();
        format!("{} [{}]", says(message), files.join(" "))
    };
    case.messages.iter().skip(1).map(one).collect()
}

#[tokio::test]
async fn a_file_is_waited_for_in_its_place_and_then_parks_alone() {
    // GIVEN files at addresses of the site's own network, and half a minute of patience
    let server = FileServer::start().await;
    let stage = with_files("url = \"url\"\nallow_private = true\nwait = \"20s\"")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Dosya").await;
    // WHEN the address of one is known later, another's file is there later, and a message follows
    let later = format!("'{}/later'", server.url);
    stage
        .writes_with(
            ticket,
            "bekler",
            &[["a.txt", "null", "null"], ["b.txt", &later, "null"]],
        )
        .await;
    stage.writes(ticket, "arkadaki").await;
    connector.wait_for_log("the file is not there yet").await;
    server.put("/later", b"12345");
    server.put("/a", b"1");
    stage
        .sql(&format!(
            "update files set url = '{}/a' where name = 'a.txt'",
            server.url
        ))
        .await;
    // THEN both go with it, and the order stays
    stage.until_deskie(case, 3).await;
    let books = stage.settled().await;
    assert_eq!(told(&books, case), ["bekler [a.txt:1 b.txt:5]", "arkadaki []"]);
    drop(connector);

    // WHEN there is no patience
    stage.workplace.change_config("wait = \"20s\"", "wait = \"0s\"");
    let connector = stage.run().await;
    let never = format!("'{}/never'", server.url);
    stage
        .writes_with(
            ticket,
            "sabırsız",
            &[["c.txt", &never, "null"], ["d.txt", &later, "null"]],
        )
        .await;
    stage.writes(ticket, "sonraki").await;
    // THEN it goes without the one, which is parked alone and holds up nothing
    stage.until_deskie(case, 5).await;
    let books = stage.settled().await;
    assert_eq!(told(&books, case)[2..], ["sabırsız [d.txt:5]", "sonraki []"]);
    let listed = stage.workplace.command(&["failed", "list"]).await.ok().stdout;
    assert!(listed.contains("404"), "{listed}");
    for told in ["/never", "c.txt"] {
        assert!(
            !listed.contains(told),
            "neither its address nor its name is told: {listed}"
        );
    }
    connector.wait_for_log("a file is parked").await;
    // AND who tries it again too early has it parked again, with its file
    let seen = connector.log().len();
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    connector.wait_for_log_after(seen, "a file is parked").await;
    // WHEN it is there after all, and somebody says so, twice
    server.put("/never", b"123");
    for _ in 0..2 {
        stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    }
    // THEN it is a message of its own, once; and so is one whose row the site mends
    stage.until_deskie(case, 6).await;
    let seen = connector.log().len();
    stage
        .writes_with(ticket, "onarılan", &[["e.txt", "''", "null"]])
        .await;
    connector.wait_for_log_after(seen, "a file is parked").await;
    stage
        .sql(&format!("update files set url = {later} where name = 'e.txt'"))
        .await;
    stage.until_deskie(case, 8).await;
    stage.sql("update files set name = name || '!'").await;
    let books = stage.settled().await;
    assert_eq!(
        told(&books, case)[4..],
        ["c.txt [c.txt:3]", "onarılan []", "e.txt [e.txt:5]"]
    );
    let listed = stage
        .workplace
        .command(&["failed", "list", "--json"])
        .await
        .ok()
        .stdout;
    assert!(!listed.contains("txt"), "{listed}");
}

#[tokio::test]
async fn an_address_inside_is_refused_and_what_is_too_large_parks_or_is_split() {
    // GIVEN files at addresses, of which none may be private, and files in the database
    let server = FileServer::start().await;
    server.put("/secret", b"secret");
    let both = "url = \"url\"\nwhere = \"a.size is null\"\n\n[[attachment]]\nof = \"message\"\ntable = \"files\"\n\
        parent = \"message_id\"\nname = \"name\"\nwhere = \"a.size is not null\"\n\
        bytes = \"convert_to(repeat('x', a.size * 1048576), 'UTF8')\"";
    let stage = with_files(both).build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Büyük").await;
    // WHEN one leads inside, one is larger than Deskie takes, and three are too large together
    let files = format!(
        "with m as (insert into messages (ticket_id, author, body) values ({ticket}, 'customer', 'hepsi') returning id) \
         insert into files (message_id, name, url, size) select m.id, f.name, f.url, f.size from m, (values \
         ('in.txt', '{}/secret', null), ('26.bin', null, 26), ('1.bin', null, 20), ('2.bin', null, 20), ('3.bin', null, 20)) \
         f (name, url, size)",
        server.url
    );
    stage.sql(&files).await;
    stage.writes(ticket, "son").await;
    stage.until_deskie(case, 4).await;
    // THEN the message goes with two, the third follows before anything else, and the others are parked by name
    let books = stage.settled().await;
    let mb20 = 20 << 20;
    assert_eq!(
        told(&books, case),
        [
            format!("hepsi [1.bin:{mb20} 2.bin:{mb20}]"),
            format!("3.bin [3.bin:{mb20}]"),
            "son []".to_owned()
        ]
    );
    let listed = stage.workplace.command(&["failed", "list"]).await.ok().stdout;
    for reason in ["private network", "larger than the 25 MB"] {
        assert!(listed.contains(reason), "{reason}: {listed}");
    }
    // AND nothing of their content is in our tables
    let sql = "select coalesce(sum(pg_column_size(d.*)), 0)::bigint from deskie_cdc.delivery d";
    assert!(stage.count(sql).await < 100_000);
}

#[tokio::test]
async fn a_file_is_sent_once_although_the_answer_is_lost_and_lost_files_are_told() {
    // GIVEN a Deskie that keeps one file of each call, and loses answers
    let stage = with_files("bytes = \"content\"")
        .set("deskie", "doubt_wait = \"2s\"\ntimeout = \"2s\"")
        .deskie(|options| options.keeps_files = Some(1))
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Kayıp").await;
    stage
        .simulator
        .add_fault(Fault::on(Match::Add, FaultKind::LoseAnswerAfter));
    // WHEN two messages of the same text bring different files
    stage
        .writes_with(ticket, "aynı", &[["a.txt", "null", "'a'"]])
        .await;
    stage
        .writes_with(
            ticket,
            "aynı",
            &[["b.txt", "null", "'bb'"], ["c.txt", "null", "'ccc'"]],
        )
        .await;
    stage.until_deskie(case, 3).await;
    let books = stage.settled().await;
    // THEN each stands once
    assert_eq!(told(&books, case), ["aynı [a.txt:1]", "aynı [b.txt:2]"]);
    connector
        .wait_for_log("files of a delivered message are parked")
        .await;
    // AND the story of the ticket tells what was lost
    let story = stage
        .workplace
        .command(&["trace", &ticket.to_string()])
        .await
        .ok()
        .stdout;
    assert!(
        story.contains("file parked") && story.contains("Deskie did not take it"),
        "{story}"
    );
    // AND it waits for a person, alone: what comes behind it goes on, and tried again it goes by itself
    let list = stage.workplace.command(&["failed", "list"]).await.ok().stdout;
    assert_eq!(list.matches("Deskie did not take it").count(), 1, "{list}");
    stage.writes(ticket, "sonra").await;
    stage.until_deskie(case, 4).await;
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    stage.until_deskie(case, 5).await;
    let books = stage.settled().await;
    assert_eq!(
        told(&books, case),
        ["aynı [a.txt:1]", "aynı [b.txt:2]", "sonra []", "c.txt [c.txt:3]"]
    );
    // AND nothing of it came back to the site
    assert_eq!(stage.rows(ticket).await.len(), 3);
    // WHEN a message is taken back with its file while Deskie is away, THEN neither is sent
    stage.simulator.act(Action::SetDown { down: true }).unwrap();
    let message = stage.ticket(AYSE, "Geri", "alınan").await;
    stage
        .writes_with(message, "geri", &[["d.txt", "null", "'d'"]])
        .await;
    stage.sql("delete from messages where body = 'geri'").await;
    stage.simulator.act(Action::SetDown { down: false }).unwrap();
    let gone = stage.case_of(message).await;
    let books = stage.settled().await;
    assert_eq!(told(&books, gone), Vec::<String>::new());
}
