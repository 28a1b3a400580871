//! Ordinary connections against a real server.

use std::time::Duration;

use super::testing::Cluster;
use super::*;

async fn fault(url: &ConnectUrl) -> ConnectFault {
    connect(url, &SessionOptions::new("test"))
        .await
        .expect_err("a fault")
        .fault
}

async fn show(client: &tokio_postgres::Client, setting: &str) -> String {
    let row = client
        .query_one("SELECT current_setting($1)", &[&setting])
        .await
        .expect("a setting");
    row.get(0)
}

#[tokio::test]
async fn every_session_is_ours_whatever_the_role_has_set() {
    let cluster = Cluster::start(&[], "");
    let admin = cluster.client().await;
    let sql = "CREATE ROLE site LOGIN; ALTER ROLE site SET synchronous_commit TO off; \
        ALTER ROLE site SET DateStyle TO 'German'; ALTER ROLE site SET TimeZone TO 'Asia/Tokyo'; \
        ALTER ROLE site SET bytea_output TO escape; ALTER ROLE site SET statement_timeout TO '1h'; \
        CREATE ROLE careful LOGIN; ALTER ROLE careful SET synchronous_commit TO remote_apply; \
        CREATE TYPE word AS ENUM ('agent', 'customer');";
    admin.batch_execute(sql).await.expect("roles");

    let site = cluster.url_of("postgres://site@localhost/postgres");
    let options = SessionOptions::new("store")
        .with_idle_in_transaction_timeout(Duration::from_secs(2))
        .with_statements(vec!["SET search_path TO site, public".into()]);
    let client = connect(&site, &options).await.expect("a connection");
    for (setting, expected) in [
        ("synchronous_commit", "on"),
        ("DateStyle", "ISO, MDY"),
        ("TimeZone", "UTC"),
        ("bytea_output", "hex"),
        ("statement_timeout", "30s"),
        ("lock_timeout", "2s"),
        ("idle_in_transaction_session_timeout", "2s"),
        ("application_name", "deskie-cdc store"),
        ("search_path", "pg_catalog, pg_temp"),
        ("deskie_cdc.site_path", "site, public"),
    ] {
        assert_eq!(show(&client, setting).await, expected, "{setting}");
    }
    let careful = cluster.url_of("postgres://careful@localhost/postgres");
    let client = connect(&careful, &SessionOptions::new("x"))
        .await
        .expect("a connection");
    assert_eq!(show(&client, "synchronous_commit").await, "remote_apply");
    let client = connect(&careful, &SessionOptions::new("x").committing_here())
        .await
        .expect("a connection");
    assert_eq!(show(&client, "synchronous_commit").await, "local");

    let text = [TextParam::from("agent"), TextParam::from("7"), TextParam(None)];
    let sql = "SELECT $1 = 'agent'::public.word, $2 + 1::int8, $3::date IS NULL";
    let row = client
        .query_one(sql, &[&text[0], &text[1], &text[2]])
        .await
        .expect("a row");
    assert_eq!(
        (row.get::<_, bool>(0), row.get::<_, i64>(1), row.get::<_, bool>(2)),
        (true, 8, true)
    );

    let socket = format!(
        "host={} user=site dbname=postgres",
        cluster.socket_dir().display()
    );
    connect(&cluster.url_of(&socket), &options)
        .await
        .expect("over the socket");
    let several = cluster.url_of("postgres://site@no.such.host.invalid,localhost/postgres?sslmode=disable");
    connect(&several, &options).await.expect("over the second host");
    let primary = cluster.url_of("postgres://site@localhost/postgres?target_session_attrs=read-write");
    connect(&primary, &options).await.expect("a primary");
    let standby = cluster.url_of("postgres://site@localhost/postgres?target_session_attrs=standby");
    assert_eq!(fault(&standby).await, ConnectFault::WrongServer);
}

