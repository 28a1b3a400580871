//! The console's search, a ticket's story in it, and how large its pages grow.

use std::time::{Duration, Instant};

use deskie_cdc::console::{Console, Role, Vital};
use tokio_util::sync::CancellationToken;

use super::console::{TOKEN, serve};
use super::{STATE, in_order, store_of};
use crate::support::{Site, wait_until};

/// Somebody who is logged in.
struct Visitor {
    http: reqwest::Client,
    base: String,
    cookie: String,
}

/// What came back: status, where it leads to, and the page.
struct Answer {
    status: u16,
    location: String,
    page: String,
    /// Until its first byte was there.
    after: Duration,
}

impl Visitor {
    async fn log_in(site: &Site) -> Visitor {
        let store = store_of(site).await;
        let vital = Vital::new();
        vital.set_role(Role::Leader);
        let console = Console {
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
            stop: CancellationToken::new(),
        };
        let base = serve(console).await;
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
        Visitor { http, base, cookie }
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &self.cookie).await
    }

    async fn get_with(&self, path: &str, cookie: &str) -> Answer {
        let begun = Instant::now();
        let request = self
            .http
            .get(format!("{}{path}", self.base))
            .header("cookie", cookie);
        let answer = request.send().await.unwrap();
        let after = begun.elapsed();
        let location = answer.headers().get("location");
        Answer {
            status: answer.status().as_u16(),
            location: location.map_or_else(String::new, |to| to.to_str().unwrap().to_owned()),
            page: answer.text().await.unwrap(),
            after,
        }
    }

    async fn finds(&self, text: &str) -> Answer {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("q", text)
            .finish();
        self.get(&format!("/search?{query}")).await
    }
}

