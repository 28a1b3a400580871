//! The four flows, played, and both sides shown as they happen.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::model::clock;
use deskie_cdc_sandbox::sample_site;
use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::{Books, MessageRecord, Origin, Says, Simulator};

/// How long a flow may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long both sides are watched afterwards for something that should not come.
const WATCH: Duration = Duration::from_secs(2);

const EMAIL: &str = "ayse@example.com";
const TICKET: (&str, &str) = (
    "Şifremi \"unuttum\" 🔑",
    "Merhaba, giriş yapamıyorum. <script>alert(1)</script> görünüyor.",
);
const AGENT: &str = "<p>Merhaba Ayşe Hanım, <b>yeni bağlantı</b> gönderdim.</p><script>steal()</script>";
const MAIL: &str = "<p>Teşekkürler, geldi!</p>";
const SITE: &str = "Bir sorum daha var: спасибо, а можно по-русски?";

struct Stage<'a> {
    site: &'a Client,
    simulator: &'a Simulator,
    begun: Instant,
}

impl Stage<'_> {
    fn say(&self, side: &str, text: &str) {
        let time = clock::monotonic().duration_since(self.begun).as_secs_f64();
        println!("{time:7.2} s  {side:<7} {text}");
    }

    fn fail(&self, text: &str) -> bool {
        self.say("FAILED", text);
        false
    }

    async fn until_deskie(&self, what: &str, met: impl FnMut(&Books) -> bool) -> bool {
        self.simulator.wait_for_within(PATIENCE, what, met).await.is_ok()
    }

    /// Waits until the site shows `count` messages on the ticket.
    async fn until_site(&self, ticket: i64, count: usize) -> Option<Vec<sample_site::Message>> {
        let deadline = clock::monotonic() + PATIENCE;
        while clock::monotonic() < deadline {
            match sample_site::list_messages(self.site, ticket).await {
                Ok(messages) if messages.len() >= count => return Some(messages),
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => {
                    self.say("site", &format!("cannot be read: {error}"));
                    return None;
                }
            }
        }
        None
    }
}

/// Plays them; true if all four held.
pub async fn four_flows(site: &Client, simulator: &Simulator) -> bool {
    let stage = Stage {
        site,
        simulator,
        begun: clock::monotonic(),
    };
    let Some((ticket, case)) = first(&stage).await else {
        return false;
    };
    second(&stage, ticket, case).await
        && third(&stage, ticket, case).await
        && fourth(&stage, ticket, case).await
        && nothing_more(&stage, ticket, case).await
}

async fn first(stage: &Stage<'_>) -> Option<(i64, CaseId)> {
    println!("\n1. The customer opens a ticket on the site");
    let ticket = match sample_site::open_ticket(stage.site, EMAIL, TICKET.0, TICKET.1).await {
        Ok(ticket) => ticket,
        Err(error) => {
            stage.fail(&format!("the ticket could not be written: {error}"));
            return None;
        }
    };
    stage.say("site", &format!("ticket {ticket}: «{}» {}", TICKET.0, TICKET.1));
    let key = ticket.to_string();
    if !stage
        .until_deskie("a case", |books| !books.cases_with_field(25, &key).is_empty())
        .await
    {
        stage.fail("no case came to be in Deskie");
        return None;
    }
    let books = stage.simulator.books();
    let cases = books.cases_with_field(25, &key);
    let case = cases.first()?;
    stage.say(
        "deskie",
        &format!("case {} of {EMAIL}: «{}»", case.case_id, case.subject),
    );
    let whole = case
        .messages
        .iter()
        .any(|message| message.text == TICKET.1 || message.html.contains("&lt;script&gt;"));
    if case.subject != TICKET.0 || !whole {
        stage.fail("its text is not what the customer wrote");
        return None;
    }
    Some((ticket, case.case_id))
}

