//! The webhook port, over raw HTTP.

use std::time::Duration;

use deskie_cdc::model::clock;
use deskie_cdc_sandbox::simulator::{Action, Books, Fault, FaultKind, Match, Says};
use reqwest::{Client, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{IVAN, Stage, stage, wait_until};

const SECOND: &str = "the-other-secret-0123456789";

async fn send(stage: &Stage, method: Method, secret: &str, tail: &str, body: impl Into<String>) -> u16 {
    let url = format!("http://{}/webhooks/{secret}{tail}", stage.workplace.places.listen);
    let request = Client::new().request(method, url).body(body.into());
    request.send().await.unwrap().status().as_u16()
}

/// A `POST` in which everything after the request's head is up to the test; gives the answer's status.
async fn raw(stage: &Stage, head: &str, body: impl Iterator<Item = Vec<u8>>) -> u16 {
    let mut stream = TcpStream::connect(&stage.workplace.places.listen).await.unwrap();
    let path = format!("/webhooks/{}", stage.workplace.places.webhook_secret);
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{head}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in body {
        // The server may answer and close before it has seen all of it.
        if stream.write_all(&piece).await.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer)[9..].parse().unwrap()
}

#[tokio::test]
async fn every_form_of_webhook_is_answered_and_leads_to_the_reply() {
    // GIVEN a connector with two secrets, as while rotating them
    let secrets = format!("webhook_secret = [\"demo-webhook-secret\", \"{SECOND}\"]");
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1h\"")
        .config("webhook_secret = \"demo-webhook-secret\"", &secrets)
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let first = stage.workplace.places.webhook_secret.clone();

    // WHEN Deskie tells of an answer in one form or the other, THEN the answer comes
    let query = format!("?case_id={case}&x=%FF");
    let json = format!(r#"{{"case_id": "{case}", "last_message": "unescaped" }}"#);
    let form = format!("case_id={case}&last_message=%253Cp%253E");
    let forms = [
        (Method::POST, first.as_str(), "", json.clone()),
        (Method::PUT, SECOND, "", format!("{{\"case_id\": {case}}}")),
        (Method::GET, SECOND, query.as_str(), String::new()),
        (Method::POST, SECOND, "", form),
        (
            Method::POST,
            first.as_str(),
            query.as_str(),
            "not json { at all".into(),
        ),
    ];
    for (n, (method, secret, tail, body)) in forms.into_iter().enumerate() {
        stage
            .simulator
            .agent_reply(case, Says::text(format!("answer {n}")))
            .unwrap();
        let status = send(&stage, method, secret, tail, body.clone()).await;
        assert_eq!(status, 200, "form {n}: {body}");
        stage.until_site(ticket, n + 1).await;
    }

    // WHEN a webhook is a test, wrong or too large, THEN the answer says so
    let large = "x".repeat(2 << 20);
    for (secret, body, status) in [
        (first.as_str(), "{}", 200),
        (first.as_str(), "", 200),
        (first.as_str(), r#"{"case_id": ""}"#, 200),
        (SECOND, r#"{"hello": "world"}"#, 200),
        (first.as_str(), "{\"case_id\": ", 400),
        ("wrong", json.as_str(), 401),
        ("demo-webhook-secreT", json.as_str(), 401),
        ("wrong", large.as_str(), 401),
        (first.as_str(), large.as_str(), 413),
    ] {
        // A body that is not wanted is read to its end: whoever still writes sees the answer.
        let url = format!("http://{}/webhooks/{secret}", stage.workplace.places.listen);
        let sent = Client::new().post(url).body(body.to_owned()).send().await;
        let answer = sent.unwrap();
        assert_eq!(
            answer.status().as_u16(),
            status,
            "{secret}: {}",
            &body[..body.len().min(80)]
        );
    }
    for (method, tail, status) in [
        (Method::HEAD, "", 200),
        (Method::POST, "/", 200),
        (Method::HEAD, "/", 200),
    ] {
        assert_eq!(send(&stage, method, &first, tail, "").await, status, "{tail}");
    }
    assert_eq!(send(&stage, Method::HEAD, "wrong", "", "").await, 401);
    let deleted = send(&stage, Method::DELETE, &first, "", json.clone()).await;
    assert_eq!(deleted, 405);
    let elsewhere = reqwest::get(format!("http://{}/", stage.workplace.places.listen))
        .await
        .unwrap();
    assert_eq!(elsewhere.status().as_u16(), 404);
    // AND the log tells of each kind once a minute, and none of the secrets
    for status in [400, 401, 413, 405, 404] {
        connector.wait_for_log(&format!("status={status}")).await;
    }
    let log = connector.log();
    let told = |status: u16| {
        log.iter()
            .filter(|line| line.contains(&format!("status={status}")))
            .count()
    };
    assert_eq!([400, 401, 413].map(told), [1, 1, 1], "{log:#?}");
    assert!(
        !log.iter()
            .any(|line| line.contains("secreT") || line.contains(SECOND)),
        "{log:#?}"
    );
    // AND none of these caused anything
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await.len(), 5);
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_refused_with_and_without_its_length() {
    // GIVEN a connector
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let piece = vec![b' '; 64 << 10];
    // WHEN a body of 2 MiB says how long it is
    let head = format!("content-length: {}\r\n", 2 << 20);
    let pieces = std::iter::repeat_n(piece.clone(), 32);
    // THEN it is refused
    assert_eq!(raw(&stage, &head, pieces).await, 413);
    // WHEN it does not say so, and comes in chunks
    let chunk = [b"10000\r\n".as_slice(), &piece, b"\r\n"].concat();
    let pieces = std::iter::repeat_n(chunk, 17);
    // THEN it is refused as soon as it is too long
    assert_eq!(raw(&stage, "transfer-encoding: chunked\r\n", pieces).await, 413);
    // WHEN a client asks before it sends, THEN it is told so before it has sent anything
    let head = format!("content-length: {}\r\nexpect: 100-continue\r\n", 2 << 20);
    assert_eq!(raw(&stage, &head, std::iter::empty()).await, 413);
    let head = "content-length: 2\r\nexpect: 100-continue\r\n";
    assert_eq!(raw(&stage, head, std::iter::empty()).await, 100);
    // AND WHEN what comes is no body at all, THEN that is told
    let pieces = std::iter::once(b"zz\r\n".to_vec());
    assert_eq!(raw(&stage, "transfer-encoding: chunked\r\n", pieces).await, 400);
    // AND WHEN a proxy of old speaks, THEN it is understood
    let mut stream = TcpStream::connect(&stage.workplace.places.listen).await.unwrap();
    let old = "POST /webhooks/demo-webhook-secret HTTP/1.0\r\ncontent-length: 13\r\n\r\n{\"case_id\":78}";
    stream.write_all(old.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert_eq!(
        stage
            .count("select count(*) from deskie_cdc.inbox where case_id = 78")
            .await,
        1
    );
    // AND WHEN it is just short enough, THEN it is taken
    let body = format!("{}{{}}", " ".repeat((1 << 20) - 2));
    assert_eq!(
        send(&stage, Method::POST, "demo-webhook-secret", "", body).await,
        200
    );
}

#[tokio::test]
async fn an_unknown_case_costs_one_look_up_however_often_it_is_told_of() {
    // GIVEN a connector
    let stage = stage().build().await;
    let connector = stage.run().await;
    let client = Client::new();
    // WHEN webhooks tell of two cases that are none of ours, fifty times each, one of which Deskie does not know
    let acted = stage
        .simulator
        .act(deskie_cdc_sandbox::simulator::Action::CreateCaseByMail {
            user_email: "ivan@example.com".into(),
            user_full_name: String::new(),
            subject: "by mail".into(),
            says: Says::text("hello"),
        });
    let foreign = acted.unwrap().case_id.unwrap();
    for round in 0..2 {
        for n in 0..50 {
            for case in [foreign.0, 987_654_321] {
                let body = format!("{{\"case_id\": {case}, \"n\": {n}}}");
                let answer = client
                    .post(stage.workplace.webhook_url())
                    .body(body)
                    .send()
                    .await
                    .unwrap();
                assert_eq!(answer.status().as_u16(), 200);
            }
        }
        stage.quiet().await;
        // THEN each costs one GET in all, also when they are told of again
        let books = stage.simulator.books();
        for case in [foreign.0, 987_654_321] {
            let asked = books.calls_to("GET", &format!("/cases/{case}.json"));
            assert_eq!(asked.len(), 1, "case {case}, round {round}");
        }
    }
    // AND after a restart as well
    assert!(connector.sigterm_and_wait().await.success());
    let _connector = stage.run().await;
    let body = format!("{{\"case_id\": {foreign}}}");
    assert_eq!(
        send(&stage, Method::POST, "demo-webhook-secret", "", body).await,
        200
    );
    stage.settled().await;
    let path = format!("/cases/{foreign}.json");
    assert_eq!(stage.simulator.books().calls_to("GET", &path).len(), 1);
}

#[tokio::test]
async fn a_burst_of_webhooks_costs_few_reads() {
    // GIVEN a case with a new answer, in a Deskie whose reads take a second
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1h\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    let slow = FaultKind::RespondSlowly { ms: 1000 };
    stage
        .simulator
        .add_fault(Fault::on(Match::ListMessages, slow).times(50));
    // WHEN two hundred webhooks of it come, ten at a time
    let begun = clock::monotonic();
    let client = Client::new();
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (client, url) = (client.clone(), stage.workplace.webhook_url());
        senders.spawn(async move {
            for n in 0..20 {
                let body = format!("{{\"case_id\": {case}, \"n\": {n}}}");
                let answer = client.post(&url).body(body).send().await.unwrap();
                assert_eq!(answer.status().as_u16(), 200);
            }
        });
    }
    senders.join_all().await;
    let took = begun.elapsed();
    stage.until_site(ticket, 1).await;
    stage.settled().await;
    // THEN there is one read for each second that they took, and one at the end
    let reads = stage.simulator.books().calls_to("GET", "/messages.json").len();
    assert!(
        reads as u64 <= 2 + took.as_secs(),
        "{reads} reads for webhooks of {took:?}"
    );
    assert_eq!(stage.rows(ticket).await, ["cevap"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_cannot_be_stored_is_refused_and_its_reply_comes_all_the_same() {
    // GIVEN a case, and a connector that sweeps
    let mut stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    stage.past_our_calls().await;
    // WHEN the database is away while an agent answers
    stage.site.cluster.stop_fast().unwrap();
    let begun = clock::monotonic();
    let body = format!("{{\"case_id\": {case}}}");
    let status = send(&stage, Method::POST, "demo-webhook-secret", "", body.clone()).await;
    // THEN the webhook is answered with 503 before Deskie gives up
    assert_eq!(status, 503);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    let told = |books: &deskie_cdc_sandbox::simulator::Books| {
        use deskie_cdc_sandbox::simulator::WebhookOutcome::Answered;
        books
            .webhooks
            .last()
            .is_some_and(|webhook| webhook.outcome == Answered(503))
    };
    stage.deskie("the rule's webhook is refused", told).await;
    // AND WHEN it is back, THEN the answer comes, once, and the port works
    stage.site.cluster.restart().unwrap();
    stage.reconnect().await;
    stage.until_site(ticket, 1).await;
    assert_eq!(
        send(&stage, Method::POST, "demo-webhook-secret", "", body).await,
        200
    );
    stage.settled().await;
    assert_eq!(stage.rows(ticket).await, ["cevap"]);
}

#[tokio::test]
async fn the_webhook_that_our_own_message_causes_costs_no_read() {
    // GIVEN a case whose first message is known, and rules that tell of each message
    let stage = stage().set("deskie", "sweep = \"1h\"").build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    let wanted =
        format!("select count(*) from deskie_cdc.ticket where case_id = {case} and read_wanted is not null");
    let path = format!("/cases/{case}/messages.json");
    let reads = || stage.simulator.books().calls_to("GET", &path).len();
    let before = reads();
    // WHEN the customer writes on the site
    stage.writes(ticket, "bir").await;
    let record = stage.until_deskie(case, 2).await;
    stage.settled().await;
    let told = |books: &Books| {
        books
            .webhooks
            .iter()
            .filter(|webhook| webhook.case_id == case)
            .count()
    };
    assert_eq!(told(&stage.simulator.books()), 2, "the rule has told of it");
    // THEN the case is neither read nor to be read
    assert_eq!((reads() - before, stage.count(&wanted).await), (0, 0));
    // AND WHEN a second webhook names the same message, THEN another message may hide behind it
    let body = serde_json::json!({ "case_id": case.0, "last_message_id": record.messages[1].message_id });
    let secret = stage.workplace.places.webhook_secret.clone();
    assert_eq!(
        send(&stage, Method::POST, &secret, "", body.to_string()).await,
        200
    );
    stage.quiet().await;
    assert_eq!(stage.count(&wanted).await, 1);
}

#[tokio::test]
async fn hundreds_of_foreign_webhooks_do_not_delay_live_messages() {
    // GIVEN a small account, and a hundred and twenty cases of its own that nobody knows
    let stage = stage()
        .without_rules()
        .set("deskie", "sweep = \"1h\"")
        .deskie(|options| options.requests_per_minute = 50)
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    let mut foreign = Vec::new();
    for n in 0..120 {
        let made = stage.simulator.act(Action::CreateCaseByMail {
            user_email: IVAN.into(),
            user_full_name: String::new(),
            subject: format!("by mail {n}"),
            says: Says::text("x"),
        });
        foreign.push(made.unwrap().case_id.unwrap());
    }
    // WHEN an agent closes them all, and each tells of it
    let calls = stage.simulator.books().calls.len();
    let client = Client::new();
    for case in &foreign {
        let sent = client
            .post(stage.workplace.webhook_url())
            .body(format!("case_id={case}"))
            .send()
            .await;
        assert_eq!(sent.unwrap().status(), 200);
    }
    // THEN a message of the customer goes out meanwhile
    let begun = clock::monotonic();
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    // AND a list told of most of them
    let foreign = "select count(*) from deskie_cdc.foreign_case";
    wait_until("they are known", || async {
        (stage.count(foreign).await >= 90).then_some(())
    })
    .await;
    let reads = stage.simulator.books().calls.len() - calls;
    assert!(reads <= 40, "{reads} calls");
}

#[tokio::test]
async fn a_compressed_webhook_is_read_and_one_that_grows_without_end_is_not() {
    use std::io::Write;
    // GIVEN a connector
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let gzip = |body: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    };
    let deflate = |body: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    };
    let body = br#"{"case_id": 77}"#;
    let large = vec![b' '; 3 << 20];
    let times = |times: usize| (0..times).fold(body.to_vec(), |packed, _| gzip(&packed));
    let mut broken = gzip(body);
    broken.truncate(12);
    // WHEN bodies come compressed, THEN each is read, or refused for what it is
    for (encoding, body, status) in [
        ("gzip", gzip(body), 200),
        ("GZIP", gzip(body), 200),
        ("deflate", deflate(body), 200),
        ("", gzip(body), 200),
        ("identity", body.to_vec(), 200),
        ("gzip", gzip(&large), 413),
        ("gzip", broken, 400),
        // By the sender and by a proxy, told or not.
        ("gzip", times(2), 200),
        ("gzip, gzip", times(2), 200),
        ("deflate, GZIP", gzip(&deflate(body)), 200),
        ("gzip, identity", gzip(body), 200),
        ("deflate", gzip(body), 200),
        ("gzip", gzip(&gzip(&large)), 413),
        ("gzip", times(9), 400),
        ("br", body.to_vec(), 400),
    ] {
        let mut request = Client::new().post(stage.workplace.webhook_url()).body(body);
        if !encoding.is_empty() {
            request = request.header("content-encoding", encoding);
        }
        assert_eq!(
            request.send().await.unwrap().status().as_u16(),
            status,
            "{encoding}"
        );
    }
    // AND it was stored
    let stored = "select count(*) from deskie_cdc.inbox where case_id = 77";
    assert!(stage.count(stored).await >= 1);
}
