//! The whole thing on a stage: a site, a simulated Deskie with its two rules, and the connector's config, set up.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use deskie_cdc_sandbox::postgres::{ClusterOptions, Installation};
use deskie_cdc_sandbox::sample_site::{self, Message};
use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::{
    Books, CaseRecord, Delivery, MessageRecord, Options, Rule, RuleBody, Simulator, Trigger, WebhookOutcome,
};

use super::{Connector, Finished, LIMIT, Site, Workplace, wait_until};

/// The customer of most tests.
pub const AYSE: &str = "ayse@example.com";
/// Another one.
pub const IVAN: &str = "ivan@example.com";

/// The site's own opening of a ticket, as one statement with the subject as `$1`; gives the ticket's key.
const OPEN_MARKER: &str = "insert into tickets (user_id, subject, body) \
    select id, $1, 'marker' from users where email = 'kate@example.com' returning id";

/// A stage that is being built.
pub struct Building {
    installation: Installation,
    cluster: ClusterOptions,
    options: Options,
    rules: Option<Rule>,
    schema: Vec<String>,
    config: Vec<(String, String)>,
    marker: String,
}

/// A stage; the connector is started on it with [`Stage::run`].
pub struct Stage {
    pub site: Site,
    pub simulator: Simulator,
    pub workplace: Workplace,
    marker: String,
}

/// A stage on the newest version to test.
pub fn stage() -> Building {
    stage_on(&super::newest())
}

/// A stage on this version.
pub fn stage_on(installation: &Installation) -> Building {
    Building {
        installation: installation.clone(),
        cluster: ClusterOptions::default(),
        options: Options::default(),
        rules: Some(Rule {
            on_updated: true,
            body: RuleBody::Ids,
            ..Rule::default()
        }),
        schema: Vec::new(),
        config: Vec::new(),
        marker: OPEN_MARKER.to_owned(),
    }
}

impl Building {
    /// A Deskie with other options.
    pub fn deskie(mut self, change: impl FnOnce(&mut Options)) -> Building {
        change(&mut self.options);
        self
    }

    /// A server with another setting.
    pub fn server(mut self, name: &str, value: &str) -> Building {
        self.cluster = self.cluster.set(name, value);
        self
    }

    /// Without rules: Deskie sends no webhook.
    pub fn without_rules(mut self) -> Building {
        self.rules = None;
        self
    }

    /// How the rules' webhooks travel.
    pub fn delivery(mut self, delivery: Delivery) -> Building {
        if let Some(rule) = &mut self.rules {
            rule.delivery = delivery;
        }
        self
    }

    /// The site is like this instead, before the connector comes.
    pub fn schema(mut self, sql: &str) -> Building {
        self.schema.push(sql.to_owned());
        self
    }

    /// Replaces a piece of the config file.
    pub fn config(mut self, from: &str, to: &str) -> Building {
        self.config.push((from.to_owned(), to.to_owned()));
        self
    }

    /// Adds a line to a section of the config file.
    pub fn set(self, section: &str, line: &str) -> Building {
        let head = format!("[{section}]\n");
        self.config(&head, &format!("{head}{line}\n"))
    }

    /// How this site opens a ticket: one statement, subject as `$1`, gives its key.
    pub fn opens_by(mut self, sql: &str) -> Building {
        self.marker = sql.to_owned();
        self
    }

    /// A site whose tickets have no text of their own: their first message opens the case.
    pub fn opens_by_message(self) -> Building {
        self.config("open_on = \"ticket\"", "open_on = \"message\"")
            .config(
                "body = \"body\"\ncreated_at = \"created_at\"\ncustomer",
                "created_at = \"created_at\"\ncustomer",
            )
            .opens_by(
                "with t as (insert into tickets (user_id, subject, body)
                     select id, $1, '' from users where email = 'kate@example.com' returning id)
                 insert into messages (ticket_id, author, body) select id, 'customer', 'marker' from t returning ticket_id",
            )
    }

    /// Makes it, and sets the connector up.
    pub async fn build(self) -> Stage {
        let site = Site::start_on(&self.installation, self.cluster).await;
        for sql in &self.schema {
            site.client.batch_execute(sql).await.expect("the site's schema");
        }
        let simulator = Simulator::start(self.options).await.expect("the simulator");
        let workplace = Workplace::new(&site, &simulator.url());
        for (from, to) in &self.config {
            workplace.change_config(from, to);
        }
        if let Some(rule) = self.rules {
            for on in [Trigger::AgentReply, Trigger::CustomerReply] {
                let url = workplace.webhook_url();
                simulator.add_rule(Rule {
                    url,
                    on,
                    ..rule.clone()
                });
            }
        }
        prepared(&site, &workplace).await;
        Stage {
            site,
            simulator,
            workplace,
            marker: self.marker,
        }
    }
}

