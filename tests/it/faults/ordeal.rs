//! The ordeal: both sides write while everything that can fail fails, at random; then all is compared.
//!
//! `cargo test --test it ordeal -- --nocapture` runs it alone and shows its figures. `DESKIE_CDC_ORDEAL_SECONDS` is its
//! length; `DESKIE_CDC_ORDEAL_SEED` replays the same sequence of faults, as far as time allows. One of
//! `DESKIE_CDC_ORDEAL_POISON` rows, messages, cases and so on is odd; none where that is 0.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deskie_cdc::model::clock;
use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::{
    Action, Books, Delivery, Done, Fault, FaultKind, Match, RandomFaults, Says, Simulator,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;

use super::compare::{Found, LetPass, compare_but};
use super::poison::Poison;
use crate::support::{Connector, Site, Stage, WAITING, Workplace, env, stage};

/// Long enough for each kind of fault, short enough for every change.
const SECONDS: u64 = 20;

/// Connections of the site.
const WRITERS: u64 = 4;

/// One of so many is odd: the short one is to meet each kind, too.
const POISON: u32 = 15;

/// How long everything may take to settle once all is well again, for each second of the ordeal and at least.
const HEALS_WITHIN: (u32, Duration) = (1, Duration::from_secs(120));

/// What was done to whom, and how often.
#[derive(Default)]
struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    fn count(&self, what: &'static str) {
        *self.0.lock().unwrap().entry(what).or_default() += 1;
    }
}

/// What the site's connections share.
struct Shared {
    poison: Poison,
    next: AtomicU64,
    /// Each ticket is written by one connection at a time, so that its order is known.
    tickets: Mutex<Vec<(i64, Arc<tokio::sync::Mutex<()>>)>>,
    /// Tokens of rows that the site deleted.
    deleted: Mutex<HashSet<String>>,
    tally: Tally,
}

impl Shared {
    fn new(every: u32) -> Shared {
        Shared {
            poison: Poison::new(every),
            next: AtomicU64::default(),
            tickets: Mutex::default(),
            deleted: Mutex::default(),
            tally: Tally::default(),
        }
    }

    fn token(&self, side: char) -> String {
        format!("{side}{};", self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn some_ticket(&self, random: &mut StdRng) -> Option<(i64, Arc<tokio::sync::Mutex<()>>)> {
        let tickets = self.tickets.lock().unwrap();
        // The newest ones are where the customers are.
        let from = tickets.len().saturating_sub(40);
        (!tickets.is_empty()).then(|| tickets[random.random_range(from..tickets.len())].clone())
    }
}

/// One connection of the site, made anew whenever the server is back.
async fn site_writes(shared: Arc<Shared>, url: String, seed: u64, stop: CancellationToken) {
    let mut random = StdRng::seed_from_u64(seed);
    while !stop.is_cancelled() {
        let Ok((client, connection)) = tokio_postgres::connect(&url, NoTls).await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let driven = async {
            while !stop.is_cancelled() && write(&shared, &client, &mut random).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(random.random_range(80..350))).await;
            }
        };
        tokio::select! {
            () = driven => {}
            _ = connection => {}
        }
    }
}

