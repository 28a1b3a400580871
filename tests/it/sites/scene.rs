//! One site on the stage: its own schema and mapping, a simulated Deskie, the real program.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::Location;
use std::path::PathBuf;

use deskie_cdc_sandbox::postgres::{Cluster, ClusterOptions};
use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::{
    Books, CaseRecord, MessageRecord, Options, Rule, Says, Simulator, Trigger, WebhookOutcome,
};

use crate::support::{Connector, Finished, LIMIT, Site, Workplace, newest, prepared, wait_until};

/// What precedes each mapping: where everything is.
const HEAD: &str = r#"
[postgres]
url = "{database}"
[deskie]
url = "{deskie}"
staff_email = "api@example.com"
api_key = "simulator-key"
ticket_field = 25
[server]
listen = "{listen}"
admin_listen = "{admin}"
webhook_secret = "{secret}"
"#;

/// The folder of a site's files.
pub fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sites")
        .join(name)
}

/// What Deskie has, by the site's ticket key: the texts of the case in order, `note: ` before a note and `agent: `
/// before what staff said.
pub type Heard = BTreeMap<String, Vec<String>>;

/// A site on the stage.
pub struct Scene {
    pub site: Site,
    pub simulator: Simulator,
    pub workplace: Workplace,
}

impl Scene {
    /// The site as its files say, set up as a user does.
    pub async fn new(name: &str) -> Scene {
        Scene::mutated(name, &[]).await
    }

    /// The same with pieces of its mapping replaced.
    pub async fn mutated(name: &str, changes: &[(&str, &str)]) -> Scene {
        let scene = Scene::raw(name, changes).await;
        prepared(&scene.site, &scene.workplace).await;
        scene
    }

    /// The same in a database of another encoding than UTF-8.
    pub async fn in_encoding(name: &str, encoding: &str) -> Scene {
        let scene = Scene::raw_in(name, &[], encoding).await;
        prepared(&scene.site, &scene.workplace).await;
        scene
    }

    /// The same, before `setup`.
    pub async fn raw(name: &str, changes: &[(&str, &str)]) -> Scene {
        Scene::raw_in(name, changes, "UTF8").await
    }

    async fn raw_in(name: &str, changes: &[(&str, &str)], encoding: &str) -> Scene {
        let installation = newest();
        eprintln!("on {}", installation.full_version());
        let cluster = Cluster::start(&installation, ClusterOptions::default()).expect("the cluster starts");
        let sql = format!(
            "create database {} encoding '{encoding}' template template0",
            Site::DATABASE
        );
        let made = cluster.connect("postgres").await.expect("a connection");
        made.batch_execute(&sql).await.expect("a database");
        let client = cluster.connect(Site::DATABASE).await.expect("a connection");
        let schema = std::fs::read_to_string(folder(name).join("schema.sql")).expect("the site's schema");
        client
            .batch_execute(&schema)
            .await
            .unwrap_or_else(|error| panic!("{name}/schema.sql: {error:?}"));
        let site = Site { cluster, client };
        let simulator = Simulator::start(Options::default()).await.expect("the simulator");
        let workplace = Workplace::new(&site, &simulator.url());
        let places = &workplace.places;
        let mapping = std::fs::read_to_string(folder(name).join("deskie-cdc.toml")).expect("its mapping");
        let mut config = HEAD
            .replace("{database}", &places.database_url)
            .replace("{deskie}", &places.deskie_url)
            .replace("{listen}", &places.listen)
            .replace("{admin}", &places.admin_listen)
            .replace("{secret}", &places.webhook_secret)
            + &mapping;
        for (from, to) in changes {
            assert!(config.contains(from), "`{from}` is not in the config:\n{config}");
            config = config.replace(from, to);
        }
        workplace.write_config(&config);
        for on in [Trigger::AgentReply, Trigger::CustomerReply] {
            let url = workplace.webhook_url();
            simulator.add_rule(Rule {
                url,
                on,
                on_updated: true,
                ..Rule::default()
            });
        }
        Scene {
            site,
            simulator,
            workplace,
        }
    }

