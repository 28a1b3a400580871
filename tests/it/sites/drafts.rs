//! Drafts that an UPDATE publishes, with bodies that the UPDATE does not carry.

use deskie_cdc_sandbox::simulator::Says;

use super::Scene;
use super::scene::{Heard, expected};

const T: &str = "00000000-0000-0000-0000-00000000000a";

/// Each text is long enough for TOAST; what Deskie hears of it is cut to its head.
fn heads(heard: Heard) -> Heard {
    let head = |text: String| text.split('.').next().unwrap_or_default().to_owned();
    heard
        .into_iter()
        .map(|(key, texts)| (key, texts.into_iter().map(head).collect()))
        .collect()
}

async fn post(scene: &Scene, columns: &str, values: &str, text: &str) {
    let sql = format!(
        "insert into posts (thread_id, body{columns}) values ('{T}', '{text}' || repeat('.', 9000){values})"
    );
    scene.app(&sql).await;
}

async fn set(scene: &Scene, text: &str, change: &str) {
    scene
        .app(&format!(
            "update posts set {change} where thread_id = '{T}' and body like '{text}.%'"
        ))
        .await;
}

/// Published in another order than written; one withdrawn before, one after; one internal that becomes public.
async fn play(scene: &Scene) -> Heard {
    let _connector = scene.run().await;
    scene
        .app(&format!(
            "insert into threads values ('{T}', 'ayse@example.com', 'Topic')"
        ))
        .await;
    post(scene, "", "", "First").await;
    post(scene, "", "", "Second").await;
    post(scene, "", "", "Never").await;
    post(scene, ", state, internal", ", 'published', true", "Internal").await;
    post(scene, ", body_md", ", true", "**Bold**").await;
    set(scene, "Second", "state = 'published'").await;
    set(scene, "First", "state = 'published'").await;
    set(scene, "Never", "state = 'withdrawn'").await;
    set(scene, "Internal", "internal = false").await;
    set(scene, "**Bold**", "state = 'published'").await;
    scene.settled().await;
    // What Deskie has is withdrawn, published again and edited; and a migration touches every row, old ones too.
    set(scene, "First", "state = 'withdrawn'").await;
    set(scene, "First", "state = 'published'").await;
    scene.app("update posts set body = body || '!'").await;
    scene
        .app("update posts set state = 'published' where id <= 50")
        .await;
    heads(scene.heard().await)
}

fn outcome() -> Heard {
    expected([(T, &["Second", "First", "Internal", "<p><strong>Bold</strong>"])])
}

#[tokio::test]
async fn drafts_are_sent_when_they_are_published_and_once() {
    // GIVEN the site; WHEN its application works, and a migration passes over all of it
    let scene = Scene::new("drafts").await;
    scene.check_ok().await;
    // THEN each came when it was published, whole, once; nothing old, nothing withdrawn
    assert_eq!(play(&scene).await, outcome());
    let first = scene.simulator.books().messages().next().unwrap().clone();
    assert!(
        first.text.len() + first.html.len() >= 9000,
        "the body was fetched by key"
    );

    // WHEN an agent answers, and a mass UPDATE touches that row, too
    let _connector = scene.run().await;
    let case = scene.case_of(T).await;
    scene.agent(&case, Says::text("Answer"));
    scene
        .until(
            "select count(*) from posts where body = 'Answer' and by_staff",
            "1",
        )
        .await;
    scene
        .app("update posts set by_staff = false, body = body || '?'")
        .await;
    // THEN what we wrote is not new either
    assert_eq!(scene.heard().await[T].len(), 5);
}

#[tokio::test]
async fn drafts_without_the_filter_would_be_read_by_strangers() {
    let wrong = ("where = \"m.state = 'published' and not m.internal\"\n", "");
    let scene = Scene::mutated("drafts", &[wrong]).await;
    let heard = play(&scene).await;
    assert_eq!(heard[T][..4], ["First", "Second", "Never", "Internal"]);
}

#[tokio::test]
async fn drafts_from_before_count_as_new_where_created_at_is_touched() {
    // GIVEN a migration that makes old rows look new; that is what the mapping tells by `created_at`
    let scene = Scene::mutated(
        "drafts",
        &[("created_at = \"created_at\"\n", "created_at = \"now()\"\n")],
    )
    .await;
    let heard = play(&scene).await;
    // THEN the outcome differs: the old drafts were published
    assert_ne!(heard, outcome());
    assert!(heard.contains_key("00000000-0000-0000-0000-000000000001"));

    // AND without any `created_at` no row counts whose INSERT was not seen
    let scene = Scene::mutated("drafts", &[("created_at = \"created_at\"\n", "")]).await;
    assert_eq!(play(&scene).await, outcome());
}

#[tokio::test]
async fn a_body_that_is_gone_before_it_could_be_fetched_is_said() {
    // GIVEN a draft that is published and deleted while nobody looks
    let scene = Scene::new("drafts").await;
    let _connector = scene.run().await;
    scene
        .app(&format!(
            "insert into threads values ('{T}', 'ayse@example.com', 'Topic')"
        ))
        .await;
    post(&scene, "", "", "Gone").await;
    scene.heard().await;
    scene
        .app(&format!("update posts set state = 'published' where thread_id = '{T}'; delete from posts where thread_id = '{T}'"))
        .await;
    // THEN nothing is sent and nothing is stuck: nobody else ever saw it published
    assert_eq!(scene.heard().await, expected([]));
    assert_eq!(scene.reasons().await, Vec::<String>::new());
    let state = "select state || ' ' || gone from deskie_cdc.link where section = 'message'";
    assert_eq!(scene.column(state).await, ["seen true"]);
}