/// Sets the connector up as a user does.
pub async fn prepared(site: &Site, workplace: &Workplace) {
    let admin_url = site.admin_url();
    workplace
        .command(&["setup", "--admin-url", &admin_url])
        .await
        .ok();
}

/// What a message in Deskie says, in whichever form it stands there.
pub fn says(message: &MessageRecord) -> &str {
    if message.text.is_empty() {
        &message.html
    } else {
        &message.text
    }
}

/// What the messages of a case say, notes left out.
pub fn texts(case: &CaseRecord) -> Vec<&str> {
    case.conversation().into_iter().map(says).collect()
}

impl Stage {
    /// Starts the connector, and waits until it leads.
    #[track_caller]
    pub fn run(&self) -> impl Future<Output = Connector> {
        let connector = self.workplace.run();
        async move {
            connector.wait_for_log("leading").await;
            connector
        }
    }

    /// A customer opens a ticket; gives its key at once.
    pub async fn ticket(&self, email: &str, subject: &str, body: &str) -> i64 {
        let ticket = sample_site::open_ticket(&self.site.client, email, subject, body).await;
        ticket.expect("the site's INSERT")
    }

    /// The customer writes on the site.
    pub async fn writes(&self, ticket: i64, body: &str) -> i64 {
        let message = sample_site::customer_reply(&self.site.client, ticket, body).await;
        message.expect("the site's INSERT")
    }

    /// A customer opens a ticket; gives its key and its case, once Deskie has it.
    #[track_caller]
    pub fn open(&self, subject: &str) -> impl Future<Output = (i64, CaseId)> {
        let caller = Location::caller();
        async move {
            let ticket = self.ticket(AYSE, subject, &format!("{subject}: body")).await;
            (ticket, self.case_at(caller, ticket).await)
        }
    }

    /// A ticket with its case, as a connector left them that was stopped in order.
    #[track_caller]
    pub fn opened_before(&self, subject: &str) -> impl Future<Output = (i64, CaseId)> {
        let (running, opened) = (self.run(), self.open(subject));
        async move {
            let connector = running.await;
            let opened = opened.await;
            self.settled().await;
            assert!(connector.sigterm_and_wait().await.success());
            opened
        }
    }

    /// A person says that the connector takes over.
    pub async fn adopt(&self) -> Finished {
        let admin_url = self.site.admin_url();
        let adopt = ["setup", "--adopt", "--admin-url", &admin_url];
        self.workplace.command(&adopt).await.ok()
    }

    /// The case of a ticket, once Deskie has it and the connector knows that.
    #[track_caller]
    pub fn case_of(&self, ticket: i64) -> impl Future<Output = CaseId> {
        self.case_at(Location::caller(), ticket)
    }

    async fn case_at(&self, caller: &'static Location<'static>, ticket: i64) -> CaseId {
        let what = format!("{caller}: the case of ticket {ticket}");
        let sql = "select case_id from deskie_cdc.ticket where key = $1 and case_id is not null \
            order by generation desc limit 1";
        let key = ticket.to_string();
        wait_until(&what, || async {
            let rows = self.query(sql, &[&key]).await;
            rows.first().map(|row| CaseId(row.get(0)))
        })
        .await
    }

    /// The case of a ticket whose row the site still has under this key.
    #[track_caller]
    pub fn case_of_open(&self, ticket: i64) -> impl Future<Output = CaseId> {
        let what = format!("{}: the case of ticket {ticket}", Location::caller());
        let sql = "select case_id from deskie_cdc.ticket where key = $1 and case_id is not null and not gone";
        let key = ticket.to_string();
        async move {
            wait_until(&what, || async {
                let rows = self.query(sql, &[&key]).await;
                rows.first().map(|row| CaseId(row.get(0)))
            })
            .await
        }
    }

    /// The site's end, Deskie and the connector's place, for those who work at each at the same time.
    pub fn parts(&mut self) -> (&mut Site, &Simulator, &Workplace) {
        (&mut self.site, &self.simulator, &self.workplace)
    }

    /// A case as it really stands in Deskie.
    #[track_caller]
    pub fn case(&self, case: CaseId) -> CaseRecord {
        self.simulator.books().case(case).expect("the case").clone()
    }

    /// Waits until the books suit the condition.
    #[track_caller]
    pub fn deskie(&self, what: &str, condition: impl FnMut(&Books) -> bool) -> impl Future<Output = Books> {
        let what = format!("{}: {what}", Location::caller());
        async move {
            let found = self.simulator.wait_for_within(LIMIT, &what, condition).await;
            found.unwrap_or_else(|error| panic!("{error}"))
        }
    }

