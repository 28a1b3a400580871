//! What is measured. Each work checks its result, and gives its figures.

use std::path::Path;
use std::time::{Duration, Instant};

use deskie_cdc_sandbox::sample_site;
use deskie_cdc_sandbox::simulator::CaseId;
use deskie_cdc_sandbox::simulator::Says;

use crate::Figures;
use crate::peers::{Engine, recvlogical};
use crate::site::{Bench, LIMIT, Way};

/// Of every work.
const MEMORY: &str = "peak memory (MB)";

/// The program ends, and its memory is one more figure.
async fn with_memory(mut bench: Bench, mut figures: Figures) -> Figures {
    figures.extend(bench.end().await.map(|megabytes| (MEMORY, megabytes)));
    figures
}

/// Rows that `where` leaves out, from their commits to passed.
pub async fn left_out(program: &Path, rows: i64) -> Figures {
    let (bench, ticket) = Bench::started(program, Way::default()).await;
    let insert = format!(
        "insert into messages (ticket_id, author, body, is_internal) values ({ticket}, 'agent', 'internal', true)"
    );
    let begun = Instant::now();
    bench.each(rows, &insert).await;
    bench.passed().await;
    let took = begun.elapsed().as_secs_f64();
    let seen = "select count(*) from deskie_cdc.link where section = 'message' and state = 'seen'";
    assert_eq!(bench.value::<i64>(seen).await, rows);
    let mut figures = with_memory(
        bench,
        vec![(
            "one-row transactions that where leaves out (rows/s)",
            rows as f64 / took,
        )],
    )
    .await;
    if std::env::var_os("DEBEZIUM_PYTHON").is_none() {
        return figures;
    }
    // The engine has the machine for itself, as we had.
    let bench = Bench::new(program, Way::default()).await;
    let ticket = sample_site::open_ticket(&bench.client, "kate@example.com", "Question", "One")
        .await
        .unwrap();
    let insert = format!(
        "insert into messages (ticket_id, author, body, is_internal) values ({ticket}, 'agent', 'internal', true)"
    );
    if let Some(mut engine) = Engine::start(&bench, rows, &insert).await {
        let begun = Instant::now();
        bench.each(rows, &insert).await;
        engine.wait("all").await;
        let theirs = begun.elapsed().as_secs_f64();
        figures.push(("of them Debezium's engine counts (rows/s)", rows as f64 / theirs));
        figures.push(("times as many as Debezium's engine", theirs / took));
    }
    figures
}

/// Customers' messages on new tickets, ten each, from commit to queued.
pub async fn messages(program: &Path, rows: i64) -> Figures {
    let (bench, _) = Bench::started(program, Way::default()).await;
    let insert = "with t as (insert into tickets (user_id, subject, body) values (2, 'Ticket ' || n, 'Body') returning id)
        insert into messages (ticket_id, author, body) select id, 'customer', 'Message ' || m from t, generate_series(1, 10) m";
    let begun = Instant::now();
    bench.each(rows / 10, insert).await;
    bench.passed().await;
    let took = begun.elapsed().as_secs_f64();
    let queued = "select count(*) from deskie_cdc.delivery where section = 'message'";
    assert_eq!(bench.value::<i64>(queued).await, rows);
    let unresolved = "select count(*) from deskie_cdc.delivery where state = 'unresolved'";
    assert_eq!(bench.value::<i64>(unresolved).await, 0);
    with_memory(
        bench,
        vec![(
            "messages on new tickets, ten each, to queued (rows/s)",
            rows as f64 / took,
        )],
    )
    .await
}