#[tokio::test]
async fn what_went_wrong_is_classified() {
    let cluster = Cluster::start(
        &["max_connections=6", "superuser_reserved_connections=0"],
        "host all denied all reject\nhost all secret all scram-sha-256",
    );
    let admin = cluster.client().await;
    let sql = "CREATE ROLE denied LOGIN; CREATE ROLE secret LOGIN PASSWORD 'right'";
    admin.batch_execute(sql).await.expect("roles");
    let url = |text: &str| cluster.url_of(text);
    assert_eq!(
        fault(&url("postgres://denied@127.0.0.1/postgres")).await,
        ConnectFault::NotAllowed
    );
    assert_eq!(
        fault(&url("postgres://secret:wrong@127.0.0.1/postgres")).await,
        ConnectFault::Authentication
    );
    assert_eq!(
        fault(&url("postgres://secret@127.0.0.1/postgres")).await,
        ConnectFault::Authentication
    );
    assert_eq!(
        fault(&url("postgres://postgres@127.0.0.1/nowhere")).await,
        ConnectFault::DatabaseMissing
    );
    assert_eq!(
        fault(&url("postgres://postgres@127.0.0.1/postgres?sslmode=require")).await,
        ConnectFault::NoTls
    );
    let unknown = ConnectUrl::parse("postgres://me@no.such.host.invalid/x?sslmode=disable").expect("a URL");
    assert_eq!(fault(&unknown).await, ConnectFault::HostUnknown);
    let closed = ConnectUrl::parse("postgres://me@127.0.0.1:1/x").expect("a URL");
    assert_eq!(fault(&closed).await, ConnectFault::Refused);
    // Takes connections and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let port = mute.local_addr().expect("an address").port();
    let mute_url = format!("postgres://me@127.0.0.1:{port}/x?connect_timeout=1");
    assert_eq!(
        fault(&ConnectUrl::parse(&mute_url).expect("a URL")).await,
        ConnectFault::TimedOut
    );
    let options = SessionOptions::new("x").with_statements(vec!["SET ROLE nobody".into()]);
    let error = connect(&cluster.url(), &options).await.expect_err("a fault");
    assert_eq!(
        (error.fault, error.sqlstate()),
        (ConnectFault::SessionStatement, Some("22023"))
    );

    let pool = Pool::new(cluster.url(), SessionOptions::new("pool"), 2).expect("a pool");
    let first = pool.get().await.expect("a connection");
    let second = pool.get().await.expect("another");
    first.batch_execute("SELECT 1").await.expect("it works");
    drop(first);
    drop(pool.get().await.expect("the first again"));
    drop(second);
    let pool = Pool::new(
        url("postgres://denied@127.0.0.1/postgres"),
        SessionOptions::new("pool"),
        2,
    );
    let error = pool.expect("a pool").get().await.expect_err("a fault");
    assert!(matches!(error, PoolError::Connect(error) if error.fault == ConnectFault::NotAllowed));

    let mut held = Vec::new();
    let full = loop {
        match connect(&cluster.url(), &SessionOptions::new("x")).await {
            Ok(client) => held.push(client),
            Err(error) => break error,
        }
    };
    assert_eq!(full.fault, ConnectFault::TooManyConnections, "{full}");
}

