//! Sites that are hard on a session: what somebody has planted in their schemas, and what their role is set to.
//!
//! Whoever may create objects in a schema of the site's `search_path` must not run code as us (rule 4).
//!
//! Traps are operators and functions that fit better than the server's own wherever an argument is of another type than
//! the server's own have: a statement of ours that leaves the choice to the path calls one. Each call is counted.

use deskie_cdc::postgres::{ConnectUrl, SessionOptions, connect};
use deskie_cdc_sandbox::postgres::ClusterOptions;
use deskie_cdc_sandbox::simulator::Says;

use crate::support::{Site, Stage, Workplace, env, installations, newest, stage_on, wait_until};

/// Traps in one schema.
const TRAPS: &str = r#"
set search_path to pg_catalog;
create schema if not exists {schema};
grant usage on schema {schema} to public;
do $do$
declare
    schema text := '{schema}';
    -- What stands on either side of our operators, and what our functions are given.
    types text[] := array['text', 'varchar', 'name', '"char"', 'oid', 'int2', 'int4', 'int8', 'bool', 'xid', 'jsonb', 'numeric',
        'float8', 'timestamptz', 'text[]'];
    trap text := 'language plpgsql as $f$ begin raise log ''TRAPPED %%'', %L; perform pg_catalog.nextval(''public.trapped''); return null; end $f$';
    l text; r text; op text; f text; result text;
begin
    foreach l in array types loop
        foreach r in array types loop
            execute format('create or replace function %I.trap(%s, %s) returns bool ' || trap, schema, l, r, l || ' op ' || r);
            foreach op in array array['=', '<>', '<', '<=', '>', '>=', '~~', '!~~', '~', '!~', '@>', '&&', '?'] loop
                execute format('create operator %I.%s (leftarg = %s, rightarg = %s, function = %I.trap)', schema, op, l, r, schema);
            end loop;
            execute format('create or replace function %I.trap_text(%s, %s) returns text ' || trap, schema, l, r, l || ' op ' || r);
            foreach op in array array['||', '+', '-', '->', '->>', '#>>', '<<', '|', '&'] loop
                execute format('create operator %I.%s (leftarg = %s, rightarg = %s, function = %I.trap_text)', schema, op, l, r, schema);
            end loop;
            foreach f in array array['format', 'concat', 'set_config', 'substring', 'substr', 'pg_try_advisory_lock', 'round', 'age',
                'hashtextextended', 'to_char', 'split_part', 'jsonb_build_array', 'jsonb_build_object', 'jsonb_set', 'strpos', 'left',
                'array_position', 'encode', 'has_schema_privilege', 'has_table_privilege', 'has_function_privilege', 'date_trunc'] loop
                execute format('create or replace function %I.%I(%s, %s) returns text ' || trap, schema, f, l, r, f || ' ' || l || ' ' || r);
            end loop;
        end loop;
        foreach f in array array['quote_ident', 'quote_literal', 'lower', 'upper', 'length', 'octet_length', 'to_regclass', 'count', 'min',
            'max', 'sum', 'bool_and', 'unnest', 'current_setting', 'pg_terminate_backend', 'pg_advisory_xact_lock', 'concat', 'md5',
            'sha256', 'to_jsonb', 'jsonb_array_elements', 'array_agg', 'json_agg', 'jsonb_agg', 'abs', 'to_timestamp', 'pg_size_pretty',
            'format', 'nullif', 'coalesce', 'greatest', 'txid_status', 'pg_get_userbyid', 'aclexplode', 'btrim', 'trim'] loop
            execute format('create or replace function %I.%I(%s) returns text ' || trap, schema, f, l, f || ' ' || l);
        end loop;
    end loop;
    foreach f in array array['now', 'clock_timestamp', 'current_database', 'pg_backend_pid', 'pg_current_snapshot', 'version',
        'pg_is_in_recovery', 'pg_postmaster_start_time', 'gen_random_uuid', 'statement_timestamp', 'row_number', 'pg_current_xact_id'] loop
        execute format('create or replace function %I.%I() returns text ' || trap, schema, f, f);
    end loop;
    -- Relations and types that our SQL might name without a schema.
    execute format('create view %I.pg_stat_activity as select public.trap_row() as pid', schema);
    execute format('create view %I.pg_locks as select public.trap_row() as pid', schema);
    execute format('create view %I.pg_database as select public.trap_row() as oid', schema);
end $do$;
reset search_path;
"#;

