//! A ticket whose text is repeated as its first message.

use deskie_cdc_sandbox::simulator::Says;

use super::Scene;
use super::scene::{Heard, expected};

async fn play(scene: &Scene) -> Heard {
    let _connector = scene.run().await;
    scene
        .app(
            "insert into tickets (email, subject, body) values ('ayse@example.com', 'Sipariş', 'Nerede?');
              insert into messages (ticket_id, position, body) values (1, 1, 'Nerede?')",
        )
        .await;
    scene
        .app(r#"insert into messages (ticket_id, position, flags, body) values (1, 2, '{"system": 1}', 'Assigned');
              insert into messages (ticket_id, position, flags, body) values (1, 3, '{"staff": 1}', 'Bakıyorum');
              insert into messages (ticket_id, position, body) values (1, 4, 'Acil')"#)
        .await;
    scene.heard().await
}

fn outcome() -> Heard {
    expected([("1", &["Nerede?", "note: Bakıyorum", "Acil"])])
}

#[tokio::test]
async fn a_text_that_is_repeated_comes_once() {
    let scene = Scene::new("repeated").await;
    scene.check_ok().await;
    assert_eq!(play(&scene).await, outcome());
    // WHEN an agent answers; THEN the row has the next place
    let _connector = scene.run().await;
    let case = scene.case_of("1").await;
    scene.agent(&case, Says::text("Yolda"));
    scene
        .until("select body from messages where position = 5", "Yolda")
        .await;
    assert_eq!(scene.heard().await["1"].len(), 4);
}

#[tokio::test]
async fn a_text_that_is_repeated_would_be_doubled_without_the_filter() {
    let scene = Scene::mutated("repeated", &[("where = \"m.position > 1\"\n", "")]).await;
    assert_eq!(
        play(&scene).await["1"],
        ["Nerede?", "Nerede?", "note: Bakıyorum", "Acil"]
    );
}
