//! `[postgres] replication_url`: one role streams, and another reads and writes.

use std::time::Duration;

use deskie_cdc_sandbox::postgres::ClusterOptions;
use deskie_cdc_sandbox::simulator::Says;

use crate::support::{Site, Stage, Workplace, installations, prepared, stage, stage_on, wait_until};

const STREAMER: &str = "deskie_cdc_stream";

/// A Deskie that nobody asks.
const NOWHERE: &str = "http://127.0.0.1:9";

/// A frozen leader's stream is ended well before the server gives it up (`wal_sender_timeout`, a minute).
const STREAMS_WITHIN: Duration = Duration::from_secs(25);

/// Another role is to stream from now on.
fn apart(work: &Workplace, url: &str) {
    work.change_config(
        "[postgres]\n",
        &format!("[postgres]\nreplication_url = \"{url}\"\n"),
    );
}

async fn list(client: &tokio_postgres::Client, sql: &str) -> Vec<String> {
    let rows = client.query(sql, &[]).await.expect("a query");
    rows.iter().map(|row| row.get(0)).collect()
}

/// Which of the two may replicate, and what else they are.
async fn roles(site: &Site) -> Vec<String> {
    let sql = "select rolname || case when rolreplication then ' replicates' else '' end
            || case when rolsuper or rolcreaterole or rolcreatedb or rolbypassrls then ' and more' else '' end
        from pg_roles where rolname ~ '^deskie' order by rolname";
    list(&site.client, sql).await
}

/// The role that streams can look at nothing of the site's and of ours.
async fn sees_nothing(site: &Site) {
    let streamer = site.connect_as(STREAMER).await;
    for sql in [
        "select * from tickets",
        "select * from messages",
        "select * from users",
        "insert into messages (ticket_id, author, body) values (1, 'customer', 'x')",
        "update tickets set subject = 'x'",
        "delete from messages",
        "select * from deskie_cdc.meta",
        "create table deskie_cdc.mine ()",
        "create schema mine",
    ] {
        let refused = streamer.batch_execute(sql).await.expect_err(sql);
        assert_eq!(
            refused.code(),
            Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE),
            "{sql}: {refused}"
        );
    }
}

#[tokio::test]
async fn setup_makes_both_roles_with_the_least_that_each_needs() {
    for installation in installations() {
        // GIVEN a site without any role of ours, and a config that names two
        let site = Site::start_on(&installation, ClusterOptions::default()).await;
        let work = Workplace::new(&site, NOWHERE);
        apart(&work, &site.url(STREAMER));
        // WHEN the administrator's part is printed, THEN it makes both
        let printed = work
            .command(&["setup", "--print-sql", "--admin-url", &site.admin_url()])
            .await
            .ok();
        for part in [
            "(user deskie_cdc, and deskie_cdc_stream, which streams)",
            "create role \"deskie_cdc\" login;",
            "create role \"deskie_cdc_stream\" login replication;",
        ] {
            assert!(printed.stdout.contains(part), "`{part}`: {}", printed.stdout);
        }
        assert!(roles(&site).await.is_empty());
        // AND WHEN it is run, THEN the two roles need nobody
        site.client.batch_execute(&printed.stdout).await.unwrap();
        let own = work.command(&["setup"]).await.ok();
        assert!(!own.stdout.contains("granted"), "{}", own.stdout);
        assert!(
            own.stdout.contains("slot deskie_cdc_site: made"),
            "{}",
            own.stdout
        );
        assert_eq!(roles(&site).await, ["deskie_cdc", "deskie_cdc_stream replicates"]);
        sees_nothing(&site).await;
        let again = work
            .command(&["setup", "--admin-url", &site.admin_url()])
            .await
            .ok();
        for word in ["made", "granted", "any more"] {
            assert!(!again.stdout.contains(word), "{}", again.stdout);
        }
        // AND `check` looks at both connections
        let check = work.command(&["check"]).await.exits(1);
        for line in [
            "the server replicates to deskie_cdc_stream (postgres.replication_url)",
            "deskie_cdc is no superuser; deskie_cdc_stream may replicate",
        ] {
            assert!(check.stdout.contains(line), "`{line}`: {}", check.stdout);
        }
        assert!(!check.stdout.contains("may replicate, which"), "{}", check.stdout);
        // AND WHEN all is removed, THEN the slot is dropped by whom it is
        let partly = work.command(&["uninstall", "--yes"]).await.exits(1);
        assert!(
            partly.stdout.contains("dropped: slot deskie_cdc_site"),
            "{}",
            partly.stdout
        );
        let done = work
            .command(&["uninstall", "--yes", "--admin-url", &site.admin_url()])
            .await
            .ok();
        let lines = done.stdout.lines();
        for line in lines
            .skip_while(|line| !line.starts_with("the role is kept"))
            .skip(1)
        {
            site.client.batch_execute(line).await.unwrap();
        }
        assert!(roles(&site).await.is_empty(), "{}", done.stdout);
    }
}