/// Rows from the log into our tables, by the program and by `pg_recvlogical`; nothing is resolved meanwhile.
pub async fn capture(program: &Path, rows: i64, is_bulk: bool) -> Figures {
    let way = Way {
        config: "\n[capture]\nsettle = \"1h\"\n",
        ..Way::default()
    };
    let mut bench = Bench::new(program, way).await;
    let streams = "select coalesce((select active from pg_replication_slots where slot_name = 'deskie_cdc_site'), false)";
    bench.start();
    bench.until(streams).await;
    bench.end().await;
    bench
        .until(&streams.replace("select coalesce", "select not coalesce"))
        .await;
    let ticket = sample_site::open_ticket(&bench.client, "kate@example.com", "Question", "One")
        .await
        .unwrap();
    let peer = "select pg_create_logical_replication_slot('peer', 'pgoutput')";
    bench.client.batch_execute(peer).await.unwrap();
    let insert = "insert into messages (ticket_id, author, body, is_internal)";
    if is_bulk {
        let sql = format!(
            "{insert} select {ticket}, 'agent', 'internal ' || n, true from generate_series(1, {rows}) n"
        );
        bench.client.batch_execute(&sql).await.unwrap();
    } else {
        let insert = format!("{insert} values ({ticket}, 'agent', 'internal ' || n, true)");
        bench.each(rows, &insert).await;
    }
    let end: String = bench.value("select pg_current_wal_insert_lsn()::text").await;
    let theirs = recvlogical(&bench, "peer", &end).await;
    bench.start();
    bench.until(streams).await;
    let begun = Instant::now();
    bench
        .until(&format!("select captured_lsn >= '{end}' from deskie_cdc.meta"))
        .await;
    let ours = begun.elapsed().as_secs_f64();
    // Every row once, in the order of the log.
    let sql = "select count(*) from (select (image->>'id')::int8 as n, lag((image->>'id')::int8, 1, 0::int8) over (order by id) as before
        from deskie_cdc.event where table_name = 'messages') e where n > before";
    assert_eq!(bench.value::<i64>(sql).await, rows);
    let what = if is_bulk {
        "one transaction, captured and durable (rows/s)"
    } else {
        "one-row transactions, captured and durable (rows/s)"
    };
    let mut figures = vec![(what, rows as f64 / ours)];
    figures.extend(theirs.map(|theirs| ("of them pg_recvlogical drains (rows/s)", rows as f64 / theirs)));
    figures.extend(theirs.map(|theirs| ("as fast as pg_recvlogical (ratio)", theirs / ours)));
    with_memory(bench, figures).await
}

