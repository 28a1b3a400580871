//! Custom channels: their cases, and their webhooks, which carry messages whole.

use deskie_cdc_sandbox::simulator::{CustomChannel, Delivery, Encoding, Says};

use crate::support::{AYSE, Building, Stage, stage, texts};

/// Kate (who sends the marker) is served by e-mail, all others through the channel.
fn with_channel(building: Building) -> Building {
    building.without_rules().set("deskie", "sweep = \"1h\"").config(
        "customer = { email = \"u.email\", name = \"u.full_name\" }",
        "channel = \"case when u.email like 'kate%' then null else 'cch3' end\"\n\
             customer = { email = \"u.email\", custom_id = \"'site-' || u.id\", name = \"u.full_name\" }",
    )
}

fn channel(stage: &Stage, encoding: Encoding, all_messages: bool) -> CustomChannel {
    CustomChannel {
        channel: "cch3".into(),
        webhook_url: Some(stage.workplace.webhook_url()),
        encoding,
        all_messages,
        delivery: Delivery {
            before_answer: true,
            duplicates: 2,
            ..Delivery::default()
        },
        ..CustomChannel::default()
    }
}

#[tokio::test]
async fn a_channels_messages_come_with_its_webhook_and_without_a_look_up() {
    for encoding in [Encoding::Form, Encoding::Json] {
        // GIVEN a site whose tickets go through a channel, but for one customer's
        let stage = with_channel(stage()).build().await;
        stage.simulator.add_channel(channel(&stage, encoding, false));
        let _connector = stage.run().await;

        // WHEN a customer opens a ticket and writes again
        let ticket = stage.ticket(AYSE, "Kanal", "Merhaba").await;
        let case = stage.case_of(ticket).await;
        stage.writes(ticket, "Orada mısınız?").await;
        // THEN the case goes through the channel, in his own identity there
        let record = stage.until_deskie(case, 2).await;
        assert_eq!(
            (record.channel.as_str(), record.contact.as_str()),
            ("cch3", "site-1")
        );
        assert!(
            record
                .messages
                .iter()
                .all(|message| message.user_id == record.user_id)
        );

        // WHEN an agent writes an answer, a note, and another answer, each told three times
        let odd = "Evet & \"buradayım\" 🙂\nikinci + satır=%41";
        stage.simulator.agent_reply(case, Says::text(odd)).unwrap();
        stage.simulator.note(case, Says::text("secret")).unwrap();
        stage
            .simulator
            .agent_reply(case, Says::html("<p>Bir <b>de</b> bu</p>"))
            .unwrap();
        stage.until_site(ticket, 3).await;
        let books = stage.settled().await;
        // THEN both answers are rows, once, with the agent's name, and no case was read for them
        let shown = stage.shown(ticket).await;
        let bodies: Vec<&str> = shown.iter().map(|message| message.body.as_str()).collect();
        assert_eq!(bodies, ["Orada mısınız?", odd, "Bir de bu"]);
        assert_eq!(shown[1].author_name.as_deref(), Some("Deniz Arslan"));
        assert!(books.calls_to("GET", "/messages.json").is_empty());
        // AND the other customer's case came by e-mail
        let marker = books.cases.last().unwrap();
        assert_eq!(marker.contact, "kate@example.com");
        assert_ne!(marker.channel, "cch3");
    }
}

#[tokio::test]
async fn a_channel_that_tells_of_our_own_messages_and_of_notes_brings_neither() {
    // GIVEN a channel that posts all messages, ours and notes too, before our call is answered
    let stage = with_channel(stage()).build().await;
    stage.simulator.add_channel(channel(&stage, Encoding::Form, true));
    let _connector = stage.run().await;
    // WHEN all kinds of messages come
    let ticket = stage.ticket(AYSE, "Kanal", "Merhaba").await;
    let case = stage.case_of(ticket).await;
    for n in 1..=4 {
        stage.writes(ticket, &format!("site {n}")).await;
        stage.simulator.note(case, Says::text("secret")).unwrap();
        stage
            .simulator
            .agent_reply(case, Says::text(format!("agent {n}")))
            .unwrap();
    }
    stage.until_site(ticket, 8).await;
    stage.until_deskie(case, 9).await;
    stage.settled().await;
    // THEN each stands once on both sides, and notes on neither
    let mut rows = stage.rows(ticket).await;
    rows.sort();
    let wanted: Vec<String> = ["agent", "site"]
        .iter()
        .flat_map(|who| (1..=4).map(move |n| format!("{who} {n}")))
        .collect();
    assert_eq!(rows, wanted);
    let record = stage.case(case);
    let mut in_deskie = texts(&record);
    in_deskie.sort_unstable();
    let mut wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    wanted.insert(0, "Merhaba");
    assert_eq!(in_deskie, wanted);
}

