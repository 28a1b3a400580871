//! Many tickets, many connections, an API that fails: each message exactly once, in each ticket's commit order.

use std::sync::Arc;
use std::time::Duration;

use deskie_cdc::model::clock;
use deskie_cdc::text;
use deskie_cdc_sandbox::postgres::ClusterOptions;
use deskie_cdc_sandbox::sample_site;
use deskie_cdc_sandbox::simulator::{
    Books, MessageRecord, Options, RandomFaults, Rule, RuleBody, Simulator, Trigger,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::support::{Site, Workplace, newest};

const WRITERS: usize = 8;
const REPLIES: usize = 5;

/// For a debug build on a busy machine; it takes a third of that on an idle one.
const PATIENCE: Duration = Duration::from_secs(400);

/// A site, a Deskie with ample quota and both rules, and the connector set up.
async fn prepared() -> (Site, Simulator, Workplace) {
    prepared_with(Options {
        requests_per_minute: 1_000_000,
        ..Options::default()
    })
    .await
}

async fn prepared_with(options: Options) -> (Site, Simulator, Workplace) {
    let site = Site::start_on(&newest(), ClusterOptions::default()).await;
    let simulator = Simulator::start(options).await.unwrap();
    let workplace = Workplace::new(&site, &simulator.url());
    for on in [Trigger::AgentReply, Trigger::CustomerReply] {
        simulator.add_rule(Rule {
            url: workplace.webhook_url(),
            on,
            body: RuleBody::Ids,
            ..Rule::default()
        });
    }
    workplace.change_config(
        "ticket_field = 25",
        "ticket_field = 25\ndoubt_wait = \"1s\"\ntimeout = \"2s\"",
    );
    workplace
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    (site, simulator, workplace)
}

/// Five in a hundred calls fail: an answer that is lost, one that never comes, a 503, a 429.
fn faults(seed: u64) -> RandomFaults {
    RandomFaults {
        seed,
        lose_answer_after: 0.025,
        close_before: 0.01,
        reject_before: 0.01,
        too_many_requests: 0.002,
        ..RandomFaults::default()
    }
}

/// `WRITERS` connections open tickets and answer in them; a ticket's replies come from changing connections, each
/// once the one before is committed.
async fn write_tickets(site: &Site, tickets: usize) -> Vec<i64> {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..WRITERS).map(|_| mpsc::unbounded_channel()).unzip();
    let senders = Arc::new(senders);
    let (done, mut finished) = mpsc::unbounded_channel();
    for n in 0..tickets {
        senders[n % WRITERS].send((n, None::<i64>, 0)).unwrap();
    }
    let mut writers = JoinSet::new();
    for (w, mut receiver) in receivers.into_iter().enumerate() {
        let client = site.connect().await;
        let (senders, done) = (senders.clone(), done.clone());
        writers.spawn(async move {
            while let Some((n, ticket, reply)) = receiver.recv().await {
                let ticket = match ticket {
                    None => sample_site::open_ticket(
                        &client,
                        "ivan@example.com",
                        &format!("ticket {n}"),
                        &body(n, 0),
                    )
                    .await
                    .unwrap(),
                    Some(ticket) => {
                        sample_site::customer_reply(&client, ticket, &body(n, reply))
                            .await
                            .unwrap();
                        ticket
                    }
                };
                if reply < REPLIES {
                    senders[(w + 1 + n) % WRITERS]
                        .send((n, Some(ticket), reply + 1))
                        .unwrap();
                } else {
                    done.send((n, ticket)).unwrap();
                }
            }
        });
    }
    let mut keys = vec![0; tickets];
    for _ in 0..tickets {
        let (n, ticket) = finished.recv().await.unwrap();
        keys[n] = ticket;
    }
    keys
}

fn body(n: usize, reply: usize) -> String {
    format!("ticket {n}, message {reply}: şğı \"ёж\" <b>&amp;</b> 🔑")
}

/// The texts that stand in Deskie for a ticket, in the order of its case.
fn texts(books: &Books, ticket: i64) -> Vec<String> {
    let cases = books.cases_with_field(25, &ticket.to_string());
    assert!(cases.len() <= 1, "ticket {ticket} has {} cases", cases.len());
    // Deskie keeps one of both forms: read it as the site would.
    let text = |message: &MessageRecord| text::incoming(&message.text, &message.html, None).text;
    cases
        .iter()
        .flat_map(|case| case.conversation())
        .map(text)
        .collect()
}