async fn write(
    shared: &Shared,
    client: &tokio_postgres::Client,
    random: &mut StdRng,
) -> Result<(), tokio_postgres::Error> {
    let dice = random.random_range(0..100);
    let ticket = shared.some_ticket(random);
    let Some((ticket, lane)) = ticket.filter(|_| dice >= 8) else {
        let token = shared.token('S');
        if shared.poison.strikes(random) {
            let ticket = shared.poison.ticket(client, random, &token).await?;
            shared.tickets.lock().unwrap().push((ticket, Arc::default()));
            return Ok(());
        }
        let body = format!("{token} the first message");
        let sql = "insert into tickets (user_id, subject, body) values ($1, $2, $3) returning id";
        let user = random.random_range(1..=5_i64);
        let row = client.query_one(sql, &[&user, &body, &body]).await?;
        shared.tickets.lock().unwrap().push((row.get(0), Arc::default()));
        return Ok(());
    };
    let _alone = lane.lock().await;
    match dice {
        8..80 if shared.poison.strikes(random) => {
            let token = shared.token('S');
            shared.poison.row(client, random, ticket, &token).await?;
        }
        8..80 => {
            let body = format!("{} şğı \"ёж\" <b>&amp;</b>", shared.token('S'));
            let sql = "insert into messages (ticket_id, author, body) values ($1, 'customer', $2)";
            client.execute(sql, &[&ticket, &body]).await?;
        }
        // Several rows of one transaction, one of which is taken back.
        80..86 => {
            let [one, two, three] = [(); 3].map(|()| format!("{} in a transaction", shared.token('S')));
            let sql = format!(
                "begin; insert into messages (ticket_id, author, body) values ({ticket}, 'customer', '{one}'); savepoint s; \
                 insert into messages (ticket_id, author, body) values ({ticket}, 'customer', '{two}'); rollback to s; \
                 insert into messages (ticket_id, author, body) values ({ticket}, 'customer', '{three}'); commit"
            );
            client.batch_execute(&sql).await?;
        }
        86..92 => {
            let sql = "update messages set body = body || ' (edited)', author_name = 'x' where id =
                (select max(id) from messages where ticket_id = $1 and author = 'customer' and body like 'S%')";
            client.execute(sql, &[&ticket]).await?;
        }
        92..96 => {
            let sql = "update tickets set status = 'closed', updated_at = now() where id = $1";
            client.execute(sql, &[&ticket]).await?;
        }
        _ => {
            let sql = "select id, split_part(body, ';', 1) from messages
                where ticket_id = $1 and body like 'S%' order by id desc limit 1";
            if let Some(row) = client.query_opt(sql, &[&ticket]).await? {
                shared.deleted.lock().unwrap().insert(row.get(1));
                let id: i64 = row.get(0);
                client
                    .execute("delete from messages where id = $1", &[&id])
                    .await?;
            }
        }
    }
    Ok(())
}

/// Agents answer, customers answer by mail, somebody writes notes.
async fn deskie_writes(shared: &Shared, simulator: &Simulator, seed: u64, stop: &CancellationToken) {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut cases, mut looked) = (Vec::<CaseId>::new(), None::<Instant>);
    while !stop.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(random.random_range(20..120))).await;
        if looked.is_none_or(|at| at.elapsed() > Duration::from_millis(700)) {
            cases = simulator
                .books()
                .cases
                .iter()
                .rev()
                .take(40)
                .map(|case| case.case_id)
                .collect();
            looked = Some(clock::monotonic());
        }
        if cases.is_empty() {
            continue;
        }
        let case = cases[random.random_range(0..cases.len())];
        if shared.poison.strikes(&mut random) {
            let token = shared.token('D');
            shared.poison.deskie(simulator, &mut random, case, &token);
            continue;
        }
        let says = || Says::text(format!("{} from Deskie", shared.token('D')));
        let said = match random.random_range(0..10) {
            0..6 => simulator.agent_reply(case, says()),
            6..8 => simulator.customer_mail_reply(case, says()),
            8 => simulator.helpcentre_reply(case, says()),
            _ => simulator.note(case, Says::text("between us")),
        };
        said.expect("a message in Deskie");
    }
}

/// Webhooks are doubled, overtaken, late and lost; the API fails, and is away now and then.
async fn deskie_fails(tally: &Tally, simulator: &Simulator, seed: u64, stop: &CancellationToken) {
    let mut random = StdRng::seed_from_u64(seed);
    while !stop.is_cancelled() {
        simulator.set_random_faults(Some(RandomFaults {
            seed: random.random(),
            reject_before: 0.02,
            lose_answer_after: 0.03,
            close_before: 0.02,
            hang: 0.01,
            hang_ms: 1300,
            respond_slowly: 0.03,
            slow_ms: 400,
            html_with_200: 0.01,
            not_json: 0.01,
            too_many_requests: 0.005,
        }));
        let mut delivery = Delivery::default();
        let how = match random.random_range(0..6) {
            0 => {
                delivery.drop = true;
                "webhooks lost for a while"
            }
            1 => {
                delivery.duplicates = 2;
                "webhooks doubled for a while"
            }
            2 => {
                delivery.reorder = true;
                "webhooks overtaken for a while"
            }
            3 => {
                delivery.delay = Duration::from_millis(800);
                "webhooks late for a while"
            }
            4 => {
                delivery.before_answer = true;
                "webhooks before the answer for a while"
            }
            _ => "webhooks well for a while",
        };
        tally.count(how);
        let lag = Duration::from_millis(random.random_range(0..600));
        simulator.set_options(|options| {
            options.list_lag = lag;
            for rule in &mut options.rules {
                rule.delivery = delivery.clone();
            }
        });
        if random.random_bool(0.3) {
            // A request that arrives after its caller has given up.
            let late = FaultKind::Hang {
                ms: 1300,
                done: Done::Late,
            };
            simulator.add_fault(Fault::on(Match::Add, late));
        }
        if random.random_bool(0.15) {
            tally.count("Deskie away for a second");
            let _ = simulator.act(Action::SetDown { down: true });
            tokio::time::sleep(Duration::from_secs(1)).await;
            let _ = simulator.act(Action::SetDown { down: false });
        }
        pause(&mut random, 500..1500, stop).await;
    }
}

