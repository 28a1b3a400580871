//! What ORMs and migrations do to the tables under a running connector: sessions forget, and a fault of the whole mapping
//! stops it without parking anything.

use deskie_cdc_sandbox::simulator::Says;

use crate::support::{Stage, stage, texts, wait_until};

/// As TypeORM and Drizzle make an enum anew.
const ENUM_ANEW: &str = "alter type ticket_status rename to ticket_status_old;
    create type ticket_status as enum ('open', 'answered', 'closed', 'waiting');
    alter table tickets alter column status drop default;
    alter table tickets alter column status type ticket_status using status::text::ticket_status;
    alter table tickets alter column status set default 'open';
    drop type ticket_status_old";

async fn nothing_parked(stage: &Stage) {
    let parked = stage.workplace.command(&["failed", "list", "--json"]).await.ok();
    assert_eq!(parked.stdout.trim(), "[]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enum_type_made_anew_under_traffic_loses_and_parks_nothing() {
    // GIVEN a mapping that reads and writes an enum, both ways
    let stage = stage()
        .config("subject = \"subject\"", "subject = \"subject\"\nwhere = \"t.status in ('open', 'answered', 'closed')\"\nstatus = \"case t.status when 'closed' then 'closed' else 'open' end\"")
        .config(
            "[reply]\n",
            "[status]\nsql = \"update tickets set status = :status where id = :ticket\"\nmap = { open = \"open\", waiting = \"answered\", closed = \"closed\" }\n[reply]\n",
        )
        .config("after = [\"update", "after = [\"update tickets set status = 'answered' where id = :ticket and status <> 'closed'\", \"update")
        .build()
        .await;
    stage
        .sql("alter table tickets owner to current_user; grant update on tickets to deskie_cdc")
        .await;
    let _connector = stage.run().await;
    let (first, case) = stage.open("Soru").await;
    stage.simulator.agent_reply(case, Says::text("before")).unwrap();
    stage.until_site(first, 1).await;
    // WHEN the type is made anew again and again between tickets, messages, replies and statuses
    let mut tickets = vec![(first, case)];
    for n in 0..4 {
        stage.sql(&format!("begin; {ENUM_ANEW}; commit")).await;
        for m in 0..3 {
            tickets.push(stage.open(&format!("{n} {m}")).await);
        }
        let (ticket, case) = tickets[tickets.len() - 1];
        stage.sql(&format!("begin; {ENUM_ANEW}; commit")).await;
        stage
            .simulator
            .agent_reply(case, Says::text(format!("reply {n}")))
            .unwrap();
        stage.until_site(ticket, 1).await;
        stage.sql(&format!("begin; {ENUM_ANEW}; commit")).await;
        stage.simulator.set_status(case, "closed").unwrap();
        wait_until("the status is there", || async {
            let sql = format!("select count(*) from tickets where id = {ticket} and status::text = 'closed'");
            (stage.count(&sql).await == 1).then_some(())
        })
        .await;
    }
    // THEN all twelve have crossed, and nothing is parked
    assert_eq!(tickets.len(), 13);
    stage.settled().await;
    nothing_parked(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_the_whole_reply_mapping_parks_nothing_and_ends_by_itself() {
    // GIVEN two tickets on both sides
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (other, other_case) = stage.open("Other").await;
    let faults = [
        (
            "revoke insert on messages from deskie_cdc",
            "grant insert on messages to deskie_cdc",
        ),
        (
            "alter table messages rename column author_name to writer",
            "alter table messages rename column writer to author_name",
        ),
        (
            "alter table messages add column channel text not null default 'x'; alter table messages alter channel drop default",
            "alter table messages alter column channel drop not null",
        ),
        (
            "alter table messages rename to posts",
            "alter table posts rename to messages",
        ),
        (
            "insert into messages (id, ticket_id, author, body, is_internal) overriding system value
                select n, 1, 'agent', 'old', true from generate_series(1001, 1200) n; select setval('messages_id_seq', 1000)",
            "select setval('messages_id_seq', (select max(id) from messages))",
        ),
        (
            "do $$ begin execute format('alter sequence messages_id_seq maxvalue %s', (select last_value from messages_id_seq)); end $$",
            "alter sequence messages_id_seq no maxvalue",
        ),
        (
            "create table audit (at timestamptz not null) partition by range (at); grant insert on audit to public;
             create function audits() returns trigger language plpgsql as
                 $$ begin insert into public.audit values (now()); return new; end $$;
             create trigger audits after insert on messages for each row execute function audits()",
            "create table audit_all partition of audit default",
        ),
        (
            "create table counted (n int); create rule counts as on insert to messages do also insert into counted values (1)",
            "drop rule counts on messages",
        ),
        (
            "create table statistics (n int); insert into statistics values (0);
             create function counts() returns trigger security definer language plpgsql as
                 $$ begin update public.statistics set n = n + 1; return new; end $$;
             create trigger counts after insert on messages for each row execute function counts();
             create publication others for table statistics",
            "drop publication others",
        ),
        (
            "create sequence ranks start 32768; grant usage on sequence ranks to public;
             alter table messages add rank smallint; alter table messages alter rank set default nextval('ranks')",
            "alter table messages alter rank drop default",
        ),
    ];
    for (n, (breaks, mends)) in faults.iter().enumerate() {
        // WHEN the site breaks the mapping, and agents answer meanwhile
        let seen = connector.log().len();
        stage.sql(breaks).await;
        stage
            .simulator
            .agent_reply(case, Says::text(format!("one {n}")))
            .unwrap();
        stage
            .simulator
            .agent_reply(other_case, Says::text(format!("two {n}")))
            .unwrap();
        // THEN that is said once, and nothing is parked
        connector
            .wait_for_log_after(seen, "writing to the site stopped: [reply]")
            .await;
        wait_until("it is told", || async {
            let status = stage.workplace.command(&["status"]).await;
            status
                .stdout
                .contains("writing to the site stopped")
                .then_some(())
        })
        .await;
        nothing_parked(&stage).await;
        // AND it goes on by itself once the site is mended
        stage.sql(mends).await;
        connector
            .wait_for_log_after(seen, "writing to the site goes on")
            .await;
        stage.until_site(ticket, n + 1).await;
        stage.until_site(other, n + 1).await;
        nothing_parked(&stage).await;
    }
    let expected: Vec<String> = (0..faults.len()).map(|n| format!("one {n}")).collect();
    assert_eq!(stage.rows(ticket).await, expected);
    let status = stage.workplace.command(&["status"]).await;
    assert!(
        !status.stdout.contains("writing to the site stopped"),
        "{}",
        status.stdout
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_the_site_refuses_for_its_own_sake_parks_alone() {
    // GIVEN a site whose rules look at the text, by value and by right
    let stage = stage()
        .schema(
            "alter table messages add check (body not like '%forbidden%');
             create function guard() returns trigger language plpgsql as $$ begin
                if new.body like '%policy%' then
                    raise exception 'not by you' using errcode = '42501';
                end if;
                return new; end $$;
             create trigger guard before insert on messages for each row execute function guard()",
        )
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (_, by_value) = stage.open("Value").await;
    let (_, by_right) = stage.open("Right").await;
    // WHEN one reply breaks each, and others are well
    stage
        .simulator
        .agent_reply(by_value, Says::text("forbidden"))
        .unwrap();
    stage
        .simulator
        .agent_reply(by_right, Says::text("policy"))
        .unwrap();
    let parked = "select count(*) from deskie_cdc.remote where state = 'parked'";
    let mut n = 0;
    // THEN the others go on, and each of the two is parked in the end
    while stage.count(parked).await < 2 {
        stage
            .simulator
            .agent_reply(case, Says::text(format!("well {n}")))
            .unwrap();
        n += 1;
        stage.until_site(ticket, n).await;
        assert!(n < 60, "it is never parked");
    }
    let case = stage.case(case);
    assert!(texts(&case).len() > n);
    stage
        .sql("drop trigger guard on messages; alter table messages drop constraint messages_body_check")
        .await;
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    wait_until("both are there", || async {
        let sql = "select count(*) from messages where body in ('forbidden', 'policy')";
        (stage.count(sql).await == 2).then_some(())
    })
    .await;
}

/// What migrations do to mapped columns and to the key, each as one transaction; the mapping fits before and after it.
const MIGRATIONS: [&str; 13] = [
    "alter table messages alter column body type varchar(5000)",
    "alter table messages alter column body type text, alter column body drop not null",
    "alter table messages alter column body set not null, alter column author_name set default 'nobody'",
    "alter table messages alter column author_name drop default",
    "create type writer as enum ('customer', 'agent'); alter table messages drop constraint messages_author_check; \
     alter table messages alter column author type writer using author::writer",
    "alter table messages alter column author type text using author::text; drop type writer",
    "alter table messages drop constraint messages_pkey; alter table messages add primary key (id)",
    "alter table messages replica identity full",
    "create unique index messages_identity on messages (id); alter table messages replica identity using index messages_identity",
    "alter table messages replica identity default; drop index messages_identity",
    "alter table tickets alter column subject type varchar(300), add column extra text not null default 'x'",
    "alter table tickets alter column created_at type timestamp using created_at at time zone 'utc'; \
     alter table tickets alter column created_at type timestamptz using created_at at time zone 'utc'",
    "alter table messages rename column is_internal to hidden; alter table messages add column is_internal boolean not null default false; \
     update messages set is_internal = hidden; alter table messages drop column hidden",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mapped_columns_that_change_their_shape_under_traffic_lose_and_park_nothing() {
    // GIVEN a ticket on both sides, and another one
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (mut said, mut answered) = (1, 0);
    for (n, migration) in MIGRATIONS.iter().enumerate() {
        // WHEN the site migrates between messages and an answer
        stage.writes(ticket, &format!("before {n}")).await;
        stage.sql(&format!("begin; {migration}; commit")).await;
        stage
            .simulator
            .agent_reply(case, Says::text(format!("answer {n}")))
            .unwrap();
        stage.writes(ticket, &format!("after {n}")).await;
        (said, answered) = (said + 2, answered + 1);
        // THEN all of it crosses
        wait_until(migration, || async {
            let sql = format!("select count(*) from messages where ticket_id = {ticket}");
            (stage.count(&sql).await == said - 1 + answered).then_some(())
        })
        .await;
        stage
            .deskie(migration, |books| {
                let case = books.case(case).expect("the case");
                let texts = texts(case);
                let there = |text: String| texts.contains(&text.as_str());
                there(format!("before {n}")) && there(format!("after {n}"))
            })
            .await;
    }
    stage.open("İkinci").await;
    stage.settled().await;
    // AND once, in order
    let case = stage.case(case);
    let said: Vec<&str> = texts(&case)
        .into_iter()
        .filter(|text| text.starts_with("before") || text.starts_with("after"))
        .collect();
    let expected: Vec<String> = (0..MIGRATIONS.len())
        .flat_map(|n| [format!("before {n}"), format!("after {n}")])
        .collect();
    assert_eq!(said, expected);
    nothing_parked(&stage).await;
    let status = stage.workplace.command(&["status"]).await.ok().stdout;
    assert!(!status.contains("trouble"), "{status}");
}
