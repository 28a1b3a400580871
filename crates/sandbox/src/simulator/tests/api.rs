//! The API's shape and its habits.

use super::*;

#[tokio::test]
async fn create_answers_201_without_a_message_id_and_reuses_the_user() {
    let (simulator, caller) = start(Options::default()).await;
    let first = caller
        .create(json!({"custom_fields": {"cf_25": "T-1", "cf_999": "unknown"}}))
        .await;
    let second = caller.create(json!({"user_email": "ADA@example.com"})).await;
    assert!(id(&first, "case_id") >= 420_000_000);
    assert!(id(&first, "user_id") >= 5_654_846_000);
    assert_eq!(first["user_id"], second["user_id"]);
    assert_eq!(first.get("message_id"), None);
    assert_eq!(first["custom_fields"], json!({"cf_25": "T-1"}));
    assert_eq!(second["custom_fields"], json!([]));
    assert_eq!(first["closed_at"], "-");
    assert_eq!(first["recipient"], "ada@example.com");
    assert!(
        first["created_at"].as_str().unwrap().ends_with(" +0300"),
        "{first}"
    );
    let books = simulator.books();
    assert_eq!(books.cases.len(), 2);
    assert_eq!(
        books.cases_with_field(25, "T-1")[0].messages[0].text,
        "It is broken"
    );
    assert!(books.emails.is_empty());
}

#[tokio::test]
async fn wrong_keys_wrong_staff_and_wrong_paths_are_told_apart() {
    let (simulator, mut caller) = start(Options::default()).await;
    let status =
        async |caller: &Caller, path: &str| caller.request("GET", path).send().await.unwrap().status();
    assert_eq!(status(&caller, "cases.json").await, 200);
    assert_eq!(status(&caller, "cases").await, 404);
    assert_eq!(status(&caller, "nothing.json").await, 404);
    assert_eq!(status(&caller, "cases/1.json").await, 404);
    simulator.act(Action::RevokeKey).unwrap();
    assert_eq!(status(&caller, "cases.json").await, 401);
    simulator.act(Action::RestoreKey).unwrap();
    caller.user = "nobody@example.com".into();
    let (code, body) = caller.send("GET", "cases.json", json!([])).await;
    assert_eq!((code, &body["error"]), (403, &json!("staff_has_not_access")));
    let answered: Vec<_> = simulator
        .books()
        .calls
        .iter()
        .map(|call| call.answered.unwrap())
        .collect();
    assert_eq!(answered, [200, 404, 404, 404, 401, 403]);
}

#[tokio::test]
async fn what_cannot_be_created_is_refused_with_a_code() {
    let (simulator, caller) = start(Options::default()).await;
    for (case, code) in [
        (
            json!({"user_email": "nonsense", "subject": "s", "content": "c"}),
            "incorrect_user_email",
        ),
        (json!({"subject": "s", "content": "c"}), "user_contact_empty"),
        (json!({"user_email": "a@b.cd", "content": "c"}), "subject_empty"),
        (json!({"user_email": "a@b.cd", "subject": "s"}), "content_empty"),
        (
            json!({"user_custom_id": "u", "channel": "cch9", "subject": "s", "content": "c"}),
            "channel_not_found",
        ),
        (
            json!({"user_email": "a@b.cd", "subject": "s", "content": "c", "status": "new"}),
            "incorrect_status",
        ),
    ] {
        let (status, body) = caller.send("POST", "cases.json", json!({ "case": case })).await;
        assert_eq!((status, body), (400, json!({ "error": code })));
    }
    assert!(simulator.books().cases.is_empty());
}

#[tokio::test]
async fn lists_are_numeric_maps_in_no_order_and_an_empty_one_is_an_array() {
    let (_simulator, caller) = start(Options::default()).await;
    assert_eq!(caller.get("cases.json").await, json!({"case": []}));
    for n in 0..5 {
        caller.create(json!({"subject": format!("Subject {n}")})).await;
    }
    let list = caller.get("cases.json").await;
    assert_eq!(list["total_count"], 5);
    let keys: Vec<_> = list
        .as_object()
        .unwrap()
        .keys()
        .filter(|key| *key != "total_count")
        .cloned()
        .collect();
    assert_eq!(keys.len(), 5);
    assert_ne!(keys, ["0", "1", "2", "3", "4"]);
    let page = caller.get("cases.json?page=2&limit=2").await;
    assert_eq!(
        (page["total_count"].clone(), ids(&page, "case").len()),
        (json!(5), 2)
    );
    assert_eq!(caller.get("cases.json?page=9").await, json!({"case": []}));
}

