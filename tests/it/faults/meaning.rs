//! A name means what it says: a column of its section's own row, and never the ticket's of the same name.

use std::collections::HashSet;

use super::compare::compare;
use crate::support::{AYSE, Site, Stage, Workplace, stage};

const NOWHERE: &str = "http://127.0.0.1:9";

/// How `setup` takes a mapping: what it says where it refuses, nothing where it does not.
async fn refusal(schema: &str, changes: &[(&str, &str)]) -> String {
    let site = Site::start().await;
    site.client
        .batch_execute(schema)
        .await
        .expect("the site's schema");
    let work = Workplace::new(&site, NOWHERE);
    for (from, to) in changes {
        work.change_config(from, to);
    }
    let done = work.command(&["setup", "--admin-url", &site.admin_url()]).await;
    if done.status.success() {
        return String::new();
    }
    done.stderr
}

const BODY: &str = "author = \"author\"\nbody = \"body\"";
const RENAMED: &str = "alter table messages rename body to content";

/// A mapping whose message has this body.
fn body(sql: &str) -> [(&'static str, String); 1] {
    [(BODY, format!("author = \"author\"\nbody = \"{sql}\""))]
}

#[tokio::test]
async fn a_name_that_is_no_column_of_its_own_row_is_refused() {
    for sql in [
        "body",
        "BODY",
        "\\\"body\\\"",
        "lower(body)",
        "coalesce(body, '')",
        "body || 'x'",
        "case when true then body end",
        "(select body)",
        "(select max(body) from users)",
    ] {
        let changes = body(sql);
        let refused = refusal(RENAMED, &[(changes[0].0, &changes[0].1)]).await;
        for text in [
            "message.body: `",
            "is no column of public.messages, this section's own row",
            "did you mean `t.body`?",
            "deskie-cdc.toml:",
            "^",
        ] {
            assert!(
                refused.to_lowercase().contains(text),
                "{sql}: `{text}` is not in\n{refused}"
            );
        }
        assert_eq!(refused.matches("message.body: ").count(), 1, "{sql}: {refused}");
    }
}

#[tokio::test]
async fn it_is_so_in_every_section() {
    for (schema, from, to, texts) in [
        (
            "",
            "email = \"u.email\"",
            "email = \"email\"",
            ["ticket.customer.email", "`u.email`"],
        ),
        (
            "",
            "email = \"u.email\"",
            "email = \"lower(email)\"",
            ["ticket.customer.email", "`u.email`"],
        ),
        (
            "",
            "subject = \"subject\"",
            "subject = \"subjekt\"",
            ["ticket.subject", "`subject`"],
        ),
        (
            "",
            "subject = \"subject\"",
            "subject = \"t\"",
            ["ticket.subject", "`t` is no column"],
        ),
        (
            "",
            "subject = \"subject\"",
            "subject = \"u\"",
            ["ticket.subject", "`u` is no column"],
        ),
        (
            "",
            "subject = \"subject\"",
            "subject = \"ctid\"",
            ["ticket.subject", "`ctid` is no column"],
        ),
        (
            "",
            "subject = \"subject\"",
            "subject = \"subject\"\nfields = { cf_9 = \"full_name\" }",
            ["ticket.fields.cf_9", "`u.full_name`"],
        ),
        (
            "",
            BODY,
            "author = \"author\"\nbody = \"t\"",
            ["message.body", "`t` is no column"],
        ),
        (
            "",
            BODY,
            "author = \"author\"\nbody = \"subject\"",
            ["message.body", "`t.subject`"],
        ),
        (
            "",
            "body = \":text\"",
            "body = \"t\"",
            ["reply.set.body", "does not exist"],
        ),
        (
            "",
            "body = \":text\"",
            "body = \"author\"",
            ["reply.set.body", "author"],
        ),
        (
            "",
            "body = \":text\"",
            "bodi = \":text\"",
            ["reply.set.bodi", "did you mean `body`?"],
        ),
        (
            "alter table messages add editor bigint; alter table tickets add redactor bigint",
            BODY,
            "author = \"author\"\nbody = \"body\"\njoin = \"left join users w on w.id = redactor\"",
            ["message.join", "`t.redactor`"],
        ),
        (
            "create table files (id int primary key, msg bigint, address text)",
            "[reply]\n",
            "[[attachment]]\nof = \"message\"\ntable = \"files\"\nparent = \"msg\"\nurl = \"address\"\nname = \"body\"\n[reply]\n",
            ["attachment", "`m.body` or `t.body`"],
        ),
    ] {
        let refused = refusal(schema, &[(from, to)]).await;
        for text in texts {
            assert!(refused.contains(text), "{to}: `{text}` is not in\n{refused}");
        }
        assert_eq!(refused.matches("error: ").count(), 1, "{to}: {refused}");
    }
}

#[tokio::test]
async fn values_that_look_like_names_are_none() {
    let words = [
        "true",
        "null",
        "current_timestamp",
        "CURRENT_DATE",
        "current_user",
        "user",
        "session_user",
        "localtimestamp",
        "localtime",
        "current_role",
        "current_catalog",
        "current_schema",
        "'text'",
        "7",
        "Subject",
        "SUBJECT",
        "\\\"subject\\\"",
        "upper(subject)",
        "(select max(full_name) from users)",
        "to_jsonb(t)",
        "to_jsonb(u)->>'email'",
    ];
    let fields: Vec<String> = words
        .iter()
        .enumerate()
        .map(|(n, word)| format!("cf_{} = \"{word}\"", n + 1))
        .collect();
    let changed = format!("subject = \"subject\"\nfields = {{ {} }}", fields.join(", "));
    assert_eq!(refusal("", &[("subject = \"subject\"", &changed)]).await, "");
}

/// The customer writes into a column of that name.
async fn writes_into(stage: &Stage, ticket: i64, column: &str, text: &str) {
    let sql = format!("insert into messages (ticket_id, author, {column}) values ($1, 'customer', $2)");
    stage.site.client.execute(&sql, &[&ticket, &text]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_goes_while_it_runs_never_leaves_its_name_to_the_ticket() {
    for (schema, column, mapped, change, back) in [
        // The ticket has a column of that name.
        (
            "",
            "body",
            "body",
            RENAMED,
            "alter table messages rename content to body",
        ),
        (
            "",
            "body",
            "coalesce(m.body, '')",
            RENAMED,
            "alter table messages rename content to body",
        ),
        // It gets one, in the same moment.
        (
            "alter table messages rename body to said",
            "said",
            "trim(said)",
            "begin; alter table messages rename said to content;
             alter table tickets add said text not null default 'the ticket''s'; commit",
            "begin; alter table messages rename content to said; alter table tickets drop said; commit",
        ),
        // A table of the mapping's joins gets one.
        (
            "alter table messages rename body to said",
            "said",
            "said",
            "begin; alter table messages rename said to content;
             alter table users add said text not null default 'the user''s'; commit",
            "begin; alter table messages rename content to said; alter table users drop said; commit",
        ),
    ] {
        // GIVEN a ticket on both sides
        let stage = stage()
            .schema(schema)
            .config(BODY, &format!("author = \"author\"\nbody = \"{mapped}\""))
            .config("body = \":text\"", &format!("{column} = \":text\""))
            .build()
            .await;
        let connector = stage.run().await;
        let ticket = stage.ticket(AYSE, "one", "S0; first").await;
        let case = stage.case_of(ticket).await;
        writes_into(&stage, ticket, column, "S1; text").await;
        stage.until_deskie(case, 2).await;
        // WHEN the message's column is renamed, and the site goes on
        stage.sql(change).await;
        writes_into(&stage, ticket, "content", "S2; text").await;
        // THEN nothing is sent, at no attempt, nor by a process that has never seen it otherwise
        connector.wait_for_log("attempt=3").await;
        let status = stage.workplace.command(&["status"]).await.exits(1);
        assert!(status.stdout.contains("resolving stopped"), "{}", status.stdout);
        let plan = stage.workplace.command(&["plan", "--last", "1"]).await;
        assert!(!plan.status.success(), "{mapped}: {}", plan.stdout);
        assert!(connector.sigterm_and_wait().await.success());
        let connector = stage.run().await;
        connector.wait_for_log("attempt=2").await;
        assert_eq!(stage.case(case).conversation().len(), 2, "{mapped}");
        // AND it goes on by itself once the column is back
        stage.sql(back).await;
        connector.wait_for_log("resolving goes on").await;
        writes_into(&stage, ticket, column, "S3; text").await;
        stage.until_deskie(case, 4).await;
        if column == "body" {
            let books = stage.settled().await;
            let found = compare(&stage, &books, &[ticket], &HashSet::new()).await;
            assert!(found.is_well(), "{mapped}: {found:#?}");
        }
    }
}
