//! Whatever key and replica identity the site's tables have, and whatever becomes of them: its statements go on (rule 1).

use std::collections::BTreeMap;

use deskie_cdc::postgres::catalog;
use deskie_cdc_sandbox::postgres::ClusterOptions;

use super::mapped_later::watching;
use crate::support::{
    AYSE, Site, Workplace, installations, newest, prepared, stage, stage_on, texts, wait_until,
};

/// A table of the matrix.
struct Kind {
    name: String,
    /// Makes it, with a row or two.
    sql: String,
    /// It, or its partitions: who gets the site's UPDATE.
    leaves: Vec<String>,
}

/// Every way to a key, times every replica identity, times columns that are computed.
fn kinds(version: u16) -> Vec<Kind> {
    let keys = [
        ("none", ""),
        ("pk", "alter table {t} add constraint {t}_i primary key (id)"),
        (
            "late",
            "alter table {t} add constraint {t}_i primary key (id) deferrable initially deferred",
        ),
        ("pkgen", "alter table {t} add constraint {t}_i primary key (gen)"),
        (
            "pkincl",
            "alter table {t} add constraint {t}_i primary key (id) include (gen)",
        ),
        ("uniq", "create unique index {t}_i on {t} (id)"),
        ("uniqgen", "create unique index {t}_i on {t} (gen, id)"),
    ];
    let identities = [
        ("default", ""),
        ("full", "alter table {t} replica identity full"),
        ("nothing", "alter table {t} replica identity nothing"),
        ("index", "alter table {t} replica identity using index {t}_i"),
        (
            "gone",
            "alter table {t} replica identity using index {t}_i; {drop}",
        ),
    ];
    let mut extras = vec![
        ("plain", ""),
        ("stored", ", more text generated always as (name || '!') stored"),
    ];
    if version >= 18 {
        extras.push(("virtual", ", more text generated always as (name || '!') virtual"));
    }
    let mut kinds = Vec::new();
    for (key, key_sql) in keys {
        for (identity, identity_sql) in identities {
            let by_index = matches!(identity, "index" | "gone");
            if by_index && matches!(key, "none" | "late") {
                continue;
            }
            for (extra, extra_sql) in &extras {
                let name = format!("{key}_{identity}_{extra}");
                let computed = match key {
                    "pkgen" | "pkincl" | "uniqgen" => {
                        ", gen bigint not null generated always as (id * 2) stored"
                    }
                    _ => "",
                };
                let drop = match key {
                    "uniq" | "uniqgen" => "drop index {t}_i",
                    _ => "alter table {t} drop constraint {t}_i",
                };
                let sql = format!(
                    "create table {{t}} (id bigint not null, ticket_id bigint, name text{computed}{extra_sql}); \
                     insert into {{t}} values (1, 0, 'a'); {key_sql}; {identity_sql}"
                );
                let sql = sql.replace("{drop}", drop).replace("{t}", &name);
                kinds.push(Kind {
                    leaves: vec![name.clone()],
                    name,
                    sql,
                });
            }
        }
    }
    for (root, root_sql) in [
        ("pk", "alter table {t} add primary key (id)"),
        ("none", ""),
        ("full", "alter table {t} replica identity full"),
        (
            "nothing",
            "alter table {t} add primary key (id); alter table {t} replica identity nothing",
        ),
    ] {
        for (identity, _) in &identities[..3] {
            let name = format!("parts_{root}_{identity}");
            let sql = "create table {t} (id bigint not null, ticket_id bigint, name text,
                    more text generated always as (name || '!') stored) partition by range (id);
                create table {t}_a partition of {t} for values from (0) to (10);
                create table {t}_b partition of {t} for values from (10) to (20) partition by range (id);
                create table {t}_b_c partition of {t}_b for values from (10) to (15);
                insert into {t} values (1, 0, 'a'), (11, 0, 'b')";
            let sql = format!("{sql}; {root_sql}; alter table {{t}}_b_c replica identity {identity}");
            kinds.push(Kind {
                sql: sql.replace("{t}", &name),
                leaves: vec![format!("{name}_a"), format!("{name}_b_c")],
                name,
            });
        }
    }
    kinds
}