async fn pause(random: &mut StdRng, millis: std::ops::Range<u64>, stop: &CancellationToken) {
    let time = Duration::from_millis(random.random_range(millis));
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

/// The connector is killed, the server restarts, connections end, the walsender freezes.
async fn machine_fails(
    tally: &Tally,
    site: &mut Site,
    workplace: &Workplace,
    seed: u64,
    stop: &CancellationToken,
) -> Connector {
    let mut random = StdRng::seed_from_u64(seed);
    let mut connector = workplace.run();
    // Each kind comes once before any comes again.
    let mut left = Vec::new();
    while !stop.is_cancelled() {
        pause(&mut random, 700..2500, stop).await;
        if left.is_empty() {
            left = (0..9).collect();
        }
        match left.swap_remove(random.random_range(0..left.len())) {
            0..3 => {
                tally.count("connector killed");
                connector.kill9().await;
                pause(&mut random, 0..500, stop).await;
                connector = workplace.run();
            }
            3 => {
                tally.count("connector stopped and started");
                assert!(connector.sigterm_and_wait().await.success());
                connector = workplace.run();
            }
            4 => {
                tally.count("Postgres restarted");
                tokio::task::block_in_place(|| site.cluster.restart()).expect("the server starts");
            }
            5 => {
                tally.count("Postgres crashed");
                tokio::task::block_in_place(|| site.cluster.stop_immediate()).expect("the server ends");
                site.start_again().await;
            }
            6 => {
                tally.count("Postgres killed");
                tokio::task::block_in_place(|| site.cluster.kill()).expect("the server ends");
                site.start_again().await;
            }
            7 => {
                tally.count("connections ended by the server");
                if let Ok(client) = site.cluster.connect(Site::DATABASE).await {
                    let sql = "select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity
                        where application_name like 'deskie-cdc %' order by random() limit 3) some";
                    let _ = client.query(sql, &[]).await;
                }
            }
            _ => freeze_walsender(tally, site, &mut random).await,
        }
    }
    connector
}

async fn freeze_walsender(tally: &Tally, site: &Site, random: &mut StdRng) {
    let Ok(client) = site.cluster.connect(Site::DATABASE).await else {
        return;
    };
    let rows = client
        .query("select active_pid from pg_replication_slots where active", &[])
        .await;
    let Some(pid) = rows.ok().and_then(|rows| Some(rows.first()?.get::<_, i32>(0))) else {
        return;
    };
    tally.count("walsender frozen");
    for signal in ["STOP", "CONT"] {
        let arguments = ["-c", "kill -\"$1\" \"$2\"", "sh", signal, &pid.to_string()];
        let _ = Command::new("sh").args(arguments).status().await;
        if signal == "STOP" {
            tokio::time::sleep(Duration::from_millis(random.random_range(300..2500))).await;
        }
    }
}

