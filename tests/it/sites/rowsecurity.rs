//! Row security, forced: our connections say who they are, and what stays hidden is reported, never skipped.

use deskie_cdc_sandbox::simulator::Says;

use super::Scene;
use super::scene::{Heard, expected};

const OPEN: &str = "insert into tickets (tenant, embargo, email, subject, body) values";
const WRITE: &str = "insert into messages (tenant, ticket_id, body) values";

/// A ticket of the shop with a message, one under embargo with a message, and one of another tenant.
async fn play(scene: &Scene) -> Heard {
    scene
        .app(&format!(
            "{OPEN} ('shop', false, 'ayse@example.com', 'Plain', 'Plain 1'); {WRITE} ('shop', 1, 'Plain 2')"
        ))
        .await;
    scene
        .app(&format!("{OPEN} ('shop', true, 'ivan@example.com', 'Embargo', 'Embargo 1'); {WRITE} ('shop', 2, 'Embargo 2')"))
        .await;
    scene
        .app(&format!(
            "{OPEN} ('bank', false, 'kate@example.com', 'Bank', 'Bank 1'); {WRITE} ('bank', 3, 'Bank 2')"
        ))
        .await;
    scene.heard().await
}

#[tokio::test]
async fn row_security_is_satisfied_by_the_session() {
    // GIVEN the site
    let scene = Scene::new("rowsecurity").await;
    scene.check_ok().await;
    let _connector = scene.run().await;
    // WHEN its application works; THEN the shop's tickets are there, the bank's are not
    assert_eq!(
        play(&scene).await,
        expected([("1", &["Plain 1", "Plain 2"]), ("2", &["Embargo 1", "Embargo 2"])])
    );
    // WHEN an agent answers under embargo; THEN the row passes the policies
    let case = scene.case_of("2").await;
    scene.agent(&case, Says::text("Answer"));
    scene
        .until("select body from messages where author = 'agent'", "Answer")
        .await;
    scene.check_ok().await;
}

#[tokio::test]
async fn row_security_that_hides_a_row_is_reported_and_never_a_skip() {
    // GIVEN a session that forgets the embargo
    let wrong = (", \"set app.embargo = 'on'\"", "");
    let scene = Scene::mutated("rowsecurity", &[wrong]).await;
    let said = scene.check_ok().await.stdout;
    assert!(said.contains("row security holds for us"), "{said}");
    let _connector = scene.run().await;
    let heard = play(&scene).await;
    // THEN the message whose ticket is hidden waits, and says so
    assert_ne!(heard["2"], ["Embargo 1", "Embargo 2"]);
    let reasons = scene.reasons().await;
    assert!(
        reasons.iter().any(|reason| reason.contains("not visible to us")),
        "{reasons:?}"
    );
    // AND a reply to it is parked with that reason: UPDATE and SELECT find nothing, silently
    let case = scene.case_of("2").await;
    scene.agent(&case, Says::text("Answer"));
    scene
        .until(
            "select count(*) from deskie_cdc.remote where state = 'parked'",
            "1",
        )
        .await;
    let reasons = scene.reasons().await;
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("row security hides it")),
        "{reasons:?}"
    );

    // WHEN the session is mended and both are tried again
    drop(_connector);
    let told = "session = [\"set app.tenant = 'shop'\"]";
    scene.workplace.change_config(
        told,
        "session = [\"set app.tenant = 'shop'\", \"set app.embargo = 'on'\"]",
    );
    scene.workplace.command(&["failed", "retry", "--all"]).await.ok();
    let _connector = scene.run().await;
    // THEN nothing is lost
    scene
        .until("select body from messages where author = 'agent'", "Answer")
        .await;
    scene.until_heard("2", 3).await;
    let mut heard = scene.heard().await["2"].clone();
    heard.sort();
    assert_eq!(heard, ["Embargo 1", "Embargo 2", "agent: Answer"]);
}

#[tokio::test]
async fn row_security_without_any_session_is_named_by_check() {
    // GIVEN a table with a ticket, and a mapping without the session
    let wrong = (
        "session = [\"set app.tenant = 'shop'\", \"set app.embargo = 'on'\"]",
        "",
    );
    let scene = Scene::mutated("rowsecurity", &[wrong]).await;
    scene
        .app(&format!(
            "{OPEN} ('shop', false, 'ayse@example.com', 'Plain', 'Plain 1')"
        ))
        .await;
    // THEN `check` warns: to us the table looks empty
    let said = scene.check_ok().await.stdout;
    assert!(
        said.contains("row security holds for us on public.tickets"),
        "{said}"
    );
}
