//! The control port.

use super::*;

async fn control(simulator: &Simulator, method: &str, path: &str, body: Value) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/{path}", simulator.control_url());
    let answer = http
        .request(method.parse().unwrap(), url)
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn everything_can_be_done_over_the_control_port() {
    let mut receiver = Receiver::start().await;
    let (simulator, caller) = start(Options::default()).await;
    let rule =
        json!({"url": receiver.url, "on": "agent_reply", "body": "ids", "delivery": {"duplicates": 1}});
    assert_eq!(control(&simulator, "POST", "rules", rule).await.0, 200);
    let fault = json!({"match": "create", "kind": "reject_before", "status": 500, "skip": 1});
    assert_eq!(control(&simulator, "POST", "faults", fault).await.0, 200);
    let case = caller.create(json!({})).await;
    let body = json!({"case": {"user_email": "a@b.cd", "subject": "s", "content": "c"}});
    assert_eq!(
        caller
            .request("POST", "cases.json")
            .json(&body)
            .send()
            .await
            .unwrap()
            .status(),
        500
    );

    let says =
        json!({"do": "agent_reply", "html": "<p>x</p>", "attachments": [{"name": "a.txt", "text": "hello"}]});
    let (_, acted) = control(&simulator, "POST", "people", says).await;
    assert_eq!(acted["case_id"], case["case_id"]);
    for _ in 0..2 {
        assert_eq!(
            receiver.next_json().await["last_message_id"],
            acted["message_id"].to_string()
        );
    }
    let (_, books) = control(&simulator, "GET", "books", json!(null)).await;
    let books: Books = serde_json::from_value(books).unwrap();
    assert_eq!(books.cases[0].messages[1].attachments[0].file_size, 5);
    assert_eq!(books.calls.len(), 2);

    let patch = json!({"list_lag_ms": 60_000, "bodies": "html"});
    assert_eq!(control(&simulator, "PUT", "options", patch).await.0, 200);
    assert_eq!(simulator.options().list_lag, Duration::from_secs(60));
    assert_eq!(simulator.options().api_key, "simulator-key");
    let (status, refused) = control(&simulator, "PUT", "options", json!({"list_lagg": 1})).await;
    assert_eq!(status, 400);
    assert!(
        refused["error"].as_str().unwrap().contains("list_lagg"),
        "{refused}"
    );
    let (status, _) = control(&simulator, "POST", "people", json!({"do": "dance"})).await;
    assert_eq!(status, 400);
    assert_eq!(control(&simulator, "POST", "reset", json!(null)).await.0, 200);
    assert!(simulator.books().cases.is_empty());
    assert_eq!(simulator.options().rules.len(), 1);
}

#[tokio::test]
async fn a_control_port_of_its_own_takes_control_from_the_api_port() {
    let options = Options {
        control_listen: Some("127.0.0.1:0".parse().unwrap()),
        ..Options::default()
    };
    let (simulator, caller) = start(options).await;
    assert_eq!(control(&simulator, "GET", "options", json!(null)).await.0, 200);
    let answer = caller
        .http
        .get(format!("{}/_control/books", simulator.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
}

/// The examples that the command prints are not mere words.
#[tokio::test]
async fn every_example_of_the_description_is_understood() {
    let (simulator, caller) = start(Options::default()).await;
    caller.create(json!({})).await;
    caller.create(json!({})).await;
    let text = describe(&simulator.url(), &simulator.control_url());
    assert!(!text.contains("{api}") && !text.contains("{control}"), "{text}");
    let joined = text
        .replace("\\\n", " ")
        .replace(",\n    \"delivery\"", ",\"delivery\"");
    let mut tried = 0;
    for line in joined
        .lines()
        .filter(|line| line.contains("/_control/") && line.contains(" -d '"))
    {
        let (head, body) = line.split_once(" -d '").unwrap();
        let path = head.split("/_control/").nth(1).unwrap().trim();
        let method = if head.contains("-X PUT") { "PUT" } else { "POST" };
        let body = body.trim_end_matches('\'').replace("420000011", "420000000");
        let (status, answer) = control(&simulator, method, path, serde_json::from_str(&body).unwrap()).await;
        let to_itself = body.contains("merge") && status == 400;
        assert!(status == 200 || to_itself, "{line}: {answer}");
        tried += 1;
    }
    assert!(tried > 15, "only {tried}");
}