#[tokio::test]
async fn each_error_says_which_of_the_two_urls_is_meant() {
    // GIVEN a site that is set up, another server, and roles that lack something
    let site = Site::start().await;
    // Those of one version are copies of one cluster, with one system id.
    let (versions, newest) = (installations(), crate::support::newest());
    let other = versions.iter().find(|one| one.version() != newest.version());
    let other = match other {
        Some(other) => Some(Site::start_on(other, ClusterOptions::default()).await),
        None => None,
    };
    let work = Workplace::new(&site, NOWHERE);
    prepared(&site, &work).await;
    site.client
        .batch_execute("create role plain login")
        .await
        .unwrap();
    let elsewhere = match &other {
        Some(other) => {
            let sql = "create role plain login replication";
            other.client.batch_execute(sql).await.unwrap();
            Some(other.url("plain"))
        }
        None => None,
    };
    let (nobody, plain) = (site.url("nobody"), site.url("plain"));
    let port = format!(":{}", site.cluster.port());
    let closed = site
        .url("plain")
        .replace(&port, &format!(":{}", crate::support::free_port()));
    let former = std::fs::read_to_string(work.config_file()).unwrap();
    let mut cases = vec![
        (
            closed.as_str(),
            "FAIL direct connection: postgres.replication_url: ",
            "check host and port in postgres.replication_url",
        ),
        (
            nobody.as_str(),
            "FAIL direct connection: postgres.replication_url: ",
            "the role nobody of postgres.replication_url is not there",
        ),
        (
            &plain,
            "FAIL direct connection: postgres.replication_url: ",
            "plain may not replicate",
        ),
    ];
    if let Some(url) = &elsewhere {
        cases.push((
            url,
            "postgres.replication_url to ",
            "name the same server in both",
        ));
    }
    for (url, said, mend) in cases {
        // WHEN the second URL leads to where nothing is streamed to us
        work.write_config(&former);
        apart(&work, url);
        let check = work.command(&["check"]).await.exits(1);
        let text = check.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        // THEN it is named, with its own mend, and the first is well
        for part in [said, mend] {
            assert!(text.contains(part), "`{part}` of {url}: {}", check.stdout);
        }
        assert!(text.contains("answers"), "{}", check.stdout);
        // AND nothing is set up with it
        let setup = work.command(&["setup"]).await.exits(1);
        assert!(
            setup.stderr.contains("postgres.replication_url") || setup.stderr.contains("--admin-url"),
            "{url}: {}",
            setup.stderr
        );
    }
    // WHEN it names another database, or is none, THEN its line is shown
    for url in [
        site.url(STREAMER).replace("/site", "/postgres"),
        "postgres://a@h/d?sslmode=sometimes".to_owned(),
    ] {
        work.write_config(&former);
        apart(&work, &url);
        for command in ["check", "setup", "run", "status"] {
            let ended = work.command(&[command]).await;
            let text = format!("{}{}", ended.stdout, ended.stderr);
            assert!(text.contains("replication_url = "), "{command}: {text}");
            assert!(!ended.status.success(), "{command}: {text}");
        }
    }
}

/// A trigger of the site's that tries to drop another slot in our write-back, and says how that went.
const DROPS: &str = "create table tried (id bigint generated always as identity, said text);
    grant insert on tried to public;
    create function drops() returns trigger language plpgsql as $$ begin
        begin
            perform pg_drop_replication_slot('others');
            insert into public.tried (said) values ('dropped');
        exception when others then
            insert into public.tried (said) values (sqlstate);
        end;
        return new;
    end $$;
    create trigger drops before insert on messages for each row when (new.author = 'agent') execute function drops()";

