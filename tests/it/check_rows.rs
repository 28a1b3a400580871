//! `check` looks at rows: a mapping that Postgres takes and that means something else is warned of, each with its mend.

use deskie_cdc_sandbox::simulator::{Options, Simulator};
use serde_json::Value;

use crate::support::{Site, Workplace};

/// A mistake: what is changed in the config, what on the site, the code that tells it, a part of the mend, and what takes
/// the site's change back.
struct Mistake {
    config: &'static [(&'static str, &'static str)],
    site: &'static str,
    code: &'static str,
    mend: &'static str,
    back: &'static str,
}

const fn of_config(
    config: &'static [(&'static str, &'static str)],
    code: &'static str,
    mend: &'static str,
) -> Mistake {
    Mistake {
        config,
        site: "",
        code,
        mend,
        back: "",
    }
}

/// The site writes its own time into a column without a zone.
const LOCAL_TIME: &str = "alter table messages alter created_at type timestamp using created_at at time zone 'Europe/Istanbul'; \
    alter database site set timezone = 'Europe/Istanbul'";

const ZONED_TIME: &str = "alter table messages alter created_at type timestamptz using created_at at time zone 'Europe/Istanbul'; \
    alter database site reset timezone";

const MISTAKES: &[Mistake] = &[
    of_config(
        &[("author = \"author\"", "author = \"m.author = 'agent'\"")],
        "author_word",
        "case when m.author = 'agent' then 'agent'",
    ),
    of_config(
        &[("author = \"author\"", "author = \"upper(m.author)\"")],
        "author_word",
        "give each a word of ours",
    ),
    of_config(
        &[("where = \"not m.is_internal\"", "where = \"false\"")],
        "all_left_out",
        "mend the condition",
    ),
    of_config(
        &[(
            "open_on = \"ticket\"",
            "open_on = \"ticket\"\nwhere = \"t.id < 0\"",
        )],
        "all_left_out",
        "mend the condition",
    ),
    of_config(
        &[("ticket = \"ticket_id\"", "ticket = \"id\"")],
        "ticket_is_own_key",
        "ticket = \"ticket_id\"",
    ),
    of_config(
        &[(
            "author = \"author\"",
            "author = \"author\"\njoin = \"join users w on w.email = m.author\"",
        )],
        "join_finds_nothing",
        "left join",
    ),
    of_config(
        &[(
            "author = \"author\"",
            "author = \"author\"\njoin = \"cross join users w\"",
        )],
        "join_finds_several",
        "limit 1",
    ),
    of_config(
        &[("subject = \"subject\"", "subject = \"(t.subject::int)::text\"")],
        "value_refused",
        "takes every value",
    ),
    of_config(
        &[(
            "created_at = \"created_at\"\ncustomer",
            "created_at = \"now() + interval '3 hours'\"\ncustomer",
        )],
        "created_in_future",
        "at time zone",
    ),
    of_config(
        &[("email = \"u.email\"", "email = \"replace(u.email, 'i', 'ı')\"")],
        "address_folded",
        "collate \"C\"",
    ),
    of_config(
        &[("email = \"u.email\"", "email = \"nullif(u.email, u.email)\"")],
        "no_customer",
        "customer.email",
    ),
    of_config(
        &[(
            "webhook_secret = \"demo-webhook-secret\"",
            "webhook_secret = \"abc\"",
        )],
        "short_webhook_secret",
        "openssl rand",
    ),
    of_config(
        &[("webhook_secret = \"demo-webhook-secret\"", "")],
        "no_webhook_secret",
        "set [server] webhook_secret",
    ),
    of_config(
        &[(
            "[ticket]\n",
            "[alert]\nurl = \"http://127.0.0.1:9/secret\"\n\n[ticket]\n",
        )],
        "alert_url_dead",
        "nobody would be told",
    ),
    of_config(
        &[("[server]\n", "[server]\npublic_url = \"http://127.0.0.1:9\"\n")],
        "public_url_dead",
        "[server] listen",
    ),
    of_config(
        &[
            (
                "[reply]\nset = { ticket_id = \"t.id\", author = \":kind\", author_name = \"coalesce(:author_name, :author_email)\", body = \":text\" }\nafter",
                "[reply]\nafter",
            ),
            (
                "[reply]\nafter = [\"update tickets set replies_count = replies_count + 1, updated_at = now() where id = :ticket\"]",
                "",
            ),
        ],
        "no_reply",
        "[reply.set]",
    ),
    of_config(
        &[("author = \":kind\"", "author = \"'customer'\"")],
        "reply_other_author",
        "[message] author",
    ),
    of_config(
        &[("body = \":text\" }", "body = \":text\", is_internal = \"true\" }")],
        "reply_left_out",
        "[message] where",
    ),
    of_config(
        &[("body = \":text\" }", "body = \"'See your e-mail.'\" }")],
        "reply_other_text",
        "`:text`",
    ),
    of_config(
        &[(
            "author = \"author\"",
            "author = \"author\"\njoin = \"join users w on w.id = m.ticket_id and m.author_name is distinct from 'Sample Agent'\"",
        )],
        "reply_hidden",
        "[reply.set]",
    ),
    Mistake {
        config: &[(
            "created_at = \"created_at\"\n\n[reply]",
            "created_at = \"m.created_at at time zone 'Europe/Istanbul'\"\n\n[reply]",
        )],
        site: LOCAL_TIME,
        code: "reply_other_time",
        mend: "[capture] session = [\"set timezone = 'Europe/Istanbul'\"]",
        back: ZONED_TIME,
    },
    Mistake {
        config: &[
            (
                "created_at = \"created_at\"\n\n[reply]",
                "created_at = \"m.created_at at time zone 'Europe/Istanbul'\"\n\n[reply]",
            ),
            (
                "body = \":text\" }",
                "body = \":text\", created_at = \":created_at\" }",
            ),
        ],
        site: LOCAL_TIME,
        code: "reply_other_time",
        mend: "created_at = \":created_at::timestamptz at time zone 'Europe/Istanbul'\"",
        back: ZONED_TIME,
    },
    // The mend was taken, and the column goes by no zone of the session's.
    Mistake {
        config: &[
            (
                "created_at = \"created_at\"\n\n[reply]",
                "created_at = \"m.created_at at time zone 'Europe/Istanbul'\"\n\n[reply]",
            ),
            ("[postgres]\n", "[capture]\nsession = [\"set timezone = 'Europe/Istanbul'\"]\n\n[postgres]\n"),
        ],
        site: "alter table messages alter created_at type timestamp using created_at at time zone 'UTC';
            alter table messages alter created_at set default now() at time zone 'UTC';
            alter database site set timezone = 'Europe/Istanbul'",
        code: "reply_other_time",
        mend: "which of a column in UTC is `at time zone 'UTC'`",
        back: "alter table messages alter created_at set default now();
            alter table messages alter created_at type timestamptz using created_at at time zone 'UTC';
            alter database site reset timezone",
    },
    Mistake {
        config: &[],
        site: "alter table messages alter created_at type timestamp using created_at at time zone 'Asia/Tashkent';
            alter database site set timezone = 'Asia/Tashkent';
            update messages set created_at = now() at time zone 'Asia/Tashkent' where id = 1",
        code: "created_in_future",
        mend: "created_at at time zone 'Asia/Tashkent'",
        back: "alter table messages alter created_at type timestamptz using created_at at time zone 'Asia/Tashkent';
            alter database site reset timezone",
    },
    of_config(
        &[("author = \"author\"", "author = \"author\"\nformat = \"'bbcode'\"")],
        "format_word",
        "format = \"'html'\"",
    ),
    of_config(
        &[("open_on = \"ticket\"", "open_on = \"ticket\"\nformat = \"'bbcode'\"")],
        "format_word",
        "format = \"'html'\"",
    ),
    Mistake {
        config: &[(
            "where = \"not m.is_internal\"",
            "where = \"not exists (select from message_flags f where f.message_id = m.id and f.flag = 'internal')\"",
        )],
        site: "create table message_flags (message_id bigint, flag text); grant select on message_flags to deskie_cdc",
        code: "later_rows",
        mend: "[capture] settle",
        back: "drop table message_flags",
    },
    Mistake {
        config: &[(
            "where = \"not m.is_internal\"",
            "join = \"left join message_flags f on f.message_id = m.id\"\nwhere = \"f.flag is distinct from 'internal'\"",
        )],
        site: "create table message_flags (message_id bigint, flag text); grant select on message_flags to deskie_cdc",
        code: "later_rows",
        mend: "[capture] settle",
        back: "drop table message_flags",
    },
    of_config(
        &[(
            "[postgres]\n",
            "[status]\nsql = \"update tickets set status = :status where id = :ticket\"\nmap = { open = \"open\", closed = \"'closed'\" }\n\n[postgres]\n",
        )],
        "status_quoted",
        "closed = \"closed\"",
    ),
    of_config(
        &[("ticket_id = \"t.id\"", "ticket_id = \"1\"")],
        "reply_other_ticket",
        "`:ticket`",
    ),
    of_config(
        &[("now() where id = :ticket\"", "now()\"")],
        "touches_all_rows",
        "where id = :ticket",
    ),
    of_config(
        &[("[postgres]\n", "[case]\nsql = [\"select 1\"]\n\n[postgres]\n")],
        "case_is_no_new_ticket",
        "returning",
    ),
    Mistake {
        config: &[(
            "after = [\"",
            "after = [\"delete from messages where id = :row\", \"",
        )],
        site: "grant delete on messages to deskie_cdc",
        code: "reply_deleted",
        mend: "keep the row",
        back: "revoke delete on messages from deskie_cdc",
    },
    Mistake {
        config: &[],
        site: "insert into tickets (user_id, subject, body) select 1, 'x ' || n, 'a body' from generate_series(1, 300) n",
        code: "one_customer",
        mend: "mailbox",
        back: "delete from tickets where body = 'a body'",
    },
    Mistake {
        config: &[],
        site: "insert into messages (ticket_id, author, body) select 1, 'customer', 'again ' || n from generate_series(1, 300) n",
        code: "one_author",
        mend: "tells agents apart",
        back: "delete from messages where body like 'again %'",
    },
    Mistake {
        config: &[],
        site: "alter table messages enable row level security; analyze messages",
        code: "rows_hidden",
        mend: "policy for SELECT",
        back: "alter table messages disable row level security",
    },
    Mistake {
        config: &[],
        site: "create role azure_pg_admin",
        code: "provider",
        mend: "",
        back: "drop role azure_pg_admin",
    },
    Mistake {
        config: &[],
        site: "alter system set max_slot_wal_keep_size = '200MB'; ",
        code: "wal_kept_too_little",
        mend: "raise it",
        back: "alter system set max_slot_wal_keep_size = -1",
    },
    of_config(&[], "wal_kept_without_bound", "max_slot_wal_keep_size = '20GB'"),
];

