//! Files before, with and after their message; a file from the ticket's own row; an agent's file back on the site.

use std::collections::BTreeMap;

use deskie_cdc_sandbox::simulator::{Books, Says};

use super::Scene;
use crate::support::says;

/// What each message of a ticket's case says, with its files in brackets.
fn told(books: &Books) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for case in &books.cases {
        let key = case.custom_fields["cf_25"].as_str().unwrap_or_default();
        let said = told.entry(key.to_owned()).or_default();
        for message in &case.messages {
            let names: Vec<&str> = message
                .attachments
                .iter()
                .map(|file| file.file_name.as_str())
                .collect();
            said.push(format!("{} {names:?}", says(message)));
        }
    }
    told
}

fn upload(scene: &Scene, name: &str, content: &[u8]) {
    let folder = scene.workplace.folder().join("uploads/images");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), content).unwrap();
}

/// An upload as the application writes it; of no message where that is `null`.
fn uploaded(message: &str, name: &str) -> String {
    format!("insert into uploads (message_id, title, stored_as) values ({message}, '{name}', '{name}')")
}

async fn play(scene: &Scene) {
    for name in ["before", "with", "after", "only", "undone", "virus"] {
        upload(scene, name, name.as_bytes());
    }
    // Before: two files lie there; the form is sent later, with one of them.
    scene.app(&uploaded("null", "before")).await;
    scene.app(&uploaded("null", "undone")).await;
    let open = "insert into tickets (email, subject, contract) values ('ayse@example.com', 'One', 'PDF'); \
        insert into messages (ticket_id, body) values (1, 'Before')";
    scene
        .app(&format!(
            "{open}; update uploads set message_id = 1 where title = 'before'"
        ))
        .await;
    // With: in one transaction, the file first. After: a moment later.
    scene
        .app(&format!(
            "set constraints all deferred; insert into messages (ticket_id, body) values (1, 'With'); {}",
            uploaded("2", "with")
        ))
        .await;
    scene
        .app("insert into messages (ticket_id, body) values (1, 'After')")
        .await;
    scene.app(&uploaded("3", "after")).await;
    // A virus, and one that is taken back.
    scene.app(&uploaded("3", "virus")).await;
    scene
        .app("update uploads set is_virus = true where title = 'virus'")
        .await;
    scene
        .app("update uploads set message_id = 3 where title = 'undone'")
        .await;
    scene.app("delete from uploads where title = 'undone'").await;
    // Nothing but a file, whose row comes in a transaction of its own.
    scene
        .app("insert into messages (ticket_id, body) values (1, null)")
        .await;
    scene.app(&uploaded("4", "only")).await;
}

/// Remembers what was captured: an event is deleted once it is resolved.
const CAPTURED: &str = "create table captured (name text, image jsonb); \
    create function captured() returns trigger language plpgsql security definer as \
    'begin insert into public.captured values (new.table_name, new.image); return null; end'; \
    create trigger captured after insert on deskie_cdc.event for each row execute function captured()";

const OUTCOME: [&str; 4] = [
    "Before [\"before\", \"contract.pdf\"]",
    "With [\"with\"]",
    "After [\"after\"]",
    "only [\"only\"]",
];