/// What the views above read; the sequence counts all calls.
const TRAP_ROW: &str = "create sequence public.trapped; grant all on sequence public.trapped to public; \
    create function public.trap_row() returns int4 language plpgsql as $f$ begin raise log 'TRAPPED row'; \
    perform pg_catalog.nextval('public.trapped'); return 0; end $f$";

/// Fails where a trap was called, with which.
async fn none_called(stage: &Stage, after: &str) {
    let called: bool = stage.query("select is_called from public.trapped", &[]).await[0].get(0);
    let log = stage.site.cluster.log_tail();
    let which: Vec<&str> = log.lines().filter(|line| line.contains("TRAPPED")).collect();
    assert!(!called, "{after} called traps: {which:#?}\n{log}");
}

#[tokio::test]
async fn nothing_that_is_planted_in_the_sites_schemas_is_called() {
    for installation in installations() {
        // GIVEN a site with traps in the schemas of both paths: `public`, and one named like the administrator ("$user")
        let stage = stage_on(&installation)
            .schema(TRAP_ROW)
            .schema(&TRAPS.replace("{schema}", "public"))
            .schema(&TRAPS.replace("{schema}", "postgres"))
            .config(
                "[deskie]\n",
                "[status]\nsql = [\"update tickets set subject = :status where id = :ticket\"]\n\n[deskie]\n",
            )
            // WHEN an administrator sets up
            .build()
            .await;
        none_called(&stage, "setup --admin-url").await;
        let admin = stage.site.admin_url();

        // WHEN he makes a draft, and the connector's user looks
        for arguments in [
            &["init", "--url", &admin][..],
            &["setup"],
            &["setup", "--print-sql"],
            &["setup", "--print-sql", "--admin-url", &admin],
            &["check"],
            &["plan"],
            &["plan", "--ticket", "3", "--reply", "x"],
            &["backfill", "--limit", "1"],
        ] {
            stage.workplace.command(arguments).await.ok();
            none_called(&stage, &arguments.join(" ")).await;
        }

        // WHEN all four flows run, and a status
        let connector = stage.run().await;
        let (ticket, case) = stage.open("subject").await;
        stage
            .simulator
            .agent_reply(case, Says::text("an answer"))
            .unwrap();
        stage
            .simulator
            .customer_mail_reply(case, Says::text("a mail"))
            .unwrap();
        stage.until_site(ticket, 2).await;
        stage.writes(ticket, "on the site").await;
        stage.until_deskie(case, 4).await;
        stage.simulator.set_status(case, "closed").unwrap();
        stage.settled().await;
        none_called(&stage, "run").await;
        for arguments in [&["status"][..], &["failed", "list"], &["trace", "3"]] {
            stage.workplace.command(arguments).await;
            none_called(&stage, &arguments.join(" ")).await;
        }
        connector.sigterm_and_wait().await;

        // WHEN it goes
        stage
            .workplace
            .command(&["uninstall", "--yes", "--admin-url", &admin])
            .await
            .ok();
        none_called(&stage, "uninstall").await;
    }
}

#[tokio::test]
async fn no_word_of_a_draft_is_an_operator_of_somebody_elses() {
    for installation in installations() {
        // GIVEN a site whose columns are `varchar`, so that an operator over two of them fits better than the server's own, and a
        // schema of its path in which everybody may create
        let site = Site::start_on(&installation, ClusterOptions::default()).await;
        site.cluster.create_database("rails").await.unwrap();
        let rails = site.cluster.connect("rails").await.unwrap();
        let schema = std::fs::read_to_string("tests/init/rails/site.sql").unwrap();
        let traps = TRAPS.replace("{schema}", "public");
        for sql in [
            &schema,
            TRAP_ROW,
            &traps,
            "grant create on schema public to public",
        ] {
            rails.batch_execute(sql).await.unwrap();
        }
        // WHEN an administrator has a draft made
        let workplace = Workplace::new(&site, "http://127.0.0.1:9");
        let made = workplace
            .command(&["init", "--yes", "--url", &site.cluster.superuser_url("rails")])
            .await
            .ok();
        // THEN its words are tried with the server's own operators, and what that leaves out is said
        assert!(
            made.stdout.contains("commentable_type = 'Request'"),
            "{}",
            made.stdout
        );
        assert!(
            made.stderr.contains("tried without what stands in public"),
            "{}",
            made.stderr
        );
        let called = rails
            .query_one("select is_called from public.trapped", &[])
            .await
            .unwrap();
        let log = site.cluster.log_tail();
        assert!(!called.get::<_, bool>(0), "{log}");
    }
}

