//! Keys of several columns, a uuid among them, and an UPDATE that changes them all.

use deskie_cdc_sandbox::simulator::Says;

use super::Scene;
use super::scene::expected;

const OPEN: &str = "insert into tickets (tenant, no, email, subject) values";
const WRITE: &str = "insert into messages (tenant, no, body) values";
const KEY: &str = r#"["ac\"me", "7"]"#;

#[tokio::test]
async fn composite_keys_reach_deskie_and_come_back() {
    // GIVEN the site
    let scene = Scene::new("composite").await;
    scene.check_ok().await;
    let _connector = scene.run().await;
    // WHEN two tenants use the same number
    scene
        .app(&format!(
            "{OPEN} ('ac\"me', 7, 'ayse@example.com', 'Seven'); {WRITE} ('ac\"me', 7, 'One')"
        ))
        .await;
    scene
        .app(&format!(
            "{OPEN} ('bolt', 7, 'ivan@example.com', 'Other'); {WRITE} ('bolt', 7, 'Other')"
        ))
        .await;
    // THEN they are two cases
    let other = r#"["bolt", "7"]"#;
    assert_eq!(
        scene.heard().await,
        expected([(KEY, &["One"]), (other, &["Other"])])
    );
    // WHEN an agent answers; THEN row and ticket are found by their parts
    let case = scene.case_of(KEY).await;
    scene.agent(&case, Says::text("Answer"));
    scene
        .until("select note from messages where staff", r#"["ac\"me", "7"] 7"#)
        .await;
    assert_eq!(
        scene.column("select replies from tickets order by tenant").await,
        ["1", "0"]
    );

    // WHEN the tenant is renamed, and with it every key
    scene
        .app("update tickets set tenant = 'acme-neu', no = 8 where tenant = 'ac\"me'")
        .await;
    scene.app(&format!("{WRITE} ('acme-neu', 8, 'Two')")).await;
    // THEN nothing is new but what is new, and it goes into the case that there is
    scene.heard().await;
    let renamed = scene.case_of(r#"["acme-neu", "8"]"#).await;
    assert_eq!(renamed.case_id, case.case_id);
    assert_eq!(scene.heard().await[KEY], ["One", "agent: Answer", "Two"]);
    // AND answers find the row under its new key
    scene.agent(&case, Says::text("Again"));
    scene
        .until(
            "select note from messages where body = 'Again'",
            r#"["acme-neu", "8"] 8"#,
        )
        .await;
    // WHEN the old number is used anew; THEN it is another ticket
    scene
        .app(&format!(
            "{OPEN} ('ac\"me', 7, 'kate@example.com', 'Anew'); {WRITE} ('ac\"me', 7, 'Anew')"
        ))
        .await;
    let anew = scene.case_of(KEY).await;
    assert_eq!(
        (anew.contact.as_str(), anew.messages.len()),
        ("kate@example.com", 1)
    );
}

#[tokio::test]
async fn composite_keys_need_all_their_parts() {
    // GIVEN a mapping that joins by one part of the key only
    let scene = Scene::raw(
        "composite",
        &[("ticket = [\"tenant\", \"no\"]", "ticket = \"no\"")],
    )
    .await;
    // THEN it is refused, with the columns that there are
    let said = scene.setup_fails().await;
    assert!(said.contains("(tenant, no)"), "{said}");

    // AND one that takes the number alone for the key mixes two tenants up: the row is not found alone, so it is parked
    let wrong = [
        ("[ticket]\n", "[ticket]\nkey = \"no\"\n"),
        ("ticket = [\"tenant\", \"no\"]", "ticket = \"no\""),
        (":ticket_2", ":ticket_1"),
        ("tenant = :ticket_1 and ", ""),
    ];
    let scene = Scene::mutated("composite", &wrong).await;
    assert!(scene.check_ok().await.stdout.contains("is not unique"));
}
