//! What Deskie sends.

use super::*;

fn rule(receiver: &Receiver, on: Trigger) -> Rule {
    Rule {
        on_new_case: false,
        ..Rule::to(format!("{}/hook", receiver.url), on)
    }
}

#[tokio::test]
async fn an_agents_reply_sets_off_a_rule_with_strings_and_a_localised_status() {
    let mut receiver = Receiver::start().await;
    let mut rule = rule(&receiver, Trigger::AgentReply);
    rule.headers.push(("Authorization".into(), "fixed".into()));
    let (simulator, caller) = start(Options {
        rules: vec![rule],
        locale: "tr".into(),
        ..Options::default()
    })
    .await;
    let case = caller.create(json!({"custom_fields": {"cf_25": "T-1"}})).await;
    let message = simulator
        .agent_reply(case_id(&case), Says::html("<p>We are \"on\" it</p>"))
        .unwrap();
    let received = receiver.next().await;
    assert_eq!(
        (received.method.as_str(), received.path.as_str()),
        ("POST", "/hook")
    );
    assert_eq!(received.authorization.as_deref(), Some("fixed"));
    let body: Value = serde_json::from_str(&received.body).unwrap();
    assert_eq!(body["case_id"], case["case_id"].to_string());
    assert_eq!(body["last_message_id"], message.to_string());
    assert_eq!(body["last_message"], "<p>We are \"on\" it</p>");
    assert_eq!(body["case_status"], "Beklemede");
    assert_eq!(body["last_staff_id"], "41878");
    assert_eq!(body["custom_field_25"], "T-1");
    assert!(body.as_object().unwrap().values().all(Value::is_string));
    let sent = simulator.wait_for("the webhook's answer", |books| {
        books
            .webhooks
            .iter()
            .any(|webhook| webhook.outcome == WebhookOutcome::Answered(200))
    });
    assert_eq!(sent.await.unwrap().webhooks.len(), 1);
    assert_eq!(simulator.books().emails.len(), 1);
}

#[tokio::test]
async fn our_own_message_comes_back_before_its_answer() {
    let mut receiver = Receiver::start().await;
    let mut rule = rule(&receiver, Trigger::CustomerReply);
    rule.body = RuleBody::Ids;
    rule.delivery.before_answer = true;
    let (simulator, caller) = start(Options {
        rules: vec![rule],
        ..Options::default()
    })
    .await;
    let case = caller.create(json!({})).await;
    let message = caller
        .add(&case, json!({"user_id": case["user_id"], "content": "mine"}))
        .await;
    let body = receiver
        .received
        .try_recv()
        .expect("the webhook comes first")
        .body;
    let expected =
        json!({"case_id": case["case_id"].to_string(), "last_message_id": message["message_id"].to_string()});
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    assert_eq!(
        simulator.books().webhooks[0].outcome,
        WebhookOutcome::Answered(200)
    );
}

#[tokio::test]
async fn an_updated_rule_fires_again_on_every_change() {
    let mut receiver = Receiver::start().await;
    let mut rule = rule(&receiver, Trigger::AgentReply);
    rule.on_updated = true;
    rule.body = RuleBody::Template {
        text: r#"{"id":[case_id],"text":"[last_message]","x":"[unknown]"}"#.into(),
        escape: true,
    };
    let (simulator, caller) = start(Options {
        rules: vec![rule],
        ..Options::default()
    })
    .await;
    let case = caller.create(json!({})).await;
    simulator
        .act(Action::AddLabel {
            case: case_id(&case),
            label: 101,
        })
        .unwrap();
    simulator
        .agent_reply(case_id(&case), Says::text("say \"[case_id]\""))
        .unwrap();
    let expected = json!({"id": case["case_id"], "text": "say \"[case_id]\"", "x": "[unknown]"});
    assert_eq!(receiver.next_json().await, expected);
    simulator
        .act(Action::AddLabel {
            case: case_id(&case),
            label: 102,
        })
        .unwrap();
    assert_eq!(receiver.next_json().await, expected);
    simulator.note(case_id(&case), Says::text("psst")).unwrap();
    assert_eq!(receiver.next_json().await, expected);
    let path = format!("cases/{}.json", case["case_id"]);
    caller
        .send("PUT", &path, json!({"case": {"status": "closed"}}))
        .await;
    assert_eq!(receiver.next_json().await, expected);
    assert_eq!(simulator.books().webhooks.len(), 4);
}

