//! One row a question, with a column for the answer: no message table, `after` without any `set`.

use deskie_cdc_sandbox::simulator::Says;

use super::Scene;
use super::scene::expected;

const ASK: &str = "insert into questions (email, question) values ('ayse@example.com', 'Ne zaman?')";

#[tokio::test]
async fn one_column_takes_the_answer_and_an_array_the_rest() {
    // GIVEN the site
    let scene = Scene::new("onecolumn").await;
    scene.app(ASK).await;
    scene.check_ok().await;
    let _connector = scene.run().await;
    // WHEN somebody asks
    scene.app(ASK).await;
    let case = scene.case_of("2").await;
    assert_eq!(case.subject, "Question 2");
    // WHEN an agent answers twice, and the customer in between by mail
    scene.agent(&case, Says::text("Yarın."));
    scene
        .until("select answer from questions where id = 2", "Yarın.")
        .await;
    scene.mail(&case, Says::text("It's \"tomorrow\"?"));
    scene
        .until(
            "select jsonb_array_length(followups)::text from questions where id = 2",
            "1",
        )
        .await;
    scene.agent(&case, Says::text("Evet."));
    // THEN the last answer stands in the column, the customer's in the array, whatever characters it has
    scene
        .until("select answer from questions where id = 2", "Evet.")
        .await;
    let followup = scene
        .column("select followups -> 0 ->> 'text' from questions where id = 2")
        .await;
    assert_eq!(followup, ["It's \"tomorrow\"?"]);
    assert_eq!(
        scene.column("select version from questions where id = 2").await,
        ["4"]
    );
    // AND our own UPDATEs are not new to Deskie, nor are the site's
    scene.app("update questions set version = version + 1").await;
    assert_eq!(
        scene.heard().await,
        expected([
            ("1", &["Ne zaman?"]),
            (
                "2",
                &["Ne zaman?", "agent: Yarın.", "It's \"tomorrow\"?", "agent: Evet."]
            )
        ])
    );
    assert_eq!(
        scene.column("select version from questions where id = 2").await,
        ["5"],
        "each was written once"
    );
}

#[tokio::test]
async fn one_column_check_names_the_parameter_that_there_is_not() {
    // GIVEN an `after` that wants the new row's key, where no row is inserted
    let scene = Scene::raw("onecolumn", &[("set answer = :text", "set answer = :row")]).await;
    let said = scene.setup_fails().await;
    assert!(said.contains("`:row` is not a parameter here"), "{said}");

    // AND a statement that a ticket cannot satisfy is found by trying it
    let wrong = (
        "version = version + 1\nwhere",
        "version = version / (version - 1)\nwhere",
    );
    let scene = Scene::mutated("onecolumn", &[wrong]).await;
    scene.app(ASK).await;
    let said = scene.check_fails().await;
    assert!(said.contains("reply.customer.after"), "{said}");
}

#[tokio::test]
async fn one_column_would_lose_the_customers_mail_if_it_took_all() {
    // GIVEN a mapping with one statement for both kinds
    let scene = Scene::mutated(
        "onecolumn",
        &[
            ("[reply.agent]", "[reply]"),
            ("[reply.customer]\nafter", "[reply.customer]\nset = {}\nafter"),
        ],
    )
    .await;
    let _connector = scene.run().await;
    scene.app(ASK).await;
    let case = scene.case_of("1").await;
    scene.agent(&case, Says::text("Answer"));
    scene.until("select answer from questions", "Answer").await;
    scene.mail(&case, Says::text("Mail"));
    // THEN the outcome differs: the mail replaces the answer
    scene.until("select answer from questions", "Mail").await;
}
