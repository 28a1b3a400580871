//! Runs of events mean what their events mean one after the other: random histories, resolved both ways, leave the same.

use std::path::Path;
use std::sync::Arc;

use deskie_cdc::config::Config;
use deskie_cdc::postgres::{ConnectUrl, Pool, SessionOptions};
use deskie_cdc::resolve::Resolver;
use deskie_cdc::store::Store;
use deskie_cdc::text;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::support::{Site, wait_until};

/// Persons 1 to 4; the third is there twice, so that a join gives several rows, the fourth has no address.
const SITE: &str = "create table people (id bigint, email text);
    insert into people values (1, 'a@example.com'), (2, 'b@example.com'), (3, 'c@example.com'), (3, 'd@example.com'), (4, null);
    create table cases (id bigint primary key, person bigint, subject text, state text, made text);
    create table posts (id bigint primary key, ticket text, author text, body text, format text, made text, internal bool);
    create table files (id bigint primary key, post bigint, name text);";

const CONFIG: &str = r#"
[postgres]
url = "postgres://nobody@127.0.0.1:1/site"
[deskie]
url = "http://127.0.0.1:9"
staff_email = "api@example.com"
api_key = "simulator-key"
ticket_field = 25
labels = [3]
max_body = "4kB"
[server]
listen = "127.0.0.1:1"
admin_listen = "127.0.0.1:2"
webhook_secret = "secret"
[capture]
max_new_cases = 6
[ticket]
table = "public.cases"
join = "join people p on p.id = t.person"
where = "t.state <> 'spam'"
subject = "subject"
created_at = "made"
customer = { email = "p.email" }
{ticket}
[message]
table = "public.posts"
ticket = "m.ticket::bigint"
where = "not m.internal"
author = "author"
body = "body"
format = "format"
created_at = "made"
{message}
{files}
"#;

/// The files of messages, of which some have no name.
const FILES: &str = r#"
[[attachment]]
of = "message"
table = "public.files"
parent = "post"
where = "a.name <> 'virus'"
name = "name"
url = "'http://127.0.0.1:9/' || a.name"
"#;

/// A row that waits is looked at again when something has happened, as in both ways alike, and not after a second, which
/// one of them may reach.
const NOTHING_BY_TIME: &str =
    "create function {schema}.nothing_by_time() returns trigger language plpgsql as $$
    begin new.not_before := 'infinity'; return new; end $$;
    create trigger nothing_by_time before insert or update on {schema}.delivery for each row
        when (new.state = 'unresolved' and new.not_before > now() + interval '100 milliseconds')
        execute function {schema}.nothing_by_time();";

/// What an agent said, and what a job of the site copies.
const REPLY: &str = "This is what an agent has said on the telephone.";