#[tokio::test]
async fn forms_are_encoded_twice_and_urls_take_variables() {
    let mut receiver = Receiver::start().await;
    let mut rule = rule(&receiver, Trigger::AgentReply);
    rule.url = format!("{}/hook/[case_id]?text=[last_message]", receiver.url);
    rule.method = "PUT".into();
    rule.body = RuleBody::Form(vec![("text".into(), "[last_message]".into())]);
    let (simulator, caller) = start(Options {
        rules: vec![rule],
        ..Options::default()
    })
    .await;
    let case = caller.create(json!({})).await;
    simulator
        .agent_reply(case_id(&case), Says::text("a&b c"))
        .unwrap();
    let received = receiver.next().await;
    assert_eq!(received.method, "PUT");
    assert_eq!(received.path, format!("/hook/{}?text=a%26b%20c", case["case_id"]));
    assert_eq!(received.body, "text=a%2526b%2Bc");
}

#[tokio::test]
async fn deliveries_are_repeated_dropped_delayed_and_reordered() {
    let mut receiver = Receiver::start().await;
    let mut rule = rule(&receiver, Trigger::AgentReply);
    rule.body = RuleBody::Template {
        text: r#""[last_message]""#.into(),
        escape: true,
    };
    let (simulator, caller) = start(Options {
        rules: vec![rule],
        ..Options::default()
    })
    .await;
    let case = case_id(&caller.create(json!({})).await);
    let set = |delivery: Delivery| simulator.set_options(|options| options.rules[0].delivery = delivery);

    set(Delivery {
        duplicates: 2,
        ..Delivery::default()
    });
    simulator.agent_reply(case, Says::text("thrice")).unwrap();
    for _ in 0..3 {
        assert_eq!(receiver.next_json().await, "thrice");
    }
    set(Delivery {
        drop: true,
        ..Delivery::default()
    });
    simulator.agent_reply(case, Says::text("lost")).unwrap();
    set(Delivery {
        delay: Duration::from_millis(1000),
        ..Delivery::default()
    });
    simulator.agent_reply(case, Says::text("late")).unwrap();
    set(Delivery::default());
    simulator.agent_reply(case, Says::text("soon")).unwrap();
    assert_eq!(receiver.next_json().await, "soon");
    assert_eq!(receiver.next_json().await, "late");
    set(Delivery {
        reorder: true,
        ..Delivery::default()
    });
    for text in ["first", "second"] {
        simulator.agent_reply(case, Says::text(text)).unwrap();
    }
    assert_eq!(receiver.next_json().await, "second");
    assert_eq!(receiver.next_json().await, "first");
    assert!(receiver.nothing_waits());
    let outcomes = simulator.books().webhooks;
    assert_eq!(
        outcomes
            .iter()
            .filter(|webhook| webhook.outcome == WebhookOutcome::Dropped)
            .count(),
        1
    );
}

#[tokio::test]
async fn a_webhook_nobody_takes_is_not_repeated() {
    let rule = Rule::to("http://127.0.0.1:9/", Trigger::Any);
    let (simulator, caller) = start(Options {
        rules: vec![rule],
        ..Options::default()
    })
    .await;
    caller.create(json!({})).await;
    let failed = |books: &Books| matches!(books.webhooks[0].outcome, WebhookOutcome::Failed(_));
    assert_eq!(
        simulator
            .wait_for("the failure", failed)
            .await
            .unwrap()
            .webhooks
            .len(),
        1
    );
}

