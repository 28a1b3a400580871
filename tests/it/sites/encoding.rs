//! Databases that are not in UTF-8: what one side cannot hold is replaced, and nothing stops for it.

use deskie_cdc_sandbox::simulator::Says;

use super::Scene;

const OPEN: &str = "insert into tickets (email, subject, body) values ('ayse@example.com', ";

/// A ticket with these words of the site's, and an answer that no such database can hold; what the site shows of it.
async fn play(encoding: &str, words: &str, heard: &str) -> String {
    // GIVEN a site in that encoding; THEN it can be set up and checked
    let scene = Scene::in_encoding("encoding", encoding).await;
    scene.check_ok().await;
    let connector = scene.run().await;
    // WHEN a customer writes in its own words, and bytes that are no character
    scene.app(&format!("{OPEN} {words}, {words})")).await;
    // THEN Deskie hears them
    let case = scene.case_of("1").await;
    assert_eq!(case.subject, heard, "{encoding}");
    scene
        .app(&format!(
            "insert into messages (ticket_id, author, body) values (1, 'customer', {words})"
        ))
        .await;
    scene.until_heard("1", 2).await;
    assert_eq!(scene.heard().await["1"], [heard, heard], "{encoding}");
    // WHEN an agent answers with what the database lacks
    scene.agent(&case, Says::text("Hello \u{1f600} \u{20ac}!"));
    scene
        .until("select count(*) from messages where author = 'agent'", "1")
        .await;
    // THEN nothing is parked, and others go on
    assert!(scene.reasons().await.is_empty());
    scene.app(&format!("{OPEN} 'plain', 'plain')")).await;
    scene.case_of("2").await;
    let told = connector
        .log()
        .iter()
        .any(|line| line.contains("the database's encoding lacks"));
    let shown = scene
        .column("select body from messages where author = 'agent'")
        .await;
    assert_eq!(told, !shown[0].contains('\u{1f600}'), "{encoding}");
    shown[0].clone()
}

#[tokio::test]
async fn a_turkish_database_of_one_byte_a_character() {
    let shown = play("LATIN5", "'\u{15f}ifre'", "\u{15f}ifre").await;
    assert_eq!(shown, "Hello ? ?!");
}

#[tokio::test]
async fn a_russian_database_of_one_byte_a_character() {
    let shown = play(
        "WIN1251",
        "'\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}'",
        "\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}",
    )
    .await;
    assert_eq!(shown, "Hello ? \u{20ac}!");
}

#[tokio::test]
async fn bytes_without_a_character_do_not_stop_the_stream() {
    let shown = play(
        "WIN1252",
        "convert_from('\\x61e98162'::bytea, 'WIN1252')",
        "a\u{e9}?b",
    )
    .await;
    assert_eq!(shown, "Hello ? \u{20ac}!");
}

#[tokio::test]
async fn bytes_of_no_encoding_at_all_do_not_stop_the_stream() {
    let shown = play(
        "SQL_ASCII",
        "convert_from('\\x61ff62'::bytea, 'SQL_ASCII')",
        "a\u{fffd}b",
    )
    .await;
    assert_eq!(shown, "Hello \u{1f600} \u{20ac}!");
}
