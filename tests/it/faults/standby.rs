//! Two instances: one leads, the other stands by and takes over; whoever comes back sends nothing more (rule 13).

use std::collections::HashSet;
use std::time::Duration;

use deskie_cdc::config::FREEZE_VARIABLE;
use deskie_cdc::model::clock;
use deskie_cdc::model::crash::{CrashPoint, SAYS};
use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::{Fault, FaultKind, Match, Rule, RuleBody, Says, Trigger};

use super::compare::compare;
use crate::support::{AYSE, Connector, Network, Stage, Workplace, stage, wait_until};

/// A standby takes over within this.
const TAKES_OVER_WITHIN: Duration = Duration::from_secs(10);

/// A site and two instances' workplaces, with rules that tell both.
struct Pair {
    stage: Stage,
    second: Workplace,
}

async fn pair() -> Pair {
    const QUICK: (&str, &str) = (
        "[deskie]\n",
        "[deskie]\ndoubt_wait = \"1s\"\ntimeout = \"2s\"\nsweep = \"1s\"\n",
    );
    let stage = stage().config(QUICK.0, QUICK.1).build().await;
    let second = Workplace::new(&stage.site, &stage.simulator.url());
    second.change_config(QUICK.0, QUICK.1);
    for on in [Trigger::AgentReply, Trigger::CustomerReply] {
        let url = second.webhook_url();
        stage.simulator.add_rule(Rule {
            url,
            on,
            body: RuleBody::Ids,
            ..Rule::default()
        });
    }
    Pair { stage, second }
}

impl Pair {
    /// The second one, once it stands by.
    async fn stands_by(&self) -> Connector {
        let second = self.second.run();
        let ready = self.second.admin_url("/health/ready");
        wait_until("the second one stands by", || async {
            let answer = reqwest::get(&ready).await.ok()?.text().await.ok()?;
            answer.contains("standby").then_some(())
        })
        .await;
        second.wait_for_log("standing by").await;
        second
    }

    /// A webhook of this case is taken.
    async fn takes_webhooks(&self, workplace: &Workplace, case: CaseId) {
        let body = format!("{{\"case_id\": {case}}}");
        let answer = reqwest::Client::new()
            .post(workplace.webhook_url())
            .body(body)
            .send()
            .await;
        assert_eq!(answer.expect("an answer").status().as_u16(), 200);
    }

    /// Something on both sides of a ticket.
    async fn both_write(&self, ticket: i64, case: CaseId, n: usize) {
        self.stage.writes(ticket, &format!("S{n}; on the site")).await;
        self.stage
            .simulator
            .agent_reply(case, Says::text(format!("D{n}; in Deskie")))
            .unwrap();
    }

    /// Waits until the second one leads.
    async fn takes_over(&self, second: &Connector) {
        let begun = clock::monotonic();
        second.wait_for_log("leading").await;
        second.wait_for_log("streaming").await;
        let took = begun.elapsed();
        eprintln!("took over, and streams, after {took:?}");
        assert!(took < TAKES_OVER_WITHIN, "{took:?}");
    }

    /// Everything stands once on both sides.
    async fn compares(&self, ticket: i64, case: CaseId, each: usize) {
        self.stage.until_deskie(case, 1 + 2 * each).await;
        self.stage.until_site(ticket, 2 * each).await;
        let books = self.stage.settled().await;
        let found = compare(&self.stage, &books, &[ticket], &HashSet::new()).await;
        assert!(found.is_well(), "{found:#?}");
        assert_eq!((found.to_deskie, found.to_site), (1 + each, each), "{found:#?}");
    }
}

