//! What people do in Deskie.

use super::*;

#[tokio::test]
async fn customers_answer_by_mail_and_in_the_help_centre() {
    let (simulator, caller) = start(Options::default()).await;
    let case = caller.create(json!({})).await;
    let id = case_id(&case);
    simulator.set_status(id, "closed").unwrap();
    let says = Says::html("<p>Thanks</p>");
    let reply = Action::CustomerMailReply {
        case: id,
        says,
        from: Some("ada@home.example".into()),
        quote: true,
    };
    simulator.act(reply).unwrap();
    simulator.helpcentre_reply(id, Says::text("Still here")).unwrap();
    let list = caller
        .get(&format!("cases/{}/messages.json", case["case_id"]))
        .await;
    let mail = &list["1"]["message"];
    assert!(
        mail["content_html"]
            .as_str()
            .unwrap()
            .contains(r#"<div class="omni_orig_reply">"#),
        "{mail}"
    );
    assert_ne!(mail["user_id"], case["user_id"]);
    assert_eq!(list["2"]["message"]["user_id"], case["user_id"]);
    let origins: Vec<_> = simulator
        .books()
        .messages()
        .map(|message| message.origin)
        .collect();
    assert_eq!(origins, [Origin::Api, Origin::CustomerMail, Origin::Helpcentre]);
    assert_eq!(simulator.books().cases[0].status, "open");
}

#[tokio::test]
async fn a_late_message_has_a_smaller_id_and_a_scheduled_one_appears_later() {
    let (simulator, caller) = start(Options::default()).await;
    let case = caller.create(json!({})).await;
    let first = caller.message_ids(&case, "").await[0];
    let late = simulator
        .late_message(case_id(&case), Says::text("late"), 600)
        .unwrap();
    assert!(late.0 < first);
    let scheduled = Says::text("scheduled");
    let scheduled = simulator
        .scheduled_message(case_id(&case), scheduled, Duration::from_millis(1000))
        .unwrap();
    let now = simulator.agent_reply(case_id(&case), Says::text("now")).unwrap();
    assert!(scheduled < now);
    assert_eq!(caller.message_ids(&case, "").await, [late.0, first, now.0]);
    let came = simulator.wait_for("the scheduled one", |books| {
        books.messages().any(|message| message.message_id == scheduled)
    });
    came.await.unwrap();
    assert_eq!(
        caller.message_ids(&case, "").await,
        [late.0, first, scheduled.0, now.0]
    );
}

#[tokio::test]
async fn an_absorbed_case_is_hidden_and_refuses_redirects_or_swallows() {
    let (simulator, caller) = start(Options::default()).await;
    let absorbed = caller.create(json!({})).await;
    let parent = caller.create(json!({})).await;
    let moved = caller.message_ids(&absorbed, "").await;
    simulator.merge(case_id(&absorbed), case_id(&parent)).unwrap();
    assert_eq!(caller.case_ids("").await, [id(&parent, "case_id")]);
    assert_eq!(caller.case_ids("show_merged_cases=true").await.len(), 2);
    assert_eq!(caller.message_ids(&parent, "").await[0], moved[0]);
    let path = format!("cases/{}", absorbed["case_id"]);
    assert_eq!(
        caller.get(&format!("{path}.json")).await["case"]["parent_case_id"],
        parent["case_id"]
    );
    let message = json!({"message": {"user_id": absorbed["user_id"], "content": "c"}});
    let add = async || {
        caller
            .send("POST", &format!("{path}/messages.json"), message.clone())
            .await
            .0
    };
    assert_eq!(add().await, 400);
    simulator.set_options(|options| options.absorbed = Absorbed::Redirect);
    assert_eq!(add().await, 201);
    assert_eq!(
        caller.get(&format!("{path}.json")).await["case"]["case_id"],
        parent["case_id"]
    );
    assert_eq!(caller.message_ids(&parent, "").await.len(), 3);
    simulator.set_options(|options| options.absorbed = Absorbed::Accept);
    assert_eq!(add().await, 201);
    assert_eq!(caller.message_ids(&parent, "").await.len(), 3);
}

#[tokio::test]
async fn a_case_may_be_born_in_deskie() {
    let (simulator, caller) = start(Options::default()).await;
    let action = Action::CreateCaseByAgent {
        user_email: "bob@example.com".into(),
        user_full_name: "Bob".into(),
        subject: "Hello".into(),
        says: Says::html("<p>Hi</p>"),
    };
    let acted = simulator.act(action).unwrap();
    let case = caller
        .get(&format!("cases/{}.json", acted.case_id.unwrap()))
        .await;
    assert_eq!(
        (&case["case"]["channel"], &case["case"]["recipient"]),
        (&json!("email"), &json!("bob@example.com"))
    );
    let list = caller
        .get(&format!("cases/{}/messages.json", acted.case_id.unwrap()))
        .await;
    assert_eq!(
        (
            &list["0"]["message"]["user_id"],
            &list["0"]["message"]["staff_id"]
        ),
        (&json!(0), &json!(41878))
    );
    assert_eq!(simulator.books().emails[0].to, "bob@example.com");
}

#[tokio::test]
async fn edits_and_deletions_are_seen() {
    let (simulator, caller) = start(Options::default()).await;
    let case = caller.create(json!({})).await;
    let id = case_id(&case);
    let message = simulator.agent_reply(id, Says::text("tpyo")).unwrap();
    simulator
        .act(Action::EditMessage {
            case: id,
            message,
            says: Says::text("typo"),
        })
        .unwrap();
    let list = caller.get(&format!("cases/{id}/messages.json")).await;
    assert_eq!(list["1"]["message"]["content"], "typo");
    simulator
        .act(Action::DeleteMessage { case: id, message })
        .unwrap();
    assert_eq!(caller.message_ids(&case, "").await.len(), 1);
    assert_eq!(simulator.books().cases[0].conversation().len(), 1);
    let gone = simulator.act(Action::DeleteMessage { case: id, message });
    assert!(matches!(gone, Err(Error::NoSuchMessage(_))));
    simulator.act(Action::Spam { case: id }).unwrap();
    assert!(caller.case_ids("").await.is_empty());
}

#[tokio::test]
async fn waiting_in_vain_names_the_line() {
    let (simulator, _caller) = start(Options::default()).await;
    let line = line!() + 1;
    let waiting = simulator.wait_for_within(Duration::from_millis(10), "a case", |books| {
        !books.cases.is_empty()
    });
    let error = waiting.await.unwrap_err().to_string();
    assert!(error.contains(&format!("people.rs:{line}")), "{error}");
    assert!(error.contains("0 calls, 0 cases"), "{error}");
}
