//! What must not come back, and what must come once.

use std::time::Duration;

use deskie_cdc_sandbox::simulator::{Action, Delivery, Says};

use crate::support::{installations, stage, stage_on, texts};

#[tokio::test]
async fn our_own_messages_do_not_come_back() {
    // GIVEN rules whose webhooks come before our call's answer, four times each, and at every change of a case
    let delivery = Delivery {
        before_answer: true,
        duplicates: 3,
        ..Delivery::default()
    };
    let stage = stage().delivery(delivery).build().await;
    let _connector = stage.run().await;

    // WHEN the customer writes several times, twice the same
    let (ticket, case) = stage.open("Soru").await;
    for text in ["bir", "iki", "iki", "Soru: body"] {
        stage.writes(ticket, text).await;
    }
    stage.until_deskie(case, 5).await;
    // AND labels and states of the case change, with webhooks of their own
    for label in [101, 102] {
        stage.simulator.act(Action::AddLabel { case, label }).unwrap();
    }
    stage.simulator.set_status(case, "closed").unwrap();
    stage.settled().await;

    // THEN each stands once in Deskie, and the site has its own four rows and no more
    assert_eq!(
        texts(&stage.case(case)),
        ["Soru: body", "bir", "iki", "iki", "Soru: body"]
    );
    assert_eq!(stage.rows(ticket).await, ["bir", "iki", "iki", "Soru: body"]);

    // WHEN the agent answers, and the last author is staff at the next changes
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 5).await;
    stage
        .simulator
        .act(Action::AddLabel { case, label: 103 })
        .unwrap();
    stage.simulator.set_status(case, "open").unwrap();
    stage.settled().await;
    // THEN the answer is one row, and did not go back to Deskie
    assert_eq!(stage.rows(ticket).await[4..], ["cevap"]);
    assert_eq!(stage.case(case).messages.len(), 6);
    assert_eq!(
        stage
            .count("select replies_count::bigint from tickets order by id desc offset 2 limit 1")
            .await,
        1
    );
}

#[tokio::test]
async fn internal_notes_never_come() {
    // GIVEN a case
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN an agent writes a note, an answer, and another note, and the site an internal row
    let sim = &stage.simulator;
    sim.note(case, Says::html("<p>secret one</p>")).unwrap();
    sim.agent_reply(case, Says::text("answer")).unwrap();
    sim.note(case, Says::text("secret two")).unwrap();
    let sql =
        "insert into messages (ticket_id, author, body, is_internal) values ($1, 'customer', 'hidden', true)";
    stage.site.client.execute(sql, &[&ticket]).await.unwrap();
    stage.until_site(ticket, 1).await;
    stage.settled().await;
    // THEN only the answer comes to the site, and nothing internal to Deskie
    assert_eq!(stage.rows(ticket).await, ["hidden", "answer"]);
    assert_eq!(stage.case(case).messages.len(), 4);
    assert_eq!(
        stage
            .count("select count(*) from deskie_cdc.remote where payload::text like '%secret%'")
            .await,
        0
    );
}

#[tokio::test]
async fn an_auto_reply_comes_once_and_says_that_it_is_one() {
    // GIVEN a rule that answers each new case, and a site that wants to know such answers apart
    let stage = stage()
        .deskie(|options| options.auto_reply = Some("<p>Aldık, teşekkürler.</p>".into()))
        .delivery(Delivery {
            before_answer: true,
            duplicates: 1,
            ..Delivery::default()
        })
        .schema("alter table messages add via_rule boolean")
        .config("body = \":text\"", "body = \":text\", via_rule = \":via_rule\"")
        .build()
        .await;
    let _connector = stage.run().await;
    // WHEN a case is opened, and an agent answers later
    let (ticket, case) = stage.open("Soru").await;
    stage.until_site(ticket, 1).await;
    stage
        .simulator
        .agent_reply(case, Says::text("Ben bakıyorum"))
        .unwrap();
    stage.until_site(ticket, 2).await;
    stage.settled().await;
    // THEN each came once, marked for what it is
    let sql = "select body, author, via_rule from messages where ticket_id = $1 order by id";
    let rows: Vec<(String, String, bool)> = stage
        .query(sql, &[&ticket])
        .await
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let expected = [("Aldık, teşekkürler.", true), ("Ben bakıyorum", false)];
    assert_eq!(
        rows,
        expected.map(|(body, rule)| (body.to_owned(), "agent".to_owned(), rule))
    );
}

#[tokio::test]
async fn what_a_trigger_of_the_site_adds_to_our_write_back_does_not_go_to_deskie() {
    for installation in installations() {
        // GIVEN a site whose trigger answers each reply with a row of its own and touches the newest row
        let stage = stage_on(&installation)
            .schema(
                "create function greet() returns trigger language plpgsql security definer as $$
                 begin
                     insert into messages (ticket_id, author, body) values (new.ticket_id, 'customer', 'by the trigger');
                     update messages set body = body || ' (seen)' where id = new.id;
                     update tickets set subject = subject || '!' where id = new.ticket_id;
                     return null;
                 end $$;
                 create trigger greet after insert on messages for each row when (new.author = 'agent')
                 execute function greet()",
            )
            .build()
            .await;
        let _connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;

        // WHEN an agent answers, and the customer by mail
        stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
        stage.until_site(ticket, 2).await;
        stage
            .simulator
            .customer_mail_reply(case, Says::text("posta"))
            .unwrap();
        stage.until_site(ticket, 3).await;
        // AND a job of the site touches all rows in a transaction of its own
        stage
            .sql("update messages set body = body || '.'; update tickets set updated_at = now()")
            .await;
        stage.settled().await;

        // THEN Deskie has the two it had, and no more
        assert_eq!(texts(&stage.case(case)), ["Soru: body", "cevap", "posta"]);
        assert_eq!(
            stage.rows(ticket).await,
            ["cevap (seen).", "by the trigger.", "posta."]
        );

        // WHEN the customer writes on the site, THEN that does go
        stage.writes(ticket, "gerçek").await;
        assert_eq!(texts(&stage.until_deskie(case, 4).await)[3], "gerçek");
    }
}

#[tokio::test]
async fn a_webhook_that_comes_long_after_or_in_the_wrong_order_changes_nothing() {
    // GIVEN rules whose webhooks come late and overtake each other
    let stage = stage()
        .delivery(Delivery {
            delay: Duration::from_millis(300),
            reorder: true,
            ..Delivery::default()
        })
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN three answers come while the first webhook is still on its way
    for text in ["bir", "iki", "üç"] {
        stage.simulator.agent_reply(case, Says::text(text)).unwrap();
    }
    stage.until_site(ticket, 3).await;
    stage.settled().await;
    // THEN each stands there once, in Deskie's order
    assert_eq!(stage.rows(ticket).await, ["bir", "iki", "üç"]);
    assert_eq!(stage.case(case).messages.len(), 4);
}
