//! Each parameter of a reply, as the site's statements see it.

use std::collections::BTreeMap;

use deskie_cdc_sandbox::simulator::{Action, Says};

use crate::support::{AYSE, Stage, stage};

const TABLES: &str = "create table told (message_id bigint, word text, value text);
    create table sizes (name text, octets int, length int, size bigint, half bytea, base64 text)";

/// Which ones are asked for besides those of the sample site.
const WORDS: [&str; 6] = [
    "kind",
    "author_name",
    "author_email",
    "is_customer",
    "markdown",
    "customer_email",
];

async fn told(stage: &Stage, text: &str) -> BTreeMap<String, Option<String>> {
    let sql =
        "select d.word, d.value from told d join messages m on m.id = d.message_id where m.body like $1";
    let rows = stage.query(sql, &[&format!("{text}%")]).await;
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn the_writer_the_size_and_the_markdown_are_told() {
    // GIVEN a site that notes all of it, by functions that take texts and bytes alike
    let values: Vec<String> = WORDS
        .iter()
        .map(|word| format!("(:row, '{word}', :{word})"))
        .collect();
    let after = format!("after = [\"insert into told values {}\", ", values.join(", "));
    let files = "attachments = [\"insert into sizes values (:name, octet_length(:bytes), length(:bytes), :size, \
        substr(:bytes, 1, 2), encode(:bytes, 'base64'))\"]";
    let stage = stage()
        .schema(TABLES)
        .config("after = [", &after)
        .set("reply", files)
        .build()
        .await;
    stage.workplace.command(&["check"]).await.ok();
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN an agent answers with a file, the customer by mail, and somebody who was in copy
    let says =
        Says::html("<p>An <b>agent</b> <a href=\"https://x.example/a\">says</a></p><ul><li>1 * 2</li></ul>")
            .with_file("five.txt", "text/plain", b"a\\b\x00c");
    stage.simulator.agent_reply(case, says).unwrap();
    stage.until_site(ticket, 1).await;
    stage
        .simulator
        .customer_mail_reply(case, Says::text("The customer *says*"))
        .unwrap();
    stage.until_site(ticket, 2).await;
    let copied = Action::CustomerMailReply {
        case,
        says: Says::text("Third says"),
        from: Some("colleague@example.com".into()),
        quote: false,
    };
    stage.simulator.act(copied).unwrap();
    stage.until_site(ticket, 3).await;
    // THEN each is told by who wrote it, and the customer by who he is
    let said = |told: &BTreeMap<String, Option<String>>, word: &str| told[word].clone().unwrap_or_default();
    let agent = told(&stage, "An").await;
    assert_eq!(said(&agent, "kind"), "agent");
    assert_eq!(said(&agent, "is_customer"), "false");
    assert!(said(&agent, "author_email").contains('@'), "{agent:?}");
    assert_eq!(said(&agent, "customer_email"), AYSE);
    let markdown = said(&agent, "markdown");
    for piece in ["**agent**", "[says](https://x.example/a)", "1 \\* 2"] {
        assert!(markdown.contains(piece), "`{piece}` is not in {markdown}");
    }
    let customer = told(&stage, "The").await;
    assert_eq!(said(&customer, "is_customer"), "true");
    assert_eq!(said(&customer, "author_email"), AYSE);
    assert_eq!(said(&customer, "author_name"), "Ayşe Yılmaz");
    assert_eq!(said(&customer, "markdown"), "The customer \\*says\\*");
    let third = told(&stage, "Third").await;
    assert_eq!(said(&third, "is_customer"), "false");
    assert_eq!(said(&third, "author_email"), "colleague@example.com");
    assert_ne!(said(&third, "author_name"), "Ayşe Yılmaz");
    assert_eq!(said(&third, "customer_email"), AYSE);
    // AND the file by its bytes
    let sql = "select name, octets, length, size, encode(half, 'escape'), base64 from sizes";
    let rows = stage.query(sql, &[]).await;
    let found: (String, i32, i32, i64) = (rows[0].get(0), rows[0].get(1), rows[0].get(2), rows[0].get(3));
    assert_eq!(found, ("five.txt".to_owned(), 5, 5, 5));
    assert_eq!(rows[0].get::<_, String>(4), "a\\\\");
    assert_eq!(rows[0].get::<_, String>(5), "YVxiAGM=");
}
