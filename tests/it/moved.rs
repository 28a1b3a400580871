//! Our state belongs to one server and database (rule 11): a copy is held, a rename is not, a newer program's is refused.

use deskie_cdc_sandbox::simulator::{Action, Says};

use crate::support::{IVAN, Stage, stage, texts, wait_until};

/// Makes the watch look often, so that what a command decides is seen at once.
const QUICK: [(&str, &str); 1] = [("DESKIE_CDC_WATCH_MS", "100")];

async fn not_ready(stage: &Stage, word: &str) {
    wait_until("it is not ready, and says why", || async {
        let answer = reqwest::get(stage.workplace.admin_url("/health/ready"))
            .await
            .ok()?;
        let refused = answer.status() == 503;
        (refused && answer.text().await.ok()?.contains(word)).then_some(())
    })
    .await;
    let status = stage.workplace.command(&["status"]).await.exits(1);
    assert!(status.stdout.contains(word), "{}", status.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_physical_copy_beside_the_original_is_held_until_it_is_adopted() {
    // GIVEN a backup of the server's files, which has no slot, and an original that goes on
    let mut stage = stage().build().await;
    let connector = stage.workplace.run_with(&QUICK);
    connector.wait_for_log("leading").await;
    stage.open("Soru").await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    let backup = stage.site.cluster.snapshot("backup").unwrap();
    stage.reconnect().await;
    let connector = stage.workplace.run_with(&QUICK);
    connector.wait_for_log("leading").await;
    let (_, newer) = stage.open("Newer").await;
    assert!(connector.sigterm_and_wait().await.success());
    // WHEN the backup is started with the same config
    stage.site.cluster.roll_back(&backup).unwrap();
    stage.reconnect().await;
    stage
        .sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
        .await;
    let before = stage.simulator.books().messages().count();
    let ticket = stage.ticket(IVAN, "Copy", "from a copy").await;
    let _connector = stage.workplace.run_with(&QUICK);
    // THEN it is held, and its customers hear nothing
    not_ready(&stage, "may be a copy").await;
    assert_eq!(stage.simulator.books().messages().count(), before);
    stage.simulator.agent_reply(newer, Says::text("cevap")).unwrap();
    // WHEN a person says so, THEN it goes on
    stage.adopt().await;
    let case = stage.case_of(ticket).await;
    assert_eq!(texts(&stage.case(case)), ["from a copy"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_database_goes_on_from_its_slot() {
    // GIVEN a ticket with a case
    let mut stage = stage().build().await;
    let (ticket, case) = stage.opened_before("Soru").await;
    // WHEN the database gets another name
    let other = stage.site.cluster.connect("postgres").await.unwrap();
    stage.writes(ticket, "bir").await;
    stage.site.client = stage.site.cluster.connect("postgres").await.unwrap();
    wait_until("it is renamed", || async {
        other
            .batch_execute("alter database site rename to shop")
            .await
            .ok()
    })
    .await;
    stage.site.client = stage.site.cluster.connect("shop").await.unwrap();
    let url = stage.workplace.places.database_url.clone();
    let renamed = url.replace("/site", "/shop");
    assert_ne!(url, renamed);
    stage.workplace.change_config(&url, &renamed);
    // THEN it goes on by itself, from its own slot, and makes no second one
    let connector = stage.run().await;
    stage.until_deskie(case, 2).await;
    assert_eq!(stage.count("select count(*) from pg_replication_slots").await, 1);
    assert!(connector.sigterm_and_wait().await.success());
    // AND the next start, and the commands, know it
    let connector = stage.run().await;
    stage.writes(ticket, "iki").await;
    stage.until_deskie(case, 3).await;
    assert_eq!(stage.count("select count(*) from pg_replication_slots").await, 1);
    stage.workplace.command(&["check"]).await.ok();
    assert!(connector.sigterm_and_wait().await.success());
}

#[tokio::test]
async fn a_refused_start_is_not_ready_and_status_says_so() {
    // GIVEN state of another server, as a logical copy has it: with our rows, and sequences that begin anew
    let stage = stage().build().await;
    stage.opened_before("Soru").await;
    let sequences = stage
        .query("select format('alter sequence %I.%I restart', schemaname, sequencename) from pg_sequences where schemaname = 'deskie_cdc'", &[])
        .await;
    for restart in &sequences {
        stage.sql(restart.get(0)).await;
    }
    stage.sql("update deskie_cdc.meta set system_id = '1'").await;
    let connector = stage.workplace.run_with(&QUICK);
    // THEN it is told where people look
    not_ready(&stage, "setup --adopt").await;
    // AND once it is adopted, it is ready
    stage.adopt().await;
    wait_until("it is ready", || async {
        let answer = reqwest::get(stage.workplace.admin_url("/health/ready"))
            .await
            .ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
    stage.workplace.command(&["status"]).await.ok();
    // AND goes on, behind the numbers that it has given
    stage.open("Sonra").await;
    stage.settled().await;
    let failed = stage.workplace.command(&["failed", "list"]).await.ok();
    assert!(failed.stdout.contains("nothing waits"), "{}", failed.stdout);
    assert!(connector.sigterm_and_wait().await.success());
}

/// The connector's tables are left behind in a move, and made anew.
async fn left_behind(stage: &Stage) {
    let admin_url = stage.site.admin_url();
    let admin = ["--admin-url", &admin_url];
    let uninstall = [&["uninstall", "--yes"], &admin[..]].concat();
    stage.workplace.command(&uninstall).await.ok();
    let setup = [&["setup"], &admin[..]].concat();
    stage.workplace.command(&setup).await.ok();
    // Deskie's clock and the server's may differ by a minute.
    stage
        .sql("update deskie_cdc.meta set started_at = started_at + interval '2 minutes'")
        .await;
}

/// A person says that this one takes over; the start is where it was.
async fn adopt(stage: &Stage) {
    stage
        .sql("update deskie_cdc.meta set started_at = started_at - interval '2 minutes'")
        .await;
    stage.adopt().await;
}

#[tokio::test]
async fn answers_in_adopted_cases_reach_the_site_by_themselves_and_no_other_ticket() {
    // GIVEN tickets with cases, and a connector whose tables were left behind in a move
    let stage = stage().set("deskie", "sweep = \"1s\"").build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (other, other_case) = stage.open("Other").await;
    let (twice, twice_case) = stage.open("Twice").await;
    let (again, again_case) = stage.open("Again").await;
    let (gone, gone_case) = stage.open("Gone").await;
    let ivans = stage.ticket(IVAN, "Ivan", "ivan's own").await;
    let ivans_case = stage.case_of(ivans).await;
    stage.simulator.agent_reply(case, Says::text("before")).unwrap();
    stage.until_site(ticket, 1).await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    left_behind(&stage).await;
    let field = |case, value: i64| Action::SetField {
        case,
        field: 25,
        value: value.to_string(),
    };
    // AND one case that says it is another customer's ticket, one ticket that two cases name, one whose key came again, one
    // that is gone
    stage.simulator.act(field(ivans_case, other)).unwrap();
    stage.simulator.act(field(other_case, twice)).unwrap();
    stage
        .sql(&format!(
            "update tickets set created_at = now() + interval '1 hour' where id = {again}"
        ))
        .await;
    stage.sql(&format!("delete from tickets where id = {gone}")).await;
    let connector = stage.workplace.run_with(&QUICK);
    not_ready(&stage, "from before this connector was set up").await;
    // WHEN agents answer while it is held, and a person says that it takes over
    let answers = [case, other_case, twice_case, again_case, gone_case, ivans_case];
    for answered in answers {
        stage
            .simulator
            .agent_reply(answered, Says::text("cevap"))
            .unwrap();
    }
    adopt(&stage).await;
    // THEN what was said since the set up reaches the ticket that the case is certainly of, by itself
    stage.until_site(ticket, 2).await;
    assert_eq!(stage.case_of(ticket).await, case);
    // AND every other case is laid aside, once and with its reason
    let laid = "select count(*) from deskie_cdc.foreign_case where claims is not null and seen_by is null";
    let laid_aside = || async { (stage.count(laid).await == 5).then_some(()) };
    wait_until("the others are laid aside", laid_aside).await;
    stage.workplace.command(&["status"]).await.exits(1);
    let log = connector.log();
    for why in [
        "another customer's than the ticket",
        "another case names it as well",
        "older than the ticket, whose key may have come again",
    ] {
        assert!(log.iter().any(|line| line.contains(why)), "{why}: {log:#?}");
    }
    // AND it goes on like any other ticket: a customer by mail, agents at once, the site
    stage
        .simulator
        .customer_mail_reply(case, Says::text("by mail"))
        .unwrap();
    stage.until_site(ticket, 3).await;
    stage.writes(ticket, "on the site").await;
    stage.until_deskie(case, 5).await;
    stage.settled().await;
    assert_eq!(
        stage.rows(ticket).await,
        ["before", "cevap", "by mail", "on the site"]
    );
    for untouched in [other, twice, again, ivans] {
        assert_eq!(stage.rows(untouched).await, [""; 0], "ticket {untouched}");
    }
    // AND the parameters of a reply know the customer
    let names = "select count(*) from deskie_cdc.ticket where opening ->> 'email' = 'kate@example.com'";
    assert_eq!(stage.count(names).await, 1);
}

#[tokio::test]
async fn a_start_without_state_beside_the_sites_cases_is_held_and_goes_on_in_them() {
    // GIVEN a ticket with a case, and a connector whose tables were left behind in a move
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 2).await;
    stage.settled().await;
    assert!(connector.sigterm_and_wait().await.success());
    left_behind(&stage).await;
    let cases = stage.simulator.books().cases.len();
    let connector = stage.workplace.run_with(&QUICK);
    // WHEN its customer writes, and another one opens a ticket
    stage.writes(ticket, "iki").await;
    let other = stage.ticket(IVAN, "New", "new").await;
    // THEN it is held, and no ticket gets a second case
    not_ready(&stage, "from before this connector was set up").await;
    assert_eq!(stage.simulator.books().cases.len(), cases);
    assert!(connector.sigterm_and_wait().await.success());
    let _connector = stage.workplace.run_with(&QUICK);
    not_ready(&stage, "setup --adopt").await;
    // AND WHEN a person says that this one takes over, THEN the ticket goes on in its case, and nothing of it comes again
    adopt(&stage).await;
    stage.until_deskie(case, 4).await;
    assert_eq!(stage.case_of(ticket).await, case);
    stage.case_of(other).await;
    stage
        .simulator
        .agent_reply(case, Says::text("yeni cevap"))
        .unwrap();
    stage.until_site(ticket, 4).await;
    stage.settled().await;
    assert_eq!(
        texts(&stage.case(case)),
        ["Soru: body", "bir", "cevap", "iki", "yeni cevap"]
    );
    assert_eq!(stage.rows(ticket).await, ["bir", "cevap", "iki", "yeni cevap"]);
    let failed = stage.workplace.command(&["failed", "list"]).await.ok();
    assert!(failed.stdout.contains("nothing waits"), "{}", failed.stdout);
}

#[tokio::test]
async fn a_role_that_was_dropped_is_made_anew_with_all_that_was_its_own() {
    // GIVEN a ticket with a case, and an administrator who gives away what our role has and drops it
    let stage = stage().build().await;
    let (ticket, case) = stage.opened_before("Soru").await;
    // AND from 17 on the stopped connector's slot hinders pg_upgrade, which is told, as that it keeps WAL
    let version = stage
        .count("select current_setting('server_version_num')::int8")
        .await;
    let status = stage.workplace.command(&["status"]).await.exits(1).stdout;
    assert!(status.contains("stopped: no connector leads"), "{status}");
    let told = "before it: select pg_drop_replication_slot('deskie_cdc_site')";
    assert_eq!(status.contains(told), version >= 170_000, "{status}");
    stage
        .sql("reassign owned by deskie_cdc to current_user; drop owned by deskie_cdc; drop role deskie_cdc")
        .await;
    stage.writes(ticket, "bir").await;
    // WHEN setup is run
    let admin_url = stage.site.admin_url();
    let setup = ["setup", "--admin-url", &admin_url];
    let printed = stage
        .workplace
        .command(&["setup", "--print-sql", "--admin-url", &admin_url])
        .await
        .ok()
        .stdout;
    let (role, schema) = (
        printed.find("create role \"deskie_cdc\""),
        printed.find("alter schema deskie_cdc owner to deskie_cdc"),
    );
    assert!(role.is_some() && role < schema, "{printed}");
    let said = stage.workplace.command(&setup).await.ok().stdout;
    assert!(said.contains("of deskie_cdc now, with all that"), "{said}");
    // THEN it goes on where it was
    let _connector = stage.run().await;
    stage.until_deskie(case, 2).await;
    stage.simulator.agent_reply(case, Says::text("cevap")).unwrap();
    stage.until_site(ticket, 2).await;
    assert_eq!(stage.rows(ticket).await, ["bir", "cevap"]);
}

#[tokio::test]
async fn a_newer_programs_tables_are_refused_with_the_version_that_fits() {
    let stage = stage().build().await;
    stage
        .sql("insert into deskie_cdc.migration (step, version) values (99, '9.8.7')")
        .await;
    for command in ["run", "status", "setup"] {
        let finished = stage.workplace.command(&[command]).await.exits(1);
        assert!(
            finished.stderr.contains("9.8.7"),
            "{command}: {}",
            finished.stderr
        );
    }
}