/// Both ways of resolving the same events.
struct Both {
    site: Site,
    client: tokio_postgres::Client,
    random: StdRng,
    ways: Vec<(&'static str, Store, Resolver)>,
    /// The rows of each table that are there.
    rows: [Vec<i64>; 3],
    next: i64,
    with_files: bool,
}

const TABLES: [&str; 3] = ["cases", "posts", "files"];

impl Both {
    async fn new(seed: u64, ticket: &str, message: &str, files: &str) -> Both {
        deskie_cdc::postgres::install_tls_provider();
        let site = Site::start().await;
        site.client.batch_execute(SITE).await.unwrap();
        let text = CONFIG
            .replace("{ticket}", ticket)
            .replace("{message}", message)
            .replace("{files}", files);
        let config = Config::parse(Path::new("deskie-cdc.toml"), &text, &|_| None)
            .unwrap_or_else(|error| panic!("{error}"));
        let config = Arc::new(config);
        let url = ConnectUrl::parse(&site.admin_url()).unwrap();
        let mut ways = Vec::new();
        for schema in ["runs", "each"] {
            let pool = || Pool::new(url.clone(), SessionOptions::new("test"), 4).unwrap();
            let store = Store::new(pool(), schema);
            let sql = format!("create schema {schema}");
            site.client.batch_execute(&sql).await.unwrap();
            store.migrate().await.unwrap();
            let sql = NOTHING_BY_TIME.replace("{schema}", schema);
            site.client.batch_execute(&sql).await.unwrap();
            let sql = format!("update {schema}.meta set started_at = '2024-12-01 00:00:00+00'");
            site.client.batch_execute(&sql).await.unwrap();
            let resolver = Resolver::new(store.clone(), pool(), config.clone());
            let resolver = match schema {
                "each" => resolver.one_by_one(),
                _ => resolver,
            };
            ways.push((schema, store, resolver));
        }
        Both {
            client: site.connect().await,
            site,
            random: StdRng::seed_from_u64(seed),
            ways,
            rows: Default::default(),
            next: 1,
            with_files: !files.is_empty(),
        }
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.random.random_range(0..words.len())]
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// Values for a row, by column.
    fn values(&mut self, table: usize) -> Vec<(&'static str, Option<String>)> {
        let made = self
            .one_of(&[
                "now", "now", "now", "now", "-2 days", "-90 days", "nonsense", "infinity",
            ])
            .to_owned();
        let made = match made.as_str() {
            "now" => "2025-01-01 00:00:01+00".to_owned(),
            "-2 days" => "2024-12-30 00:00:00+00".to_owned(),
            "-90 days" => "2024-10-01 00:00:00+00".to_owned(),
            other => other.to_owned(),
        };
        let text = |text: &str| Some(text.to_owned());
        if table == 0 {
            let person = self.one_of(&["1", "1", "2", "3", "4", "9"]);
            let state = self.one_of(&["open", "open", "closed", "spam", "garbage"]);
            let subject = self.one_of(&["A question", " ", "Bir soru"]);
            return vec![
                ("person", text(person)),
                ("subject", text(subject)),
                ("state", text(state)),
                ("made", Some(made)),
            ];
        }
        if table == 2 {
            let post = self.pick(1).map(|id| id.to_string());
            let name = self.one_of(&["a.pdf", "b.png", "virus"]);
            return vec![("post", post), ("name", text(name))];
        }
        let ticket = match self.random.random_range(0..10) {
            0 => None,
            1 => text("no number"),
            2 => text("99999"),
            _ => self.pick(0).map(|id| id.to_string()),
        };
        let author = self.one_of(&["customer", "customer", "customer", "agent", "skip", "robot", ""]);
        let long = "A long text, which goes in parts. ".repeat(250);
        let body = self
            .one_of(&["Hello", "<p>Hello</p>", REPLY, " ", &long, "Merhaba"])
            .to_owned();
        let format = self.one_of(&["text", "text", "html", "markdown", "odd"]);
        let internal = self.one_of(&["false", "false", "false", "true"]);
        vec![
            ("ticket", ticket),
            ("author", text(author).filter(|author| !author.is_empty())),
            ("body", Some(body)),
            ("format", text(format)),
            ("made", Some(made)),
            ("internal", text(internal)),
        ]
    }

    fn pick(&mut self, table: usize) -> Option<i64> {
        let count = self.rows[table].len();
        (count > 0).then(|| self.rows[table][self.random.random_range(0..count)])
    }

    /// The row as capture would have it.
    async fn image(&self, table: usize, id: i64) -> Value {
        let sql = format!(
            "select coalesce((select jsonb_object_agg(e.key, e.value) from {} r, jsonb_each_text(to_jsonb(r)) e where r.id = $1), '{{}}')",
            TABLES[table]
        );
        self.client.query_one(&sql, &[&id]).await.unwrap().get(0)
    }

    async fn event(&mut self, table: usize, op: &str, image: Value, old_key: Option<Value>) {
        let echo = self.chance(4);
        for (schema, ..) in &self.ways {
            let sql = format!(
                "insert into {schema}.event (xid, commit_lsn, committed_at, schema_name, table_name, op, image, old_key, size, echo)
                 values (pg_current_xact_id(), '0/1', '2025-01-01 00:00:02+00', 'public', $1, $2, $3, $4, 100, $5)"
            );
            self.client
                .execute(&sql, &[&TABLES[table], &op, &image, &old_key, &echo])
                .await
                .unwrap();
        }
    }

    async fn set(&self, table: usize, id: i64, values: &[(&str, Option<String>)]) {
        for (column, value) in values {
            let sql = format!(
                "update {0} set {column} = (jsonb_populate_record(null::{0}, jsonb_build_object('{column}', $2::text))).{column} where id = $1",
                TABLES[table]
            );
            self.client.execute(&sql, &[&id, value]).await.unwrap();
        }
    }

    async fn insert(&mut self, table: usize, id: i64) {
        let sql = format!("insert into {} (id) values ($1)", TABLES[table]);
        self.client.execute(&sql, &[&id]).await.unwrap();
        let values = self.values(table);
        self.set(table, id, &values).await;
        self.rows[table].push(id);
        let image = self.image(table, id).await;
        self.event(table, "I", image, None).await;
    }

