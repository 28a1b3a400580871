//! `setup` and `uninstall`, with the real program.

use std::process::Command;

use crate::support::{Site, Workplace, newest, texts};
use deskie_cdc_sandbox::postgres::ClusterOptions;
use deskie_cdc_sandbox::sample_site;
use deskie_cdc_sandbox::simulator::{Fault, FaultKind, Match};

/// A Deskie that nobody asks.
const NOWHERE: &str = "http://127.0.0.1:9";

async fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(site: &Site, sql: &str) -> T {
    site.client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn list(site: &Site, sql: &str) -> Vec<String> {
    site.client
        .query(sql, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[tokio::test]
async fn setup_makes_what_is_missing_and_is_idempotent() {
    // GIVEN a site, and no user for the connector
    let site = Site::start().await;
    let work = Workplace::new(&site, NOWHERE);

    // WHEN the administrator's part is done over --admin-url
    let first = work
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    for line in [
        "role deskie_cdc: made (login replication)",
        "schema deskie_cdc: made, of deskie_cdc",
        "right: granted SELECT on public.tickets",
        "right: granted INSERT on public.messages",
        "right: granted UPDATE (id, replies_count, updated_at) on public.tickets",
        "right: granted SELECT on public.users",
        "publication deskie_cdc: made for public.tickets, public.messages",
        "publication deskie_cdc_insert: made, without a table",
        "state: made the tables in deskie_cdc",
        "slot deskie_cdc_site: made, streams from ",
    ] {
        assert!(
            first.stdout.contains(line),
            "`{line}` is not in\n{}",
            first.stdout
        );
    }

    // THEN a second time nothing is made, with and without the administrator
    for arguments in [vec!["setup", "--admin-url", &site.admin_url()], vec!["setup"]] {
        let again = work.command(&arguments).await.ok();
        assert!(
            !again.stdout.contains("made") && !again.stdout.contains("granted"),
            "{}",
            again.stdout
        );
        for line in [
            "role deskie_cdc: there",
            "schema deskie_cdc: there",
            "publication deskie_cdc: there",
            "slot deskie_cdc_site: there",
        ] {
            assert!(
                again.stdout.contains(line),
                "`{line}` is not in\n{}",
                again.stdout
            );
        }
    }
    assert_eq!(
        one::<i64>(&site, "select count(*) from pg_replication_slots").await,
        1
    );
    assert!(
        one::<bool>(
            &site,
            "select captured_lsn is not null and system_id is not null and database_name = 'site' \
        and slot = 'deskie_cdc_site' from deskie_cdc.meta"
        )
        .await
    );
    assert_least_privilege(&site).await;
}

/// The role is no superuser, owns its schema alone, and may write nothing but what the mapping writes.
async fn assert_least_privilege(site: &Site) {
    let attributes = "select rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or not rolreplication \
        from pg_roles where rolname = 'deskie_cdc'";
    assert!(!one::<bool>(site, attributes).await);
    let owned = list(site, "select nspname from pg_namespace where pg_get_userbyid(nspowner) = 'deskie_cdc' union all \
        select relname from pg_class c join pg_namespace n on n.oid = relnamespace where nspname <> 'deskie_cdc' \
        and nspname !~ '^pg_' and pg_get_userbyid(relowner) = 'deskie_cdc' union all \
        select pubname from pg_publication where pg_get_userbyid(pubowner) = 'deskie_cdc'").await;
    assert_eq!(owned, ["deskie_cdc"]);
    let tables = list(
        site,
        "select table_name || ' ' || privilege_type from information_schema.role_table_grants \
        where grantee = 'deskie_cdc' and table_schema = 'public' order by 1",
    )
    .await;
    assert_eq!(
        tables,
        [
            "messages INSERT",
            "messages SELECT",
            "tickets SELECT",
            "users SELECT"
        ]
    );
    let columns = list(
        site,
        "select table_name || '.' || column_name from information_schema.column_privileges \
        where grantee = 'deskie_cdc' and table_schema = 'public' and privilege_type = 'UPDATE' order by 1",
    )
    .await;
    assert_eq!(
        columns,
        ["tickets.id", "tickets.replies_count", "tickets.updated_at"]
    );
}

#[tokio::test]
async fn the_printed_sql_does_the_administrators_part() {
    // GIVEN a site, and no user for the connector
    let site = Site::start().await;
    let work = Workplace::new(&site, NOWHERE);

    // WHEN the SQL is printed
    let printed = work
        .command(&["setup", "--print-sql", "--admin-url", &site.admin_url()])
        .await
        .ok();

    // THEN nothing was changed
    assert_eq!(
        one::<i64>(
            &site,
            "select count(*) from pg_roles where rolname = 'deskie_cdc'"
        )
        .await,
        0
    );
    assert_eq!(one::<i64>(&site, "select count(*) from pg_publication").await, 0);

    // AND psql runs it, after which the connector's user needs nobody
    psql(&work, &site.admin_url(), &printed.stdout);
    let own = work.command(&["setup"]).await.ok();
    assert!(!own.stdout.contains("granted"), "{}", own.stdout);
    assert!(
        own.stdout.contains("slot deskie_cdc_site: made"),
        "{}",
        own.stdout
    );
    assert_least_privilege(&site).await;
    let again = work.command(&["setup", "--print-sql"]).await.ok();
    assert!(
        again.stdout.contains("-- Nothing is missing."),
        "{}",
        again.stdout
    );
}

fn psql(work: &Workplace, url: &str, sql: &str) {
    let file = work.folder().join("setup.sql");
    std::fs::write(&file, sql).unwrap();
    let psql = ["/usr/lib/postgresql/15/bin/psql", "/usr/bin/psql"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists());
    let output = Command::new(psql.unwrap_or("psql"))
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n--- in\n{sql}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn a_table_without_a_primary_key_can_still_be_updated() {
    // GIVEN a message table without a primary key
    let site = Site::start().await;
    site.client
        .batch_execute("alter table messages drop constraint messages_pkey")
        .await
        .unwrap();
    let work = Workplace::new(&site, NOWHERE);
    work.change_config("ticket = \"ticket_id\"", "ticket = \"ticket_id\"\nkey = \"id\"");

    // WHEN it is set up
    let done = work
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();

    // THEN its INSERTs are published, and the site can go on
    assert!(
        done.stdout.contains("made for the INSERTs of public.messages"),
        "{}",
        done.stdout
    );
    assert_eq!(
        list(
            &site,
            "select tablename::text from pg_publication_tables where pubname = 'deskie_cdc'"
        )
        .await,
        ["tickets"]
    );
    assert_eq!(
        list(
            &site,
            "select tablename::text from pg_publication_tables where pubname = 'deskie_cdc_insert'"
        )
        .await,
        ["messages"]
    );
    let ticket = sample_site::open_ticket(&site.client, "ayse@example.com", "a", "b")
        .await
        .unwrap();
    sample_site::customer_reply(&site.client, ticket, "c")
        .await
        .unwrap();
    site.client
        .batch_execute("update messages set body = 'd'; delete from messages where body = 'd'")
        .await
        .unwrap();

    // AND once it has one, it is published whole
    site.client
        .batch_execute("alter table messages add primary key (id)")
        .await
        .unwrap();
    let done = work
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    assert!(
        done.stdout
            .contains("publication deskie_cdc: added public.messages"),
        "{}",
        done.stdout
    );
}

#[tokio::test]
async fn what_stands_in_the_way_is_named_with_its_mend() {
    let site = Site::start_on(&newest(), ClusterOptions::default().set("wal_level", "replica")).await;
    let work = Workplace::new(&site, NOWHERE);

    let refused = work
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .exits(1);
    assert!(
        refused.stderr.contains("wal_level is replica"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("alter system set wal_level = 'logical'"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        one::<i64>(
            &site,
            "select count(*) from pg_roles where rolname = 'deskie_cdc'"
        )
        .await,
        0,
        "nothing is half done"
    );

    let refused = work.command(&["setup"]).await.exits(1);
    assert!(
        refused.stderr.contains("the log-in was refused"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("--admin-url"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_slot_that_waits_names_whom_it_waits_for() {
    let site = Site::start().await;
    let work = Workplace::new(&site, NOWHERE);
    // GIVEN a transaction of the site that has written and stays open
    let other = site.connect().await;
    other
        .batch_execute("set application_name = 'nightly report'; begin; update tickets set subject = subject")
        .await
        .unwrap();

    let refused = work
        .command(&["setup", "--admin-url", &site.admin_url(), "--slot-wait", "1"])
        .await
        .exits(1);
    assert!(
        refused.stderr.contains("waits for open transactions: pid "),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("pg_terminate_backend("),
        "{}",
        refused.stderr
    );

    // AND once it has ended, setup goes on where it stopped
    other.batch_execute("rollback").await.unwrap();
    let done = work.command(&["setup"]).await.ok();
    assert!(
        done.stdout.contains("slot deskie_cdc_site: made"),
        "{}",
        done.stdout
    );
}

#[tokio::test]
async fn a_lost_slot_is_made_anew_and_its_gap_remembered() {
    let site = Site::start().await;
    let work = Workplace::new(&site, NOWHERE);
    work.command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    let before: String = one(&site, "select captured_lsn::text from deskie_cdc.meta").await;

    site.client
        .batch_execute("select pg_drop_replication_slot('deskie_cdc_site')")
        .await
        .unwrap();
    let done = work.command(&["setup"]).await.ok();

    assert!(
        done.stdout.contains("slot deskie_cdc_site: made anew"),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout.contains("gap: the former slot was lost"),
        "{}",
        done.stdout
    );
    assert_eq!(
        one::<String>(&site, "select gap_from::text from deskie_cdc.meta").await,
        before
    );
    assert!(
        one::<bool>(
            &site,
            "select captured_lsn > gap_from and gap_since is not null from deskie_cdc.meta"
        )
        .await
    );
}

#[tokio::test]
async fn a_clone_sends_nothing_until_it_is_adopted() {
    let site = Site::start().await;
    let work = Workplace::new(&site, NOWHERE);
    work.command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    site.client
        .batch_execute("update deskie_cdc.meta set system_id = '42'")
        .await
        .unwrap();

    let refused = work.command(&["setup"]).await.exits(1);
    assert!(
        refused.stderr.contains("this is a restore or a clone"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("deskie-cdc setup --adopt"),
        "{}",
        refused.stderr
    );

    let adopted = work.command(&["setup", "--adopt"]).await.ok();
    assert!(adopted.stdout.contains("adopted: "), "{}", adopted.stdout);
    work.command(&["setup"]).await.ok();
}

#[tokio::test]
async fn another_databases_slot_is_left_alone() {
    let site = Site::start().await;
    let work = Workplace::new(&site, NOWHERE);
    let other = site.cluster.connect("postgres").await.unwrap();
    other
        .batch_execute("select pg_create_logical_replication_slot('deskie_cdc_site', 'pgoutput')")
        .await
        .unwrap();

    let refused = work
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .exits(1);
    assert!(
        refused
            .stderr
            .contains("the slot deskie_cdc_site belongs to the database postgres"),
        "{}",
        refused.stderr
    );
    let done = work
        .command(&["uninstall", "--yes", "--admin-url", &site.admin_url()])
        .await
        .ok();
    assert!(
        done.stdout.contains("left alone: slot deskie_cdc_site"),
        "{}",
        done.stdout
    );
    assert_eq!(
        one::<i64>(&site, "select count(*) from pg_replication_slots").await,
        1
    );
}

#[tokio::test]
async fn all_mistakes_of_the_mapping_are_shown_with_line_and_caret() {
    let site = Site::start().await;
    let work = Workplace::new(&site, NOWHERE);
    work.change_config("u.email", "u.emial");
    work.change_config("not m.is_internal", "not m.is_intern");
    work.change_config("author = \":kind\"", "autor = \":kind\"");

    let refused = work
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .exits(2);
    for text in [
        "did you mean `u.email`?",
        "did you mean `m.is_internal`?",
        "did you mean `author`?",
        "3 errors in the config",
        "^",
    ] {
        assert!(
            refused.stderr.contains(text),
            "`{text}` is not in\n{}",
            refused.stderr
        );
    }
    assert_eq!(
        one::<i64>(
            &site,
            "select count(*) from pg_roles where rolname = 'deskie_cdc'"
        )
        .await,
        0
    );
}

fn dump(url: &str, more: &[&str]) -> String {
    let program = ["/usr/lib/postgresql/15/bin/pg_dump", "/usr/bin/pg_dump"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists());
    let output = Command::new(program.unwrap_or("pg_dump"))
        .args(["-s", "-d", url])
        .args(more)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Newer ones write a random word.
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter(|line| !line.contains("restrict "))
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn uninstall_leaves_the_site_as_it_was() {
    // GIVEN a site on the version that this machine's pg_dump knows
    let installation = crate::support::installations()
        .into_iter()
        .find(|one| one.version() == 15);
    let Some(installation) = installation else { return };
    let site = Site::start_on(&installation, ClusterOptions::default()).await;
    let work = Workplace::new(&site, NOWHERE);
    let (with_rights, schema) = (dump(&site.admin_url(), &[]), dump(&site.admin_url(), &["-x"]));
    work.command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    assert_ne!(dump(&site.admin_url(), &["-x"]), schema);

    // WHEN nobody can be asked, nothing is dropped
    let refused = work.command(&["uninstall"]).await.exits(2);
    assert!(refused.stderr.contains("add --yes"), "{}", refused.stderr);
    let printed = work.command(&["uninstall", "--print-sql"]).await.ok();
    assert!(
        printed
            .stdout
            .contains("drop publication if exists \"deskie_cdc\";"),
        "{}",
        printed.stdout
    );
    assert_eq!(one::<i64>(&site, "select count(*) from pg_publication").await, 2);

    // WHEN the connector's user does it, the administrator's part is left, and named
    let partly = work.command(&["uninstall", "--yes"]).await.exits(1);
    assert!(
        partly.stdout.contains("dropped: slot deskie_cdc_site"),
        "{}",
        partly.stdout
    );
    assert!(
        partly
            .stderr
            .contains("drop publication if exists \"deskie_cdc\";"),
        "{}",
        partly.stderr
    );

    // THEN with the administrator all is gone, and a second time there is nothing to do
    let done = work
        .command(&["uninstall", "--yes", "--admin-url", &site.admin_url()])
        .await
        .ok();
    assert_eq!(dump(&site.admin_url(), &["-x"]), schema);
    assert_eq!(
        one::<i64>(&site, "select count(*) from pg_replication_slots").await,
        0
    );
    let lines: Vec<&str> = done
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("the role is kept"))
        .skip(1)
        .collect();
    assert!(
        lines
            .last()
            .is_some_and(|line| line.trim() == "drop role \"deskie_cdc\";"),
        "{}",
        done.stdout
    );
    let again = work
        .command(&["uninstall", "--yes", "--admin-url", &site.admin_url()])
        .await
        .ok();
    assert!(
        again.stdout.contains("nothing of this connector is here"),
        "{}",
        again.stdout
    );

    // AND the printed lines take the role away
    site.client.batch_execute(&lines.concat()).await.unwrap();
    assert_eq!(dump(&site.admin_url(), &[]), with_rights);
}

#[tokio::test]
async fn the_password_reaches_neither_paper_nor_log() {
    let site = Site::start().await;
    let work = Workplace::new(&site, NOWHERE);
    work.change_config("deskie%5Fcdc@", "deskie%5Fcdc:s3cret-word@");

    let printed = work
        .command(&["setup", "--print-sql", "--admin-url", &site.admin_url()])
        .await
        .ok();
    assert!(!printed.stdout.contains("s3cret-word"), "{}", printed.stdout);
    assert!(
        printed.stdout.contains("password :'password'"),
        "{}",
        printed.stdout
    );

    let done = work
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    assert!(
        done.stdout
            .contains("made (login replication, the password of postgres.url)"),
        "{}",
        done.stdout
    );
    assert!(!done.stdout.contains("s3cret-word"));
    let stored: String = one(
        &site,
        "select rolpassword from pg_authid where rolname = 'deskie_cdc'",
    )
    .await;
    assert!(stored.starts_with("SCRAM-SHA-256$"), "{stored}");
}

#[tokio::test]
async fn partitions_schemas_serials_and_statements_get_just_what_they_need() {
    // GIVEN tables in a schema of their own, the messages partitioned, with a serial, an enum and a view
    let site = Site::start().await;
    site.client
        .batch_execute(
            "create schema shop; create type shop.who as enum ('customer', 'agent');
             create table shop.ticket (no serial primary key, mail text, state text, touched timestamptz);
             create table shop.message (id bigserial, ticket_no int references shop.ticket, who shop.who, body text,
                 day date not null default current_date, primary key (id, day)) partition by range (day);
             create table shop.message_all partition of shop.message default;
             create table shop.secret (x int); create table shop.log (no int, word text);
             create view shop.contact as select no, mail from shop.ticket;
             insert into shop.ticket (mail) values ('a@example.com');",
        )
        .await
        .unwrap();
    let deskie = deskie_cdc_sandbox::simulator::Simulator::start(Default::default())
        .await
        .unwrap();
    let work = Workplace::new(&site, &deskie.url());
    let text = std::fs::read_to_string(work.config_file()).unwrap();
    let head = text.split("[ticket]").next().unwrap();
    work.write_config(&format!(
        "{head}[ticket]\ntable = \"shop.ticket\"\njoin = \"left join shop.contact c on c.no = t.no\"\n\
         subject = \"'x'\"\ncustomer.email = \"c.mail\"\n\
         [message]\ntable = \"shop.message\"\nticket = \"ticket_no\"\nauthor = \"who\"\nbody = \"body\"\n\
         [reply]\nset = {{ ticket_no = \"t.no\", who = \":kind\", body = \":text\" }}\n\
         after = [\"with l as (insert into shop.log values (:ticket, :text)) update shop.ticket set touched = now() where no = :ticket\"]\n\
         [status]\nsql = [\"update shop.ticket set state = :status where no = :ticket\"]\n"
    ));

    work.command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();

    // THEN each right is there and none besides
    let tables = list(
        &site,
        "select table_name || ' ' || privilege_type from information_schema.role_table_grants \
        where grantee = 'deskie_cdc' and table_schema = 'shop' order by 1",
    )
    .await;
    assert_eq!(
        tables,
        [
            "contact SELECT",
            "log INSERT",
            "message INSERT",
            "message SELECT",
            "ticket SELECT"
        ]
    );
    let columns = list(
        &site,
        "select table_name || '.' || column_name from information_schema.column_privileges \
        where grantee = 'deskie_cdc' and table_schema = 'shop' and privilege_type = 'UPDATE' order by 1",
    )
    .await;
    assert_eq!(columns, ["ticket.no", "ticket.state", "ticket.touched"]);
    assert!(
        one::<bool>(
            &site,
            "select has_sequence_privilege('deskie_cdc', 'shop.message_id_seq', 'USAGE') \
        and not has_sequence_privilege('deskie_cdc', 'shop.ticket_no_seq', 'USAGE') \
        and has_schema_privilege('deskie_cdc', 'shop', 'USAGE')"
        )
        .await
    );
    assert_eq!(
        list(
            &site,
            "select tablename::text from pg_publication_tables where pubname = 'deskie_cdc' order by 1"
        )
        .await,
        ["message", "ticket"]
    );
    let checked = work.command(&["check"]).await.ok();
    assert!(
        checked
            .stdout
            .contains("tried on the ticket 1 for an agent and a customer"),
        "{}",
        checked.stdout
    );
}

#[tokio::test]
async fn functions_of_the_site_are_granted_however_they_are_declared() {
    // GIVEN functions with named, default, variadic and out arguments, which not everybody may call
    let site = Site::start().await;
    let sql = r#"create schema "Help Desk";
        create function "Help Desk"."Label"(in subject text, "Upper" boolean default true) returns text language sql
            as $$ select case when "Upper" then pg_catalog.upper(subject) else subject end $$;
        create function public.joined(variadic parts text[]) returns text language sql
            as $$ select pg_catalog.array_to_string(parts, ' ') $$;
        create function public.twice(a text, out b text) language sql as $$ select a $$;
        revoke execute on all functions in schema public, "Help Desk" from public"#;
    site.client.batch_execute(sql).await.unwrap();
    let work = Workplace::new(&site, NOWHERE);
    work.change_config(
        "subject = \"subject\"\n",
        r#"subject = 'public.joined("Help Desk"."Label"(subject => t.subject, "Upper" => false), public.twice(t.subject))'
"#,
    );

    // WHEN it is set up
    let done = work
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();

    // THEN each of them may be called, and the connector's user finds nothing that it lacks
    for function in [
        r#""Help Desk"."Label"(text,boolean)"#,
        "public.joined(text[])",
        "public.twice(text)",
    ] {
        let line = format!("right: granted EXECUTE on {function}");
        assert!(done.stdout.contains(&line), "`{line}` is not in\n{}", done.stdout);
    }
    let checked = work.command(&["check"]).await.stdout;
    assert!(checked.contains("rights that the mapping needs"), "{checked}");
    let again = work
        .command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    assert!(!again.stdout.contains("granted"), "{}", again.stdout);
}

#[tokio::test]
async fn of_a_schema_that_holds_other_things_only_ours_goes() {
    // GIVEN a connector's schema with somebody's table, view and function in it
    let site = Site::start().await;
    let work = Workplace::new(&site, NOWHERE);
    work.command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    let theirs = "create table deskie_cdc.notes (note text); create view deskie_cdc.newest as select note from deskie_cdc.notes;
        create function deskie_cdc.shout(text) returns text language sql as $$ select upper($1) $$";
    site.client.batch_execute(theirs).await.unwrap();
    // WHEN the connector is removed
    let done = work
        .command(&["uninstall", "--yes", "--admin-url", &site.admin_url()])
        .await
        .ok();
    assert!(
        done.stdout.contains("which holds other things as well"),
        "{}",
        done.stdout
    );
    // THEN those are all that is left
    let left = "select relname::text from pg_class where relnamespace = 'deskie_cdc'::regnamespace and relkind in ('r', 'v')
        union all select proname::text from pg_proc where pronamespace = 'deskie_cdc'::regnamespace order by 1";
    assert_eq!(list(&site, left).await, ["newest", "notes", "shout"]);
}

#[tokio::test]
async fn our_schema_may_be_renamed() {
    // GIVEN a connector that has worked, and in another ticket a message that Deskie refused, with one behind it
    let stage = crate::support::stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("subject").await;
    let (stopped, stopped_case) = stage.open("stopped").await;
    let refused = FaultKind::RejectBefore {
        status: 422,
        body: r#"{"error":"content_empty"}"#.into(),
    };
    stage.simulator.add_fault(Fault::on(Match::Add, refused));
    stage.writes(stopped, "refused").await;
    stage.writes(stopped, "behind it").await;
    let behind = "select count(*) from deskie_cdc.delivery where state = 'queued'
        and exists (select from deskie_cdc.delivery where state = 'parked')";
    crate::support::wait_until("one parked, one behind it", || async {
        (stage.count(behind).await == 1).then_some(())
    })
    .await;
    connector.sigterm_and_wait().await;
    // Once a minute it is marked what stands behind what.
    stage
        .sql("update deskie_cdc.delivery set behind = (select id from deskie_cdc.delivery where state = 'parked') where state = 'queued'")
        .await;

    // WHEN its schema gets another name, in the database and in the config
    stage.sql("alter schema deskie_cdc rename to moved").await;
    let refused = stage.workplace.command(&["status"]).await;
    assert!(refused.stderr.contains("setup"), "{}", refused.stderr);
    stage
        .workplace
        .change_config("[postgres]\n", "[postgres]\nschema = \"moved\"\n");

    // THEN both ways go on
    let connector = stage.run().await;
    stage.writes(ticket, "after the move").await;
    stage.until_deskie(case, 2).await;
    stage
        .simulator
        .agent_reply(
            case,
            deskie_cdc_sandbox::simulator::Says::text("to the moved one"),
        )
        .unwrap();
    stage.until_site(ticket, 2).await;

    // AND what was parked is dropped, and what stood behind it goes
    let words = ["failed", "discard", "--kind", "message", "--yes"];
    stage.workplace.command(&words).await.ok();
    stage.until_deskie(stopped_case, 2).await;
    assert_eq!(texts(&stage.case(stopped_case)), ["stopped: body", "behind it"]);
    connector.sigterm_and_wait().await;
}
