//! The demo's pages for a browser: what they do on both sides, and what they show.

use deskie_cdc_sandbox::browser::{Browser, Places};
use deskie_cdc_sandbox::sample_site;
use deskie_cdc_sandbox::simulator::{ChannelKind, CustomChannel};
use reqwest::multipart::{Form, Part};

use crate::support::{Building, Site, Stage, stage, wait_until};

struct Pages {
    _browser: Browser,
    url: String,
    http: reqwest::Client,
}

impl Pages {
    async fn of(stage: &Stage) -> Pages {
        let places = Places {
            listen: ([127, 0, 0, 1], 0).into(),
            site_url: stage.site.cluster.superuser_url(Site::DATABASE),
            console: Some("http://127.0.0.1:8788/".into()),
            console_token: Some("<token>".into()),
            shown: |text, html| deskie_cdc::text::incoming(text, html, None).html,
        };
        let browser = Browser::start(places, stage.simulator.people()).await.unwrap();
        Pages {
            url: browser.url(),
            _browser: browser,
            http: reqwest::Client::new(),
        }
    }

    async fn get(&self, path: &str) -> String {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.text().await.unwrap()
    }

    /// Sends a form; the address that is shown afterwards.
    async fn post(&self, path: &str, form: Form) -> String {
        let url = format!("{}{path}", self.url);
        let answer = self.http.post(url).multipart(form).send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{path}: {}",
            answer.text().await.unwrap()
        );
        let shown = answer.url().path().to_owned();
        shown.trim_start_matches('/').to_owned()
    }

    /// Waits until a page shows that.
    async fn until(&self, path: &str, text: &str) {
        wait_until(&format!("`{text}` on {path}"), || async {
            self.get(path).await.contains(text).then_some(())
        })
        .await;
    }
}

