//! A Rails application: polymorphic authors, no foreign keys, single-table inheritance, timestamps without a zone.

use deskie_cdc_sandbox::simulator::Says;

use super::Scene;
use super::scene::{Heard, expected};

/// Two requests, of which one is for support; comments on them and on an article; a private one; an agent's.
async fn play(scene: &Scene) -> Heard {
    let _connector = scene.run().await;
    // The request is saved, and then its first comment: two transactions, as without `transaction do`.
    scene
        .app("insert into requests (type, requester_id, title) values ('SupportRequest', 1, 'Girişim yok')")
        .await;
    scene
        .app("insert into comments (commentable_type, commentable_id, author_type, author_id, body) values ('Request', 2, 'User', 1, 'Merhaba, giremiyorum')")
        .await;
    scene
        .app(
            "insert into requests (type, requester_id, title) values ('FeatureRequest', 2, 'Dark mode');
              insert into comments (commentable_type, commentable_id, author_type, author_id, body) values
                  ('Request', 3, 'User', 2, 'A wish'), ('Article', 2, 'User', 2, 'Nice article')",
        )
        .await;
    scene
        .app("insert into comments (commentable_type, commentable_id, author_type, author_id, body, private) values
                  ('Request', 2, 'AdminUser', 1, 'Looks like a fraudster', true),
                  ('Request', 2, 'AdminUser', 1, 'Bakıyoruz', false)")
        .await;
    // Every old row is touched, and so are those that Deskie has.
    scene
        .app("update comments set updated_at = now() at time zone 'utc'; update requests set title = title || ''")
        .await;
    scene.heard().await
}

fn outcome() -> Heard {
    expected([("2", &["Merhaba, giremiyorum", "note: Bakıyoruz"])])
}

#[tokio::test]
async fn rails_sends_what_is_for_support_and_writes_back_without_foreign_keys() {
    // GIVEN the site; WHEN its application works
    let scene = Scene::new("rails").await;
    scene.check_ok().await;
    // THEN support's request is a case, with the agent's answer as a note; no private comment, no wish, no article
    assert_eq!(play(&scene).await, outcome());
    let case = scene.case_of("2").await;
    assert_eq!(
        (case.subject.as_str(), case.contact.as_str()),
        ("Girişim yok", "ayse@example.com")
    );

    // WHEN a known agent answers, and the customer by mail
    let _connector = scene.run().await;
    scene.agent(&case, Says::text("Sıfırladık."));
    scene
        .until("select comments_count from requests where id = 2", "1")
        .await;
    scene.mail(&case, Says::text("Oldu!"));
    scene
        .until("select comments_count from requests where id = 2", "2")
        .await;
    // THEN the rows have the authors of their tables, the times of the messages, and are the same for the site
    let rows = scene
        .column("select author_type || ' ' || author_id || ': ' || body from comments where commentable_id = 2 and commentable_type = 'Request' and body in ('Sıfırladık.', 'Oldu!') order by id")
        .await;
    assert_eq!(rows, ["AdminUser 1: Sıfırladık.", "User 1: Oldu!"]);
    let late = "select count(*) from comments where abs(extract(epoch from created_at - now() at time zone 'utc')) > 60 and id > 1";
    assert_eq!(scene.column(late).await, ["0"]);
    let fraction = "select count(*) from (select updated_at from comments where body = 'Oldu!' union all select updated_at from requests where id = 2) w where updated_at <> date_trunc('second', updated_at)";
    assert_eq!(scene.column(fraction).await, ["0"]);
    // AND nothing comes back
    assert_eq!(
        scene.heard().await["2"],
        [
            "Merhaba, giremiyorum",
            "note: Bakıyoruz",
            "agent: Sıfırladık.",
            "Oldu!"
        ]
    );

    // AND `plan` knows all of that
    let plan = async |arguments: &[&str]| -> Vec<String> {
        let command = [&["plan", "--json"], arguments].concat();
        let plan = scene.workplace.command(&command).await.ok().stdout;
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        let rows = plan.as_array().unwrap().iter();
        rows.map(|row| row["why"].as_str().unwrap().to_owned()).collect()
    };
    let fates = plan(&["--ticket", "2"]).await;
    assert_eq!(
        fates,
        [
            "its first customer message opens the case ([ticket] open_on = \"message\")",
            "it stands in Deskie",
            "[message] where does not hold",
            "it stands in Deskie",
            "it came from Deskie: the connector wrote it",
            "it came from Deskie: the connector wrote it",
        ]
    );

    // AND of the newest rows it tells those of other kinds apart
    let whys = plan(&["--last", "20"]).await;
    assert!(
        whys.iter().any(|why| why.contains("belongs to no ticket")),
        "{whys:#?}"
    );

    // WHEN the request is deleted as such applications do it, the answer has no row to stand at
    scene.app("delete from requests where id = 2").await;
    scene.heard().await;
    scene.agent(&case, Says::text("Noch da?"));
    // THEN it is parked: no comment without its request
    scene
        .until(
            "select count(*) from deskie_cdc.remote where state = 'parked'",
            "1",
        )
        .await;
    let orphans = "select count(*) from comments where body = 'Noch da?'";
    assert_eq!(scene.column(orphans).await, ["0"]);
}

#[tokio::test]
async fn rails_would_leak_the_private_comment_without_the_filter() {
    let scene = Scene::mutated("rails", &[("where = \"not m.private\"\n", "")]).await;
    let heard = play(&scene).await;
    assert_eq!(heard["2"][1], "note: Looks like a fraudster");
    assert_ne!(heard, outcome());
}

#[tokio::test]
async fn rails_would_mix_articles_up_with_requests_if_the_type_were_not_asked() {
    let wrong = (
        "case when m.commentable_type = 'Request' then m.commentable_id end",
        "commentable_id",
    );
    let scene = Scene::mutated("rails", &[wrong]).await;
    let heard = play(&scene).await;
    assert!(heard["2"].contains(&"Nice article".to_owned()), "{heard:?}");
}

#[tokio::test]
async fn rails_with_a_broken_join_waits_and_says_so() {
    // GIVEN an inner join that finds no row for a request without its requester
    let wrong = (
        "left join users u on u.id = t.requester_id",
        "join users u on u.id = t.id + 100",
    );
    let scene = Scene::mutated("rails", &[wrong]).await;
    // THEN nothing is taken for "not for us": it waits, with the reason
    let heard = play(&scene).await;
    assert_eq!(heard, expected([]));
    let reasons = scene.reasons().await;
    assert!(!reasons.is_empty());
    assert!(
        reasons
            .iter()
            .all(|reason| reason.contains("give no row") || reason.contains("[ticket] where does not hold")),
        "{reasons:?}"
    );

    // AND a join that finds several is parked
    let wrong = (
        "left join users u on u.id = t.requester_id",
        "join users u on true",
    );
    let scene = Scene::mutated("rails", &[wrong]).await;
    assert_eq!(play(&scene).await, expected([]));
    let reasons = scene.reasons().await;
    let several = |reason: &String| reason.contains("several rows for one row");
    assert!(reasons.iter().any(several), "{reasons:?}");
}
