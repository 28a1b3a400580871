//! The process dies at each crash point, in the middle of both flows; what comes after the restart is as if it had not.

use std::collections::HashSet;

use deskie_cdc::config::CRASH_VARIABLE;
use deskie_cdc::model::crash::{CrashPoint, SAYS};
use deskie_cdc_sandbox::simulator::{Action, Fault, FaultKind, Match, Says};

use super::compare::compare;
use crate::support::{AYSE, IVAN, Stage, stage, wait_until};

/// `[status]` both ways, and `[case]`.
const SECTIONS: &str = "[status]\n\
    sql = [\"update tickets set status = :status where id = :ticket\"]\n\
    map = { open = \"open\", waiting = \"answered\", closed = \"closed\" }\n\n\
    [case]\nsql = [\n\
    \"insert into users (email, full_name) values (:customer_email, coalesce(:customer_name, 'x')) on conflict do nothing\",\n\
    \"insert into tickets (user_id, subject, body, created_at) select id, :subject, :text, :created_at from users where email = :customer_email returning id\"\n\
    ]\n\n[postgres]\n";

const OF_TICKET: &str = "status = \"case t.status when 'answered' then 'waiting' else t.status::text end\"";

async fn prepared() -> Stage {
    stage()
        .config("[postgres]\n", SECTIONS)
        .set("ticket", OF_TICKET)
        .set("message", "on_edit = \"edit\"")
        .set("deskie", "doubt_wait = \"1s\"\ntimeout = \"1s\"\nsweep = \"1s\"")
        .build()
        .await
}

/// Something of Deskie for every point besides the traffic itself.
fn stage_directions(stage: &Stage, point: CrashPoint) {
    let fault = match point {
        CrashPoint::DoubtStored | CrashPoint::DoubtLooked => FaultKind::LoseAnswerAfter,
        CrashPoint::DoubtJudged => FaultKind::CloseBefore,
        CrashPoint::RequestWritten => FaultKind::RespondSlowly { ms: 700 },
        _ => return,
    };
    stage.simulator.add_fault(Fault::on(Match::Add, fault));
}

async fn slot_is_dropped(stage: &Stage) {
    let sql = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active";
    wait_until("the slot is dropped", || async {
        (!stage.query(sql, &[]).await.is_empty()).then_some(())
    })
    .await;
}

