//! A Prisma application: quoted names, keys made by the client, enums, a message before its ticket.

use deskie_cdc_sandbox::simulator::Says;

use super::Scene;
use super::scene::{Heard, expected};

/// A ticket with its first message, inserted before it; a system's remark, an agent's answer, an answer in HTML.
async fn play(scene: &Scene) -> Heard {
    let _connector = scene.run().await;
    scene
        .app(r#"set local search_path = "Help Desk";
            insert into "TicketMessage" ("id", "ticketId", "user", "content") values ('ckm1', 'ckt''1', 'cku0ayse0000', '1 < 2 & "tamam"');
            insert into "Ticket" ("id", "userId", "title", "order", "updatedAt") values ('ckt''1', 'cku0ayse0000', 'Sipariş', 4711, now())"#)
        .await;
    scene
        .app(r#"set local search_path = "Help Desk";
            insert into "TicketMessage" ("id", "ticketId", "role", "content") values ('ckm2', 'ckt''1', 'SYSTEM', 'Ticket was assigned');
            insert into "TicketMessage" ("id", "ticketId", "role", "content") values ('ckm3', 'ckt''1', 'STAFF', 'Bakıyorum');
            insert into "TicketMessage" ("id", "ticketId", "content", "isHtml") values ('ckm4', 'ckt''1', '<p>Bu <b>acil</b></p>', true)"#)
        .await;
    scene.heard().await
}

#[tokio::test]
async fn prisma_with_quoted_names_and_a_message_before_its_ticket() {
    // GIVEN the site; WHEN its application works
    let scene = Scene::new("prisma").await;
    scene.check_ok().await;
    // THEN each arrives once, in its format; a key with a quote in it is a key
    let heard = play(&scene).await;
    assert_eq!(
        heard,
        expected([(
            "ckt'1",
            &[
                "1 &lt; 2 &amp; \"tamam\"",
                "note: Bakıyorum",
                "<p>Bu <b>acil</b></p>"
            ]
        )])
    );
    let case = scene.case_of("ckt'1").await;
    assert_eq!(case.custom_fields["cf_30"], "4711");

    // WHEN both answer in Deskie
    let _connector = scene.run().await;
    scene.agent(&case, Says::html("<p>Kargoda <i>:kind</i></p>"));
    let count = r#"select count(*) from "Help Desk"."TicketMessage" where id like 'dk%'"#;
    scene.until(count, "1").await;
    scene.mail(&case, Says::text("$1 & <teşekkürler>"));
    scene.until(count, "2").await;
    // THEN each is a row with a key of ours, an enum, and the text as it was, template characters and all
    let rows = scene
        .column(r#"select role || ' ' || coalesce("user", '-') || ' ' || content from "Help Desk"."TicketMessage" where id like 'dk%' order by "createdAt""#)
        .await;
    assert_eq!(rows[0], "STAFF - <p>Kargoda <i>:kind</i></p>");
    assert!(rows[1].starts_with("USER cku0ayse0000 "), "{rows:?}");
    assert!(rows[1].contains("$1 &amp; &lt;teşekkürler&gt;"), "{rows:?}");
    assert_eq!(scene.heard().await["ckt'1"].len(), 5);
}

#[tokio::test]
async fn prisma_would_tell_the_customer_of_the_system() {
    let wrong = ("else 'skip' end\"\nbody", "else 'customer' end\"\nbody");
    let scene = Scene::mutated("prisma", &[wrong]).await;
    assert!(play(&scene).await["ckt'1"].contains(&"Ticket was assigned".to_owned()));
}

#[tokio::test]
async fn prisma_check_names_the_fault_and_its_place() {
    // GIVEN a mapping with names as one would type them, and a reply that forgets the key
    let changes = [
        (
            "created_at = \"createdAt\"\ncustomer",
            "created_at = \"t.createdAt\"\ncustomer",
        ),
        ("u.\\\"firstName\\\"", "u.\\\"firstname\\\""),
        ("body = \"content\"", "body = \"contents\""),
        ("id = \"'dk' || replace(gen_random_uuid()::text, '-', '')\"\n", ""),
    ];
    let scene = Scene::raw("prisma", &changes).await;
    // THEN all are told at once, with the nearest real name
    let said = scene.setup_fails().await;
    for word in ["createdAt", "firstName", "did you mean `content`"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[tokio::test]
async fn prisma_check_names_the_column_that_the_reply_forgets() {
    let scene = Scene::mutated(
        "prisma",
        &[("id = \"'dk' || replace(gen_random_uuid()::text, '-', '')\"\n", "")],
    )
    .await;
    let said = scene.check_fails().await;
    assert!(
        said.contains("id of \"Help Desk\"") || said.contains("id of Help Desk"),
        "{said}"
    );
    assert!(said.contains("NOT NULL without a default"), "{said}");
}