#[tokio::test]
async fn no_type_of_the_sites_own_is_taken_for_the_servers() {
    for installation in installations() {
        // GIVEN a site whose path has the server's own schema last, and types in it that are called like the server's
        let types = "do $$ declare name pg_catalog.text; begin
            foreach name in array array['text', 'int8', 'int4', 'int2', 'bool', 'jsonb', 'timestamptz', 'numeric', 'oid', 'regclass',
                'regprocedure', 'name', 'bytea', 'float8', 'xid', 'xid8', 'pg_lsn', 'varchar'] loop
                execute pg_catalog.format('create type public.%I as (x pg_catalog.int4)', name);
            end loop; end $$";
        let stage = stage_on(&installation).build().await;
        stage.sql(types).await;
        stage
            .sql("alter database site set search_path to public, pg_catalog")
            .await;
        // WHEN each command looks at the mapping, THEN it means the server's
        for arguments in [
            &["check"][..],
            &["plan"],
            &["plan", "--ticket", "3"],
            &["plan", "--ticket", "3", "--reply", "x"],
            &["backfill", "--limit", "1"],
            &["setup"],
        ] {
            stage.workplace.command(arguments).await.ok();
        }
    }
}

/// What a role may be set to, and what holds in our sessions all the same.
const SETTINGS: [(&str, &str, &str); 19] = [
    ("search_path", "public, pg_catalog", "pg_catalog, pg_temp"),
    ("synchronous_commit", "off", "on"),
    ("lock_timeout", "1ms", "2s"),
    ("statement_timeout", "1s", "30s"),
    ("idle_in_transaction_session_timeout", "1s", "0"),
    ("idle_session_timeout", "1s", "0"),
    ("transaction_timeout", "1s", "0"),
    ("default_transaction_isolation", "serializable", "read committed"),
    ("default_transaction_read_only", "on", "off"),
    ("default_transaction_deferrable", "on", "off"),
    ("client_encoding", "LATIN5", "UTF8"),
    ("DateStyle", "German", "ISO, MDY"),
    ("TimeZone", "Asia/Tokyo", "UTC"),
    ("IntervalStyle", "iso_8601", "postgres"),
    ("bytea_output", "escape", "hex"),
    ("extra_float_digits", "-4", "1"),
    ("array_nulls", "off", "on"),
    ("standard_conforming_strings", "off", "on"),
    ("gin_fuzzy_search_limit", "1", "0"),
];

/// The settings of that list that this server has, put on a role.
async fn spoil(site: &Site, role: &str) -> Vec<(&'static str, &'static str)> {
    let mut spoilt = Vec::new();
    for (name, bad, good) in SETTINGS {
        let sql = "select pg_catalog.current_setting($1, true) is not null";
        let is_there: bool = site.client.query_one(sql, &[&name]).await.unwrap().get(0);
        if is_there {
            let bad = if name == "search_path" {
                bad.to_owned()
            } else {
                format!("'{bad}'")
            };
            let sql = format!("alter role {role} set {name} to {bad}");
            site.client.batch_execute(&sql).await.unwrap();
            spoilt.push((name, good));
        }
    }
    spoilt
}

#[tokio::test]
async fn every_session_is_ours_whatever_the_site_has_set() {
    for installation in installations() {
        // GIVEN a role that is set to all that breaks a connector
        let site = Site::start_on(&installation, ClusterOptions::default()).await;
        site.client
            .batch_execute("create role spoilt login replication superuser")
            .await
            .unwrap();
        let spoilt = spoil(&site, "spoilt").await;

        // WHEN a session of ours begins
        let url = ConnectUrl::parse(&site.url("spoilt")).unwrap();
        let client = connect(&url, &SessionOptions::new("test")).await.unwrap();
        // THEN nothing of it holds
        for (name, good) in spoilt {
            let row = client
                .query_one("select current_setting($1)", &[&name])
                .await
                .unwrap();
            assert_eq!(row.get::<_, String>(0), good, "{name}");
        }
    }
}