async fn dies_at(point: CrashPoint) {
    // GIVEN three tickets with their cases, and the connector stopped
    let stage = prepared().await;
    let connector = stage.run().await;
    let mut lanes = Vec::new();
    for n in 0..3 {
        let ticket = stage
            .ticket(AYSE, &format!("ticket {n}"), &format!("S{n}; first"))
            .await;
        lanes.push((ticket, stage.case_of(ticket).await));
    }
    let [(talk, talk_case), (closing, closing_case), (closed, closed_case)] = lanes[..] else {
        unreachable!("three tickets");
    };
    let edited = stage.writes(talk, "S3; to be edited").await;
    stage.until_deskie(talk_case, 2).await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    if point.name().starts_with("repair.") {
        slot_is_dropped(&stage).await;
        stage.writes(talk, "S4; in the gap").await;
    }

    // WHEN it runs with the point armed, and both sides write
    stage_directions(&stage, point);
    let mut armed = stage.workplace.run_with(&[(CRASH_VARIABLE, point.name())]);
    armed.logs_or_ends("streaming").await;
    stage.writes(talk, "S5; one").await;
    stage
        .simulator
        .agent_reply(talk_case, Says::text("D1; an answer"))
        .unwrap();
    let opened = stage.ticket(IVAN, "ticket 3", "S6; first").await;
    stage.writes(talk, "S7; two").await;
    stage
        .simulator
        .customer_mail_reply(talk_case, Says::text("D2; by mail"))
        .unwrap();
    let sql = "update messages set body = 'S3; edited' where id = $1";
    stage.site.client.execute(sql, &[&edited]).await.unwrap();
    let sql = "update tickets set status = 'closed' where id = $1";
    stage.site.client.execute(sql, &[&closing]).await.unwrap();
    stage.simulator.set_status(closed_case, "closed").unwrap();
    let born = stage.simulator.act(Action::CreateCaseByMail {
        user_email: "new@example.com".to_owned(),
        user_full_name: String::new(),
        subject: "by mail".to_owned(),
        says: Says::text("D3; by mail"),
    });
    let born = born.unwrap().case_id.unwrap();
    stage
        .sql("create table noise as select repeat('x', 100) from generate_series(1, 3000)")
        .await;
    if point == CrashPoint::LeaseGivenBack {
        stage.settled().await;
        armed.signal("TERM").await;
    }

    // THEN it dies there
    let (status, log) = armed.ends().await;
    assert!(!status.success() && status.code().is_none(), "{status}");
    let last = log.iter().rfind(|line| line.contains(SAYS));
    assert_eq!(
        last.map(String::as_str),
        Some(format!("{SAYS}{}", point.name()).as_str())
    );

    // AND once it runs again, each message stands once on both sides, in order
    let connector = stage.run().await;
    stage.case_of(opened).await;
    stage.past_our_calls().await;
    for case in [talk_case, born] {
        // The next thing that happens in a case brings what a lost webhook did not.
        stage.simulator.act(Action::AddLabel { case, label: 7 }).unwrap();
    }
    let sql = "select key::bigint from deskie_cdc.ticket where case_id = $1";
    let of_mail = wait_until("the ticket of the mail", || async {
        stage
            .query(sql, &[&born.0])
            .await
            .first()
            .map(|row| row.get::<_, i64>(0))
    })
    .await;
    wait_until("both answers on the site", || async {
        (stage.shown(talk).await.len() >= 5).then_some(())
    })
    .await;
    stage
        .deskie("the status", |books| {
            books
                .case(closing_case)
                .is_some_and(|case| case.status == "closed")
        })
        .await;
    let sql = "select count(*) from tickets where id = $1 and status = 'closed'";
    wait_until("the status on the site", || async {
        (stage.query(sql, &[&closed]).await[0].get::<_, i64>(0) == 1).then_some(())
    })
    .await;
    let books = stage.settled().await;
    let tickets = [talk, closing, closed, opened, of_mail];
    let found = compare(&stage, &books, &tickets, &HashSet::new()).await;
    assert!(found.is_well(), "{found:#?}");
    let expected = if point.name().starts_with("repair.") { 8 } else { 7 };
    assert_eq!((found.to_deskie, found.to_site), (expected, 3), "{found:#?}");
    let talk = books.case(talk_case).unwrap();
    let texts = crate::support::texts(talk);
    assert_eq!(
        texts.iter().filter(|text| text.contains("S3; edited")).count(),
        1,
        "{texts:?}"
    );
    assert!(connector.sigterm_and_wait().await.success());
}

macro_rules! points {
    ($($test:ident: $point:ident,)+) => {
        const TESTED: &[CrashPoint] = &[$(CrashPoint::$point),+];

        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                dies_at(CrashPoint::$point).await;
            }
        )+
    };
}

points! {
    lease_taken: LeaseTaken,
    slot_made: SlotMade,
    gap_stored: GapStored,
    rows_queued: RowsQueued,
    gap_closed: GapClosed,
    events_written: EventsWritten,
    events_stored: EventsStored,
    acknowledged: Acknowledged,
    keepalive_stored: KeepaliveStored,
    resolve_decided: ResolveDecided,
    resolve_stored: ResolveStored,
    intent_stored: IntentStored,
    request_written: RequestWritten,
    answer_received: AnswerReceived,
    answer_stored: AnswerStored,
    doubt_stored: DoubtStored,
    doubt_looked: DoubtLooked,
    doubt_judged: DoubtJudged,
    edit_answered: EditAnswered,
    status_answered: StatusAnswered,
    webhook_stored: WebhookStored,
    webhook_answered: WebhookAnswered,
    inbox_taken: InboxTaken,
    read_fetched: ReadFetched,
    read_stored: ReadStored,
    writeback_open: WritebackOpen,
    writeback_committed: WritebackCommitted,
    status_written: StatusWritten,
    birth_made: BirthMade,
    sweep_wanted: SweepWanted,
    sweep_stored: SweepStored,
    lease_given_back: LeaseGivenBack,
}

#[test]
fn every_point_has_its_test() {
    assert_eq!(CrashPoint::ALL, TESTED);
}

#[tokio::test]
async fn a_point_that_does_not_exist_is_refused() {
    let stage = stage().build().await;
    let mut connector = stage.workplace.run_with(&[(CRASH_VARIABLE, "capture.never")]);
    let (status, log) = connector.ends().await;
    assert_eq!(status.code(), Some(1));
    assert!(
        log.iter()
            .any(|line| line.contains("`capture.never` is no crash point")),
        "{log:?}"
    );
}