/// This one says of no call after the first `seen` lines of its log that it was made. A reply may be told late that was
/// on the site before.
fn sent_nothing(connector: &Connector, seen: usize) {
    let log = connector.log();
    let sent = ["message sent", "case opened", "status sent"];
    let sent: Vec<&String> = log[seen..]
        .iter()
        .filter(|line| sent.iter().any(|what| line.contains(what)))
        .collect();
    assert!(sent.is_empty(), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_from_one_that_was_killed() {
    // GIVEN one that leads and one that stands by, both of which take webhooks
    let pair = pair().await;
    let first = pair.stage.run().await;
    let second = pair.stands_by().await;
    let ticket = pair.stage.ticket(AYSE, "one", "S0; first").await;
    let case = pair.stage.case_of(ticket).await;
    pair.takes_webhooks(&pair.stage.workplace, case).await;
    pair.takes_webhooks(&pair.second, case).await;
    pair.both_write(ticket, case, 1).await;
    pair.compares(ticket, case, 1).await;
    // WHEN the first one is killed
    first.kill9().await;
    pair.both_write(ticket, case, 2).await;
    // THEN the second one leads soon, and goes on
    pair.takes_over(&second).await;
    pair.both_write(ticket, case, 3).await;
    pair.compares(ticket, case, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_leader_is_deposed_and_sends_nothing_once_it_thaws() {
    // GIVEN a leader that freezes between the durable intent and the call
    let pair = pair().await;
    let point = format!("{}:2", CrashPoint::IntentStored.name());
    let first = pair.stage.workplace.run_with(&[(FREEZE_VARIABLE, &point)]);
    first.wait_for_log("leading").await;
    let second = pair.stands_by().await;
    let ticket = pair.stage.ticket(AYSE, "one", "S0; first").await;
    let case = pair.stage.case_of(ticket).await;
    // WHEN it does
    pair.both_write(ticket, case, 1).await;
    first.wait_for_log(SAYS).await;
    // THEN the standby leads soon, looks for the call that was cut off, and sends it
    pair.takes_over(&second).await;
    second.wait_for_log("1 calls were cut off").await;
    pair.both_write(ticket, case, 2).await;
    second.wait_for_log("it is sent again").await;
    pair.compares(ticket, case, 2).await;
    // AND WHEN it thaws, THEN it stands by, and its call is not made any more
    let seen = first.log().len();
    first.signal("CONT").await;
    first
        .wait_for_log_after(seen, "another instance has taken over")
        .await;
    pair.both_write(ticket, case, 3).await;
    pair.compares(ticket, case, 3).await;
    sent_nothing(&first, seen);
    pair.takes_webhooks(&pair.stage.workplace, case).await;
    // AND it takes over in its turn
    second.kill9().await;
    first.wait_for_log_after(seen, "leading").await;
    pair.both_write(ticket, case, 4).await;
    pair.compares(ticket, case, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_behind_a_cut_network_is_deposed() {
    // GIVEN a leader that reaches the database over a network of its own, and whose steps are under way
    let pair = pair().await;
    let port = pair.stage.site.cluster.port();
    let network = Network::before(port).await;
    let workplace = &pair.stage.workplace;
    workplace.change_config(
        &format!("127.0.0.1:{port}"),
        &format!("127.0.0.1:{}", network.port()),
    );
    let first = pair.stage.run().await;
    let second = pair.stands_by().await;
    let ticket = pair.stage.ticket(AYSE, "one", "S0; first").await;
    let case = pair.stage.case_of(ticket).await;
    pair.both_write(ticket, case, 1).await;
    pair.compares(ticket, case, 1).await;
    // WHEN the network is cut while a call is under way, and no socket is closed
    let slow = FaultKind::RespondSlowly { ms: 300 };
    pair.stage.simulator.add_fault(Fault::on(Match::Add, slow));
    pair.stage.writes(ticket, "S2; on the site").await;
    pair.stage
        .deskie("the call", |books| books.faults_pending == 0)
        .await;
    network.cut();
    pair.stage
        .simulator
        .agent_reply(case, Says::text("D2; in Deskie"))
        .unwrap();
    // THEN the second one leads soon, and goes on
    pair.takes_over(&second).await;
    pair.both_write(ticket, case, 3).await;
    pair.compares(ticket, case, 3).await;
    pair.takes_webhooks(&pair.second, case).await;
    // AND WHEN the network is mended, THEN the first one sends nothing more
    let seen = first.log().len();
    network.mend();
    first.wait_for_log("no longer leading").await;
    pair.both_write(ticket, case, 4).await;
    pair.compares(ticket, case, 4).await;
    sent_nothing(&first, seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lead_is_handed_over_without_any_doubt() {
    // GIVEN a leader with a call that takes two seconds, and a standby
    let pair = pair().await;
    let first = pair.stage.run().await;
    let second = pair.stands_by().await;
    let ticket = pair.stage.ticket(AYSE, "one", "S0; first").await;
    let case = pair.stage.case_of(ticket).await;
    let slow = FaultKind::RespondSlowly { ms: 1500 };
    pair.stage.simulator.add_fault(Fault::on(Match::Add, slow));
    pair.both_write(ticket, case, 1).await;
    pair.stage
        .deskie("the call", |books| books.faults_pending == 0)
        .await;
    // WHEN it is asked to end
    let ended = first.sigterm_and_wait().await;
    // THEN the other one leads at once, and finds no call in doubt
    assert!(ended.success());
    let begun = clock::monotonic();
    second.wait_for_log("leading").await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    pair.both_write(ticket, case, 2).await;
    pair.compares(ticket, case, 2).await;
    let doubts: Vec<String> = second
        .log()
        .into_iter()
        .filter(|line| line.contains("were cut off"))
        .collect();
    assert!(doubts.is_empty(), "{doubts:?}");
}

/// The lock of the leader, as anybody may take it.
const LOCK: &str = "hashtextextended('deskie_cdc leader \"deskie_cdc\"', 0)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_lock_keeps_nobody_from_leading() {
    let mut stage = stage().server("max_prepared_transactions", "2").build().await;
    stage.sql("create role guest login").await;
    let ways = [
        ("guest", vec![format!("select pg_advisory_lock({LOCK})")]),
        // Two who share it.
        (
            "guest",
            vec![format!("select pg_advisory_lock_shared({LOCK})"); 2],
        ),
        // Nobody's session holds this one.
        (
            "a prepared transaction",
            vec![format!(
                "begin; select pg_advisory_xact_lock({LOCK}); prepare transaction 'odd'"
            )],
        ),
    ];
    for (n, (who, sessions)) in ways.iter().enumerate() {
        // GIVEN another user of the database who has taken the lock
        let mut guests = Vec::new();
        for sql in sessions {
            let guest = stage.site.connect_as("guest").await;
            guest.batch_execute(sql).await.unwrap();
            guests.push(guest);
        }
        // WHEN the connector starts, THEN it leads all the same, says who that is, and works
        let connector = stage.run().await;
        let told = connector.wait_for_log("the lock of this connector is held").await;
        assert!(told.contains(who), "{who}: {told}");
        let (ticket, case) = stage.open(&format!("Soru {n}")).await;
        stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
        stage.until_site(ticket, 1).await;
        // AND a second one stands by, and takes over when that one is killed
        let second = Workplace::new(&stage.site, &stage.simulator.url());
        let pair = Pair { stage, second };
        let second = pair.stands_by().await;
        assert!(!second.log().iter().any(|line| line.contains("leading")), "{who}");
        connector.kill9().await;
        pair.takes_over(&second).await;
        assert!(second.sigterm_and_wait().await.success());
        stage = pair.stage;
        drop(guests);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_our_own_role_that_leads_nothing_does_not_keep_the_lock() {
    // GIVEN a forgotten session of our own role with the lock, and nobody who leads
    let stage = stage().build().await;
    let forgotten = stage.site.connect_as("deskie_cdc").await;
    let sql = format!("select pg_advisory_lock({LOCK})");
    forgotten.batch_execute(&sql).await.unwrap();
    // WHEN the connector has stood by for longer than any leader takes to take the lease
    let connector = stage.workplace.run();
    connector.wait_for_log("webhooks on").await;
    // THEN it leads
    connector.wait_for_log("leading").await;
    wait_until("the session is ended", || async {
        forgotten.is_closed().then_some(())
    })
    .await;
    stage.open("Soru").await;
    stage.settled().await;
}