#[tokio::test]
async fn a_ticket_is_found_by_what_a_customer_says_and_its_story_told() {
    // GIVEN a ticket with a case, and two of one customer's
    let site = Site::start().await;
    let visitor = Visitor::log_in(&site).await;
    site.client.batch_execute(STATE).await.unwrap();
    let customers = "
        update deskie_cdc.delivery set opening = '{\"subject\": \"<i>Login</i>\", \"email\": \"Kate@Example.com\"}' where id = 1;
        insert into deskie_cdc.ticket (key, case_id, case_number) values ('a/b &c', 1002, '130-1'), ('32', 1003, '130-2');
        insert into deskie_cdc.birth (case_id, case_number, subject, recipient, channel, status, state, ticket_id)
            select case_id, case_number, 'Born', 'Ivan@example.com', 'email', 'open', 'done', id
            from deskie_cdc.ticket where case_id in (1002, 1003);";
    site.client.batch_execute(customers).await.unwrap();

    // WHEN somebody looks for it by its key, its case's number or id, or its customer, THEN he is led to its story
    for text in [
        "3",
        " 3 ",
        "130-809267",
        "#130-809267",
        "1001",
        "kate@example.COM",
    ] {
        let found = visitor.finds(text).await;
        assert_eq!(
            (found.status, found.location.as_str()),
            (303, "/trace?key=3"),
            "{text}"
        );
    }
    assert_eq!(visitor.finds("130-1").await.location, "/trace?key=a%2Fb+%26c");
    // AND several are listed, the newest first
    let found = visitor.finds("IVAN@example.com").await;
    assert_eq!(found.status, 200);
    in_order(
        &found.page,
        &["/trace?key=32", "130-2", "/trace?key=a%2Fb+%26c", "a/b &amp;c"],
    );
    // AND what is not there is not there
    for text in ["33", "kate@example.co", "%", "", "\0", "9999999999999999999999"] {
        let found = visitor.finds(text).await;
        assert!(
            found.status == 200 && found.page.contains("Nothing was found"),
            "{text}: {}",
            found.page
        );
    }
    assert_eq!(visitor.get("/trace?key=33").await.status, 404);

    // THEN the story goes both ways in time, what waits for a person first
    let story = visitor.get("/trace?key=3").await;
    assert_eq!(story.status, 200);
    in_order(
        &story.page,
        &[
            "Ticket 3",
            "130-809267",
            "/failed/r901",
            "/failed/d2",
            "class=\"out\"",
            "Row seen",
            "Queued for Deskie",
            "create_case",
            "class=\"in\"",
            "Webhook",
            "Message in Deskie",
            "message 900",
        ],
    );
    assert!(
        !story.page.contains("second line"),
        "texts stand with their items"
    );
    // AND in another language it is told by its codes; causes stay as they were told
    let turkish = format!("{}; lang=tr", visitor.cookie);
    let story = visitor.get_with("/trace?key=3", &turkish).await.page;
    in_order(
        &story,
        &[
            "Satır görüldü",
            "kayıt 3: teslim edildi",
            "kayıt, bölüm 1/1: teslim edildi",
            "Destek talebi açıldı",
            "kural: işlendi, 2 kez yinelendi",
            "mesaj 900: siteye yazıldı",
            "mesaj 900 → satır 12",
            "bir kişiyi bekliyor",
            "the enum has no value agent",
        ],
    );
    assert!(
        !story.contains("delivered") && !story.contains("create_case"),
        "{story}"
    );
    let item = visitor.get("/failed/d2").await;
    assert!(item.page.contains("href=\"/trace?key=3\""), "{}", item.page);

    // AND nobody sees any of it without a log-in
    for path in ["/search?q=3", "/search?q=kate@example.com", "/trace?key=3"] {
        let closed = visitor.get_with(path, "lang=en").await;
        assert_eq!(closed.status, 200, "{path}");
        assert!(closed.page.contains("Log in to see texts"), "{path}");
        assert!(
            !closed.page.contains("130-8") && !closed.page.contains("role=\"search\""),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_search_and_a_story_look_at_what_they_show_alone() {
    // GIVEN many tickets, each with its opening and a message in Deskie
    let site = Site::start().await;
    let visitor = Visitor::log_in(&site).await;
    let many = "
        insert into deskie_cdc.ticket (key, case_id, case_number)
            select 'T' || n, n, 'N-' || n from generate_series(1, 50000) n;
        insert into deskie_cdc.link (section, key, ticket_id, state)
            select 'ticket', key, id, 'delivered' from deskie_cdc.ticket;
        insert into deskie_cdc.delivery (position, ticket_id, link_id, section, state, opening)
            select 0, l.ticket_id, l.id, 'ticket', 'delivered', jsonb_build_object('email', l.key || '@example.com')
            from deskie_cdc.link l;
        insert into deskie_cdc.remote (message_id, case_id, ticket_id, state)
            select id, case_id, id, 'ours' from deskie_cdc.ticket;
        vacuum analyze;";
    for statement in many.split_inclusive(";\n") {
        site.client.batch_execute(statement).await.unwrap();
    }
    for path in [
        "/search?q=T40000",
        "/search?q=N-40000",
        "/search?q=t40000@EXAMPLE.com",
        "/search?q=nobody",
        "/trace?key=T40000",
    ] {
        let before = rows_looked_at(&site).await;
        assert!(visitor.get(path).await.status < 400, "{path}");
        let rows = rows_looked_at(&site).await - before;
        assert!(rows < 1000, "{path}: {rows} rows were looked at");
    }
}

/// How many rows and index entries of our tables were read so far. A server's process tells it when it ends.
async fn rows_looked_at(site: &Site) -> i64 {
    let client = &site.client;
    let others =
        "from pg_stat_activity where datname = current_database() and backend_type = 'client backend'
        and pid <> pg_backend_pid()";
    let end = format!("select pg_terminate_backend(pid) {others}");
    client.batch_execute(&end).await.unwrap();
    wait_until("the connections are gone", || async {
        let left: i64 = client
            .query_one(&format!("select count(*) {others}"), &[])
            .await
            .unwrap()
            .get(0);
        (left == 0).then_some(())
    })
    .await;
    let sql =
        "select (select sum(seq_tup_read)::int8 from pg_stat_user_tables where schemaname = 'deskie_cdc')
        + (select sum(idx_tup_read)::int8 from pg_stat_user_indexes where schemaname = 'deskie_cdc')";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// No page is larger than this, in bytes.
const LARGEST: usize = 200_000;

#[tokio::test]
async fn pages_stay_small_however_much_waits() {
    // GIVEN a hundred thousand parked messages with long reasons and large rows, as many tickets, and a day of samples
    let site = Site::start().await;
    let visitor = Visitor::log_in(&site).await;
    site.client.batch_execute(STATE).await.unwrap();
    let much = "
        insert into deskie_cdc.ticket (key, case_id, case_number)
            select 'T' || n, 10000 + n, 'N-' || n from generate_series(1, 100000) n;
        insert into deskie_cdc.link (section, key, ticket_id, state)
            select 'message', 'm' || n, t.id, 'parked' from generate_series(1, 100000) n join deskie_cdc.ticket t on t.case_id = 10000 + n;
        insert into deskie_cdc.delivery (position, ticket_id, link_id, section, author, body, state, error, image, queued_at)
            select n, l.ticket_id, l.id, 'message', 'customer', '{}', 'parked', repeat('why & ', 200), '{}', clock_timestamp()
            from generate_series(1, 100000) n join deskie_cdc.link l on l.key = 'm' || n;
        update deskie_cdc.delivery set body = jsonb_build_object('text', repeat('wört ', 400000)),
            image = (select jsonb_object_agg('c' || n, repeat('x<', 20000)) from generate_series(1, 300) n) where id = 2;
        insert into deskie_cdc.journal (ticket_id, what, detail)
            select 1, 'noted', repeat('detail ', 500) from generate_series(1, 5000);
        insert into deskie_cdc.trouble (kind, subject, text)
            select 'table_changed', 'table ' || n, repeat('what to do ', 100) from generate_series(1, 2000) n;
        insert into deskie_cdc.trouble (kind, subject, text, ended_at)
            select 'table_changed', 'table ' || n, repeat('what to do ', 100), clock_timestamp() from generate_series(1, 2000) n;
        insert into deskie_cdc.skipped select 'reason ' || n, n from generate_series(1, 5000) n;
        insert into deskie_cdc.audit (who, via, act, target, reason)
            select repeat('n', 60), 'console', 'discard', 'd' || n, repeat('r', 500) from generate_series(1, 1000) n;
        insert into deskie_cdc.sample (at, sent, written, oldest, lag, parked, budget_used, budget_limit)
            select date_trunc('minute', clock_timestamp()) - n * interval '1 minute', n, n, n, n * 1000000, n, n % 50, 50
            from generate_series(0, 1439) n;
        vacuum analyze;";
    for statement in much.split_inclusive(";\n") {
        site.client.batch_execute(statement).await.unwrap();
    }
    // WHEN any page is looked at, THEN it is there soon, and small
    for path in [
        "/",
        "/?course=day",
        "/failed",
        "/failed?kind=d&page=1000",
        "/failed/d2",
        "/failed/d77",
        "/trace?key=3",
        "/search?q=T50000",
        "/troubles",
        "/log",
    ] {
        let seen = visitor.get(path).await;
        println!(
            "{path}: {} bytes, first byte after {:?}",
            seen.page.len(),
            seen.after
        );
        assert!(
            seen.status < 400 && seen.page.len() < LARGEST,
            "{path}: {} bytes",
            seen.page.len()
        );
        assert!(seen.after < Duration::from_secs(5), "{path}: {:?}", seen.after);
    }
}
