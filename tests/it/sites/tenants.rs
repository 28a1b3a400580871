//! Many shops in one database: whose tickets are for Deskie, and when.

use deskie_cdc_sandbox::simulator::Says;

use super::Scene;
use super::scene::{Heard, expected};

const OURS: &str = "aaaaaaaa-0000-0000-0000-000000000000";
const THEIRS: &str = "bbbbbbbb-0000-0000-0000-000000000000";

fn ticket(n: u8) -> String {
    format!("00000000-0000-0000-0000-00000000000{n}")
}

fn open(n: u8, tenant: &str) -> String {
    let id = ticket(n);
    format!(
        "insert into app.tickets (id, tenant_id, email, subject) values ('{id}', '{tenant}', 'c{n}@example.com', 'T{n}')"
    )
}

fn write(n: u8, tenant: &str, text: &str) -> String {
    let id = ticket(n);
    format!(
        r#"insert into chat.messages (ticket_id, tenant_id, blocks) values ('{id}', '{tenant}',
            '[{{"type": "text", "text": "{text}"}}, {{"type": "image", "text": "no"}}, {{"type": "text", "text": "end"}}]')"#
    )
}

/// Ours confirmed late, after two messages; theirs confirmed; ours that is spam.
async fn play(scene: &Scene) -> Heard {
    let _connector = scene.run().await;
    for (n, tenant) in [(1, OURS), (2, THEIRS), (3, OURS)] {
        scene.app(&open(n, tenant)).await;
        scene.app(&write(n, tenant, "first")).await;
    }
    scene.app(&write(1, OURS, "second")).await;
    scene
        .app(&format!(
            "insert into chat.messages (ticket_id, tenant_id, kind, blocks) values ('{}', '{OURS}', 'survey', '[]')",
            ticket(1)
        ))
        .await;
    scene
        .app("update app.tickets set spam = true where subject = 'T3'")
        .await;
    scene.app("update app.tickets set confirmed = true").await;
    scene.app(&write(1, OURS, "third")).await;
    scene.heard().await
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| format!("{text}<br>end")).collect()
}

#[tokio::test]
async fn tenants_and_a_ticket_that_becomes_eligible_later() {
    // GIVEN the site
    let scene = Scene::new("tenants").await;
    scene.check_ok().await;
    // WHEN the customer confirms the ticket after two messages
    let heard = play(&scene).await;
    // THEN all follow in order; the other shop's, the survey and spam do not
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[&ticket(1)], texts(&["first", "second", "third"]));
    // WHEN a person says that the third is no spam
    let _connector = scene.run().await;
    scene
        .app("update app.tickets set spam = false where subject = 'T3'")
        .await;
    scene.until_heard(&ticket(3), 1).await;

    // WHEN an agent answers
    let case = scene.case_of(&ticket(1)).await;
    scene.agent(&case, Says::text("Answer \"1\""));
    // THEN the row is JSON as the site's own
    scene
        .until(
            r#"select blocks->0->>'text' from chat.messages where author @> '{"agent": true}'"#,
            "Answer \"1\"",
        )
        .await;
    // AND the ticket of the other shop waits in silence; it is asked about ever more rarely
    assert!(!scene.heard().await.contains_key(&ticket(2)));
}

#[tokio::test]
async fn tenants_without_the_filter_would_mail_the_other_shops_customers() {
    let scene = Scene::mutated(
        "tenants",
        &[
            ("n.helpdesk and t.confirmed", "t.confirmed"),
            (" and n.helpdesk\"", "\""),
        ],
    )
    .await;
    assert!(play(&scene).await.contains_key(&ticket(2)));

    let scene = Scene::mutated(
        "tenants",
        &[
            ("m.kind = 'message' and n.helpdesk", "n.helpdesk"),
            ("where b.value->>'type' = 'text'", ""),
        ],
    )
    .await;
    let heard = play(&scene).await;
    assert_ne!(heard, expected([(&ticket(1), &[])]));
    assert!(heard[&ticket(1)][0].contains("no"), "{heard:?}");
}

#[tokio::test]
async fn tenants_a_mapping_with_a_wrong_column_is_refused_with_its_place() {
    let scene = Scene::raw(
        "tenants",
        &[("n.helpdesk and t.confirmed", "n.help_desk and t.confirmd")],
    )
    .await;
    let said = scene.setup_fails().await;
    assert!(
        said.contains("help_desk") && said.contains("deskie-cdc.toml:"),
        "{said}"
    );
}