    async fn delete(&mut self, table: usize, id: i64) {
        let sql = format!("delete from {} where id = $1", TABLES[table]);
        self.client.execute(&sql, &[&id]).await.unwrap();
        self.rows[table].retain(|row| *row != id);
        let key = json!({ "id": id.to_string() });
        self.event(table, "D", Value::Null, Some(key)).await;
    }

    /// One change of the site.
    async fn change(&mut self) {
        let table = match self.random.random_range(0..20) {
            0..5 => 0,
            19 if self.with_files => 2,
            _ => 1,
        };
        let kind = self.random.random_range(0..100);
        let Some(id) = self.pick(table).filter(|_| kind >= 50) else {
            let id = self.next;
            self.next += 1;
            return self.insert(table, id).await;
        };
        match kind {
            // Some of its columns; a large one may not travel along.
            50..80 => {
                let mut values = self.values(table);
                values.truncate(self.random.random_range(0..=values.len()));
                self.set(table, id, &values).await;
                let mut image = self.image(table, id).await;
                let unchanged = ["subject", "body", "name"][table];
                if self.chance(10) {
                    image.as_object_mut().unwrap().remove(unchanged);
                }
                self.event(table, "U", image, None).await;
            }
            80..84 => {
                let image = self.image(table, id).await;
                self.event(table, "I", image, None).await;
            }
            84..90 => self.delete(table, id).await,
            90..94 => {
                self.delete(table, id).await;
                self.insert(table, id).await;
            }
            94..97 => {
                let new = self.next;
                self.next += 1;
                let sql = format!("update {} set id = $2 where id = $1", TABLES[table]);
                self.client.execute(&sql, &[&id, &new]).await.unwrap();
                self.rows[table].retain(|row| *row != id);
                self.rows[table].push(new);
                let image = self.image(table, new).await;
                let key = json!({ "id": id.to_string() });
                self.event(table, "U", image, Some(key)).await;
            }
            97 if self.chance(10) => {
                self.rows[table].clear();
                let sql = format!("delete from {}", TABLES[table]);
                self.client.execute(&sql, &[]).await.unwrap();
                self.event(table, "T", Value::Null, None).await;
            }
            // A row from before.
            _ => {
                let id = -id;
                let mut image = self.image(table, -id).await;
                image["id"] = id.to_string().into();
                self.event(table, "U", image, None).await;
            }
        }
    }

    async fn history(&mut self, transactions: usize) {
        for _ in 0..transactions {
            self.client.batch_execute("begin").await.unwrap();
            for _ in 0..self.random.random_range(1..5) {
                self.change().await;
            }
            self.client.batch_execute("commit").await.unwrap();
        }
    }

    /// Resolves all of it, both ways.
    async fn resolve(&self) {
        for (schema, store, resolver) in &self.ways {
            let cancel = CancellationToken::new();
            let sql = format!(
                "select count(*), (select min(text) from {schema}.trouble where ended_at is null) from {schema}.event"
            );
            let done = async {
                wait_until("all events are resolved, and what they have woken", || async {
                    let row = self.site.client.query_one(&sql, &[]).await.unwrap();
                    assert_eq!(row.get::<_, Option<String>>(1), None);
                    let woken = store.deliveries().unresolved(1).await.unwrap().len()
                        + store.deliveries().strays(1).await.unwrap().len();
                    // There is no beat here that tells of it.
                    store.wake.due_events.notify_one();
                    (row.get::<_, i64>(0) == 0 && woken == 0).then_some(())
                })
                .await;
                cancel.cancel();
            };
            tokio::join!(resolver.run(cancel.clone(), || {}), done);
        }
    }

    /// Deskie has answered: some tickets have a case now, their messages stand there, and an agent has replied.
    async fn deliver(&self) {
        let said = text::fingerprints(REPLY, "");
        for (schema, ..) in &self.ways {
            let sql = format!(
                "update {schema}.ticket set case_id = 1000 + length(key) * 10000 + key::int8 * 10 + generation
                     where key ~ '^[0-9]+$' and key::int8 % 2 = 0 and not gone;
                 update {schema}.delivery d set state = 'delivered', image = null, done_at = now() from {schema}.ticket t
                     where t.id = d.ticket_id and t.case_id is not null and d.state = 'queued';
                 update {schema}.link l set state = 'delivered' where state = 'queued'
                     and exists (select from {schema}.delivery d where d.link_id = l.id and d.state = 'delivered');"
            );
            self.site.client.batch_execute(&sql).await.unwrap();
            let sql = format!(
                "insert into {schema}.remote (message_id, case_id, ticket_id, state, kind, said, done_at)
                 select case_id, case_id, id, 'written', 'agent', $1, '2025-01-01 00:00:00+00' from {schema}.ticket
                 where case_id % 3 = 0"
            );
            self.site.client.execute(&sql, &[&said]).await.unwrap();
        }
    }