async fn second(stage: &Stage<'_>, ticket: i64, case: CaseId) -> bool {
    println!("\n2. An agent answers in Deskie");
    if let Err(error) = stage.simulator.agent_reply(case, Says::html(AGENT)) {
        return stage.fail(&error.to_string());
    }
    stage.say("deskie", AGENT);
    match stage.until_site(ticket, 1).await.as_deref() {
        Some([reply, ..]) => {
            let name = reply.author_name.as_deref().unwrap_or("-");
            stage.say(
                "site",
                &format!(
                    "message {} by {} ({name}): {}",
                    reply.id, reply.author, reply.body
                ),
            );
            let harmless = reply.author == "agent"
                && reply.body.contains("yeni bağlantı")
                && !reply.body.contains("steal");
            harmless || stage.fail("it is not the agent's answer, or its script came with it")
        }
        _ => stage.fail("the answer did not come to the site"),
    }
}

async fn third(stage: &Stage<'_>, ticket: i64, case: CaseId) -> bool {
    println!("\n3. The customer answers by e-mail");
    let mail = format!("{MAIL}<div class=\"omni_orig_reply\"><blockquote>{AGENT}</blockquote></div>");
    if let Err(error) = stage
        .simulator
        .customer_mail_reply(case, Says::html(mail.clone()))
    {
        return stage.fail(&error.to_string());
    }
    stage.say("deskie", &mail);
    match stage.until_site(ticket, 2).await.as_deref() {
        Some([_, reply, ..]) => {
            stage.say(
                "site",
                &format!("message {} by {}: {}", reply.id, reply.author, reply.body),
            );
            let clean = reply.author == "customer" && reply.body.trim() == "Teşekkürler, geldi!";
            clean || stage.fail("it is not the customer's answer alone")
        }
        _ => stage.fail("the e-mail did not come to the site"),
    }
}

async fn fourth(stage: &Stage<'_>, ticket: i64, case: CaseId) -> bool {
    println!("\n4. The customer answers on the site");
    match sample_site::customer_reply(stage.site, ticket, SITE).await {
        Ok(message) => stage.say("site", &format!("message {message}: {SITE}")),
        Err(error) => return stage.fail(&error.to_string()),
    }
    let is_it = |message: &MessageRecord| message.text == SITE || message.html.contains(SITE);
    let there = |books: &Books| {
        books
            .case(case)
            .is_some_and(|case| case.messages.iter().any(is_it))
    };
    if !stage.until_deskie("the message", there).await {
        return stage.fail("the message did not come to Deskie");
    }
    let books = stage.simulator.books();
    let Some(record) = books.case(case) else {
        return stage.fail("the case is gone");
    };
    let by_customer = record
        .messages
        .iter()
        .any(|m| is_it(m) && m.user_id == record.user_id && m.staff_id.0 == 0);
    stage.say("deskie", &format!("case {case}, as the customer: {SITE}"));
    by_customer || stage.fail("it was not posted as the customer")
}

/// Deskie's rules have told us of our own messages as well: nothing may have doubled.
async fn nothing_more(stage: &Stage<'_>, ticket: i64, case: CaseId) -> bool {
    println!("\nNothing doubled, nothing lost?");
    tokio::time::sleep(WATCH).await;
    let Ok(messages) = sample_site::list_messages(stage.site, ticket).await else {
        return stage.fail("the site is away");
    };
    let books = stage.simulator.books();
    let Some(record) = books.case(case) else {
        return stage.fail("the case is gone");
    };
    let ours = record
        .messages
        .iter()
        .filter(|message| message.origin == Origin::Api)
        .count();
    stage.say(
        "site",
        &format!("{} messages: {}", messages.len(), authors(&messages)),
    );
    stage.say(
        "deskie",
        &format!("{} messages, {ours} of them from the site", record.messages.len()),
    );
    let once = messages.len() == 3 && record.messages.len() == 4 && ours == 2;
    if once {
        stage.say("", "all four flows held")
    } else {
        stage.fail("that is not each message exactly once");
    }
    once
}

fn authors(messages: &[sample_site::Message]) -> String {
    let authors: Vec<&str> = messages.iter().map(|message| message.author.as_str()).collect();
    authors.join(", ")
}