#[tokio::test]
async fn filters_search_substrings_unless_there_are_carets() {
    let (simulator, caller) = start(Options::default()).await;
    let a = caller
        .create(json!({"custom_fields": {"cf_25": "14"}, "labels": [101], "status": "closed"}))
        .await;
    let b = caller
        .create(json!({"custom_fields": {"cf_25": "142"}, "user_email": "x.ada@example.com"}))
        .await;
    let phone = json!({"case": {"user_phone": "+905321112233", "subject": "s", "content": "c"}});
    let (_, c) = caller.send("POST", "cases.json", phone).await;
    let (a, b, c) = (id(&a, "case_id"), id(&b, "case_id"), id(&c["case"], "case_id"));
    simulator
        .act(Action::SetField {
            case: CaseId(c),
            field: 32,
            value: "1".into(),
        })
        .unwrap();
    for (query, expected) in [
        ("custom_fields[cf_25]=14", vec![a, b]),
        ("custom_fields[cf_25]=^14^", vec![a]),
        ("custom_fields%5Bcf_25%5D=%5E142%5E", vec![b]),
        ("custom_fields[cf_32]=1", vec![c]),
        ("custom_fields[cf_999]=no+such+field", vec![a, b, c]),
        ("user_email=ada@example.com", vec![a, b]),
        ("user_email=^ada@example.com^", vec![a]),
        ("user_phone=532111", vec![c]),
        ("channel=call", vec![c]),
        ("labels[]=101", vec![a]),
        ("labels=102", vec![]),
        ("status=closed", vec![a]),
        ("status[]=closed&status[]=open", vec![a, b, c]),
        ("status[0]=open", vec![b, c]),
        ("subject=help", vec![a, b]),
        ("from_time=2001-01-01", vec![a, b, c]),
        ("to_time=2001-01-01+10:00:00", vec![]),
        ("from_updated_time=4102444800", vec![]),
    ] {
        let found = caller.case_ids(&format!("{query}&sort=created_at_asc")).await;
        assert_eq!(found, expected, "{query}");
    }
    assert_eq!(caller.case_ids("sort=created_at_desc").await, [c, b, a]);
    let (status, body) = caller.send("GET", "cases.json?user_email=ada", json!([])).await;
    assert_eq!((status, &body["error"]), (400, &json!("search_value_too_short")));
}

#[tokio::test]
async fn carets_on_custom_fields_may_be_literal() {
    let (_simulator, caller) = start(Options {
        exact_custom_fields: false,
        ..Options::default()
    })
    .await;
    caller.create(json!({"custom_fields": {"cf_25": "14"}})).await;
    assert!(caller.case_ids("custom_fields[cf_25]=^14^").await.is_empty());
    assert_eq!(caller.case_ids("custom_fields[cf_25]=14").await.len(), 1);
}

#[tokio::test]
async fn without_an_author_a_message_is_the_staffs_and_is_mailed() {
    let (simulator, caller) = start(Options::default()).await;
    let case = caller.create(json!({})).await;
    let by_user = caller
        .add(&case, json!({"user_id": case["user_id"], "content": "more"}))
        .await;
    assert_eq!(
        (&by_user["user_id"], &by_user["staff_id"]),
        (&case["user_id"], &json!(0))
    );
    assert!(simulator.books().emails.is_empty());
    caller
        .add(&case, json!({"content": "hush", "do_not_send_email": true}))
        .await;
    assert!(simulator.books().emails.is_empty());
    let by_staff = caller.add(&case, json!({"content": "oops"})).await;
    assert_eq!(
        (&by_staff["user_id"], &by_staff["staff_id"]),
        (&json!(0), &json!(330))
    );
    assert_eq!(simulator.books().emails[0].line, "e-mail to ada@example.com");
    for (message, code) in [
        (json!({"user_id": 1, "content": "c"}), "user_not_found"),
        (json!({"staff_id": 1, "content": "c"}), "staff_not_active"),
        (json!({"user_id": case["user_id"]}), "content_empty"),
    ] {
        let path = format!("cases/{}/messages.json", case["case_id"]);
        let (status, body) = caller.send("POST", &path, json!({ "message": message })).await;
        assert_eq!((status, body), (400, json!({ "error": code })));
    }
    let (status, body) = caller
        .send(
            "POST",
            "cases/1/messages.json",
            json!({"message": {"content": "c"}}),
        )
        .await;
    assert_eq!((status, body), (400, json!({"error": "case_not_found"})));
}

