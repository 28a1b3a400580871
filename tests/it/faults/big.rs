//! Big and odd: transactions of many rows, large cells, all kinds of types and transactions.

use std::collections::HashSet;
use std::time::Duration;

use deskie_cdc::model::clock;
use deskie_cdc_sandbox::simulator::Action;

use super::compare::compare;
use crate::support::{AYSE, Connector, env, stage, wait_until};

/// Rows of the big transaction; `DESKIE_CDC_BIG_ROWS` asks for another number, such as a million.
const ROWS: u64 = 100_000;

/// The most memory that the connector has had, in MiB.
fn most_memory(connector: &Connector) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", connector.pid())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_of_many_rows_passes_quickly_and_in_bounded_memory() {
    // GIVEN a site with many messages from before the connector
    let rows = env("DESKIE_CDC_BIG_ROWS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(ROWS);
    let old = format!(
        "insert into messages (ticket_id, author, body, created_at)
         select 1, 'customer', 'old ' || repeat('x', 200), now() - interval '9 days' from generate_series(1, {rows})"
    );
    let stage = stage().schema(&old).build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let before = most_memory(&connector);
    // WHEN one transaction touches them all
    stage.sql("update messages set author_name = 'touched'").await;
    let begun = clock::monotonic();
    stage.writes(ticket, "S0; after it").await;
    // THEN what is written after it comes soon, and memory stays where it was
    let patience = Duration::from_secs(30 + rows / 2000);
    let there = |books: &deskie_cdc_sandbox::simulator::Books| {
        books
            .case(case)
            .is_some_and(|case| case.conversation().len() == 2)
    };
    stage
        .simulator
        .wait_for_within(patience, "the message after it", there)
        .await
        .unwrap();
    let (took, memory) = (begun.elapsed(), most_memory(&connector));
    eprintln!(
        "{rows} rows in {took:?}, {:.0} rows/s; memory {before} MiB, then {memory} MiB at most",
        rows as f64 / took.as_secs_f64()
    );
    assert!(memory < before + 64, "{before} MiB, then {memory} MiB");
    assert_eq!(
        stage.simulator.books().cases.len(),
        1,
        "nothing of the old ones is sent"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_in_large_cells_pass_in_bounded_memory() {
    // GIVEN a ticket
    let stage = stage()
        .schema("alter table messages alter body set storage external")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let before = most_memory(&connector);
    // WHEN a transaction brings a hundred internal notes of a megabyte each, a thousand of 60 kB, and a long message of the customer's
    stage
        .sql(&format!(
            "begin; insert into messages (ticket_id, author, body, is_internal)
               select {ticket}, 'agent', 'n' || repeat('0123456789', 100000), true from generate_series(1, 100);
             insert into messages (ticket_id, author, body, is_internal)
               select {ticket}, 'agent', 'n' || repeat('0123456789', 6000), true from generate_series(1, 1000);
             insert into messages (ticket_id, author, body)
               values ({ticket}, 'customer', 'S0; ' || repeat('long ', 30000) || 'end'); commit"
        ))
        .await;
    stage.writes(ticket, "S1; after it").await;
    // THEN both of his come, whole, and memory stays bounded
    let case = stage.until_deskie(case, 5).await;
    let texts = crate::support::texts(&case);
    let long: usize = texts.iter().map(|text| text.matches("long").count()).sum();
    assert_eq!(
        (texts.len(), long),
        (5, 30000),
        "three parts of 60 kB, and the last one"
    );
    assert!(texts[4].contains("S1;"));
    let memory = most_memory(&connector);
    eprintln!("memory {before} MiB, then {memory} MiB at most");
    assert!(memory < before + 64, "{before} MiB, then {memory} MiB");
}

const ODD: &str = "
    create type mood as enum ('calm', 'cross');
    create type place as (city text, floor int);
    create domain short as text check (length(value) < 20);
    alter table messages add mood mood, add tags text[], add place place, add short short,
        add until timestamptz, add bytes bytea, add loud text generated always as (upper(body)) stored;
    alter table messages alter body set storage external";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_types_and_odd_transactions() {
    // GIVEN a mapping over columns of all kinds
    let stage = stage()
        .server("max_prepared_transactions", "5")
        .schema(ODD)
        .config(
            "author = \"author\"\nbody = \"body\"",
            "author = \"author\"\nbody = '''left(m.body, 200) || coalesce(' ' || m.mood || ' ' || m.tags[2] || ' ' || (m.place).city || ' ' ||
                m.short || ' ' || (m.until = 'infinity') || ' ' || encode(m.bytes, 'hex') || ' ' || left(m.loud, 4), '')'''",
        )
        .build()
        .await;
    let _connector = stage.run().await;
    let ticket = stage.ticket(AYSE, "one", "S0; first").await;
    let case = stage.case_of(ticket).await;
    let insert = |n: usize, rest: &str| {
        format!(
            "insert into messages (ticket_id, author, body) values ({ticket}, 'customer', 'S{n}; {rest}');"
        )
    };
    // WHEN rows of such types come
    stage
        .sql(&format!(
            "insert into messages (ticket_id, author, body, mood, tags, place, short, until, bytes) values
             ({ticket}, 'customer', 'S1; odd', 'cross', '{{a,\"b c\"}}', row('Ankara', 3), 'kısa', 'infinity', '\\x00ff')"
        ))
        .await;
    // AND a row that is inserted and deleted in one transaction, savepoints, and two-phase commits
    stage
        .sql(&format!(
            "begin; {} delete from messages where body like 'S90;%'; commit",
            insert(90, "never")
        ))
        .await;
    stage
        .sql(&format!(
            "begin; {} savepoint a; {} savepoint b; {} rollback to a; {} release a; commit",
            insert(2, "kept"),
            insert(91, "taken back"),
            insert(92, "taken back"),
            insert(3, "kept")
        ))
        .await;
    stage
        .sql(&format!(
            "begin; {} prepare transaction 'one'",
            insert(4, "in two phases")
        ))
        .await;
    stage
        .sql(&format!(
            "begin; {} prepare transaction 'two'",
            insert(93, "never")
        ))
        .await;
    stage.sql("rollback prepared 'two'").await;
    stage.sql("commit prepared 'one'").await;
    // AND one that was replicated to the site from elsewhere, whose commit has no time of its own
    stage
        .sql(&format!(
            "select pg_replication_origin_create('elsewhere'); select pg_replication_origin_session_setup('elsewhere');
             {} select pg_replication_origin_session_reset()",
            insert(6, "from elsewhere")
        ))
        .await;
    // AND a long text that is not sent at first, and not touched by the change that makes it eligible
    let long = format!("S5; {}", "long ".repeat(4000));
    let sql = "insert into messages (ticket_id, author, body, is_internal) values ($1, 'customer', $2, true)";
    stage.site.client.execute(sql, &[&ticket, &long]).await.unwrap();
    stage
        .sql("update messages set is_internal = false where body like 'S5;%'")
        .await;
    // THEN each comes once, in commit order, as the mapping says
    stage.until_deskie(case, 7).await;
    let books = stage.settled().await;
    let found = compare(&stage, &books, &[ticket], &HashSet::new()).await;
    assert!(found.is_well(), "{found:#?}");
    let texts = crate::support::texts(books.case(case).unwrap());
    assert!(
        texts[1].contains("S1; odd cross b c Ankara kısa true 00ff S1; "),
        "{:?}",
        texts[1]
    );
    assert!(texts[6].contains("S5; long long"), "{:?}", texts[6]);
    assert_eq!(texts.len(), 7, "{texts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_old_and_new_are_one_table() {
    // GIVEN a partitioned message table
    let stage = stage()
        .schema(
            "drop table messages; create table messages (id bigint generated always as identity, ticket_id bigint not null
                references tickets, author text not null, author_name text, body text not null,
                is_internal bool not null default false, created_at timestamptz not null default now(),
                primary key (id)) partition by range (id);
             create table messages_1 partition of messages for values from (1) to (4)",
        )
        .build()
        .await;
    let _connector = stage.run().await;
    let ticket = stage.ticket(AYSE, "one", "S0; first").await;
    let case = stage.case_of(ticket).await;
    for n in 1..4 {
        stage.writes(ticket, &format!("S{n}; old partition")).await;
    }
    // WHEN partitions are made, attached and detached while it runs
    stage
        .sql("create table messages_2 partition of messages for values from (4) to (6)")
        .await;
    stage.writes(ticket, "S4; new partition").await;
    stage
        .sql(
            "create table messages_3 (like messages including defaults including constraints including indexes)",
        )
        .await;
    // What is filled before it is attached is a stranger to the stream until then, and up to 14 beyond.
    stage
        .sql(&format!(
            "insert into messages_3 (id, ticket_id, author, body) values (50, {ticket}, 'customer', 'loaded')"
        ))
        .await;
    stage.sql("delete from messages_3").await;
    stage
        .sql(
            "alter table messages attach partition messages_3 for values from (6) to (100);
             alter table messages detach partition messages_1",
        )
        .await;
    stage.writes(ticket, "S5; new partition").await;
    stage.writes(ticket, "S6; attached").await;
    stage
        .sql("alter table messages attach partition messages_1 for values from (1) to (4)")
        .await;
    // THEN it is one table all the time
    stage.until_deskie(case, 7).await;
    let books = stage.settled().await;
    let found = compare(&stage, &books, &[ticket], &HashSet::new()).await;
    assert!(found.is_well() && found.to_deskie == 7, "{found:#?}");
    wait_until("nothing waits", || async {
        (stage.count("select count(*) from deskie_cdc.event").await == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_loaded_again_brings_nothing_and_loses_nothing() {
    // GIVEN many messages from before the connector, whose age the mapping does not tell, and one that waits
    let old = "insert into messages (ticket_id, author, body)
         select 1, 'customer', repeat('x', 10000) from generate_series(1, 1500)";
    let body = "author = \"author\"\nbody = \"body\"\n";
    let stage = stage()
        .schema(old)
        .config(&format!("{body}created_at = \"created_at\"\n"), body)
        .set("deskie", "doubt_wait = \"1s\"\ntimeout = \"1s\"")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.settled().await;
    for (n, reload) in ["delete from messages", "truncate messages"]
        .into_iter()
        .enumerate()
    {
        stage.simulator.act(Action::SetDown { down: true }).unwrap();
        stage.writes(ticket, "ilk").await;
        stage.writes(ticket, "bekleyen").await;
        let waiting = "select count(*) from deskie_cdc.delivery where state in ('queued', 'doubt')";
        wait_until("both wait", || async {
            (stage.count(waiting).await == 2).then_some(())
        })
        .await;
        // WHEN a job of the site empties the table and loads it again, in one transaction longer than a round (8 MiB)
        stage
            .sql(&format!(
                "begin; create temp table k{n} as select * from messages; {reload};
                 insert into messages overriding system value select * from k{n} order by id; commit"
            ))
            .await;
        let events = "select count(*) from deskie_cdc.event";
        wait_until("it was seen", || async {
            (stage.count(events).await > 0).then_some(())
        })
        .await;
        wait_until("it is dealt with", || async {
            (stage.count(events).await == 0).then_some(())
        })
        .await;
        stage.simulator.act(Action::SetDown { down: false }).unwrap();
        // THEN what waited is sent, once, and nothing of the old
        stage.until_deskie(case, 3 + 2 * n).await;
        let books = stage.settled().await;
        assert_eq!(stage.case(case).conversation().len(), 3 + 2 * n, "{reload}");
        assert!(
            books
                .cases
                .iter()
                .all(|other| other.case_id == case || other.conversation().len() == 1),
            "{reload}"
        );
    }
}