fn all_there(books: &Books, tickets: usize) -> bool {
    books.messages().count() >= tickets * (REPLIES + 1)
}

fn compare(books: &Books, keys: &[i64]) {
    for (n, key) in keys.iter().enumerate() {
        let expected: Vec<String> = (0..=REPLIES).map(|reply| body(n, reply)).collect();
        assert_eq!(texts(books, *key), expected, "ticket {key}");
    }
    assert_eq!(
        books.messages().count(),
        keys.len() * (REPLIES + 1),
        "nothing else stands in Deskie"
    );
}

async fn site_messages(site: &Site) -> i64 {
    let sql = "select count(*) from messages where id > 4";
    site.client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tickets_arrive_once_and_in_order_through_an_api_that_fails() {
    let (site, simulator, workplace) = prepared().await;
    simulator.set_random_faults(Some(faults(7)));
    let connector = workplace.run();
    let begun = clock::monotonic();
    let keys = write_tickets(&site, 1000).await;
    let written = begun.elapsed();
    simulator
        .wait_for_within(PATIENCE, "all messages", |books| all_there(books, 1000))
        .await
        .unwrap();
    eprintln!("written in {written:?}, delivered in {:?}", begun.elapsed());
    simulator.set_random_faults(None);
    settled(&workplace).await;
    compare(&simulator.books(), &keys);
    assert_eq!(
        site_messages(&site).await,
        1000 * REPLIES as i64,
        "nothing came back to the site"
    );
    assert!(connector.sigterm_and_wait().await.success());
}

/// Deskie's minute lasts a second here, for both sides: 50 requests in each, so 48 minutes become 48 seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_fifty_requests_a_minute_not_one_is_refused() {
    let (site, simulator, workplace) = prepared_with(Options {
        requests_per_minute: 50,
        window: Duration::from_secs(1),
        ..Options::default()
    })
    .await;
    let connector = workplace.run_with(&[("DESKIE_CDC_RATE_WINDOW_MS", "1000")]);
    let keys = write_tickets(&site, 200).await;
    simulator
        .wait_for_within(PATIENCE, "all messages", |books| all_there(books, 200))
        .await
        .unwrap();
    let books = simulator.books();
    assert_eq!(books.refused, 0, "calls were refused");
    compare(&books, &keys);
    assert!(connector.sigterm_and_wait().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_ten_times_it_goes_on_where_it_was() {
    let (site, simulator, workplace) = prepared().await;
    simulator.set_random_faults(Some(faults(11)));
    let mut connector = workplace.run();
    let tickets = 300;
    let writing = write_tickets(&site, tickets);
    let killing = async {
        for kill in 1..=10 {
            // Each time a bit further, wherever it is then.
            let so_far = simulator.books().calls.len();
            let enough = move |books: &Books| books.calls.len() >= so_far + 40;
            simulator
                .wait_for_within(Duration::from_secs(60), "some calls", enough)
                .await
                .unwrap();
            connector.kill9().await;
            eprintln!("kill {kill}");
            connector = workplace.run();
        }
        connector
    };
    let (keys, connector) = tokio::join!(writing, killing);
    simulator
        .wait_for_within(PATIENCE, "all messages", |books| all_there(books, tickets))
        .await
        .unwrap();
    simulator.set_random_faults(None);
    settled(&workplace).await;
    compare(&simulator.books(), &keys);
    assert_eq!(
        site_messages(&site).await,
        (tickets * REPLIES) as i64,
        "nothing came back to the site"
    );
    assert!(connector.sigterm_and_wait().await.success());
}

/// Waits until the connector says that nothing waits any more.
async fn settled(workplace: &Workplace) {
    super::support::wait_until("empty queues", || async {
        let metrics = reqwest::get(workplace.admin_url("/metrics"))
            .await
            .ok()?
            .text()
            .await
            .ok()?;
        let queues: Vec<&str> = metrics
            .lines()
            .filter(|line| line.starts_with("deskie_cdc_waiting{"))
            .collect();
        assert!(!queues.is_empty(), "{metrics}");
        queues.iter().all(|line| line.ends_with(" 0")).then_some(())
    })
    .await;
}