/// Waits until nothing waits any more and both sides are equal, or says what is not.
async fn heals(stage: &Stage, pass: &LetPass, poison: &Poison, within: Duration) -> Found {
    let begun = clock::monotonic();
    let mut poked = false;
    loop {
        let over = begun.elapsed() > within;
        if stage.count(WAITING).await == 0 || over {
            if !poked && !over {
                poked = true;
                stage.past_our_calls().await;
                // The next thing that happens in a case brings what its lost webhooks did not.
                for case in &stage.simulator.books().cases {
                    let label = Action::AddLabel {
                        case: case.case_id,
                        label: 7,
                    };
                    stage.simulator.act(label).expect("a label");
                }
            }
            let sql = "select id from tickets where id not in (1, 2, 3) order by id";
            let tickets = stage.query(sql, &[]).await.into_iter().map(|row| row.get(0));
            let parked = match pass.parked {
                true => poison.parked(stage).await,
                false => HashSet::new(),
            };
            let tickets: Vec<i64> = tickets.filter(|ticket| !parked.contains(ticket)).collect();
            let found = compare_but(stage, &stage.simulator.books(), &tickets, pass).await;
            if over || found.is_well() {
                return found;
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

fn faults_by_kind(books: &Books) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for call in &books.calls {
        if let Some(fault) = &call.fault {
            *kinds.entry(fault.clone()).or_default() += 1;
        }
    }
    kinds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ordeal() {
    let number = |name: &str| env(name).and_then(|text| text.parse::<u64>().ok());
    let seconds = number("DESKIE_CDC_ORDEAL_SECONDS").unwrap_or(SECONDS);
    let seed = number("DESKIE_CDC_ORDEAL_SEED").unwrap_or_else(rand::random);
    let every = number("DESKIE_CDC_ORDEAL_POISON").map_or(POISON, |every| every as u32);
    eprintln!("ordeal of {seconds} s, DESKIE_CDC_ORDEAL_SEED={seed} DESKIE_CDC_ORDEAL_POISON={every}");
    let building = match every {
        0 => stage(),
        _ => Poison::stage(stage()),
    };
    let mut stage = building
        .deskie(|options| options.requests_per_minute = 1_000_000)
        .set("deskie", "doubt_wait = \"3s\"\ntimeout = \"1s\"\nsweep = \"2s\"")
        .build()
        .await;
    let shared = Arc::new(Shared::new(every));
    let stop = CancellationToken::new();
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let url = stage.site.admin_url();
        writers.spawn(site_writes(shared.clone(), url, seed ^ (n + 1), stop.clone()));
    }
    let (site, simulator, workplace) = stage.parts();
    let tally = &shared.tally;
    let clock = async {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stop.cancel();
    };
    let odd = StdRng::seed_from_u64(seed ^ 104);
    let (connector, (), (), (), ()) = tokio::join!(
        machine_fails(tally, site, workplace, seed ^ 101, &stop),
        deskie_writes(&shared, simulator, seed ^ 102, &stop),
        deskie_fails(tally, simulator, seed ^ 103, &stop),
        shared.poison.webhooks(workplace, odd, &stop),
        clock,
    );
    writers.join_all().await;
    // All is well again.
    stage.simulator.clear_faults();
    stage.simulator.set_options(|options| {
        options.list_lag = Duration::ZERO;
        for rule in &mut options.rules {
            rule.delivery = Delivery::default();
        }
    });
    stage.reconnect().await;
    let poison = &shared.poison;
    let pass = LetPass {
        optional: shared.deleted.lock().unwrap().clone(),
        late: poison.late.lock().unwrap().clone(),
        parked: every > 0,
    };
    let healing = clock::monotonic();
    let (for_each, at_least) = HEALS_WITHIN;
    let within = Duration::from_secs(seconds) * for_each + at_least;
    let mut found = heals(&stage, &pass, poison, within).await;
    if every > 0 {
        // All but what is parked is whole; then a person mends the site.
        assert!(found.is_well(), "DESKIE_CDC_ORDEAL_SEED={seed}: {found:#?}");
        let parked = poison.parked(&stage).await.len();
        eprintln!("healed after {:?} but for {parked} tickets", healing.elapsed());
        poison.mend(&stage).await;
        let pass = LetPass {
            parked: false,
            ..pass
        };
        found = heals(&stage, &pass, poison, within).await;
    }
    eprintln!("healed after {:?}", healing.elapsed());
    for (what, count) in shared.tally.0.lock().unwrap().iter() {
        eprintln!("{what}: {count}");
    }
    for (kind, count) in faults_by_kind(&stage.simulator.books()) {
        eprintln!("calls that met {kind}: {count}");
    }
    eprintln!(
        "{} messages to Deskie, {} to the site; lost {}, doubled {}, out of order {}",
        found.to_deskie,
        found.to_site,
        found.lost.len(),
        found.doubled.len(),
        found.disordered.len()
    );
    assert!(found.is_well(), "DESKIE_CDC_ORDEAL_SEED={seed}: {found:#?}");
    assert!(found.to_deskie > 0 && found.to_site > 0, "nothing was said");
    assert!(connector.sigterm_and_wait().await.success());
}
