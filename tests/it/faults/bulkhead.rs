//! An item stops itself, never its neighbours: odd values of the site's rows, and what a row can do to the mapping.

use deskie_cdc::config::CRASH_VARIABLE;

use crate::support::{AYSE, IVAN, Stage, stage, texts, wait_until};

const MESSAGES: &str = "insert into messages (ticket_id, author, body, created_at) values ";

/// Waits until so many things are parked; why.
async fn until_parked(stage: &Stage, count: usize) -> Vec<String> {
    wait_until(&format!("{count} parked"), || async {
        let parked = stage.workplace.command(&["failed", "list", "--json"]).await.ok();
        let parked: Vec<serde_json::Value> = serde_json::from_str(&parked.stdout).unwrap();
        (parked.len() == count).then(|| {
            let line = |one: &serde_json::Value| {
                format!(
                    "{} {}",
                    one["id"].as_str().unwrap(),
                    one["error"].as_str().unwrap()
                )
            };
            parked.iter().map(line).collect()
        })
    })
    .await
}

/// Another ticket gets through now.
async fn others_go_on(stage: &Stage) {
    let ticket = stage.ticket(IVAN, "another", "another: body").await;
    stage.case_of(ticket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_is_none_is_not_sent_and_judges_nothing() {
    // GIVEN a ticket on both sides
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN messages come with times that are none, and tickets
    let times = [
        "infinity",
        "-infinity",
        "294276-01-01",
        "0044-03-15 BC",
        "0001-01-01",
        "1970-01-01",
        "9999-12-31",
    ];
    for time in times {
        stage
            .sql(&format!(
                "{MESSAGES} ({ticket}, 'customer', 'at {time}', '{time}')"
            ))
            .await;
        stage
            .sql(&format!(
                "insert into tickets (user_id, subject, body, created_at) values (1, '{time}', 'opened {time}', '{time}')"
            ))
            .await;
    }
    // THEN all are sent, with a time that can be one
    let case = stage.until_deskie(case, 1 + times.len()).await;
    let said: Vec<String> = times.iter().map(|time| format!("at {time}")).collect();
    assert_eq!(texts(&case)[1..], said);
    for n in 0..times.len() {
        stage.case_of(ticket + 1 + i64::try_from(n).unwrap()).await;
    }
    let odd = "select count(*) from deskie_cdc.delivery
        where written_at not between extract(epoch from now())::int8 - 600 and extract(epoch from now())::int8 + 600";
    let all = "select string_agg(concat_ws(' ', section, written_at, to_timestamp(written_at)), ', ') from deskie_cdc.delivery";
    let all: String = stage.query(all, &[]).await[0].get(0);
    assert_eq!(stage.count(odd).await, 0, "{all}");
    // AND an old row that was given such a time since is not new by it
    stage
        .sql("update messages set created_at = 'infinity' where ticket_id = 1")
        .await;
    others_go_on(&stage).await;
    assert_eq!(
        stage
            .count("select count(*) from deskie_cdc.link l join deskie_cdc.ticket t on t.id = l.ticket_id where t.key = '1'")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_any_length_stops_nobody() {
    // GIVEN messages whose key, and tickets whose key, are texts
    let stage = stage()
        .schema(
            "alter table messages add name text not null default gen_random_uuid()::text, add ref text;
             alter table tickets add code text not null default currval(pg_get_serial_sequence('tickets', 'id'))::text;
             alter table messages replica identity full; alter table tickets replica identity full",
        )
        .config("[message]\n", "[message]\nkey = \"name\"\n")
        .config("[ticket]\n", "[ticket]\nkey = \"code\"\n")
        .config("ticket = \"ticket_id\"", "ticket = \"coalesce(ref, ticket_id::text)\"")
        .config("where id = :ticket", "where code = :ticket")
        .build()
        .await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    // WHEN a message has a key that no index takes, and another one names such a ticket
    let long = "(select string_agg(md5(n::text), '') from generate_series(1, 400) n)";
    stage
        .sql(&format!(
            "insert into messages (ticket_id, author, body, name) select {ticket}, 'customer', 'long key', {long};
             insert into messages (ticket_id, author, body, ref) select {ticket}, 'customer', 'long ticket', {long}"
        ))
        .await;
    // THEN the first is sent once, whatever comes again of it, and everybody else goes on
    stage.until_deskie(case, 2).await;
    stage
        .sql("update messages set author_name = 'x' where body = 'long key'")
        .await;
    others_go_on(&stage).await;
    stage.writes(ticket, "more").await;
    let case = stage.until_deskie(case, 3).await;
    assert_eq!(texts(&case), ["Soru: body", "long key", "more"]);
    assert_eq!(
        stage
            .count("select count(*) from deskie_cdc.link where length(key) = 12800")
            .await,
        1
    );
    // AND a case of anybody's whose ticket field is as long can be kept
    stage
        .sql(&format!(
            "insert into deskie_cdc.foreign_case (case_id, claims) select 1, {long}"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_the_mapping_cannot_be_evaluated_over_is_parked_alone() {
    // GIVEN a mapping that raises what the row says
    let stage = stage()
        .schema(
            "create extension if not exists pgcrypto;
             create function touchy(text) returns text language plpgsql as $$
             declare word text := $1; gave text;
             begin
                if word like 'sqlstate %' then
                    raise exception 'no: \"%\"', word using errcode = split_part(word, ' ', 2);
                elsif word = 'dynamic' then
                    execute 'select no_such_function(1)' into gave;
                elsif word = 'pgcrypto' then
                    return pgp_sym_decrypt('damaged'::bytea, 'key');
                elsif word like 'nested %' then
                    return (repeat('[', 6000) || repeat(']', 6000))::jsonb::text;
                end if;
                return word;
             end $$",
        )
        .config(
            "author = \"author\"\nbody = \"body\"",
            "author = \"author\"\nbody = \"touchy(m.body)\"",
        )
        .server("max_stack_depth", "100kB")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    stage.writes(ticket, "well").await;
    stage.until_deskie(case, 2).await;
    let words = [
        "sqlstate 39000",
        "sqlstate 38001",
        "sqlstate 54001",
        "sqlstate 57014",
        "sqlstate XX000",
        "sqlstate XX001",
        "sqlstate 53200",
        "sqlstate 22P02",
        "sqlstate F0000",
        "sqlstate 42883",
        "sqlstate 3F000",
        "sqlstate 0A000",
        "dynamic",
        "pgcrypto",
        "nested text",
    ];
    // WHEN customers write such words, each in a ticket of its own
    for word in words {
        let ticket = stage.ticket(AYSE, word, "opened").await;
        stage.case_of(ticket).await;
        stage.writes(ticket, word).await;
        stage.writes(ticket, "behind it").await;
    }
    // THEN each of them is parked, with the section, the code, and nothing of the text
    let parked = until_parked(&stage, words.len()).await;
    for (word, why) in words.iter().zip(&parked) {
        assert!(why.contains("[message]") && why.contains("SQLSTATE"), "{why}");
        if let Some(code) = word.strip_prefix("sqlstate ") {
            assert!(why.contains(&format!("SQLSTATE {code}")), "{word}: {why}");
            assert!(
                code.starts_with("42")
                    || code == "3F000"
                    || code == "0A000"
                    || code == "57014"
                    || !why.contains("sqlstate "),
                "{why}"
            );
        }
    }
    // AND stops what comes behind it in its own ticket, and nothing else
    stage.writes(ticket, "still well").await;
    stage.until_deskie(case, 3).await;
    let behind = |books: &deskie_cdc_sandbox::simulator::Books| {
        books
            .messages()
            .any(|message| crate::support::says(message) == "behind it")
    };
    assert!(!behind(&stage.simulator.books()));
    // AND all goes once the site is mended
    stage
        .sql("create or replace function touchy(text) returns text language sql as 'select $1'")
        .await;
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    stage
        .deskie("all of it", |books| {
            let of = |text: &str| {
                books
                    .messages()
                    .filter(|message| crate::support::says(message) == text)
                    .count()
            };
            of("behind it") == words.len() && words.iter().all(|word| of(word) == 1)
        })
        .await;
    drop(connector);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kills_the_program_is_parked_in_the_end() {
    // GIVEN a ticket on both sides, and a message that kills the program whenever it is at it
    let stage = stage().build().await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (other, other_case) = stage.open("Other").await;
    stage.settled().await;
    connector.kill9().await;
    stage.writes(ticket, "deadly").await;
    // WHEN it is started again and again
    for _ in 0..5 {
        let mut dying = stage.workplace.run_with(&[(CRASH_VARIABLE, "resolve.decided")]);
        dying.ends().await;
    }
    stage.writes(other, "after it").await;
    // THEN it is out of the way, with its cause
    let _connector = stage.run().await;
    stage.until_deskie(other_case, 2).await;
    let parked = until_parked(&stage, 1).await;
    assert!(parked[0].contains("the program ended each time"), "{parked:?}");
    // AND stops what comes behind it in its ticket alone, until a person has decided
    stage.writes(ticket, "behind it").await;
    others_go_on(&stage).await;
    assert_eq!(texts(&stage.case(case)), ["Soru: body"]);
    let shown = stage
        .workplace
        .command(&["failed", "show", parked[0].split(' ').next().unwrap()])
        .await
        .ok();
    assert!(
        shown.stdout.contains("a change of a row") && shown.stdout.contains("deadly"),
        "{}",
        shown.stdout
    );
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    let case = stage.until_deskie(case, 3).await;
    assert_eq!(texts(&case), ["Soru: body", "deadly", "behind it"]);
    until_parked(&stage, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_our_own_statements_refuse_is_parked_alone_and_can_be_retried_or_discarded() {
    // GIVEN two tickets, and a state that refuses one word, as a limit of ours that nobody knows of would
    let stage = stage().build().await;
    let _connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let (other, other_case) = stage.open("Other").await;
    stage
        .sql(
            "create function pg_temp_refuse() returns trigger language plpgsql as $$ begin
                if new.image->>'body' like 'poison%' then raise exception 'too odd' using errcode = '22003'; end if;
                return new; end $$;
             create trigger refuse before insert on deskie_cdc.delivery for each row execute function pg_temp_refuse()",
        )
        .await;
    // WHEN many messages come in one transaction, two of them odd
    stage
        .sql(&format!(
            "insert into messages (ticket_id, author, body)
             select case n % 2 when 0 then {ticket} else {other} end, 'customer',
                case n when 7 then 'poison one' when 11 then 'poison two' else 'text ' || n end
             from generate_series(1, 20) n"
        ))
        .await;
    // THEN those two are parked, and the other ticket is whole but for what stands behind them
    let parked = until_parked(&stage, 2).await;
    assert!(
        parked
            .iter()
            .all(|why| why.starts_with('e') && why.contains("22003")),
        "{parked:?}"
    );
    stage.until_deskie(case, 11).await;
    let said = stage.until_deskie(other_case, 4).await;
    assert_eq!(texts(&said), ["Other: body", "text 1", "text 3", "text 5"]);
    // WHEN one is given up and the other one retried after a mend
    stage.sql("drop trigger refuse on deskie_cdc.delivery").await;
    let id = |text: &str| text.split(' ').next().unwrap().to_owned();
    stage
        .workplace
        .command(&["failed", "discard", &id(&parked[0])])
        .await
        .ok();
    stage
        .workplace
        .command(&["failed", "retry", &id(&parked[1])])
        .await
        .ok();
    // THEN the rest goes, in order
    let said = stage.until_deskie(other_case, 10).await;
    let expected: Vec<String> = [1, 3, 5, 9, 11, 13, 15, 17, 19]
        .map(|n| {
            if n == 11 {
                "poison two".to_owned()
            } else {
                format!("text {n}")
            }
        })
        .into();
    assert_eq!(texts(&said)[1..], expected);
    until_parked(&stage, 0).await;
}

/// A column that makes two hundred rows more than a round.
const FILLER: &str = "alter table tickets add filler text";

/// Inserts tickets with these subjects, and so much of what the mapping does not read.
fn tickets(subject: &str, count: usize, filler: usize) -> String {
    format!(
        "insert into tickets (user_id, subject, body, filler)
         select 1, '{subject} ' || n, 'text', repeat('x', {filler}) from generate_series(1, {count}) n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_a_kill_cuts_opens_no_case_for_what_was_there_before() {
    // GIVEN a site with many old tickets, whose times the mapping does not know
    let stage = stage()
        .schema(FILLER)
        .schema(&tickets("old", 200, 60_000))
        .config("created_at = \"created_at\"\ncustomer", "customer")
        .build()
        .await;
    let connector = stage.run().await;
    let (_, _) = stage.open("Soru").await;
    assert!(connector.sigterm_and_wait().await.success());
    // WHEN all of them are loaded again in one transaction, longer than a round, and the program dies in the middle of it
    stage
        .sql(
            "create table copy as table tickets;
              begin; truncate tickets cascade;
              insert into tickets overriding system value select * from copy; commit",
        )
        .await;
    let variables = [(CRASH_VARIABLE, "resolve.stored")];
    let mut dying = stage.workplace.run_with(&variables);
    dying.ends().await;
    let left = stage.count("select count(*) from deskie_cdc.event").await;
    assert!(left > 0, "the round took everything");
    let _connector = stage.run().await;
    others_go_on(&stage).await;
    wait_until("all is resolved", || async {
        (stage.count("select count(*) from deskie_cdc.event").await == 0).then_some(())
    })
    .await;
    // THEN no case was opened for any of them
    let opened = "select count(*) from deskie_cdc.ticket t where case_id is not null or exists
        (select from deskie_cdc.delivery d where d.ticket_id = t.id)";
    assert_eq!(stage.count(opened).await, 2);
    assert_eq!(stage.count("select count(*) from deskie_cdc.bulk").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_new_cases_of_one_transaction_wait_for_one_decision() {
    // GIVEN a limit
    let stage = stage()
        .schema(FILLER)
        .config("[ticket]\n", "[capture]\nmax_new_cases = 20\n[ticket]\n")
        .build()
        .await;
    let connector = stage.run().await;
    let (ticket, case) = stage.open("Soru").await;
    let cases = async || stage.simulator.books().cases.len();
    // WHEN as many come as may; THEN they are sent
    stage.sql(&tickets("few", 20, 1)).await;
    stage.deskie("the few", |books| books.cases.len() == 21).await;
    // WHEN more come at once, and many more, in one transaction of several rounds that a kill cuts
    stage.sql(&tickets("many", 21, 1)).await;
    assert!(connector.sigterm_and_wait().await.success());
    stage.sql(&tickets("flood", 140, 62_000)).await;
    let mut dying = stage.workplace.run_with(&[(CRASH_VARIABLE, "resolve.stored")]);
    dying.ends().await;
    let _connector = stage.run().await;
    // THEN each of the two is one line, and live traffic goes on
    let parked = until_parked(&stage, 2).await;
    assert!(
        parked[0].starts_with('x') && parked[0].contains("21 new cases"),
        "{parked:?}"
    );
    assert!(
        parked[1].starts_with('x') && parked[1].contains("140 new cases"),
        "{parked:?}"
    );
    others_go_on(&stage).await;
    stage.writes(ticket, "live").await;
    stage.until_deskie(case, 2).await;
    assert_eq!(cases().await, 22);
    // WHEN a person retries everything; THEN that is no word about these
    stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    until_parked(&stage, 2).await;
    // WHEN one is let go and the other one dropped
    let id = |text: &str| text.split(' ').next().unwrap().to_owned();
    stage
        .workplace
        .command(&["failed", "show", &id(&parked[0])])
        .await
        .ok();
    stage
        .workplace
        .command(&["failed", "discard", &id(&parked[1])])
        .await
        .ok();
    stage
        .workplace
        .command(&["failed", "retry", &id(&parked[0])])
        .await
        .ok();
    // THEN the one is sent whole, and of the other nothing; a later message there opens its case
    stage
        .deskie("the many", |books| books.cases.len() == 22 + 21)
        .await;
    until_parked(&stage, 0).await;
    let dropped = stage
        .count("select max(id) from tickets where subject = 'flood 140'")
        .await;
    stage.writes(dropped, "now it counts").await;
    stage.case_of(dropped).await;
    stage.settled().await;
    assert_eq!(cases().await, 22 + 21 + 2);
}