#[tokio::test]
async fn a_site_that_times_its_sessions_out_is_served_all_the_same() {
    for installation in installations() {
        // GIVEN a connector whose role and database are set to end everything after a second, and to read only
        let stage = stage_on(&installation).build().await;
        spoil(&stage.site, "deskie_cdc").await;
        stage
            .sql("alter role deskie_cdc set search_path to public; alter database site set idle_in_transaction_session_timeout to '1s'")
            .await;
        // AND a transaction of the site's that stays open, so that what comes behind it is not decoded or not visible
        let mut foreign = stage.site.cluster.connect("site").await.unwrap();
        foreign
            .batch_execute("set idle_in_transaction_session_timeout to 0")
            .await
            .unwrap();
        let open = foreign.transaction().await.unwrap();
        open.batch_execute("select pg_catalog.pg_current_xact_id(); lock table users in row share mode")
            .await
            .unwrap();

        // WHEN the flows run, for longer than any of the limits
        let connector = stage.run().await;
        let (ticket, case) = stage.open("subject").await;
        stage
            .simulator
            .agent_reply(case, Says::text("an answer"))
            .unwrap();
        stage.until_site(ticket, 1).await;
        let slept = std::time::Instant::now();
        stage.sql("select pg_catalog.pg_sleep(2.5)").await;
        assert!(slept.elapsed().as_secs() >= 2);
        stage.writes(ticket, "later").await;
        stage.until_deskie(case, 3).await;
        open.rollback().await.unwrap();

        // THEN nothing was begun anew
        let log = connector.log().join("\n");
        for word in ["begun anew", "begun again", "no longer leading", "is tried again"] {
            assert!(!log.contains(word), "{word}:\n{log}");
        }
        let checked = stage.workplace.command(&["check"]).await.ok();
        assert!(checked.stderr.contains("nothing failed"), "{}", checked.stderr);
        connector.sigterm_and_wait().await;
    }
}

#[tokio::test]
async fn the_sites_own_functions_find_their_names() {
    // GIVEN a site whose triggers, at once and deferred, and whose policies name its tables without their schema
    let stage = stage_on(&newest())
        .schema(
            "create table audit (line text); create table shown (id bigint); insert into shown values (1);
             grant insert on audit to public; grant select on shown to public;
             create function note() returns trigger language plpgsql as $$
                 begin insert into audit values (tg_name); return null; end $$;
             create trigger at_once after insert on messages for each row execute function note();
             create constraint trigger deferred after insert on messages deferrable initially deferred
                 for each row execute function note();
             create function visible() returns boolean language sql stable as 'select exists (select from shown)';
             alter table tickets enable row level security;
             create policy all_of_it on tickets using (visible()) with check (visible())",
        )
        .build()
        .await;
    stage.workplace.command(&["check"]).await;

    // WHEN a reply is written
    let connector = stage.run().await;
    let (ticket, case) = stage.open("subject").await;
    stage
        .simulator
        .agent_reply(case, Says::text("an answer"))
        .unwrap();
    stage.until_site(ticket, 1).await;

    // THEN they have found them, as they do for the site
    let noted = "select count(*) from audit where line in ('at_once', 'deferred')";
    assert_eq!(stage.count(noted).await, 2);
    connector.sigterm_and_wait().await;
}

/// A language for the server's messages, where this machine has one: `LOCPATH=… DESKIE_CDC_TEST_LC_MESSAGES=ru_RU.UTF-8`.
const LANGUAGE: &str = "DESKIE_CDC_TEST_LC_MESSAGES";

#[tokio::test]
async fn a_slot_that_is_lost_while_it_streams_is_made_anew_in_any_language() {
    for installation in installations() {
        // GIVEN a connector that streams, and a transaction of the site's that holds the slot back
        let mut building = stage_on(&installation).server("max_slot_wal_keep_size", "1MB");
        if let Some(language) = env(LANGUAGE) {
            building = building.server("lc_messages", &language);
        }
        let stage = building.build().await;
        let connector = stage.run().await;
        let (_, case) = stage.open("before").await;
        let mut foreign = stage.site.connect().await;
        let open = foreign.transaction().await.unwrap();
        open.execute("update users set full_name = full_name where id = 5", &[])
            .await
            .unwrap();

        // WHEN the server gives the slot up under it
        wait_until("the slot is lost", || async {
            stage
                .sql(
                    "select pg_logical_emit_message(false, 'x', repeat('x', 1000000)) from generate_series(1, 20);
                     select pg_switch_wal(); checkpoint",
                )
                .await;
            let lost = "select count(*) from pg_replication_slots where wal_status = 'lost'";
            (stage.count(lost).await == 1).then_some(())
        })
        .await;
        open.rollback().await.unwrap();

        // THEN a new one is there, the gap is repaired, and it goes on
        connector.wait_for_log("the server has given it up").await;
        connector.wait_for_log("repaired").await;
        stage.open("after").await;
        assert_eq!(stage.case(case).messages.len(), 1);
        connector.sigterm_and_wait().await;
    }
}
