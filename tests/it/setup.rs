//! `setup` and `uninstall`, with the real program.

use std::process::Command;

use crate::support::{Site, Workplace, newest};
use deskie_cdc::sandbox::postgres::ClusterOptions;
use deskie_cdc::sandbox::sample_site;

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