/// What the site does to a table; the SQLSTATE where the server refuses.
async fn does(site: &Site, sql: &str) -> Result<(), String> {
    let done = site.client.batch_execute(sql).await;
    done.map_err(|error| {
        error
            .code()
            .map_or_else(|| error.to_string(), |code| code.code().to_owned())
    })
}

async fn uses(site: &Site, table: &str) -> BTreeMap<&'static str, Result<(), String>> {
    let mut found = BTreeMap::new();
    for (name, sql) in [
        (
            "insert",
            "insert into {t} (id, ticket_id, name) values (2, 0, 'b')",
        ),
        ("update", "update {t} set name = name || 'x'"),
        ("delete", "delete from {t} where id = 2"),
    ] {
        found.insert(name, does(site, &sql.replace("{t}", table)).await);
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_table_of_any_kind_loses_its_updates_to_setup() {
    for installation in installations() {
        // GIVEN a site with tables of every kind
        let site = Site::start_on(&installation, ClusterOptions::default()).await;
        let kinds = kinds(installation.version());
        for kind in &kinds {
            does(&site, &kind.sql)
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", kind.sql));
        }
        // WHEN the server is asked what it does to each once updates are published, THEN it is what we say beforehand
        let options: &[bool] = if installation.version() >= 18 {
            &[false, true]
        } else {
            &[false]
        };
        let (mut refused, mut wrong) = (0, Vec::new());
        for (kind, stored) in kinds
            .iter()
            .flat_map(|kind| options.iter().map(move |stored| (kind, *stored)))
        {
            let oid: u32 = site
                .client
                .query_one("select $1::text::regclass::oid", &[&kind.name])
                .await
                .unwrap()
                .get(0);
            let said = catalog::unidentified(&site.client, &[oid], stored).await.unwrap();
            let with = if stored {
                " with (publish_generated_columns = stored)"
            } else {
                ""
            };
            let make = format!("create publication probe for table {}{with}", kind.name);
            does(&site, &make).await.unwrap();
            for leaf in &kind.leaves {
                let server = does(&site, &format!("update {leaf} set name = name")).await;
                let ours = said
                    .iter()
                    .find(|found| found.refuses && found.table.table == *leaf);
                refused += usize::from(server.is_err());
                if server.is_err() != ours.is_some() {
                    wrong.push((leaf.clone(), stored, server, ours.cloned()));
                }
            }
            does(&site, "drop publication probe").await.unwrap();
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(
            refused > 20,
            "{refused}: the matrix holds what the server refuses"
        );
        // AND WHEN they are mapped, a part at a time since no site maps a hundred tables, and set up, THEN the site goes on
        // as before with each of them
        for part in kinds.chunks(15) {
            let workplace = Workplace::new(&site, "http://127.0.0.1:9");
            let sections: String = part
                .iter()
                .map(|kind| {
                    format!(
                        "[[attachment]]\nof = \"ticket\"\ntable = \"{}\"\nkey = \"id\"\nparent = \"ticket_id\"\n\
                         name = \"name\"\nurl = \"name\"\n\n",
                        kind.name
                    )
                })
                .collect();
            workplace.change_config("[reply]\n", &format!("{sections}[reply]\n"));
            let mut before = Vec::new();
            for kind in part {
                before.push(uses(&site, &kind.name).await);
            }
            prepared(&site, &workplace).await;
            for (kind, before) in part.iter().zip(before) {
                assert_eq!(uses(&site, &kind.name).await, before, "{}", kind.sql);
            }
            let inserts: i64 = site
                .client
                .query_one(
                    "select count(*) from pg_publication_tables where pubname = 'deskie_cdc_insert'",
                    &[],
                )
                .await
                .unwrap()
                .get(0);
            assert!(inserts > 0);
            // AND no table without need is kept from being streamed whole
            let refuses = catalog::publication_refuses(&site.client, "deskie_cdc", "deskie_cdc_insert")
                .await
                .unwrap();
            assert!(refuses.is_empty(), "{refuses:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_loses_its_identity_later_is_told_with_the_very_statements() {
    // What the site does, the table whose UPDATE fails then, and what undoes it so that the next case begins well.
    let mut cases = vec![
        (
            "alter table notes replica identity nothing",
            "notes",
            "alter table notes replica identity default",
        ),
        (
            "alter table notes replica identity using index notes_u; drop index notes_u",
            "notes",
            "alter table notes replica identity default; create unique index notes_u on notes (id)",
        ),
        (
            "alter table notes drop constraint notes_pkey; alter table notes add constraint notes_pkey primary key (id) \
             deferrable",
            "notes",
            "alter table notes drop constraint notes_pkey; alter table notes add primary key (id)",
        ),
        (
            "create table parts_c (like parts); alter table parts attach partition parts_c for values from (10) to (20); \
             alter table parts_c replica identity nothing",
            "parts_c",
            "drop table parts_c",
        ),
    ];
    if crate::support::newest().version() >= 18 {
        cases.push((
            "alter table notes replica identity full; alter table notes add column more text generated always as (name || \
             '!') stored",
            "notes",
            "alter table notes drop column more; alter table notes replica identity default",
        ));
        cases.push((
            "alter table notes replica identity full; alter table notes add column more text generated always as (name || \
             '!')",
            "notes",
            "alter table notes drop column more; alter table notes replica identity default",
        ));
    }
    // GIVEN two mapped tables, a running connector, and somebody who is to be called
    let stage = stage()
        .schema(
            "create table notes (id bigint primary key, ticket_id bigint, name text);
             create unique index notes_u on notes (id); insert into notes values (1, 0, 'a');
             create table parts (id bigint primary key, ticket_id bigint, name text) partition by range (id);
             create table parts_a partition of parts for values from (0) to (10); insert into parts values (1, 0, 'a')",
        )
        .config(
            "[reply]\n",
            "[[attachment]]\nof = \"ticket\"\ntable = \"notes\"\nparent = \"ticket_id\"\nname = \"name\"\nurl = \"name\"\n\n\
             [[attachment]]\nof = \"ticket\"\ntable = \"parts\"\nparent = \"ticket_id\"\nname = \"name\"\nurl = \"name\"\n\n\
             [reply]\n",
        )
        .build()
        .await;
    let connector = watching(&stage).await;
    for (change, table, undo) in cases {
        // WHEN the site changes the table, and its UPDATE fails
        let seen = connector.log().len();
        stage.sql(change).await;
        let update = format!("update {table} set name = name");
        let refused = does(&stage.site, &update).await;
        assert!(refused.is_err(), "{change}: the server takes it after all");
        // THEN the log, `status` and `check` tell it, with the statements
        let says = format!("the server refuses the site's UPDATE and DELETE on public.{table} NOW");
        connector.wait_for_log_after(seen, &says).await;
        let status = stage.workplace.command(&["status"]).await.exits(1);
        assert!(status.stdout.contains(&says), "{change}: {}", status.stdout);
        let checked = stage.workplace.command(&["check"]).await.exits(1);
        let top = table.trim_end_matches("_c");
        let drop = format!("alter publication \"deskie_cdc\" drop table \"public\".\"{top}\"");
        let is_there = "select count(*) from pg_publication_tables where pubname = 'deskie_cdc_insert' and tablename = $1";
        let mend = match stage.query(is_there, &[&top]).await[0].get::<_, i64>(0) {
            0 => format!(
                "begin; {drop}; alter publication \"deskie_cdc_insert\" add table \"public\".\"{top}\"; commit"
            ),
            _ => drop,
        };
        assert!(checked.stdout.contains(&mend), "{change}: {}", checked.stdout);
        assert!(status.stdout.contains(&mend), "{change}: {}", status.stdout);
        // AND they mend it at once
        stage.sql(&mend).await;
        stage.sql(&update).await;
        let status = stage.workplace.command(&["status"]).await.ok();
        assert!(!status.stdout.contains("refuses"), "{change}: {}", status.stdout);
        let checked = stage.workplace.command(&["check"]).await;
        let words = format!("of public.{top} the INSERTs alone are streamed");
        assert!(checked.stdout.contains(&words), "{change}: {}", checked.stdout);
        // AND WHEN the table has its identity again, THEN setup publishes it whole
        stage.sql(undo).await;
        prepared(&stage.site, &stage.workplace).await;
        let sql =
            "select count(*) from pg_publication_tables where pubname = 'deskie_cdc' and tablename = $1";
        let rows = stage.query(sql, &[&top]).await;
        assert_eq!(rows[0].get::<_, i64>(0), 1, "{change}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_names_its_ticket_by_a_column_that_the_stream_leaves_out() {
    for installation in installations() {
        // GIVEN messages whose ticket is a column that the server generates
        let stage = stage_on(&installation)
            .schema("alter table messages add tid bigint generated always as (ticket_id) stored")
            .config("ticket = \"ticket_id\"", "ticket = \"tid\"")
            .build()
            .await;
        let _connector = stage.run().await;
        // WHEN the customer writes, THEN that is read from the table
        let (ticket, case) = stage.open("Soru").await;
        stage.writes(ticket, "bir").await;
        stage.until_deskie(case, 2).await;
        assert_eq!(texts(&stage.case(case)), ["Soru: body", "bir"]);
    }
}

/// The message table's key is a column that the server generates.
const GENERATED_KEY: &str = "alter table messages drop constraint messages_pkey;
    alter table messages add gid bigint not null generated always as (id) stored;
    alter table messages add primary key (gid)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_stream_leaves_out_is_refused() {
    for installation in installations() {
        let site = Site::start_on(&installation, ClusterOptions::default()).await;
        site.client.batch_execute(GENERATED_KEY).await.unwrap();
        let workplace = Workplace::new(&site, "http://127.0.0.1:9");
        let admin_url = site.admin_url();
        let setup = workplace.command(&["setup", "--admin-url", &admin_url]).await;
        assert!(!setup.status.success());
        assert!(
            setup.stderr.contains("known by gid, which the server generates"),
            "{}",
            setup.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_whose_key_the_stream_leaves_out_is_parked_and_told() {
    let installation = newest();
    if installation.version() < 18 {
        return;
    }
    // GIVEN a publication that carries what the server generates, and then does not any more
    let stage = stage_on(&installation)
        .schema(GENERATED_KEY)
        .schema("create publication deskie_cdc for table tickets, messages with (publish_via_partition_root, publish_generated_columns = stored)")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.writes(ticket, "bir").await;
    stage.until_deskie(case, 2).await;
    stage
        .sql("alter publication deskie_cdc set (publish = 'insert, truncate', publish_generated_columns = none)")
        .await;
    // WHEN a message comes without its key
    stage.writes(ticket, "iki").await;
    // THEN it is parked, and others go on
    wait_until("it is parked", || async {
        let failed = stage.workplace.command(&["failed", "list"]).await;
        failed.stdout.contains("gid").then_some(())
    })
    .await;
    stage.open("Başka").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_at_a_publication_waits_for_no_alter_table_and_tells_what_the_server_tells() {
    for installation in installations() {
        // GIVEN publications of each kind over partitions, a schema and everything
        let of_schemas = match installation.version() {
            14 => "",
            _ => "create publication of_schema for tables in schema s; create publication of_schema_by_root for tables in schema s
                    with (publish_via_partition_root)",
        };
        let stage = stage_on(&installation)
            .schema(
                "create schema s; create table s.plain (id int primary key); create unlogged table s.unlogged (id int primary key);
                 create view s.view as select 1 as one; create table s.parted (id int primary key) partition by range (id);
                 create table public.part partition of s.parted for values from (0) to (9);
                 create table s.under partition of s.parted for values from (9) to (99) partition by range (id);
                 create table s.leaf partition of s.under for values from (9) to (99);
                 create publication of_all for all tables; create publication of_nothing;
                 create publication of_all_by_root for all tables with (publish_via_partition_root);
                 create publication of_some for table s.parted, s.plain;
                 create publication of_some_by_root for table s.parted, s.leaf with (publish_via_partition_root);
                 create publication of_one_part for table s.under with (publish_via_partition_root)",
            )
            .schema(of_schemas)
            .build()
            .await;
        let sql = "select p.pubname::text, coalesce(array_agg(t.schemaname || '.' || t.tablename order by t.schemaname, t.tablename)
                filter (where t.tablename is not null), '{}')
            from pg_publication p left join pg_publication_tables t using (pubname) group by 1";
        let told = stage.query(sql, &[]).await;
        // WHEN somebody alters the tables, for as long as he likes
        let altering = stage.site.connect().await;
        altering
            .batch_execute("begin; alter table tickets add x int; alter table s.parted add y int; alter table s.plain add y int")
            .await
            .unwrap();
        stage.sql("set lock_timeout = '1s'").await;
        // THEN each look is answered at once, as the server's own view does afterwards
        for row in told {
            let (name, expected): (String, Vec<String>) = (row.get(0), row.get(1));
            let found = catalog::publication(&stage.site.client, &name)
                .await
                .unwrap()
                .unwrap();
            let streams: Vec<String> = found.streams.iter().map(|(_, name)| name.to_string()).collect();
            assert_eq!(streams, expected, "{name}");
        }
        let refuses = catalog::publication_refuses(&stage.site.client, "of_all", "of_nothing").await;
        assert_eq!(refuses.unwrap(), []);
        let tickets: u32 = stage.query("select 'tickets'::regclass::oid", &[]).await[0].get(0);
        for (name, is_there) in [
            ("of_all", true),
            ("deskie_cdc", true),
            ("of_some", false),
            ("of_nothing", false),
        ] {
            let by = catalog::published_by(&stage.site.client, &[name], tickets)
                .await
                .unwrap();
            assert_eq!(by.is_some(), is_there, "{name}");
        }
        // AND a connector starts and streams
        let connector = stage.run().await;
        connector.wait_for_log("streaming").await;
        altering.batch_execute("commit").await.unwrap();
        stage.open("Soru").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_made_anew_while_the_connector_was_away_is_a_gap_that_is_repaired() {
    for installation in installations() {
        // GIVEN a ticket on both sides, and the connector stopped
        let stage = stage_on(&installation).build().await;
        let connector = stage.run().await;
        let (ticket, case) = stage.open("Soru").await;
        stage.settled().await;
        assert!(connector.sigterm_and_wait().await.success());
        // WHEN its publication is dropped and made again as it was, with rows before, between and after
        stage.writes(ticket, "before").await;
        let remade: String = stage
            .query("select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_publication_tables where pubname = 'deskie_cdc'", &[])
            .await[0]
            .get(0);
        stage.sql("drop publication deskie_cdc").await;
        stage.writes(ticket, "between").await;
        let between = stage.ticket(AYSE, "Arada", "between").await;
        let owner = format!(
            "create publication deskie_cdc for table {remade} with (publish_via_partition_root = true); \
             alter publication deskie_cdc owner to deskie_cdc"
        );
        stage.sql(&owner).await;
        stage.writes(ticket, "after").await;
        // THEN all of it comes, once and in order: 18 passes over what lies between without an error
        let _connector = stage.run().await;
        let there = stage.until_deskie(case, 4).await;
        assert_eq!(texts(&there)[1..], ["before", "between", "after"]);
        stage.case_of(between).await;
        stage.settled().await;
        assert_eq!(stage.case(case).conversation().len(), 4);
    }
}