async fn run_each(site: &Site, sql: &str) {
    // ALTER SYSTEM stands in no transaction block.
    for statement in sql
        .split(';')
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
    {
        site.client.batch_execute(statement).await.unwrap();
    }
    if sql.contains("alter system") {
        site.client
            .batch_execute("select pg_reload_conf()")
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn each_silent_mistake_is_told_with_its_mend() {
    let site = Site::start().await;
    let deskie = Simulator::start(Options::default()).await.unwrap();
    let work = Workplace::new(&site, &deskie.url());
    work.command(&["setup", "--admin-url", &site.admin_url()])
        .await
        .ok();
    let right = std::fs::read_to_string(work.config_file()).unwrap();
    let listed =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/check.md"))
            .unwrap();
    let mut missed = Vec::new();
    for mistake in MISTAKES {
        for (from, to) in mistake.config {
            work.change_config(from, to);
        }
        run_each(&site, mistake.site).await;
        let checked = work.command(&["check", "--json"]).await;
        let list: Vec<Value> = serde_json::from_str(&checked.stdout).unwrap_or_default();
        let told = list.iter().find(|one| one["code"] == mistake.code);
        let mend = told.map(|one| one["mend"].as_str().unwrap_or_default());
        if !mend.is_some_and(|mend| mend.contains(mistake.mend)) {
            missed.push(format!(
                "{} {:?}: {mend:?}\n{}\n{}",
                mistake.code, mistake.config, checked.stdout, checked.stderr
            ));
        }
        if !listed.contains(&format!("| `{}` |", mistake.code)) {
            missed.push(format!("docs/check.md does not list {}", mistake.code));
        }
        work.write_config(&right);
        run_each(&site, mistake.back).await;
    }
    assert!(
        missed.is_empty(),
        "{} missed:\n{}",
        missed.len(),
        missed.join("\n\n")
    );

    // GIVEN the right mapping, THEN the rows are summed up by what becomes of them, each with examples.
    let checked = work.command(&["check", "--rows", "50"]).await.ok();
    for line in [
        "the newest 3 of public.tickets:\n          3  open a case: 3 \"Invoice for order 9921\", 2 \"Не приходит письмо для сброса пароля\"",
        "the newest 4 of public.messages:\n          1  customers' messages: 3 \"Elime ulaştı, teşekkürler!\"\n          2  agents' answers: 4 ",
        "          1  left out: not m.is_internal does not hold: 2 \"Kargo firması iki kez arandı.\"",
    ] {
        assert!(
            checked.stdout.contains(line),
            "`{line}` is not in\n{}",
            checked.stdout
        );
    }
    // GIVEN messages whose ticket is NULL, THEN they are told as `plan` tells them, and wait for no join.
    work.change_config(
        "ticket = \"ticket_id\"",
        "ticket = \"nullif(m.ticket_id, m.ticket_id)\"",
    );
    let told = work.command(&["check", "--rows", "50"]).await.stdout;
    assert!(
        told.contains("4  belong to no ticket: [message] ticket is NULL") && !told.contains("find nothing"),
        "{told}"
    );
    work.write_config(&right);
    assert!(
        !work
            .command(&["check", "--rows", "0"])
            .await
            .ok()
            .stdout
            .contains("newest")
    );
}

#[test]
fn every_code_is_listed() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = std::fs::read_to_string(root.join("docs/check.md")).unwrap();
    let mut missing = Vec::new();
    for entry in std::fs::read_dir(root.join("src/setup/check")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let calls = [
            "found.ok(",
            "found.warn(",
            "found.fail(",
            "found.error(",
            "found_or(found, ",
            "Subject(",
        ];
        for call in calls {
            for rest in text.split(call).skip(1) {
                // `"name"`, or `("name", "code")`.
                let is_pair = rest.trim_start().starts_with('(') || call == "Subject(";
                let words: Vec<&str> = rest.split('"').skip(1).step_by(2).take(2).collect();
                let code = match (is_pair, words.as_slice()) {
                    (true, [_, code])
                        if rest
                            .split_once(*code)
                            .is_some_and(|(before, _)| before.len() < 90) =>
                    {
                        (*code).to_owned()
                    }
                    (_, [name, ..]) if rest.trim_start().starts_with('"') => name.replace([' ', '-'], "_"),
                    _ => continue,
                };
                if !listed.contains(&format!("| `{code}` |")) {
                    missing.push(code);
                }
            }
        }
    }
    assert!(missing.is_empty(), "docs/check.md does not list {missing:?}");
}
