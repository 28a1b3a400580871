//! The admin port.

use std::sync::Arc;

use deskie_cdc::console::{self, Console, DeskieState, Flow, Role, Vital};
use tokio_util::sync::CancellationToken;

use super::{STATE, in_order, json, store_of, workplace};
use crate::support::{Site, wait_until};

/// What may change things.
pub const TOKEN: &str = "t0ken-of-sixteen";

/// The admin port on a real socket.
pub async fn serve(console: Console) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[allow(clippy::disallowed_methods, reason = "a test's server ends with its runtime")]
    tokio::spawn(async move { axum::serve(listener, console::router(console)).await });
    format!("http://{address}")
}

#[tokio::test]
async fn the_admin_port_tells_and_changes_only_with_the_token() {
    let mut site = Site::start().await;
    let store = store_of(&site).await;
    site.client.batch_execute(STATE).await.unwrap();
    let place = workplace(&site);
    let vital = Vital::new();
    let recorder = console::install_recorder().unwrap();
    metrics::counter!("deskie_cdc_test_total").increment(3);
    let console = |token: Option<&str>| Console {
        vital: Arc::clone(&vital),
        store: store.clone(),
        looks: store.clone(),
        meter: Some(Arc::new(deskie_cdc::deskie::Meter::new(
            None,
            std::time::Duration::from_secs(60),
        ))),
        recorder: Some(recorder.clone()),
        slot: None,
        publication: "deskie_cdc".into(),
        alert_after: std::time::Duration::from_secs(600),
        admin_token: token.map(Into::into),
        admin_hosts: Vec::new(),
        stop: CancellationToken::new(),
    };
    let open = serve(console(Some(TOKEN))).await;
    let closed = serve(console(None)).await;
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let get = async |url: String| {
        let answer = http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let post = async |url: String, form: &[(&str, &str)], bearer: Option<&str>| {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut request = http
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };

    // Health: a standby, and a leader that waits for Deskie, are ready and say so.
    assert_eq!(get(format!("{open}/health/live")).await.0, 200);
    let (status, body) = get(format!("{open}/health/ready")).await;
    assert_eq!((status, json(&body)["role"].as_str()), (503, Some("starting")));

    // healthcheck: a container is healthy when it is ready, else the reason is told.
    place.command(&["healthcheck"]).await.exits(1);
    let port = open.rsplit(':').next().unwrap();
    place.change_config(&place.places.admin_listen, &format!("0.0.0.0:{port}"));
    let refused = place.command(&["healthcheck"]).await.exits(1);
    assert!(refused.stderr.contains("starting"), "{}", refused.stderr);

    vital.set_role(Role::Standby);
    let (status, body) = get(format!("{open}/health/ready")).await;
    assert!(status == 200 && body.contains("another instance leads"), "{body}");
    vital.set_role(Role::Leader);
    vital.set_stream_connected(true);
    vital.moved(Flow::Deliver);
    vital.set_deskie(DeskieState::Unreachable("connection <refused>".into()));
    let (status, body) = get(format!("{open}/health/ready")).await;
    assert_eq!(status, 200);
    assert_eq!(
        json(&body)["state"],
        "leader, waits for Deskie: connection <refused>"
    );

    place
        .command(&["healthcheck", "--url", &format!("{open}/health/ready")])
        .await
        .ok();
    place
        .command(&["healthcheck", "--url", &format!("{open}/nowhere")])
        .await
        .exits(1);
    place.command(&["healthcheck"]).await.ok();

    // `status` asks the running connector for its budget.
    let status = json(&place.command(&["status", "--json"]).await.exits(1).stdout);
    assert_eq!(status["running"]["role"], "leader");
    assert_eq!(status["budget"]["limit_known"], false);
    in_order(
        &place.command(&["status"]).await.exits(1).stdout,
        &["leader, waits for Deskie", "API budget", "a minute left"],
    );

    // The metrics.
    let (status, text) = get(format!("{open}/metrics")).await;
    assert_eq!(status, 200);
    for line in [
        "deskie_cdc_test_total 3",
        "deskie_cdc_leader 1",
        "deskie_cdc_ready 1",
        "deskie_cdc_deskie_reachable 0",
        "deskie_cdc_parked 2",
        "deskie_cdc_troubles{kind=\"parked\"} 1",
        "deskie_cdc_troubles{kind=\"held\"} 0",
        "deskie_cdc_waiting{queue=\"inbox\"} 0",
        "deskie_cdc_skipped{reason=\"an echo\"} 4",
        "deskie_cdc_slot_exists 0",
        "deskie_cdc_messages_written 1",
        "deskie_cdc_answers_total{class=\"5xx\"} 0",
        "deskie_cdc_to_deskie_seconds_count 0",
        "deskie_cdc_to_site_seconds_bucket{le=\"0.25\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }

    // The overview, without a log-in: what needs a person first; escaped, nothing from elsewhere, no form that changes.
    let (status, page) = get(format!("{open}/")).await;
    assert_eq!(status, 200);
    in_order(
        &page,
        &[
            "This needs you",
            "Items wait for you: <span class=\"subject\">2</span>",
            "the mapping does not fit",
            "id=\"t-resolving_stopped-\" open",
            "resolving stopped: no table",
            "connection &lt;refused&gt;",
            "host-a 4711",
        ],
    );
    let (_, items) = get(format!("{open}/failed")).await;
    in_order(
        &items,
        &[
            "Log in to see texts",
            "/failed/d2",
            "Deskie refuses &lt;b&gt;it&lt;/b&gt;: 422",
            "/failed/r901",
        ],
    );
    let (_, item) = get(format!("{open}/failed/d2")).await;
    in_order(
        &item,
        &[
            "Deskie refuses &lt;b&gt;it&lt;/b&gt;: 422",
            "Texts are shown after logging in",
        ],
    );
    for (what, page) in [("/", &page), ("/failed", &items), ("/failed/d2", &item)] {
        assert!(
            !page.contains("method=\"post\"") && !page.contains("http://"),
            "{what}: {page}"
        );
        assert!(
            !page.contains("second line") && !page.contains("HTTP 422"),
            "{what}: no texts"
        );
    }
    let (_, page) = get(format!("{closed}/failed")).await;
    assert!(!page.contains("<form") && page.contains("admin_token"), "{page}");
    // AND in the reader's language, by the browser's word or a choice that is kept
    let in_language = async |name: &str, value: &str| {
        let asking = http.get(format!("{open}/")).header(name, value).send();
        asking.await.unwrap().text().await.unwrap()
    };
    assert!(
        in_language("accept-language", "tr-TR,tr;q=0.9")
            .await
            .contains("Size ihtiyaç var")
    );
    assert!(in_language("cookie", "lang=ru").await.contains("Нужны вы"));
    let set = http
        .get(format!("{open}/set?lang=tr&back=//evil.example/"))
        .send()
        .await
        .unwrap();
    assert_eq!(set.headers()["location"], "/");
    assert!(
        set.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .starts_with("lang=tr;")
    );

    // Another site's name is not answered, whoever it leads to; one with a notice of its own shows none.
    let under = async |host: &str, path: &str| {
        let asking = http.get(format!("{open}{path}")).header("host", host).send();
        asking.await.unwrap().status().as_u16()
    };
    for path in [
        "/",
        "/failed",
        "/login",
        "/status",
        "/metrics",
        "/health/ready",
        "/failed/d2/retry",
    ] {
        assert_eq!(under("evil.example:8788", path).await, 421, "{path}");
    }
    assert_eq!(under("evil.example", "/health/live").await, 200);
    assert_eq!(under("localhost:8788", "/").await, 200);
    let (_, page) = get(format!("{open}/?done=Call+555+0100&to=d1")).await;
    assert!(!page.contains("555"), "{page}");

    // Logging in: once, with the token; who guesses gets slower, the one with the right token as well.
    let retry = format!("{open}/failed/d2/retry");
    let log_in = async |token: &str| {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("token", token), ("name", "Ay\u{15f}e")])
            .finish();
        let request = http
            .post(format!("{open}/login"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = request.send().await.unwrap();
        let cookie = answer
            .headers()
            .get("set-cookie")
            .map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), cookie)
    };
    assert_eq!(
        post(format!("{closed}/failed/d2/retry"), &[], Some(TOKEN))
            .await
            .0,
        403
    );
    assert_eq!(post(retry.clone(), &[("token", TOKEN)], None).await.0, 401);
    assert_eq!(log_in("t0ke").await, (401, None));
    // The delay grows with each guess that is looked at, so that one comes too soon however slow the machine is.
    let told = wait_until("a guess comes too soon", async || {
        let (status, told) = post(retry.clone(), &[], Some("t0ke")).await;
        assert!(matches!(status, 401 | 429), "{status} {told}");
        (status == 429).then_some(told)
    })
    .await;
    assert!(told.contains("some seconds"), "{told}");
    let cookie = wait_until("the right token is looked at", async || log_in(TOKEN).await.1).await;
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let seen = async |path: &str| {
        let asking = http.get(format!("{open}{path}")).header("cookie", &cookie).send();
        asking.await.unwrap().text().await.unwrap()
    };
    // THEN the item is shown whole, and its forms carry what another site's page cannot know
    let item = seen("/failed/d2").await;
    in_order(
        &item,
        &[
            "Ay\u{15f}e",
            "action=\"/failed/d2/retry\"",
            "name=\"csrf\"",
            "second line",
            "What Deskie answered",
            "HTTP 422",
            "&lt;i&gt;",
        ],
    );
    let csrf = item
        .split("name=\"csrf\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let act = async |path: &str, csrf: &str, reason: &str| {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("csrf", csrf), ("reason", reason)])
            .finish();
        let request = http
            .post(format!("{open}{path}"))
            .header("cookie", &cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(get(retry.clone()).await.0, 405);
    assert_eq!(act("/failed/d2/retry", "", "").await, 403);
    assert_eq!(act("/failed/d2/retry", "0".repeat(64).as_str(), "").await, 403);
    assert_eq!(act("/failed/d2/retry", csrf, "").await, 303);
    assert_eq!(
        act("/failed/d2/retry", csrf, "").await,
        404,
        "it is not parked any more"
    );
    // AND all of a kind at once, which is told to whoever is logged in
    assert_eq!(act("/failed/r/discard", csrf, "said by phone").await, 303);
    let reason: String = site
        .client
        .query_one("select reason from deskie_cdc.remote where message_id = 901", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(reason, "said by phone");
    in_order(
        &seen("/log").await,
        &[
            "Reply for the site: discarded",
            "said by phone",
            "d2: retried",
            "logged in",
        ],
    );
    let (_, log) = get(format!("{open}/log")).await;
    assert!(!log.contains("said by phone"), "{log}");
    // AND a program says the token with each request
    let (status, body) = post(format!("{open}/failed/d2/discard"), &[], Some(TOKEN)).await;
    assert_eq!(status, 404, "{body}");
    let park = "update deskie_cdc.delivery set state = 'parked' where id = 2";
    site.client.batch_execute(park).await.unwrap();
    let (status, body) = post(format!("{open}/failed/all/retry"), &[], Some(TOKEN)).await;
    assert_eq!((status, json(&body)["count"].as_i64()), (200, Some(1)), "{body}");

    // A sample is taken of each minute, once; past troubles are shown.
    let done =
        "update deskie_cdc.remote set done_at = date_trunc('minute', clock_timestamp()) - interval '1 second'
        where message_id = 900";
    site.client.batch_execute(done).await.unwrap();
    store.samples().take(None).await.unwrap();
    store.samples().take(None).await.unwrap();
    let written = "select sum(written)::int8 from deskie_cdc.sample";
    let written: i64 = site.client.query_one(written, &[]).await.unwrap().get(0);
    assert_eq!(written, 1, "though its text is gone");
    assert!(get(format!("{open}/")).await.1.contains("<svg"));
    site.client
        .batch_execute("update deskie_cdc.trouble set ended_at = clock_timestamp()")
        .await
        .unwrap();
    in_order(
        &get(format!("{open}/troubles")).await.1,
        &[
            "Past",
            "class=\"card over\"",
            "until",
            "resolving stopped: no table",
        ],
    );

    // The database goes: not ready, with the reason; alive all the same; the page still says what it knows.
    site.cluster.stop_fast().unwrap();
    let (status, body) = get(format!("{open}/health/ready")).await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("the database does not answer"), "{body}");
    assert_eq!(get(format!("{open}/health/live")).await.0, 200);
    let (_, text) = get(format!("{open}/metrics")).await;
    assert!(
        text.contains("deskie_cdc_database_up 0") && !text.contains("deskie_cdc_parked"),
        "{text}"
    );
    assert_eq!(get(format!("{open}/")).await.0, 200);
}