    /// Starts the connector, and waits until it leads.
    pub async fn run(&self) -> Connector {
        let connector = self.workplace.run();
        connector.wait_for_log("leading").await;
        connector
    }

    /// `check`, which must succeed.
    pub async fn check_ok(&self) -> Finished {
        self.workplace.command(&["check"]).await.ok()
    }

    /// `check`, which must fail; gives what it says.
    pub async fn check_fails(&self) -> String {
        self.workplace.command(&["check"]).await.exits(1).stdout
    }

    /// `setup`, which must refuse the mapping; gives what it says.
    pub async fn setup_fails(&self) -> String {
        let admin_url = self.site.admin_url();
        let finished = self
            .workplace
            .command(&["setup", "--admin-url", &admin_url])
            .await;
        assert!(!finished.status.success(), "{}", finished.stdout);
        finished.stdout + &finished.stderr
    }

    /// One transaction of the site's application.
    #[track_caller]
    pub fn app(&self, sql: &str) -> impl Future<Output = ()> {
        let caller = Location::caller();
        let sql = format!("begin; {sql}; commit");
        async move {
            let done = self.site.client.batch_execute(&sql).await;
            done.unwrap_or_else(|error| panic!("{caller}: {sql}: {error:?}"));
        }
    }

    /// Text cells of a query, as the superuser.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> impl Future<Output = Vec<Vec<Option<String>>>> {
        let caller = Location::caller();
        let sql = sql.to_owned();
        async move {
            let rows = self.site.client.simple_query(&sql).await;
            let rows = rows.unwrap_or_else(|error| panic!("{caller}: {sql}: {error:?}"));
            rows.iter()
                .filter_map(|message| match message {
                    tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                })
                .map(|row| (0..row.len()).map(|n| row.get(n).map(str::to_owned)).collect())
                .collect()
        }
    }

    /// The first column of a query, `NULL` as that word.
    #[track_caller]
    pub fn column(&self, sql: &str) -> impl Future<Output = Vec<String>> {
        let rows = self.rows(sql);
        async move {
            let first = |mut row: Vec<Option<String>>| row.swap_remove(0).unwrap_or_else(|| "NULL".into());
            rows.await.into_iter().map(first).collect()
        }
    }

    /// Waits until a query gives this.
    #[track_caller]
    pub fn until(&self, sql: &str, expected: &str) -> impl Future<Output = ()> {
        let what = format!("{}: `{sql}` gives `{expected}`", Location::caller());
        let sql = sql.to_owned();
        async move {
            wait_until(&what, || async {
                let found = self.column(&sql).await;
                (found.first().map(String::as_str) == Some(expected)).then_some(())
            })
            .await;
        }
    }

    /// The case of a ticket, once Deskie has it and the connector knows that.
    #[track_caller]
    pub fn case_of(&self, key: &str) -> impl Future<Output = CaseRecord> {
        let what = format!("{}: the case of ticket {key}", Location::caller());
        let key = key.replace('\'', "''");
        async move {
            let sql = format!(
                "select case_id from deskie_cdc.ticket where key = '{key}' and case_id is not null \
                 order by generation desc limit 1"
            );
            let id = wait_until(&what, || async { self.column(&sql).await.into_iter().next() }).await;
            let id = CaseId(id.parse().expect("a case's number"));
            self.simulator.books().case(id).expect("the case").clone()
        }
    }

    /// An agent answers in Deskie.
    pub fn agent(&self, case: &CaseRecord, says: Says) {
        self.simulator
            .agent_reply(case.case_id, says)
            .expect("an agent's answer");
    }

    /// The customer answers Deskie's mail.
    pub fn mail(&self, case: &CaseRecord, says: Says) {
        self.simulator
            .customer_mail_reply(case.case_id, says)
            .expect("a customer's mail");
    }

    /// Waits until Deskie has heard this much of a ticket.
    #[track_caller]
    pub fn until_heard(&self, key: &str, count: usize) -> impl Future<Output = Books> {
        let what = format!("{}: {count} texts of ticket {key}", Location::caller());
        let key = key.to_owned();
        async move {
            let there = |books: &Books| heard(books).get(&key).is_some_and(|texts| texts.len() >= count);
            let found = self.simulator.wait_for_within(LIMIT, &what, there).await;
            found.unwrap_or_else(|error| panic!("{error}"))
        }
    }

    /// What Deskie has once all that has happened so far is dealt with. The stream is in commit order: once a mark has
    /// gone through, all before it has been seen.
    #[track_caller]
    pub fn heard(&self) -> impl Future<Output = Heard> {
        let caller = Location::caller();
        async move { heard(&self.settled_at(caller).await) }
    }

    /// The same, with everything that Deskie knows.
    #[track_caller]
    pub fn settled(&self) -> impl Future<Output = Books> {
        self.settled_at(Location::caller())
    }

    async fn settled_at(&self, caller: &'static Location<'static>) -> Books {
        let mark = self
            // Large enough for its position to be worth storing: a transaction without a row of ours waits for 64 kB.
            .column("select pg_logical_emit_message(true, 'mark of a test', repeat('x', 80000))")
            .await;
        let captured = format!("select captured_lsn > '{}' from deskie_cdc.meta", mark[0]);
        wait_until(&format!("{caller}: all is captured"), || async {
            (self.column(&captured).await == ["t"]).then_some(())
        })
        .await;
        let quiet = |books: &Books| {
            books
                .webhooks
                .iter()
                .all(|webhook| webhook.outcome != WebhookOutcome::Pending)
        };
        let what = format!("{caller}: all webhooks are over");
        let waited = self.simulator.wait_for_within(LIMIT, &what, quiet).await;
        waited.unwrap_or_else(|error| panic!("{error}"));
        wait_until(&format!("{caller}: nothing moves"), || async {
            (self.column(MOVING).await == ["0"]).then_some(())
        })
        .await;
        self.simulator.books()
    }

    /// What is parked or waits, as the connector tells it.
    pub async fn reasons(&self) -> Vec<String> {
        self.column(
            "select error from deskie_cdc.delivery where state in ('unresolved', 'parked') and error is not null
             union all select error from deskie_cdc.remote where state = 'parked' order by 1",
        )
        .await
    }
}

