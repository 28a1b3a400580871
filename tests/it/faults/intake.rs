//! Webhooks in: durable before they are answered, whoever else knocks at the port, and however often.

use std::time::Duration;

use deskie_cdc::model::clock;
use deskie_cdc_sandbox::simulator::Says;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{Stage, stage};

const REPEATS: usize = 10_000;

async fn knock(stage: &Stage, secret: &str, body: &str) -> u16 {
    let url = format!("http://{}/webhooks/{secret}", stage.workplace.places.listen);
    let answer = reqwest::Client::new()
        .post(url)
        .body(body.to_owned())
        .send()
        .await;
    answer.expect("an answer").status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_the_server_even_where_the_site_has_turned_that_off() {
    // GIVEN a role whose commits do not wait for the disk, as the site may set it, and a server that is in no hurry
    let mut stage = stage()
        .without_rules()
        .server("wal_writer_delay", "10s")
        .build()
        .await;
    stage
        .sql("alter role deskie_cdc set synchronous_commit = off")
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    // A connector that stands still leaves all webhooks as they are; a second one takes them.
    connector.signal("STOP").await;
    let places = deskie_cdc_sandbox::sample_site::Places {
        listen: format!("127.0.0.1:{}", crate::support::free_port()),
        admin_listen: format!("127.0.0.1:{}", crate::support::free_port()),
        ..stage.workplace.places.clone()
    };
    let taker = crate::support::Workplace::with(places);
    let second = taker.run();
    second.wait_for_log("webhooks on").await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    // WHEN a webhook is answered, and the server is killed at once
    let body = format!("{{\"case_id\": {case}}}");
    let answer = reqwest::Client::new()
        .post(taker.webhook_url())
        .body(body)
        .send()
        .await
        .unwrap();
    tokio::task::block_in_place(|| stage.site.cluster.kill()).unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    second.kill9().await;
    connector.kill9().await;
    // THEN it is there when the server is back
    stage.site.start_again().await;
    stage.reconnect().await;
    assert_eq!(
        stage
            .count("select count(*) from deskie_cdc.inbox where state = 'waiting'")
            .await,
        1
    );
    // AND leads to the reply
    let _connector = stage.run().await;
    stage.until_site(ticket, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_repeats_are_one_row_and_both_secrets_open() {
    // GIVEN an instance that does not lead, since another one is said to, and two secrets while one is changed
    let stage = stage()
        .config(
            "webhook_secret = \"demo-webhook-secret\"",
            "webhook_secret = [\"demo-webhook-secret\", \"the-next-webhook-secret\"]",
        )
        .build()
        .await;
    let leader = stage.site.connect_as("deskie_cdc").await;
    for schema in ["deskie_cdc", "\"deskie_cdc\""] {
        let sql = "select pg_advisory_lock(hashtextextended('deskie_cdc leader ' || $1, 0))";
        leader.execute(sql, &[&schema]).await.unwrap();
    }
    stage
        .sql("update deskie_cdc.lease set holder = 'another', renewed_at = clock_timestamp() + interval '1 hour'")
        .await;
    let connector = stage.workplace.run();
    connector.wait_for_log("webhooks on").await;
    let body = "{\"case_id\": 420000000}";
    for (secret, status) in [
        ("demo-webhook-secret", 200),
        ("the-next-webhook-secret", 200),
        ("the-last-one", 401),
    ] {
        assert_eq!(knock(&stage, secret, body).await, status, "{secret}");
    }
    // WHEN a webhook is repeated ten thousand times
    let (client, begun) = (reqwest::Client::new(), clock::monotonic());
    let mut senders = JoinSet::new();
    for _ in 0..20 {
        let (client, url) = (client.clone(), stage.workplace.webhook_url());
        senders.spawn(async move {
            for _ in 0..REPEATS / 20 {
                let answer = client.post(&url).body(body).send().await.expect("an answer");
                assert_eq!(answer.status().as_u16(), 200);
            }
        });
    }
    senders.join_all().await;
    eprintln!("{REPEATS} repeats in {:?}", begun.elapsed());
    // THEN it is one row, which counts them
    assert_eq!(stage.count("select count(*) from deskie_cdc.inbox").await, 1);
    let repeats = "select repeats::int8 from deskie_cdc.inbox";
    assert_eq!(stage.count(repeats).await, REPEATS as i64 + 1);
}

/// Opens a connection and says this much.
async fn dawdles(address: &str, says: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream
        .write_all(says.as_bytes())
        .await
        .expect("the port takes it");
    stream
}

/// Waits until the other side closes; for how long that took, and what it said.
async fn until_closed(mut stream: TcpStream) -> (Duration, String) {
    let (begun, mut said) = (clock::monotonic(), Vec::new());
    let closed = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said)).await;
    assert!(closed.is_ok(), "it is still open");
    (begun.elapsed(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_dawdle_keep_nobody_out_and_are_sent_away() {
    // GIVEN hundreds of clients that say nothing, half a head, or half a body
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let (_, case) = stage.open("Soru").await;
    let address = &stage.workplace.places.listen;
    let head = "POST /webhooks/demo-webhook-secret HTTP/1.1\r\nhost: x\r\n";
    let body = format!("{head}content-length: 100\r\n\r\n{{\"case_id\": ");
    let mut dawdlers = Vec::new();
    for n in 0..450 {
        let says = ["", head, body.as_str()][n % 3];
        dawdlers.push(dawdles(address, says).await);
    }
    // WHEN a webhook comes, THEN it is answered at once
    let begun = clock::monotonic();
    assert_eq!(
        knock(&stage, "demo-webhook-secret", &format!("{{\"case_id\": {case}}}")).await,
        200
    );
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // AND the others are sent away in a while
    for (n, stream) in dawdlers.drain(..3).enumerate() {
        let (took, said) = until_closed(stream).await;
        assert!(took < Duration::from_secs(15), "client {n}: {took:?}");
        assert!(n < 2 || said.contains("408"), "client {n}: {said}");
    }
}