/// A live message behind an import of old tickets.
pub async fn live(program: &Path, tickets: i64) -> Figures {
    let (bench, ticket) = Bench::started(program, Way::default()).await;
    let import = format!(
        "insert into tickets (user_id, subject, body, created_at)
         select 3, 'Old ' || n, 'Body', now() - interval '90 days' from generate_series(1, {tickets}) n"
    );
    bench.client.batch_execute(&import).await.unwrap();
    let begun = Instant::now();
    sample_site::customer_reply(&bench.client, ticket, "a live one")
        .await
        .unwrap();
    let arrived = || {
        let books = bench.simulator.books();
        books.cases.iter().any(|case| case.conversation().len() > 1)
    };
    while !arrived() {
        assert!(begun.elapsed() < LIMIT, "the live message did not arrive");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(bench.simulator.books().cases.len(), 1, "an import opens no case");
    with_memory(bench, vec![("a live message behind an import (s)", took)]).await
}

/// One message at a time, both ways, on a server that writes to its disk.
pub async fn latency(program: &Path, messages: i64) -> Figures {
    let way = Way {
        fsync: true,
        sends: true,
        ..Way::default()
    };
    let (bench, ticket) = Bench::started(program, way).await;
    let case = case_of(&bench);
    let (mut calls, mut replies) = (Vec::new(), Vec::new());
    for n in 0..messages {
        bench.quiet().await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        let before = bench.simulator.books().calls.len();
        sample_site::customer_reply(&bench.client, ticket, &format!("question {n}"))
            .await
            .unwrap();
        let committed = Instant::now();
        let is_sent = move |books: &deskie_cdc_sandbox::simulator::Books| {
            books.calls.iter().skip(before).any(|call| call.method == "POST")
        };
        // Deskie's own clock shows whole seconds.
        bench.simulator.wait_for("the message", is_sent).await.unwrap();
        calls.push(committed.elapsed().as_secs_f64() * 1000.0);

        bench.quiet().await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        let text = format!("answer {n}");
        let is_there =
            format!("select exists (select from messages where ticket_id = {ticket} and body = '{text}')");
        let begun = Instant::now();
        bench.simulator.agent_reply(case, Says::text(text)).unwrap();
        while !bench.value::<bool>(&is_there).await {
            assert!(begun.elapsed() < LIMIT, "the reply did not arrive");
            // The runtime's own clock ticks in milliseconds.
            let pause = || std::thread::sleep(Duration::from_micros(300));
            tokio::task::spawn_blocking(pause).await.unwrap();
        }
        replies.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    bench.quiet().await;
    let said = format!("select count(*) from messages where ticket_id = {ticket}");
    assert_eq!(bench.value::<i64>(&said).await, 2 * messages);
    calls.sort_by(f64::total_cmp);
    replies.sort_by(f64::total_cmp);
    let at =
        |sorted: &[f64], hundredth: usize| sorted[(sorted.len() * hundredth / 100).min(sorted.len() - 1)];
    let figures = vec![
        ("commit to request, idle, fsync on, p50 (ms)", at(&calls, 50)),
        ("commit to request, idle, fsync on, p99 (ms)", at(&calls, 99)),
        ("agent's reply to row, by webhook, p50 (ms)", at(&replies, 50)),
        ("agent's reply to row, by webhook, p99 (ms)", at(&replies, 99)),
    ];
    with_memory(bench, figures).await
}

fn case_of(bench: &Bench) -> CaseId {
    bench.simulator.books().cases.first().unwrap().case_id
}

/// What the site's server is asked by our role, as it counts itself.
const STATEMENTS: &str = "select coalesce(sum(calls), 0)::float8 from pg_stat_statements s
    join pg_roles r on r.oid = s.userid where r.rolname = 'deskie_cdc'";

/// Statements a message, a reply, and an idle second.
pub async fn statements(program: &Path, seconds: u64) -> Figures {
    let way = Way {
        counts: true,
        sends: true,
        ..Way::default()
    };
    let (bench, ticket) = Bench::started(program, way).await;
    let case = case_of(&bench);
    let asks = async |n: i32| {
        sample_site::customer_reply(&bench.client, ticket, &format!("question {n}"))
            .await
            .unwrap();
        let is_there =
            move |books: &deskie_cdc_sandbox::simulator::Books| books.messages().count() >= 2 * n as usize;
        bench.simulator.wait_for("the message", is_there).await.unwrap();
        bench.quiet().await;
    };
    let answers = async |n: i32| {
        let text = format!("answer {n}");
        bench.simulator.agent_reply(case, Says::text(&text)).unwrap();
        bench
            .until(&format!(
                "select exists (select from messages where body = '{text}')"
            ))
            .await;
        bench.quiet().await;
    };
    for n in 1..=3 {
        asks(n).await;
        answers(n).await;
    }
    // What follows on its own, such as a look a second later, is a part of what it costs.
    let after = Duration::from_secs(seconds.min(4));
    tokio::time::sleep(after).await;
    let idle = Duration::from_secs(seconds);
    let before: f64 = bench.value(STATEMENTS).await;
    tokio::time::sleep(idle).await;
    let a_second = (bench.value::<f64>(STATEMENTS).await - before) / idle.as_secs_f64();
    let mut counted = Vec::new();
    for is_question in [true, false] {
        let (before, begun): (f64, _) = (bench.value(STATEMENTS).await, Instant::now());
        if is_question {
            asks(4).await;
        } else {
            answers(4).await;
        }
        tokio::time::sleep(after).await;
        let idle = a_second * begun.elapsed().as_secs_f64();
        counted.push(bench.value::<f64>(STATEMENTS).await - before - idle);
    }
    let figures = vec![
        ("statements a customer's message, with its webhook", counted[0]),
        ("statements an agent's reply", counted[1]),
        ("statements an idle second", a_second),
    ];
    with_memory(bench, figures).await
}

/// A look for work where most of what is queued waits behind something parked.
pub async fn look(program: &Path, rows: i64) -> Figures {
    let way = Way {
        counts: true,
        sends: true,
        ..Way::default()
    };
    let (mut bench, ticket) = Bench::started(program, way).await;
    bench.quiet().await;
    bench.end().await;
    let lanes = rows / 20;
    let seed = format!(
        "begin; set local session_replication_role = replica;
         insert into deskie_cdc.ticket (key, case_id, user_id) select 'p' || n, 1000000 + n, 7 from generate_series(1, {lanes}) n;
         insert into deskie_cdc.link (section, key, ticket_id, state)
             select 'message', 'p' || n, t.id, 'queued' from generate_series(1, {rows} + {lanes}) n
             join deskie_cdc.ticket t on t.key = 'p' || 1 + (n - 1) % {lanes} where t.key like 'p%' order by n;
         insert into deskie_cdc.delivery (position, ticket_id, link_id, section, author, body, state, written_at, call)
             select l.id, l.ticket_id, l.id, 'message', 'customer', '{{\"text\": \"A message of some words\"}}',
                 case when substr(l.key, 2)::int8 <= {lanes} then 'parked' else 'queued' end, 1700000000, 'add_message'
             from deskie_cdc.link l where l.key like 'p%' order by l.id;
         commit; vacuum analyze deskie_cdc.delivery"
    );
    for statement in seed.split(';') {
        bench.client.batch_execute(statement).await.unwrap();
    }
    let waiting = "select count(*) from deskie_cdc.delivery d join deskie_cdc.link l on l.id = d.link_id
        where l.key like 'p%' and d.state = 'queued'";
    assert_eq!(bench.value::<i64>(waiting).await, rows);
    bench.start();
    bench
        .until("select active from pg_replication_slots where slot_name = 'deskie_cdc_site'")
        .await;
    // As it is after a minute, not as it is at the start.
    tokio::time::sleep(Duration::from_secs(if rows < 10_000 { 1 } else { 5 })).await;
    bench
        .client
        .batch_execute("select pg_stat_statements_reset()")
        .await
        .unwrap();
    for n in 1..=5 {
        sample_site::customer_reply(&bench.client, ticket, &format!("live {n}"))
            .await
            .unwrap();
        bench
            .until(&format!(
                "select count(*) >= {n} from deskie_cdc.delivery d join deskie_cdc.ticket t on t.id = d.ticket_id
                 where t.key = '{ticket}' and d.section = 'message' and d.state = 'delivered'"
            ))
            .await;
    }
    let took: f64 = bench
        .value(
            r"select max(total_exec_time / calls) from pg_stat_statements
            where query ~ 'order by d\.id' and query ~ 'union all' and query ~* '^\s*select'",
        )
        .await;
    assert_eq!(
        bench.value::<i64>(waiting).await,
        rows,
        "what stands behind something parked waits"
    );
    with_memory(
        bench,
        vec![("one look for work behind parked tickets (ms)", took)],
    )
    .await
}

/// A site with many tickets from before the connector.
pub async fn old(program: &Path, tickets: i64) -> Figures {
    let way = Way {
        old: tickets,
        ..Way::default()
    };
    let mut bench = Bench::new(program, way).await;
    let begun = Instant::now();
    bench.start();
    bench
        .until("select active from pg_replication_slots where slot_name = 'deskie_cdc_site'")
        .await;
    let start = begun.elapsed().as_secs_f64();
    bench.open().await;
    let status = bench.command(&["status"]).await;
    let check = bench.command(&["check"]).await;
    let memory = bench.end().await;
    // A gap: the slot is lost, and rows are written before there is another one.
    bench
        .until("select not active from pg_replication_slots where slot_name = 'deskie_cdc_site'")
        .await;
    let gap = "select pg_drop_replication_slot('deskie_cdc_site');
        insert into tickets (user_id, subject, body) select 2, 'In the gap ' || n, 'Body' from generate_series(1, 1000) n";
    bench.client.batch_execute(gap).await.unwrap();
    let begun = Instant::now();
    bench.start();
    bench
        .until(
            "select (select gap_from is null from deskie_cdc.meta)
             and (select count(*) from deskie_cdc.delivery where section = 'ticket') >= 1001",
        )
        .await;
    let repair = begun.elapsed().as_secs_f64();
    let mut figures = vec![
        ("old tickets: start (s)", start),
        ("old tickets: status (s)", status),
        ("old tickets: check (s)", check),
        ("old tickets: repair with 1,000 rows in the gap (s)", repair),
    ];
    figures.extend(memory.map(|megabytes| ("before the repair, peak memory (MB)", megabytes)));
    with_memory(bench, figures).await
}