const OTHERS: &str = "select pg_create_logical_replication_slot('others', 'pgoutput')::text";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_flows_hold_and_a_trigger_of_the_sites_drops_no_slot() {
    for installation in installations() {
        // GIVEN one role that streams and writes, and a trigger on what it writes
        let stage = stage_on(&installation).schema(DROPS).build().await;
        let said = async || list(&stage.site.client, "select said from tried order by id").await;
        let slots = "select slot_name::text from pg_replication_slots order by 1";
        list(&stage.site.client, OTHERS).await;
        let connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        stage.simulator.agent_reply(case, Says::text("bir")).unwrap();
        stage.until_site(ticket, 1).await;
        // Such a role can be used to drop what is another's.
        assert_eq!(said().await, ["dropped"]);
        assert_eq!(list(&stage.site.client, slots).await, ["deskie_cdc_site"]);
        assert!(connector.sigterm_and_wait().await.success());
        list(&stage.site.client, OTHERS).await;

        // WHEN another role is to stream, and the slot has got lost meanwhile
        apart(&stage.workplace, &stage.site.url(STREAMER));
        let admin = stage.site.admin_url();
        let done = stage
            .workplace
            .command(&["setup", "--admin-url", &admin])
            .await
            .ok();
        for line in [
            "role deskie_cdc: may not replicate any more",
            "role deskie_cdc_stream: made (login replication)",
        ] {
            assert!(done.stdout.contains(line), "`{line}`: {}", done.stdout);
        }
        assert_eq!(
            roles(&stage.site).await,
            ["deskie_cdc", "deskie_cdc_stream replicates"]
        );
        list(
            &stage.site.client,
            "select pg_drop_replication_slot('deskie_cdc_site')::text",
        )
        .await;
        stage.writes(ticket, "iki").await;
        // THEN it is made anew, and all flows hold, as two roles
        let connector = stage.run().await;
        stage.until_deskie(case, 3).await;
        let streams = "select distinct usename::text from pg_stat_replication";
        assert_eq!(list(&stage.site.client, streams).await, [STREAMER]);
        stage.simulator.agent_reply(case, Says::text("üç")).unwrap();
        stage.until_site(ticket, 3).await;
        stage
            .simulator
            .customer_mail_reply(case, Says::text("dört"))
            .unwrap();
        stage.until_site(ticket, 4).await;
        let (second, other) = stage.open("Soru iki").await;
        stage.writes(second, "beş").await;
        stage.until_deskie(other, 2).await;
        stage.settled().await;
        assert_eq!(stage.rows(ticket).await, ["bir", "iki", "üç", "dört"]);
        // AND the trigger may drop nothing
        assert_eq!(said().await, ["dropped", "42501"]);
        assert_eq!(
            list(&stage.site.client, slots).await,
            ["deskie_cdc_site", "others"]
        );
        sees_nothing(&stage.site).await;
        assert!(connector.sigterm_and_wait().await.success());
    }
}

async fn streams(stage: &Stage) -> Vec<String> {
    let sql = "select application_name from pg_stat_replication";
    list(&stage.site.client, sql).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_leaders_stream_is_ended_though_it_is_another_roles() {
    // GIVEN two instances whose stream is another role's
    let stage = stage().build().await;
    let second = Workplace::new(&stage.site, &stage.simulator.url());
    for work in [&stage.workplace, &second] {
        apart(work, &stage.site.url(STREAMER));
    }
    let admin = stage.site.admin_url();
    second.command(&["setup", "--admin-url", &admin]).await.ok();
    let first = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    let former = streams(&stage).await;
    assert_eq!(former.len(), 1);
    let second = second.run();
    let standby = second.wait_for_log("webhooks on").await;
    assert!(!standby.contains("leading"));
    // WHEN the one that leads freezes
    first.signal("STOP").await;
    let begun = deskie_cdc::model::clock::monotonic();
    // THEN the other one leads, and streams
    second.wait_for_log("streaming").await;
    assert!(begun.elapsed() < STREAMS_WITHIN, "{:?}", begun.elapsed());
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    wait_until("the former stream is gone", || async {
        let now = streams(&stage).await;
        (now.len() == 1 && now != former).then_some(())
    })
    .await;
    first.kill9().await;
}