#[tokio::test]
async fn the_catalog_tells() {
    let cluster = Cluster::start(&[], "");
    let admin = cluster.client().await;
    let sql = r#"
        CREATE SCHEMA "Odd"; CREATE TYPE "Odd"."State" AS ENUM ('open', 'closed');
        CREATE DOMAIN short AS varchar(20); CREATE DOMAIN shorter AS short CHECK (length(value) < 10);
        CREATE TABLE "Odd"."Tickets" (part int, id bigint GENERATED ALWAYS AS IDENTITY, title shorter NOT NULL,
            state "Odd"."State" DEFAULT 'open', states "Odd"."State"[], flag "char", gone int,
            upper text GENERATED ALWAYS AS (title::text) STORED, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
        ALTER TABLE "Odd"."Tickets" DROP COLUMN gone;
        CREATE TABLE "Odd".one PARTITION OF "Odd"."Tickets" FOR VALUES IN (1);
        CREATE EXTENSION citext; CREATE TABLE public.bare (a int, code citext);
        CREATE ROLE reader; GRANT SELECT (a) ON bare TO reader;
        CREATE PUBLICATION p FOR TABLE "Odd"."Tickets", bare WHERE (a > 1)
            WITH (publish = 'insert', publish_via_partition_root);"#;
    admin.batch_execute(sql).await.expect("objects");
    for slot in ["'s', 'pgoutput'", "'other', 'test_decoding'"] {
        let sql = format!("SELECT pg_create_logical_replication_slot({slot})");
        admin.batch_execute(&sql).await.expect("a slot");
    }

    let facts = catalog::server_facts(&admin).await.expect("facts");
    assert_eq!(
        (facts.major(), facts.wal_level.as_str(), facts.in_recovery),
        (15, "logical", false)
    );
    assert_eq!(
        (facts.database.as_str(), facts.timeline, facts.slots.1),
        ("postgres", Some(1), 2)
    );
    assert!(facts.system_id.is_some_and(|id| id.len() > 15));

    let table = catalog::table_by_text(&admin, r#""Odd"."Tickets""#)
        .await
        .expect("a query")
        .expect("a table");
    assert_eq!((table.kind, table.is_partition), ('p', false));
    assert_eq!(table.primary_key, ["id", "part"]);
    let title = table.column("title").expect("title");
    assert_eq!(
        (title.type_text.as_str(), title.cast_type.as_str()),
        ("public.shorter", "pg_catalog.\"varchar\"")
    );
    let state = table.column("state").expect("state");
    assert_eq!(
        (state.cast_type.as_str(), state.type_kind),
        (r#""Odd"."State""#, 'e')
    );
    assert_eq!((state.enum_labels.len(), state.has_default), (2, true));
    // An enum's own schema may hold an operator of anybody's.
    for column in &table.columns {
        assert_eq!(column.equals, crate::mapping::shape::EQUALS, "{}", column.name);
    }
    assert_eq!(
        table.column("states").expect("states").cast_type,
        r#""Odd"."State"[]"#
    );
    assert_eq!(
        table.column("flag").expect("flag").cast_type,
        r#"pg_catalog."char""#
    );
    assert_eq!(table.column("id").expect("id").identity, Some('a'));
    assert!(table.column("upper").expect("upper").generated && table.column("gone").is_none());
    let again = catalog::table_by_name(&admin, &table.name)
        .await
        .expect("a query");
    assert_eq!(again.as_ref(), Some(&table));
    for column in &table.columns {
        let sql = format!("SELECT NULL::{}", column.cast_type);
        admin
            .batch_execute(&sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let leaf = catalog::table_by_text(&admin, r#""Odd".one"#)
        .await
        .expect("a query")
        .expect("a table");
    assert_eq!((leaf.is_partition, leaf.root.as_ref()), (true, Some(&table.name)));
    let bare = catalog::table_by_text(&admin, "bare")
        .await
        .expect("a query")
        .expect("a table");
    let code = bare.column("code").expect("code");
    assert_eq!(code.equals, "OPERATOR(public.=)");
    assert!(bare.primary_key.is_empty());
    let without = catalog::unidentified(&admin, &[table.oid, leaf.oid, bare.oid], false).await;
    let without = without.expect("a query");
    assert_eq!(
        (without.len(), &without[0].table, &without[0].why),
        (1, &bare.name, &catalog::NoIdentity::NoKey)
    );
    for name in ["missing", "no.such", "a.b.c.d", "", "\"", "x y"] {
        assert_eq!(
            catalog::table_by_text(&admin, name).await.expect(name),
            None,
            "{name}"
        );
    }

    let publication = catalog::publication(&admin, "p")
        .await
        .expect("a query")
        .expect("a publication");
    assert!(publication.publish.insert && !publication.publish.update && publication.via_partition_root);
    let filters: Vec<bool> = publication.tables.iter().map(|table| table.has_filter).collect();
    assert_eq!((filters, publication.streams.len()), (vec![false, true], 2));
    assert_eq!(catalog::publication(&admin, "q").await.expect("a query"), None);
    let by = catalog::published_by(&admin, &["p"], leaf.oid)
        .await
        .expect("a query");
    assert!(
        by.is_some_and(|member| member != publication.oid),
        "its root's entry"
    );

    let slot = catalog::slot(&admin, "s")
        .await
        .expect("a query")
        .expect("a slot");
    assert_eq!(
        (slot.plugin.as_deref(), slot.is_this_database, slot.is_lost()),
        (Some("pgoutput"), true, false)
    );
    assert!(slot.confirmed_flush > slot.restart && slot.held_bytes.is_some_and(|bytes| bytes > 0));
    assert!(
        !catalog::slot_drop(&admin, "other").await.expect("a query"),
        "not ours"
    );
    assert!(catalog::slot_drop(&admin, "s").await.expect("a query"));
    assert_eq!(catalog::slot(&admin, "s").await.expect("a query"), None);

    assert!(catalog::current_role(&admin).await.expect("a role").superuser);
    admin.batch_execute("SET ROLE reader").await.expect("set role");
    let role = catalog::current_role(&admin).await.expect("a role");
    assert_eq!(
        (role.name.as_str(), role.superuser, role.replication),
        ("reader", false, false)
    );
    assert!(
        !catalog::may_table(&admin, bare.oid, "SELECT")
            .await
            .expect("a query")
    );
    assert!(
        catalog::may_any_column(&admin, bare.oid, "SELECT")
            .await
            .expect("a query")
    );
    assert!(
        catalog::may_column(&admin, bare.oid, 1, "SELECT")
            .await
            .expect("a query")
    );
    assert_eq!(
        catalog::may_schema(&admin, "Odd", "USAGE")
            .await
            .expect("a query"),
        Some(false)
    );
    assert_eq!(
        catalog::may_schema(&admin, "none", "USAGE")
            .await
            .expect("a query"),
        None
    );
    catalog::server_facts(&admin).await.expect("facts without rights");
}