#[tokio::test]
async fn a_webhook_waits_only_so_long_for_its_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rule = Rule::to(format!("http://{}/", silent.local_addr().unwrap()), Trigger::Any);
    let webhook_timeout = Duration::from_millis(50);
    let (simulator, caller) = start(Options {
        rules: vec![rule],
        webhook_timeout,
        ..Options::default()
    })
    .await;
    caller.create(json!({})).await;
    let late = WebhookOutcome::Failed("time-out".into());
    simulator
        .wait_for("the time-out", |books| books.webhooks[0].outcome == late)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_custom_channel_posts_agents_messages_and_mails_nobody() {
    let mut receiver = Receiver::start().await;
    let channel = CustomChannel {
        webhook_url: Some(receiver.url.clone()),
        ..CustomChannel::default()
    };
    let (simulator, caller) = start(Options {
        channels: vec![channel],
        ..Options::default()
    })
    .await;
    let create = json!({"case": {"channel": "cch3", "user_custom_id": "u1", "subject": "s", "content": "c"}});
    let (_, case) = caller.send("POST", "cases.json", create).await;
    let case = &case["case"];
    assert_eq!(
        (&case["channel"], &case["recipient"]),
        (&json!("cch3"), &json!("u1"))
    );
    assert_eq!(
        caller.case_ids("user_custom_id=^u1^&channel=cch3").await,
        [id(case, "case_id")]
    );
    simulator.note(case_id(case), Says::text("psst")).unwrap();
    let says = Says::html("<p>Help &amp; hope</p>").with_file("a.txt", "text/plain", b"hello");
    simulator.agent_reply(case_id(case), says).unwrap();
    let received = receiver.next().await;
    let pairs: Vec<(String, String)> = form_urlencoded::parse(received.body.as_bytes())
        .into_owned()
        .collect();
    let value = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(value("type"), Some("message_new"));
    assert_eq!(value("object[custom_user_id]"), Some("u1"));
    assert_eq!(value("object[content]"), Some("Help & hope"));
    assert_eq!(value("object[note]"), Some("0"));
    assert_eq!(
        value("object[case_id]"),
        Some(case["case_id"].to_string().as_str())
    );
    let file = caller.http.get(value("object[attachments][0][url]").unwrap());
    let file = file
        .basic_auth(&caller.user, Some(&caller.key))
        .send()
        .await
        .unwrap();
    assert_eq!(file.text().await.unwrap(), "hello");
    assert!(simulator.books().emails.is_empty());

    simulator.set_options(|options| {
        options.channels[0].encoding = Encoding::Json;
        options.channels[0].all_messages = true;
    });
    caller
        .add(case, json!({"user_id": case["user_id"], "content": "mine"}))
        .await;
    let body = receiver.next_json().await;
    assert_eq!(
        (&body["object"]["content"], &body["object"]["staff_id"]),
        (&json!("mine"), &json!(0))
    );
}

#[tokio::test]
async fn an_active_chat_is_hidden_until_it_is_finished() {
    let channel = CustomChannel {
        kind: ChannelKind::Sync,
        ..CustomChannel::default()
    };
    let (simulator, caller) = start(Options {
        channels: vec![channel],
        ..Options::default()
    })
    .await;
    let create = json!({"case": {"channel": "cch3", "user_custom_id": "u1", "subject": "s", "content": "c"}});
    caller.send("POST", "cases.json", create).await;
    assert!(caller.case_ids("").await.is_empty());
    assert_eq!(caller.case_ids("show_active_chats=true").await.len(), 1);
    simulator.act(Action::FinishChat { case: CaseId(0) }).unwrap();
    assert_eq!(caller.case_ids("").await.len(), 1);
    assert_eq!(simulator.books().cases[0].status, "open");
}

#[tokio::test]
async fn an_auto_reply_is_marked_as_a_rules() {
    let (simulator, caller) = start(Options {
        auto_reply: Some("Thanks".into()),
        ..Options::default()
    })
    .await;
    let case = caller.create(json!({})).await;
    let list = caller
        .get(&format!("cases/{}/messages.json", case["case_id"]))
        .await;
    assert_eq!(list["1"]["message"]["sent_via_rule"], true);
    assert_eq!(simulator.books().cases[0].messages[1].origin, Origin::Rule);
}