    /// All that is known, in an order that does not hang on numbers.
    async fn known(&self, schema: &str) -> Vec<String> {
        let mut all = Vec::new();
        for sql in [
            "select concat_ws(' ', 'ticket', key, generation, gone, opened_by, site_status, case_id) from {s}.ticket",
            "select concat_ws(' ', 'link', l.section, l.key, l.generation, l.state, l.reason, l.gone, l.gone_xid, t.key, t.generation)
                from {s}.link l left join {s}.ticket t on t.id = l.ticket_id",
            "select concat_ws(' ', 'delivery', t.key, t.generation, d.position, d.part, d.parts, l.section, l.key, l.generation, d.act,
                    d.state, d.author, d.body, d.opening, d.written_at, d.error, d.image, d.backfill, d.edited, d.files is not null)
                from {s}.delivery d left join {s}.ticket t on t.id = d.ticket_id left join {s}.link l on l.id = d.link_id",
            // In their order within a ticket.
            "select concat_ws(' ', 'order', t.key, t.generation, string_agg(concat_ws(' ', l.key, d.part), ', ' order by d.position, d.part, d.id))
                from {s}.delivery d join {s}.ticket t on t.id = d.ticket_id left join {s}.link l on l.id = d.link_id
                group by t.key, t.generation",
            "select concat_ws(' ', 'skipped', reason, count) from {s}.skipped",
            "select concat_ws(' ', 'clock', section, lags, last_xid) from {s}.clock",
            "select concat_ws(' ', 'remote', message_id, copied) from {s}.remote",
            "select concat_ws(' ', 'parked', id, state, error) from {s}.parked_event",
            "select concat_ws(' ', 'bulk', xid, emptied, held_since is null) from {s}.bulk",
            "select concat_ws(' ', 'journal', what, detail) from {s}.journal where what <> 'delivery parked'",
        ] {
            let sql = format!("{} order by 1", sql.replace("{s}", schema));
            let rows = self.site.client.query(&sql, &[]).await.unwrap();
            all.extend(rows.iter().map(|row| row.get::<_, String>(0)));
        }
        all
    }

    async fn compare(&self) -> Vec<String> {
        let runs = self.known("runs").await;
        let each = self.known("each").await;
        let missing: Vec<_> = each.iter().filter(|line| !runs.contains(line)).collect();
        let surplus: Vec<_> = runs.iter().filter(|line| !each.contains(line)).collect();
        assert!(runs == each, "one by one:\n{missing:#?}\nin runs:\n{surplus:#?}");
        runs
    }
}

async fn compared(seed: u64, ticket: &str, message: &str, files: &str) {
    eprintln!("seed {seed}");
    let mut both = Both::new(seed, ticket, message, files).await;
    both.history(120).await;
    Box::pin(both.resolve()).await;
    both.compare().await;
    both.deliver().await;
    both.history(120).await;
    Box::pin(both.resolve()).await;
    let known = both.compare().await;
    // The history has what it is there for.
    for kind in [
        " seen ",
        " queued ",
        " skipped ",
        " parked ",
        " written ",
        "unresolved",
        " delivered ",
    ] {
        assert!(
            known.iter().any(|line| line.contains(kind)),
            "no{kind}:\n{known:#?}"
        );
    }
}

#[tokio::test]
async fn a_run_means_what_its_events_mean_where_the_ticket_opens_the_case() {
    for seed in [1, 2] {
        let ticket =
            "open_on = \"ticket\"\nbody = \"subject\"\nstatus = \"t.state\"\nlabels = \"array['7', 'x']\"";
        Box::pin(compared(seed, ticket, "on_edit = \"note\"", "")).await;
    }
}

#[tokio::test]
async fn a_run_means_what_its_events_mean_where_the_first_message_opens_it() {
    for seed in [3, 4] {
        let message = "agent_as = \"ignore\"";
        Box::pin(compared(seed, "open_on = \"message\"", message, FILES)).await;
    }
}