#[tokio::test]
async fn a_customer_without_email_goes_through_the_accounts_channel() {
    // GIVEN a site that knows no e-mail of some customers, and an account with a channel for them
    let stage = stage()
        .schema("alter table users alter email drop not null; update users set email = null where id = 2")
        .set("deskie", "channel = \"cch3\"")
        .config(
            "customer = { email = \"u.email\", ",
            "customer = { email = \"u.email\", custom_id = \"u.id::text\", ",
        )
        .build()
        .await;
    stage
        .simulator
        .add_channel(channel(&stage, Encoding::Json, false));
    let _connector = stage.run().await;
    // WHEN such a customer opens a ticket, and an agent answers
    let sql =
        "insert into tickets (user_id, subject, body) values (2, 'Вопрос', 'Здравствуйте') returning id";
    let ticket = stage.query(sql, &[]).await[0].get(0);
    let case = stage.case_of(ticket).await;
    stage.simulator.agent_reply(case, Says::text("Ответ")).unwrap();
    stage.until_site(ticket, 1).await;
    stage.settled().await;
    // THEN it went through the channel, and the answer came once, though the rules told of it too
    let record = stage.case(case);
    assert_eq!((record.channel.as_str(), record.contact.as_str()), ("cch3", "2"));
    assert_eq!(stage.rows(ticket).await, ["Ответ"]);
}

#[tokio::test]
async fn a_channels_messages_that_overtake_each_other_come_in_order() {
    // GIVEN a case of a channel whose webhooks are posted by hand
    let stage = with_channel(stage()).build().await;
    let dropped = CustomChannel {
        delivery: Delivery {
            drop: true,
            ..Delivery::default()
        },
        ..channel(&stage, Encoding::Json, false)
    };
    stage.simulator.add_channel(dropped);
    let _connector = stage.run().await;
    let ticket = stage.ticket(AYSE, "Kanal", "Merhaba").await;
    let case = stage.case_of(ticket).await;
    let says = |n: usize| {
        let message = stage
            .simulator
            .agent_reply(case, Says::text(format!("cevap {n}")));
        (n, message.unwrap())
    };
    let posted = [says(1), says(2), says(3), says(4)];
    let client = reqwest::Client::new();
    let post = async |n: usize| {
        let (number, message) = posted[n - 1];
        let body = serde_json::json!({"type": "message_new", "object": {
            "message_id": message, "case_id": case, "staff_id": 41878, "custom_user_id": "site-1",
            "content": format!("cevap {number}"), "note": 0, "sent_via_rule": 0}});
        let url = stage.workplace.webhook_url();
        let answer = client.post(url).json(&body).send().await;
        assert_eq!(answer.unwrap().status(), 200);
    };
    // WHEN the second comes before the first, which comes a round later
    post(2).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    post(1).await;
    // THEN both are written in order, and the case is not read
    stage.until_site(ticket, 2).await;
    assert_eq!(stage.rows(ticket).await, ["cevap 1", "cevap 2"]);
    let reads = |stage: &Stage| stage.simulator.books().calls_to("GET", "/messages.json").len();
    assert_eq!(reads(&stage), 0);
    // AND WHEN one comes long after the one behind it, THEN the case is read once, and it comes
    post(4).await;
    stage.until_site(ticket, 3).await;
    post(3).await;
    stage.until_site(ticket, 4).await;
    stage.settled().await;
    assert_eq!(
        stage.rows(ticket).await,
        ["cevap 1", "cevap 2", "cevap 4", "cevap 3"]
    );
    assert_eq!(reads(&stage), 1);
}