#[tokio::test]
async fn only_one_of_text_and_html_is_kept_and_scripts_are_not() {
    let (simulator, caller) = start(Options::default()).await;
    let case = caller
        .create(json!({"content_html": "<p>Hi<br/></p><script>x()</script>", "content": "Hi"}))
        .await;
    let list = caller
        .get(&format!("cases/{}/messages.json", case["case_id"]))
        .await;
    assert_eq!(list["0"]["message"]["content"], "");
    assert_eq!(list["0"]["message"]["content_html"], "<p>Hi<br></p>");
    simulator.set_options(|options| options.bodies = Bodies::Html);
    let message = caller
        .add(&case, json!({"user_id": case["user_id"], "content": "a < b\nc"}))
        .await;
    assert_eq!(
        (&message["content"], &message["content_html"]),
        (&json!(""), &json!("<p>a &lt; b<br>c</p>"))
    );
    simulator.set_options(|options| options.bodies = Bodies::Text);
    let message = caller
        .add(
            &case,
            json!({"user_id": case["user_id"], "content_html": "<p>a &lt; b</p>"}),
        )
        .await;
    assert_eq!(
        (&message["content"], &message["content_html"]),
        (&json!("a < b"), &json!(""))
    );
}

#[tokio::test]
async fn messages_come_oldest_first_and_unpaged_the_last_hundred() {
    let (simulator, caller) = start(Options::default()).await;
    let case = caller.create(json!({})).await;
    for n in 0..104 {
        simulator
            .agent_reply(case_id(&case), Says::text(format!("{n}")))
            .unwrap();
    }
    let all: Vec<_> = simulator
        .books()
        .messages()
        .map(|message| message.message_id.0)
        .collect();
    assert_eq!(all.len(), 105);
    assert_eq!(caller.message_ids(&case, "").await, all[5..]);
    assert_eq!(caller.message_ids(&case, "page=1&limit=2").await, all[..2]);
    assert_eq!(
        caller.message_ids(&case, "order=desc&limit=2").await,
        [all[104], all[103]]
    );
    assert_eq!(caller.message_ids(&case, "page=2").await, all[100..]);
}

#[tokio::test]
async fn created_at_is_kept_or_not() {
    let (simulator, caller) = start(Options::default()).await;
    let case = caller.create(json!({"created_at": 1_700_000_000})).await;
    assert_eq!(case["created_at"], "Wed, 15 Nov 2023 01:13:20 +0300");
    let message = json!({"user_id": case["user_id"], "content": "c", "created_at": "2023-11-15 01:13:21"});
    let message = caller.add(&case, message).await;
    assert_eq!(message["created_at"], "Wed, 15 Nov 2023 01:13:21 +0300");
    simulator.set_options(|options| options.keep_created_at = false);
    let case = caller.create(json!({"created_at": 1_700_000_000})).await;
    assert_ne!(case["created_at"], "Wed, 15 Nov 2023 01:13:20 +0300");
}