fn heard(books: &Books) -> Heard {
    let mut heard = Heard::new();
    for case in &books.cases {
        let key = case.custom_fields.get("cf_25").and_then(|key| key.as_str());
        let texts = case.messages.iter().filter(|message| !message.deleted).map(said);
        heard
            .entry(key.unwrap_or_default().to_owned())
            .or_default()
            .extend(texts);
    }
    heard
}

fn said(message: &MessageRecord) -> String {
    let text = if message.text.is_empty() {
        &message.html
    } else {
        &message.text
    };
    match (message.note, message.staff_id.0) {
        (true, _) => format!("note: {text}"),
        (_, 0) => text.clone(),
        _ => format!("agent: {text}"),
    }
}

/// `[("1", ["a", "b"])]` as [`Heard`].
pub fn expected<const N: usize>(tickets: [(&str, &[&str]); N]) -> Heard {
    tickets
        .into_iter()
        .map(|(key, texts)| {
            (
                key.to_owned(),
                texts.iter().map(|text| (*text).to_owned()).collect(),
            )
        })
        .collect()
}

/// How much will move by itself: heads of lanes whose turn it is, and what comes from Deskie. What waits for the site
/// is looked at again after a while, and does not count meanwhile.
const MOVING: &str = "select
    (select count(*) from deskie_cdc.event)
    + (select count(*) from
        (select distinct on (ticket_id) state, not_before from deskie_cdc.delivery
         where state in ('unresolved', 'queued', 'sending', 'doubt', 'parked')
           and not (state = 'parked' and act in ('status', 'file'))
         order by ticket_id, position, part, id) head
       where (state in ('queued', 'doubt') and not_before <= clock_timestamp() + interval '30 s') or state = 'sending' or (state = 'unresolved' and not_before <= clock_timestamp()))
    + (select count(*) from deskie_cdc.inbox where state = 'waiting')
    + (select count(*) from deskie_cdc.ticket where read_wanted < 3 and case_id is not null)
    + (select count(*) from deskie_cdc.remote r where state = 'pending' and not exists
           (select from deskie_cdc.remote p where p.ticket_id = r.ticket_id and p.state = 'parked'))";