    /// Waits until the ticket's case has `count` messages, notes left out; gives it.
    #[track_caller]
    pub fn until_deskie(&self, case: CaseId, count: usize) -> impl Future<Output = CaseRecord> {
        let what = format!("{}: {count} messages in case {case}", Location::caller());
        async move {
            let there = |books: &Books| {
                books
                    .case(case)
                    .is_some_and(|case| case.conversation().len() >= count)
            };
            let books = self.deskie(&what, there).await;
            books.case(case).expect("the case").clone()
        }
    }

    /// What the site shows of a ticket.
    pub async fn shown(&self, ticket: i64) -> Vec<Message> {
        let messages = sample_site::list_messages(&self.site.client, ticket).await;
        messages.expect("the site's messages")
    }

    /// The texts that the site shows of a ticket, in the order in which the rows came to be.
    pub async fn rows(&self, ticket: i64) -> Vec<String> {
        let sql = "select body from messages where ticket_id = $1 order by id";
        let rows = self.query(sql, &[&ticket]).await;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Waits until the site shows `count` messages of a ticket.
    #[track_caller]
    pub fn until_site(&self, ticket: i64, count: usize) -> impl Future<Output = Vec<Message>> {
        let caller = Location::caller();
        async move {
            let what = format!("{caller}: {count} messages on ticket {ticket}");
            wait_until(&what, || async {
                let messages = self.shown(ticket).await;
                (messages.len() >= count).then_some(messages)
            })
            .await
        }
    }

    /// A query as the superuser, on the site's connection.
    pub async fn query(
        &self,
        sql: &str,
        values: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Vec<tokio_postgres::Row> {
        let rows = self.site.client.query(sql, values).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// Statements as the superuser.
    pub async fn sql(&self, sql: &str) {
        let done = self.site.client.batch_execute(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// A number from a query.
    pub async fn count(&self, sql: &str) -> i64 {
        self.query(sql, &[]).await[0].get(0)
    }

    /// Waits until everything that has happened on either side so far is dealt with, so that what has not come by then
    /// never comes. The stream is in commit order: once a marker has gone through, all before it has been seen.
    #[track_caller]
    pub fn settled(&self) -> impl Future<Output = Books> {
        let caller = Location::caller();
        async move {
            let rows = self.query(&self.marker, &[&format!("marker of {caller}")]).await;
            self.case_at(caller, rows[0].get(0)).await;
            self.quiet_at(caller).await;
            self.simulator.books()
        }
    }

    /// The second half of [`Stage::settled`]: no webhook is under way, and nothing waits in the connector's tables but
    /// what is parked, and what stands behind it.
    #[track_caller]
    pub fn quiet(&self) -> impl Future<Output = ()> {
        self.quiet_at(Location::caller())
    }

    async fn quiet_at(&self, caller: &'static Location<'static>) {
        let over = |books: &Books| {
            books
                .webhooks
                .iter()
                .all(|webhook| webhook.outcome != WebhookOutcome::Pending)
        };
        self.deskie(&format!("{caller}: all webhooks are over"), over)
            .await;
        wait_until(&format!("{caller}: nothing waits"), || async {
            (self.count(WAITING).await == 0).then_some(())
        })
        .await;
    }

    /// Waits until Deskie's clock is past what our own last calls may explain: to the sweep a reply within their very
    /// seconds looks like them, and is found ten minutes later.
    #[track_caller]
    pub fn past_our_calls(&self) -> impl Future<Output = ()> {
        let caller = Location::caller();
        let sql = "select count(*) from deskie_cdc.ticket where called_at > now() - interval '2 seconds'";
        async move {
            wait_until(&format!("{caller}: our last calls are past"), || async {
                (self.count(sql).await == 0).then_some(())
            })
            .await;
        }
    }

    /// A connection of the site's application in place of one that a restart has ended.
    pub async fn reconnect(&mut self) {
        self.site.client = self.site.connect().await;
    }
}

/// How much waits that will move by itself.
pub const WAITING: &str = "select
    (select count(*) from deskie_cdc.event)
    + (select count(*) from deskie_cdc.delivery d
       where state in ('unresolved', 'queued', 'sending', 'doubt') and not exists
           (select from deskie_cdc.delivery p where p.ticket_id = d.ticket_id and p.state = 'parked' and p.act not in ('status', 'file')))
    + (select count(*) from deskie_cdc.inbox where state = 'waiting')
    + (select count(*) from deskie_cdc.ticket where read_wanted < 3 and case_id is not null)
    + (select count(*) from deskie_cdc.birth where state = 'pending')
    + (select count(*) from deskie_cdc.status_write where state = 'pending')
    + (select count(*) from deskie_cdc.remote r where state = 'pending' and not exists
           (select from deskie_cdc.remote p where p.ticket_id = r.ticket_id and p.state = 'parked'))";