fn text(fields: &[(&'static str, &str)]) -> Form {
    fields.iter().fold(Form::new(), |form, (name, value)| {
        form.text(*name, (*value).to_owned())
    })
}

/// The sample site with its files and chats, which the other tests do without.
fn whole_site() -> Building {
    let (_, table) = sample_site::SQL.split_once("create table ticket_files").unwrap();
    let (columns, _) = table.split_once(");\n").unwrap();
    stage()
        .schema(&format!("create table ticket_files {columns})"))
        .schema("alter table tickets add column is_chat boolean not null default false")
}

/// A live chat by the pages alone, from its first word until the agent finishes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_chat_is_held_by_the_pages_alone() {
    let line = |start: &str| {
        sample_site::CONFIG
            .lines()
            .find(|line| line.starts_with(start))
            .unwrap()
    };
    let stage = whole_site()
        .config(
            "customer = { email = \"u.email\", name = \"u.full_name\" }",
            &format!("{}\n{}", line("channel = "), line("customer = ")),
        )
        .build()
        .await;
    stage.simulator.add_channel(CustomChannel {
        kind: ChannelKind::Sync,
        webhook_url: Some(stage.workplace.webhook_url()),
        ..CustomChannel::default()
    });
    let connector = stage.run().await;
    let pages = Pages::of(&stage).await;

    let ticket = pages
        .post("site/2", text(&[("do", "chat"), ("text", "Есть кто-нибудь?")]))
        .await;
    assert!(pages.get(&ticket).await.contains("Онлайн-чат"));
    pages.until("deskie", "live chat").await;
    let case = format!("deskie/{}", stage.simulator.books().cases[0].case_id);
    pages.until(&case, "Есть кто-нибудь?").await;
    pages
        .post(&case, text(&[("do", "answer"), ("text", "Да, слушаю")]))
        .await;
    pages.until(&ticket, "Да, слушаю").await;
    pages.post(&ticket, text(&[("text", "Где мой заказ?")])).await;
    pages.until(&case, "Где мой заказ?").await;
    pages.post(&case, text(&[("do", "finish")])).await;
    assert!(!pages.get(&case).await.contains("live chat"));
    // What is no chat goes the ordinary way.
    let other = text(&[("subject", "Счёт"), ("text", "Пришлите, пожалуйста")]);
    pages.post("site/2", other).await;
    pages.until("deskie", "ivan@example.com").await;
    assert!(connector.sigterm_and_wait().await.success());
}

/// All four flows by the pages alone, with a file each way, and what is nobody else's business.
#[tokio::test(flavor = "multi_thread")]
async fn all_flows_are_played_and_watched_by_the_pages_alone() {
    let (_, files) = sample_site::CONFIG.split_once("\n[[attachment]]").unwrap();
    let with_files = format!("\n[[attachment]]{files}\n[reply]\n");
    let stage = whole_site().config("\n[reply]\n", &with_files).build().await;
    let connector = stage.run().await;
    let pages = Pages::of(&stage).await;
    let index = pages.get("").await;
    for shown in ["/site/1", "http://127.0.0.1:8788/", "&lt;token&gt;"] {
        assert!(index.contains(shown), "{shown}: {index}");
    }

    let form = text(&[
        ("subject", "Kargo <b>nerede</b>"),
        ("text", "Üç gündür bekliyorum"),
    ]);
    let form = form.part("file", Part::bytes(b"PDF".to_vec()).file_name("fatura.pdf"));
    let ticket = pages.post("site/1", form).await;
    pages.until("deskie", "Kargo &lt;b&gt;nerede").await;
    let books = stage.simulator.books();
    let case = format!("deskie/{}", books.cases.last().unwrap().case_id);
    pages.until(&case, "fatura.pdf").await;

    pages
        .post(&case, text(&[("do", "note"), ("text", "Yalnız bizim için")]))
        .await;
    let answer = text(&[("do", "answer"), ("text", "Yola çıktı")]);
    let answer = answer.part("file", Part::bytes(b"PNG".to_vec()).file_name("etiket.png"));
    pages.post(&case, answer).await;
    pages.until(&ticket, "Yola çıktı").await;
    pages.until(&ticket, "etiket.png").await;
    pages.until(&ticket, "Deniz Arslan").await;

    pages
        .post(&case, text(&[("do", "mail"), ("text", "Teşekkürler")]))
        .await;
    pages.until(&ticket, "Teşekkürler").await;
    let other = [
        ("do", "mail"),
        ("text", "Ben eşiyim"),
        ("from", "can@example.com"),
    ];
    pages.post(&case, text(&other)).await;
    pages.until(&ticket, "can@example.com").await;
    pages.post(&ticket, text(&[("text", "Bir soru daha")])).await;
    pages.until(&case, "Bir soru daha").await;
    pages.post(&case, text(&[("do", "closed")])).await;
    pages.until(&case, "status closed").await;
    assert!(!pages.get(&case).await.contains("has no [case]"));
    pages.until(&ticket, "status closed").await;

    let shown = pages.get(&ticket).await;
    assert!(!shown.contains("Yalnız bizim için"), "a note on the site");
    let others = ticket.replace("site/1/", "site/2/");
    let answer = pages
        .http
        .get(format!("{}{others}", pages.url))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404, "another customer's ticket");
    assert!(connector.sigterm_and_wait().await.success());
}

/// What cannot be done says so, and does nothing; another site's page does nothing either.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said_and_strangers_do_nothing() {
    let stage = whole_site().build().await;
    let pages = Pages::of(&stage).await;
    let post = |path: &str, form: Form| pages.http.post(format!("{}{path}", pages.url)).multipart(form);
    for (path, form, status) in [
        ("site/1", text(&[("subject", "S"), ("text", " ")]), 400),
        ("site/99", text(&[("subject", "S"), ("text", "T")]), 404),
        ("site/2/1", text(&[("text", "on another's ticket")]), 404),
        ("deskie/1", text(&[("do", "answer"), ("text", "x")]), 400),
        ("deskie", text(&[("from", "a@example.com")]), 400),
    ] {
        assert_eq!(post(path, form).send().await.unwrap().status(), status, "{path}");
    }
    let form = text(&[("subject", "S"), ("text", "T")]);
    let strange = post("site/1", form).header("sec-fetch-site", "cross-site");
    assert_eq!(strange.send().await.unwrap().status(), 400);
    assert_eq!(stage.count("select count(*) from tickets where id > 3").await, 0);
    assert!(stage.simulator.books().cases.is_empty());
    // AND a mail outside of any case, which leads nowhere on the site, says why
    let mail = [
        ("from", "kate@example.com"),
        ("subject", "Refund"),
        ("text", "Where is it?"),
    ];
    let case = pages.post("deskie", text(&mail)).await;
    assert!(pages.get(&case).await.contains("has no [case]"));
    assert!(pages.get("deskie").await.contains("no ticket on the site"));
}