#[tokio::test]
async fn files_go_with_their_message_whenever_they_came() {
    let scene = Scene::new("files").await;
    std::fs::create_dir_all(scene.workplace.folder().join("uploads")).unwrap();
    scene.check_ok().await;
    scene.app(CAPTURED).await;
    let connector = scene.run().await;
    play(&scene).await;
    let books = scene.settled().await;
    assert_eq!(told(&books)["1"], OUTCOME);
    let captured =
        "select string_agg(distinct k, ' ') from captured, jsonb_object_keys(image) k where name = 'uploads'";
    assert_eq!(
        scene.column(captured).await,
        ["id"],
        "of a file's row the key alone"
    );
    assert_eq!(scene.reasons().await, Vec::<String>::new(), "nothing is stuck");
    let contract = &books.cases[0].messages[0].attachments[1];
    assert_eq!(
        (contract.mime_type.as_str(), contract.file_size),
        ("application/pdf", 3)
    );
    // Each file has its link: the ticket's row is a file, too.
    let links = "select key || ': ' || state from deskie_cdc.link where section = 'attachment' order by key";
    let expected = [
        "public.tickets 1: delivered",
        "public.uploads 1: delivered",
        "public.uploads 2: seen",
        "public.uploads 3: delivered",
        "public.uploads 4: delivered",
        "public.uploads 5: seen",
        "public.uploads 6: delivered",
    ];
    assert_eq!(scene.column(links).await, expected);

    // WHEN a file comes after its message was sent, one is found to be harmless, and one waits for its bytes
    upload(&scene, "late", b"late");
    scene.app(&uploaded("2", "late")).await;
    scene
        .app("update uploads set is_virus = false where title = 'virus'")
        .await;
    scene
        .app("insert into messages (ticket_id, body) values (1, 'Slow')")
        .await;
    scene.app(&uploaded("5", "slow")).await;
    scene
        .app("insert into messages (ticket_id, body) values (1, 'Behind')")
        .await;
    connector.wait_for_log("waits for a file").await;
    // THEN each is a message of its own, in the order in which they came; the slow one holds its place
    upload(&scene, "slow", b"slow");
    scene.until_heard("1", 8).await;
    let books = scene.settled().await;
    let later = [
        "late [\"late\"]",
        "virus [\"virus\"]",
        "Slow [\"slow\"]",
        "Behind []",
    ];
    assert_eq!(told(&books)["1"], [&OUTCOME[..], &later[..]].concat());

    // WHEN an agent answers with a file
    let case = scene.case_of("1").await;
    let says = Says::text("Here").with_file("../a b.txt", "text/plain", b"answer");
    scene.agent(&case, says);
    // THEN it lies in the folder under a name of its own, its row names it, and nothing of it comes back
    scene
        .until("select count(*) from uploads where folder = 2", "1")
        .await;
    let path = scene
        .column("select stored_as from uploads where folder = 2")
        .await;
    assert_eq!(
        std::fs::read(scene.workplace.folder().join(&path[0])).unwrap(),
        b"answer"
    );
    assert!(
        path[0].starts_with("uploads/answers/") && path[0].ends_with("-1-a b.txt"),
        "{path:?}"
    );
    scene.app("update uploads set is_virus = false").await;
    let books = scene.settled().await;
    assert_eq!(told(&books)["1"].len(), 9);
    // AND `plan` shows the files of a call
    let planned = scene
        .workplace
        .command(&["plan", "--ticket", "1", "--json"])
        .await
        .ok();
    assert!(
        planned.stdout.contains("\"section\": \"message\""),
        "{}",
        planned.stdout
    );
}

#[tokio::test]
async fn with_settle_zero_a_slow_upload_is_a_message_of_its_own() {
    let scene = Scene::mutated("files", &[("settle = \"2s\"", "settle = \"0s\"")]).await;
    std::fs::create_dir_all(scene.workplace.folder().join("uploads")).unwrap();
    // Before the connector runs, `plan` tells what would be sent.
    upload(&scene, "with", b"with");
    scene
        .app("insert into tickets (email, subject) values ('ayse@example.com', 'Zero'); insert into messages (ticket_id) values (1)")
        .await;
    scene.app(&uploaded("1", "with")).await;
    let planned = scene.workplace.command(&["plan", "--ticket", "1"]).await.ok();
    let is_shown = |line: &str| line.contains("attachments") && line.contains("[\"with\"]");
    assert!(planned.stdout.lines().any(is_shown), "{}", planned.stdout);
    let _connector = scene.run().await;
    scene
        .app("insert into tickets (email, subject) values ('ayse@example.com', 'One'); insert into messages (ticket_id, body) values (2, 'After')")
        .await;
    scene.until_heard("2", 1).await;
    upload(&scene, "after", b"after");
    scene.app(&uploaded("2", "after")).await;
    let books = scene.settled().await;
    assert_eq!(told(&books)["2"], ["After []", "after [\"after\"]"]);
}

#[tokio::test]
async fn without_its_where_a_virus_would_be_passed_on() {
    let filter = "where = \"not a.is_virus and t.subject <> 'Secret'\"\n";
    let scene = Scene::mutated("files", &[(filter, "")]).await;
    let _connector = scene.run().await;
    play(&scene).await;
    let books = scene.settled().await;
    assert_eq!(told(&books)["1"][2], "After [\"after\", \"virus\"]");
}

#[tokio::test]
async fn check_points_at_what_is_wrong_with_an_attachment() {
    let scene = Scene::raw(
        "files",
        &[
            (
                "path = \"f.path || '/' || a.stored_as\"",
                "path = \"f.path || a.stored_at\"",
            ),
            ("not a.is_virus and", "not a.is_viruss and"),
            ("(:row, 2, :name, :path)", "(:row, 2, :nme, :path)"),
        ],
    )
    .await;
    let told = scene.setup_fails().await;
    for expected in [
        "a.stored_at",
        "did you mean `a.stored_as`?",
        "is_viruss",
        "did you mean `:name`?",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}