#[tokio::test]
async fn what_is_new_lags_in_lists() {
    let lag = Duration::from_millis(1500);
    let (simulator, caller) = start(Options {
        list_lag: lag,
        ..Options::default()
    })
    .await;
    let case = caller.create(json!({})).await;
    assert!(caller.case_ids("").await.is_empty());
    assert!(caller.message_ids(&case, "").await.is_empty());
    let path = format!("cases/{}.json", case["case_id"]);
    assert_eq!(caller.get(&path).await["case"]["case_id"], case["case_id"]);
    simulator.set_options(|options| options.lag_by_id = true);
    assert_eq!(caller.request("GET", &path).send().await.unwrap().status(), 404);
    tokio::time::sleep(lag).await;
    assert_eq!(caller.case_ids("").await.len(), 1);
    assert_eq!(caller.message_ids(&case, "").await.len(), 1);
    assert_eq!(caller.request("GET", &path).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_lag_that_shrinks_shows_no_message_before_an_older_one() {
    let (simulator, caller) = start(Options::default()).await;
    let case = caller.create(json!({})).await;
    let lag = Duration::from_millis(1500);
    simulator.set_options(|options| options.list_lag = lag);
    caller
        .add(&case, json!({"user_id": case["user_id"], "content": "a"}))
        .await;
    simulator.set_options(|options| options.list_lag = Duration::ZERO);
    caller
        .add(&case, json!({"user_id": case["user_id"], "content": "b"}))
        .await;
    assert_eq!(caller.message_ids(&case, "").await.len(), 1);
    tokio::time::sleep(lag).await;
    assert_eq!(caller.message_ids(&case, "").await.len(), 3);
}

#[tokio::test]
async fn the_budget_counts_writes_twice_and_comes_back_with_the_window() {
    let (simulator, caller) = start(Options {
        requests_per_minute: 5,
        ..Options::default()
    })
    .await;
    caller.create(json!({})).await;
    let answer = caller.request("GET", "cases.json").send().await.unwrap();
    assert_eq!(answer.headers()["rate_limit_per_minute"], "5");
    assert_eq!(answer.headers()["api_calls_left"], "2");
    assert!(answer.headers().get("retry_after").is_none());
    caller.create(json!({})).await;
    let answer = caller.request("GET", "cases.json").send().await.unwrap();
    assert_eq!(answer.status(), 429);
    let seconds: u64 = answer.headers()["retry_after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(answer.headers()["api_calls_left"], "0");
    assert_eq!(
        answer.json::<Value>().await.unwrap()["error"],
        "too_many_requests"
    );
    assert_eq!((simulator.books().refused, simulator.books().cost()), (1, 5));
    // The minute, passed.
    simulator.set_options(|options| options.window = Duration::from_millis(1));
    caller.create(json!({})).await;
}

#[tokio::test]
async fn ids_and_booleans_may_be_strings_and_numbers() {
    let options = Options {
        ids_as_strings: true,
        booleans_as_numbers: true,
        custom_fields_as_array_when_empty: false,
        ..Options::default()
    };
    let (_simulator, caller) = start(options).await;
    let case = caller.create(json!({})).await;
    assert_eq!(
        (&case["case_id"], &case["spam"]),
        (&json!("420000000"), &json!(0))
    );
    assert_eq!(
        (
            &case["custom_fields"],
            &caller.get("cases.json").await["total_count"]
        ),
        (&json!({}), &json!("1"))
    );
}

#[tokio::test]
async fn cases_are_changed_trashed_restored_and_deleted() {
    let (simulator, caller) = start(Options::default()).await;
    let case = caller.create(json!({"labels": [101]})).await;
    let path = format!("cases/{}", case["case_id"]);
    let patch = json!({"case": {"status": "closed", "add_labels": [102, 999], "delete_labels": [101], "custom_fields": {"cf_30": "x"}}});
    let (status, changed) = caller.send("PUT", &format!("{path}.json"), patch).await;
    assert_eq!((status, &changed["case"]["labels"]), (200, &json!([102])));
    assert_ne!(changed["case"]["closed_at"], "-");
    let log = caller.get(&format!("{path}/changelog.json")).await;
    assert_eq!(log["changelog"][0]["done_by"], "staff_330");
    assert_eq!(log["changelog"][1]["event"], "custom_field_30");

    caller
        .add(&case, json!({"user_id": case["user_id"], "content": "still"}))
        .await;
    assert_eq!(simulator.books().cases[0].status, "closed");
    simulator.set_options(|options| options.reopen_on_api_message = true);
    caller
        .add(&case, json!({"user_id": case["user_id"], "content": "broken"}))
        .await;
    assert_eq!(simulator.books().cases[0].status, "open");

    let (_, trashed) = caller.send("PUT", &format!("{path}/trash.json"), json!([])).await;
    assert_eq!(trashed["case"]["deleted"], true);
    assert!(caller.case_ids("").await.is_empty());
    let message = json!({"message": {"user_id": case["user_id"], "content": "c"}});
    let (status, body) = caller
        .send("POST", &format!("{path}/messages.json"), message)
        .await;
    assert_eq!((status, body), (400, json!({"error": "case_not_found"})));
    caller
        .send("PUT", &format!("{path}/restore.json"), json!([]))
        .await;
    assert_eq!(caller.case_ids("").await.len(), 1);
    let other = caller.create(json!({})).await;
    let both = format!("cases/{},{},1.json", case["case_id"], other["case_id"]);
    let (_, deleted) = caller.send("DELETE", &both, json!([])).await;
    assert_eq!(
        deleted,
        json!({"case_success_id": [case["case_id"], other["case_id"]]})
    );
    assert_eq!(
        caller
            .request("GET", &format!("{path}.json"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    assert!(simulator.books().cases.iter().all(|case| case.purged));
}

#[tokio::test]
async fn messages_and_notes_are_edited_and_deleted() {
    let (simulator, caller) = start(Options::default()).await;
    let case = caller.create(json!({})).await;
    let path = format!("cases/{}", case["case_id"]);
    let (status, note) = caller
        .send(
            "POST",
            &format!("{path}/note.json"),
            json!({"note": {"content": "psst"}}),
        )
        .await;
    assert_eq!((status, &note["message"]["note"]), (201, &json!(true)));
    let note = format!("{path}/note/{}.json", note["message"]["message_id"]);
    let (_, edited) = caller
        .send("PUT", &note, json!({"note": {"content": "louder"}}))
        .await;
    assert_eq!(edited["message"]["content"], "louder");
    assert_eq!(caller.send("DELETE", &note, json!([])).await.0, 200);
    assert_eq!(caller.send("DELETE", &note, json!([])).await.0, 400);
    let first = caller.message_ids(&case, "").await;
    assert_eq!(first.len(), 1);
    let message = format!("{path}/messages/{}.json", first[0]);
    let (_, edited) = caller
        .send("PUT", &message, json!({"message": {"content_html": "<b>x</b>"}}))
        .await;
    assert_eq!(edited["message"]["content_html"], "<b>x</b>");
    assert!(simulator.books().emails.is_empty());
}

#[tokio::test]
async fn users_and_the_small_lists_are_there() {
    let channel = CustomChannel {
        webhook_url: Some("http://127.0.0.1:1/".into()),
        ..CustomChannel::default()
    };
    let (_simulator, caller) = start(Options {
        channels: vec![channel],
        ..Options::default()
    })
    .await;
    let bob = json!({"user": {"user_email": "bob@example.com", "user_full_name": "Bob"}});
    let (status, made) = caller.send("POST", "users.json", bob.clone()).await;
    assert_eq!(status, 201);
    let (status, again) = caller.send("POST", "users.json", bob).await;
    assert_eq!((status, again), (400, json!({"error": "email_already_exist"})));
    let id = made["user"]["user_id"].as_i64().unwrap();
    assert_eq!(
        ids(
            &caller.get("users.json?user_email=^bob@example.com^").await,
            "user"
        ),
        [id]
    );
    assert_eq!(
        caller.get("users.json?user_email=^bob@example.co^").await,
        json!({"user": []})
    );
    let (_, renamed) = caller
        .send(
            "PUT",
            &format!("users/{id}.json"),
            json!({"user": {"user_full_name": "Rob"}}),
        )
        .await;
    assert_eq!(renamed["user"]["user_full_name"], "Rob");
    assert_eq!(
        caller.get(&format!("users/{id}.json")).await["user"]["type"],
        "email"
    );
    assert_eq!(
        caller.get("custom_channels.json").await["0"]["custom_channel"]["channel_api_key"],
        "cch3"
    );
    assert_eq!(
        caller.get("custom_fields.json").await["0"]["custom_field"]["field_id"],
        25
    );
    let (status, label) = caller
        .send("POST", "labels.json", json!({"label": {"label_title": "new"}}))
        .await;
    assert_eq!((status, &label["label"]["label_id"]), (201, &json!(103)));
    for (list, total) in [("labels", 3), ("languages", 3), ("staff", 2), ("groups", 1)] {
        assert_eq!(
            caller.get(&format!("{list}.json")).await["total_count"],
            total,
            "{list}"
        );
    }
}

#[tokio::test]
async fn dates_may_disagree_and_deskies_clock_may_be_off() {
    let options = Options {
        mixed_offsets: true,
        clock_skew_seconds: -86_400,
        ..Options::default()
    };
    let (_simulator, caller) = start(options).await;
    let case = caller.create(json!({})).await;
    assert!(case["created_at"].as_str().unwrap().ends_with(" +0300"), "{case}");
    assert!(case["updated_at"].as_str().unwrap().ends_with(" +0200"), "{case}");
    let yesterday = crate::clock::now().as_second() - 80_000;
    assert!(
        caller
            .case_ids(&format!("from_time={yesterday}"))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_proxy_may_swallow_the_rate_headers() {
    let options = Options {
        rate_headers: false,
        retry_after_header: false,
        ..Options::default()
    };
    let (simulator, caller) = start(options).await;
    simulator.act(Action::SetRateLimit { per_minute: 0 }).unwrap();
    let answer = caller.request("GET", "cases.json").send().await.unwrap();
    assert_eq!(answer.status(), 429);
    for name in ["rate_limit_per_minute", "api_calls_left", "retry_after"] {
        assert!(answer.headers().get(name).is_none(), "{name}");
    }
}
