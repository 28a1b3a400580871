//! Lookup tables for everything, and customers whose contacts are what a form let through.

use deskie_cdc_sandbox::simulator::{Books, Says};

use super::Scene;
use super::scene::expected;

const OPEN: &str = "insert into cases (case_no, person_id, status, title) values";
const WRITE: &str = "insert into case_texts (case_no, line_no, writer, txt) values";

/// One case for each kind of customer, each with a text.
async fn play(scene: &Scene) -> Books {
    for person in 1..=5 {
        let status = if person == 2 { 9 } else { 1 };
        scene
            .app(&format!("{OPEN} (10{person}, {person}, {status}, 'Case of {person}'); {WRITE} (10{person}, 1, 10, 'Text of {person}')"))
            .await;
    }
    scene
        .app(&format!("{WRITE} (101, 2, 20, 'An agent on the site'), (101, 3, 30, 'The machine'), (101, 4, 10, 'More of 1')"))
        .await;
    scene.settled().await
}

fn contacts(books: &Books) -> Vec<(&str, &str)> {
    let contact = |case: &'_ deskie_cdc_sandbox::simulator::CaseRecord| {
        (
            case.custom_fields["cf_25"].as_str().unwrap().to_owned(),
            case.contact.clone(),
        )
    };
    let mut found: Vec<(String, String)> = books.cases.iter().map(contact).collect();
    found.sort();
    found
        .into_iter()
        .map(|(key, contact)| (&*key.leak(), &*contact.leak()))
        .collect()
}

#[tokio::test]
async fn lookup_tables_and_a_chain_of_contacts() {
    // GIVEN the site
    let scene = Scene::new("lookup").await;
    scene.check_ok().await;
    let _connector = scene.run().await;
    // WHEN its people write
    let books = play(&scene).await;
    // THEN each who can be reached has a case under the first contact that is there, trimmed; spam has none
    assert_eq!(
        contacts(&books),
        [
            ("101", "ayse@example.com"),
            ("103", "+90 555 000 11 22"),
            ("104", "office@acme.example")
        ]
    );
    let case = scene.case_of("101").await;
    assert_eq!(case.subject, "Case of 1");
    let user = books
        .users
        .iter()
        .find(|user| user.user_id == case.user_id)
        .unwrap();
    assert_eq!(user.full_name, "Ayşe Yılmaz");
    // AND an agent's answer on the site stands there as staff's; the machine's remark does not
    assert_eq!(
        scene.heard().await["101"],
        ["Text of 1", "agent: An agent on the site", "More of 1"]
    );
    // AND it is told what the fifth waits for
    let reasons = scene.reasons().await;
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("neither e-mail nor phone")),
        "{reasons:?}"
    );

    // WHEN he confirms his address, in a table that is not captured, and writes again; and the second is no spam after all
    scene
        .app("update people set mail = 'nobody@example.com' where id = 5")
        .await;
    scene.app(&format!("{WRITE} (105, 2, 10, 'Me again')")).await;
    scene.app(&format!("{WRITE} (102, 2, 10, 'Still there?')")).await;
    scene.app("update cases set status = 1 where case_no = 102").await;
    // THEN both follow, all in order
    scene.until_heard("105", 2).await;
    scene.until_heard("102", 2).await;
    let heard = scene.heard().await;
    assert_eq!(heard["105"], ["Text of 5", "Me again"]);
    assert_eq!(heard["102"], ["Text of 2", "Still there?"]);

    // WHEN they answer in Deskie
    scene.agent(&case, Says::text("Answer"));
    scene
        .until("select count(*) from case_texts where case_no = 101", "5")
        .await;
    scene.mail(&case, Says::text("Thanks"));
    // THEN the rows have the next numbers and the codes of the lookup table
    scene
        .until("select count(*) from case_texts where case_no = 101", "6")
        .await;
    let rows = scene
        .column("select line_no || ' ' || writer || ' ' || txt from case_texts where case_no = 101 and line_no > 4 order by 1")
        .await;
    assert_eq!(rows, ["5 20 Answer", "6 10 Thanks"]);
}

#[tokio::test]
async fn lookup_is_parked_when_the_wait_is_over() {
    let scene = Scene::mutated(
        "lookup",
        &[(
            "where = \"s.is_public\"",
            "where = \"s.is_public\"\nwait = \"1s\"",
        )],
    )
    .await;
    let _connector = scene.run().await;
    play(&scene).await;
    scene
        .until(
            "select count(*) from deskie_cdc.delivery where state = 'parked'",
            "1",
        )
        .await;
    let reasons = scene.reasons().await;
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("neither e-mail nor phone; waited")),
        "{reasons:?}"
    );
}

#[tokio::test]
async fn lookup_without_the_filter_would_send_spam_and_without_trim_would_invent_people() {
    let scene = Scene::mutated("lookup", &[("where = \"s.is_public\"\n", "")]).await;
    let _connector = scene.run().await;
    assert!(contacts(&play(&scene).await).contains(&("102", "ivan@example.com")));

    // An author that the lookup does not know is parked, never guessed.
    let scene = Scene::mutated("lookup", &[("else 'skip' end", "end")]).await;
    let _connector = scene.run().await;
    play(&scene).await;
    let reasons = scene.reasons().await;
    assert!(
        reasons.iter().any(|reason| reason.contains("author is NULL")),
        "{reasons:?}"
    );
    assert_eq!(
        scene.heard().await["101"],
        expected([("101", &["Text of 1", "agent: An agent on the site"])])["101"]
    );
}
