//! `check`, with the real program.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use deskie_cdc_sandbox::simulator::{Options, Simulator};

use crate::support::{Finished, Site, Workplace, installations};
use deskie_cdc_sandbox::postgres::ClusterOptions;

const NOWHERE: &str = "http://127.0.0.1:9";

/// The lines that are not `ok`, with their mends.
fn complaints(finished: &Finished) -> Vec<&str> {
    finished
        .stdout
        .lines()
        .filter(|line| !line.starts_with("ok ") && !line.starts_with("       "))
        .collect()
}

#[track_caller]
fn assert_says(finished: &Finished, texts: &[&str]) {
    for text in texts {
        assert!(
            finished.stdout.contains(text),
            "`{text}` is not in\n{}\n{}",
            finished.stdout,
            finished.stderr
        );
    }
}

/// The sample site, a Deskie, and a connector that is set up.
pub async fn set_up() -> (Site, Simulator, Workplace) {
    let site = Site::start().await;
    let deskie = Simulator::start(Options::default()).await.unwrap();
    let work = Workplace::new(&site, &deskie.url());
    work.command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    (site, deskie, work)
}

#[tokio::test]
async fn after_setup_everything_passes_on_every_version() {
    for installation in installations() {
        let site = Site::start_on(&installation, ClusterOptions::default()).await;
        let deskie = Simulator::start(Options::default()).await.unwrap();
        let work = Workplace::new(&site, &deskie.url());
        work.command(&["setup", "--admin-url", &site.admin_url()])
            .await
            .ok();
        site.client
            .batch_execute("alter system set max_slot_wal_keep_size = '20GB'")
            .await
            .unwrap();
        site.client
            .batch_execute("select pg_reload_conf()")
            .await
            .unwrap();
        let before: i64 = site
            .client
            .query_one("select count(*) from messages", &[])
            .await
            .unwrap()
            .get(0);

        let checked = work.command(&["check"]).await.ok();

        assert_eq!(complaints(&checked), Vec::<&str>::new(), "{}", checked.stdout);
        assert_says(
            &checked,
            &[
                "tried on the ticket 3 for an agent and a customer, and rolled back",
                "deskie_cdc is no superuser and may replicate",
                "deskie_cdc publishes public.messages, public.tickets",
                "cf_25 is `Site ticket`",
            ],
        );
        let after: i64 = site
            .client
            .query_one("select count(*) from messages", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(before, after);
        let books = deskie.books();
        assert!(books.cases.is_empty(), "nothing is made in Deskie");

        let json = work.command(&["check", "--json"]).await.ok();
        let list: Vec<serde_json::Value> = serde_json::from_str(&json.stdout).unwrap();
        assert!(
            list.iter()
                .all(|one| one["status"] == "ok" && one["name"].is_string() && one["code"].is_string()),
            "{}",
            json.stdout
        );
    }
}

#[tokio::test]
async fn before_setup_the_way_is_shown() {
    let site = Site::start().await;
    let work = Workplace::new(&site, NOWHERE);
    work.change_config("postgres://deskie%5Fcdc@", "postgres://postgres@");
    let checked = work.command(&["check"]).await.exits(1);
    assert_says(
        &checked,
        &[
            "warn  role: postgres is a superuser",
            "FAIL  state: the schema deskie_cdc is not there",
            "FAIL  publication: the publication deskie_cdc is not there",
            "FAIL  slot: the slot deskie_cdc_site is not there",
            "mend: run `deskie-cdc setup`",
            "FAIL  deskie: ",
        ],
    );
}

#[tokio::test]
async fn a_database_that_is_down_is_told_from_a_wrong_password() {
    let mut site = Site::start().await;
    let work = Workplace::new(&site, NOWHERE);
    let refused = work.command(&["check"]).await.exits(1);
    assert_says(
        &refused,
        &["FAIL  database: cannot connect to", "the log-in was refused"],
    );

    site.cluster.stop_fast().unwrap();
    let down = work.command(&["check"]).await.exits(1);
    assert_says(
        &down,
        &[
            "FAIL  database: cannot connect to",
            "nothing listens there",
            "check host and port in postgres.url",
        ],
    );
}

#[tokio::test]
async fn what_was_taken_away_is_named_with_its_mend() {
    let (site, _deskie, work) = set_up().await;
    site.client
        .batch_execute(
            "alter publication deskie_cdc drop table messages; revoke insert on messages from deskie_cdc;
             alter table messages add column channel text; update messages set channel = 'web';
             alter table messages alter channel set not null; alter table tickets drop constraint tickets_pkey cascade",
        )
        .await
        .unwrap();
    work.change_config("ticket_field = 25", "ticket_field = 26");
    work.change_config("open_on = \"ticket\"", "open_on = \"ticket\"\nkey = \"id\"");

    let checked = work.command(&["check"]).await.exits(1);

    assert_says(
        &checked,
        &[
            "FAIL  publication: the table public.messages is not in the publication deskie_cdc\n      mend: alter publication \"deskie_cdc\" add table \"public\".\"messages\"",
            "FAIL  publication: the server refuses the site's own UPDATE and DELETE on public.tickets, which the publication deskie_cdc carries: it has no primary key\n      mend: begin; alter publication \"deskie_cdc\" drop table \"public\".\"tickets\"; alter publication \"deskie_cdc_insert\" add table \"public\".\"tickets\"; commit; or ",
            "FAIL  rights: deskie_cdc lacks INSERT on public.messages\n      mend: grant insert on \"public\".\"messages\" to \"deskie_cdc\"",
            "FAIL  required columns: channel of public.messages is NOT NULL without a default, and [reply.set] does not set it",
            "FAIL  write-back: a reply of kind `agent` could not be written: reply.set: permission denied for table messages",
            "mend: grant insert on public.messages to deskie_cdc",
            "FAIL  ticket field: Deskie has no custom field cf_26",
        ],
    );
}

#[tokio::test]
async fn a_trigger_that_needs_more_is_found_by_the_trial() {
    let (site, _deskie, work) = set_up().await;
    site.client
        .batch_execute(
            "create table audit (at timestamptz default now());
             create function note() returns trigger language plpgsql as $$
                 begin insert into audit default values; return null; end $$;
             create constraint trigger note after insert on messages deferrable initially deferred
                 for each row execute function note()",
        )
        .await
        .unwrap();
    let checked = work.command(&["check"]).await.exits(1);
    assert_says(
        &checked,
        &[
            "permission denied for table audit",
            "PL/pgSQL function note()",
            "mend: grant insert on public.audit to deskie_cdc",
        ],
    );
}

#[tokio::test]
async fn whatever_right_the_trial_lacks_its_mends_grant_it() {
    // GIVEN a trigger that calls a function, counts, and writes to tables of which one has a serial key and an odd name and one
    // stands in a schema of its own
    let (site, _deskie, work) = set_up().await;
    site.client
        .batch_execute(
            "create schema kept; create table kept.audit (id serial, of bigint);
             create table \"Old audit\" (id serial, of bigint); create table audit (of bigint);
             create table counts (n int); insert into counts values (0);
             create function shown(id bigint) returns bigint language sql as 'select id';
             revoke execute on function shown(bigint) from public;
             create function note() returns trigger language plpgsql as $$ begin
                 insert into \"Old audit\" (of) values (shown(new.id));
                 update counts set n = n + 1 where n >= 0;
                 insert into kept.audit (of) values (new.id);
                 return null;
             end $$;
             create trigger note after insert on messages for each row execute function note();
             revoke insert on messages from deskie_cdc",
        )
        .await
        .unwrap();
    // WHEN what the check says is done, THEN each time one thing less is lacking, and in the end nothing
    let mut mends = Vec::new();
    loop {
        let checked = work.command(&["check", "--json", "--rows", "0"]).await;
        let list: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
        let list = list.as_array().unwrap().iter();
        let mut found = list.filter(|one| one["code"] == "write_back" && one["status"] == "fail");
        let Some(failed) = found.next() else { break };
        let mend = failed["mend"].as_str().unwrap().to_owned();
        assert!(!mends.contains(&mend), "{mend} does not mend {failed}");
        site.client
            .batch_execute(&mend)
            .await
            .unwrap_or_else(|error| panic!("{failed}: {error}"));
        mends.push(mend);
    }
    assert_eq!(
        mends,
        [
            "grant insert on public.messages to deskie_cdc",
            "grant insert on public.\"Old audit\" to deskie_cdc",
            "grant execute on routine public.shown(id bigint) to deskie_cdc",
            "grant usage on sequence public.\"Old audit_id_seq\" to deskie_cdc",
            "grant update on public.counts to deskie_cdc",
            "grant select on public.counts to deskie_cdc",
            "grant usage on schema kept to deskie_cdc; grant insert on kept.audit to deskie_cdc",
            "grant usage on sequence kept.audit_id_seq to deskie_cdc",
        ]
    );
}

#[tokio::test]
async fn mistakes_of_the_mapping_point_at_their_lines() {
    let (_site, _deskie, work) = set_up().await;
    work.change_config("u.email", "u.emial");
    work.change_config("not m.is_internal", "not m.is_intern");
    work.change_config("update tickets set", "update ticketz set");
    work.change_config("\"coalesce(:author_name, :author_email)\"", "\"u.full_name\"");
    let checked = work.command(&["check"]).await.exits(1);
    assert_says(
        &checked,
        &[
            "ticket.customer.email: column u.emial does not exist (SQLSTATE 42703)\n      mend: did you mean `u.email`?",
            "message.where: column m.is_intern does not exist (SQLSTATE 42703)\n      mend: did you mean `m.is_internal`?",
            "reply.set.author_name: missing FROM-clause entry for table \"u\" (SQLSTATE 42P01)\n      mend: the joins of [ticket] and [message] are not there",
            "relation \"ticketz\" does not exist (SQLSTATE 42P01)\n      mend: did you mean `public.tickets`?",
            "deskie-cdc.toml:",
        ],
    );
    // A name that is near another table's alone is not that alias's; where none is near, all are told.
    let (_site, _deskie, work) = set_up().await;
    work.change_config("u.email", "u.subjct");
    work.change_config("subject = \"subject\"", "subject = \"headline\"");
    work.change_config("not m.is_internal", "not x.is_internal");
    work.change_config("\"coalesce(:author_name, :author_email)\"", "\"t.zzz::text\"");
    let checked = work.command(&["check"]).await.exits(1);
    assert_says(
        &checked,
        &[
            "column u.subjct does not exist (SQLSTATE 42703)\n      mend: users has ",
            "full_name",
            "missing FROM-clause entry for table \"x\" (SQLSTATE 42P01)\n      mend: `x` is the alias of nothing here: this section's own row is `m`",
            "`headline` is no column of public.tickets, this section's own row\n      mend: public.tickets has id, user_id, subject, ",
            "column t.zzz does not exist (SQLSTATE 42703)\n      mend: tickets has id, ",
        ],
    );
}

#[tokio::test]
async fn a_wrong_key_is_said() {
    let (_site, _deskie, work) = set_up().await;
    work.change_config("simulator-key", "another-key");
    let checked = work.command(&["check"]).await.exits(1);
    assert_says(
        &checked,
        &[
            "FAIL  deskie: Deskie does not take the API key",
            "make a new key in Deskie",
        ],
    );
    assert!(!checked.stdout.contains("another-key") && !checked.stderr.contains("another-key"));
    let json = work.command(&["check", "--json"]).await.exits(1);
    let list: Vec<serde_json::Value> = serde_json::from_str(&json.stdout).unwrap();
    let failed: Vec<_> = list
        .iter()
        .filter(|one| one["status"] == "fail")
        .map(|one| &one["name"])
        .collect();
    assert_eq!(failed, ["deskie"]);
}

#[tokio::test]
async fn mistakes_of_the_config_exit_with_two() {
    let (_site, _deskie, work) = set_up().await;
    work.change_config("ticket_field = 25", "ticket_feild = 25");
    let refused = work.command(&["check"]).await.exits(2);
    assert!(refused.stderr.contains("ticket_feild"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_server_of_patronis_is_known_by_its_sessions_and_the_lines_are_told() {
    // GIVEN a server on which nothing tells of Patroni
    let (site, _deskie, work) = set_up().await;
    let checked = work.command(&["check"]).await.ok();
    assert!(!checked.stdout.contains("Patroni"), "{}", checked.stdout);
    // WHEN Patroni has a session there
    site.client
        .batch_execute("set application_name = 'Patroni'")
        .await
        .unwrap();
    // THEN it is told that our slot has to be named to it, how, and nothing fails
    let checked = work.command(&["check"]).await.ok();
    assert_says(
        &checked,
        &[
            "does not survive a switchover",
            "patronictl edit-config -s 'slots.deskie_cdc_site.type=logical'",
            "'slots.deskie_cdc_site.database=site'",
        ],
    );
}

#[tokio::test]
async fn a_config_that_tells_others_its_secrets_is_told_with_the_command_that_mends_it() {
    let (_site, _deskie, work) = set_up().await;
    let (file, link) = (work.config_file(), work.folder().join("the link.toml"));
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let told = async |config: &str| {
        let arguments = ["--config", config, "check", "--json", "--rows", "0"];
        let list: serde_json::Value =
            serde_json::from_str(&work.command(&arguments).await.ok().stdout).unwrap();
        let found = list
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["code"] == "config_readable")
            .cloned();
        found.map(|one| {
            (
                one["message"].to_string(),
                one["mend"].as_str().unwrap().to_owned(),
            )
        })
    };
    let secrets = "stand in it: [deskie] api_key, [server] webhook_secret";
    let link = link.to_str().unwrap();
    for (mode, whom) in [
        (0o644, "each account"),
        (0o640, "its group"),
        (0o604, "each account"),
        (0o600, ""),
    ] {
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        for config in [file.to_str().unwrap(), link]
            .into_iter()
            .take(if mode == 0o644 { 2 } else { 1 })
        {
            let found = told(config).await;
            let is_told = mode != 0o600;
            assert_eq!(found.is_some(), is_told, "{mode:o} {config}: {found:?}");
            let Some((message, mend)) = found else { continue };
            assert!(message.contains(whom) && message.contains(secrets), "{message}");
            assert_eq!(message.contains("a link to"), config == link, "{message}");
            // AND the command is one that a shell takes
            let command = mend.split(" (").next().unwrap();
            let done = std::process::Command::new("sh")
                .args(["-c", command])
                .status()
                .unwrap();
            assert!(done.success(), "{command}");
            assert_eq!(told(config).await, None);
            std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        }
    }
    // AND `run` says it as it starts
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let connector = work.run();
    connector.wait_for_log("may be read by each account").await;
    connector.sigterm_and_wait().await;
    // AND nothing is said where the secrets come from elsewhere
    work.change_config("\"simulator-key\"", "\"${KEY:-simulator-key}\"");
    work.change_config("\"demo-webhook-secret\"", "\"${HOOK:-demo-webhook-secret}\"");
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(told(link).await, None);
}
