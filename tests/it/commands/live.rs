//! The console's pages as streams: they tell what changes, to whom it may be told, and keep nothing from ending.

use std::time::Duration;

use deskie_cdc::console::{Console, Role, Vital};
use tokio_util::sync::CancellationToken;

use super::console::{TOKEN, serve};
use super::{STATE, store_of};
use crate::support::{Site, wait_until};

/// A page that is asked for as a stream.
struct Stream {
    answer: reqwest::Response,
    came: String,
}

impl Stream {
    async fn open(http: &reqwest::Client, address: &str, cookie: &str) -> Stream {
        let request = http.get(address).header("accept", "text/event-stream");
        let answer = request.header("cookie", cookie).send().await.unwrap();
        Stream {
            answer,
            came: String::new(),
        }
    }

    /// The next event, and its data; `None`: the stream has ended in order.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.came.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.came = rest;
                let (name, data) = event.split_once('\n').unwrap_or((&event, ""));
                return Some((name.trim_start_matches("event: ").to_owned(), data.to_owned()));
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.answer.chunk()).await;
            let chunk = chunk
                .expect("something within 20 s")
                .expect("a stream that is whole")?;
            self.came.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next page, past what says only that nothing has changed.
    async fn page(&mut self) -> String {
        loop {
            match self.next().await.expect("it goes on") {
                (name, page) if name == "page" => return page,
                (name, _) => assert_eq!(name, "same"),
            }
        }
    }
}

#[tokio::test]
async fn a_page_tells_what_changes_to_whom_it_may_and_ends() {
    // GIVEN a console that somebody looks at without a log-in, and somebody with one
    let mut site = Site::start().await;
    let store = store_of(&site).await;
    site.client.batch_execute(STATE).await.unwrap();
    let (vital, stop) = (Vital::new(), CancellationToken::new());
    vital.set_role(Role::Leader);
    let base = serve(Console {
        vital,
        store: store.clone(),
        looks: store,
        meter: None,
        recorder: None,
        slot: None,
        publication: "deskie_cdc".into(),
        alert_after: Duration::from_secs(600),
        admin_token: Some(TOKEN.into()),
        admin_hosts: Vec::new(),
        stop: stop.clone(),
    })
    .await;
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let request = http
        .post(format!("{base}/login"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("token={TOKEN}&name=Olga"));
    let answer = request.send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();

    let mut looks = Stream::open(&http, &format!("{base}/"), "lang=tr").await;
    let kind = &looks.answer.headers()["content-type"];
    assert_eq!(kind, "text/event-stream");
    let mut acts = Stream::open(&http, &format!("{base}/failed"), &cookie).await;
    let page = looks.page().await;
    assert!(
        page.contains("Size ihtiya\u{e7} var") && !page.contains("csrf"),
        "{page}"
    );
    let page = acts.page().await;
    assert!(
        page.contains("Olga") && page.contains("csrf") && page.contains("/failed/d2"),
        "{page}"
    );

    // WHEN nothing happens, THEN it is told that it was looked at, and when
    let (name, at) = acts.next().await.expect("a second look");
    assert_eq!(name, "same");
    at.trim_start_matches("data: ")
        .parse::<jiff::Timestamp>()
        .expect("a moment");

    // WHEN a further item waits, and one that waited is done, THEN both pages tell it, with nobody asking
    let change = "update deskie_cdc.delivery set state = 'parked' where id = 1;
        update deskie_cdc.remote set state = 'written' where message_id = 901";
    site.client.batch_execute(change).await.unwrap();
    let page = acts.page().await;
    assert!(
        page.contains("/failed/d1") && !page.contains("/failed/r901"),
        "{page}"
    );
    let trouble =
        "update deskie_cdc.trouble set ended_at = clock_timestamp() where kind = 'resolving_stopped'";
    site.client.batch_execute(trouble).await.unwrap();
    while looks.page().await.contains("resolving stopped") {}

    // WHEN all places are taken, THEN a further one is refused, the page is there all the same, and a place becomes free again
    let mut others = Vec::new();
    let refused = loop {
        let other = Stream::open(&http, &format!("{base}/troubles"), "").await;
        match other.answer.status().as_u16() {
            200 => others.push(other),
            refused => break refused,
        }
    };
    assert_eq!((refused, others.len()), (503, 14));
    assert_eq!(http.get(format!("{base}/")).send().await.unwrap().status(), 200);
    others.pop();
    wait_until("its place is free", async || {
        let other = Stream::open(&http, &format!("{base}/troubles"), "").await;
        (other.answer.status() == 200).then_some(())
    })
    .await;
    drop(others);

    // WHEN the port is asked under another site's name, THEN there is no stream either; nor of what is no page that lasts
    let foreign = http.get(format!("{base}/")).header("host", "evil.example");
    let foreign = foreign
        .header("accept", "text/event-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), 421);
    let log = Stream::open(&http, &format!("{base}/log"), &cookie).await;
    assert_eq!(log.answer.headers()["content-type"], "text/html; charset=utf-8");

    // WHEN the database goes, THEN the items say that they are away; and a stream ends when the process does
    site.cluster.stop_fast().unwrap();
    while acts.next().await.expect("it goes on").0 != "away" {}
    stop.cancel();
    for stream in [&mut looks, &mut acts] {
        tokio::time::timeout(Duration::from_secs(5), async {
            while stream.next().await.is_some() {}
        })
        .await
        .expect("it ends");
    }
}
