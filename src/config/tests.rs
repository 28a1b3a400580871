use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

const PATH: &str = "deskie-cdc.toml";

/// The sample of the contract, without its comments.
const SAMPLE: &str = r#"[postgres]
url = "postgres://deskie_cdc@db.example/site?sslmode=verify-full"

[deskie]
url = "https://destek.deskie.io"
staff_email = "api@example.com"
api_key = "${DESKIE_API_KEY}"
ticket_field = 25

[server]
listen = "0.0.0.0:8787"
admin_listen = "127.0.0.1:8788"
webhook_secret = "${DESKIE_WEBHOOK_SECRET}"

[capture]

[ticket]
table = "public.tickets"
join = "join users u on u.id = t.user_id"
open_on = "ticket"
subject = "subject"
body = "body"
customer = { email = "u.email", name = "u.full_name" }

[message]
table = "public.messages"
ticket = "ticket_id"
author = "author"
body = "body"

[reply.set]
ticket_id = "t.id"
author = ":kind"
body = ":text"
"#;

fn env(name: &str) -> Option<String> {
    let value = match name {
        "DESKIE_API_KEY" => "key-from-the-environment",
        "DESKIE_WEBHOOK_SECRET" => "hook-from-the-environment\n",
        "EMPTY" => "",
        "FIELD" => "25",
        "CLEAR" => "https://destek.deskie.io",
        "SLASHED" => "very/secret",
        _ => return None,
    };
    Some(value.to_owned())
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new(PATH), text, &env)
}

/// The sample with one text for another.
fn sample(from: &str, to: &str) -> String {
    assert!(SAMPLE.contains(from), "not in the sample: {from}");
    SAMPLE.replacen(from, to, 1)
}

fn good(from: &str, to: &str) -> Config {
    parse(&sample(from, to)).unwrap_or_else(|error| panic!("{error}"))
}

/// All faults of a text, one a line: `line:column message | hint`.
fn faults(text: &str) -> String {
    let error = parse(text).expect_err("a fault");
    let line = |fault: &Fault| {
        let hint = fault.hint().map(|hint| format!(" | {hint}")).unwrap_or_default();
        format!("{}:{} {}{hint}", fault.line(), fault.column(), fault.message())
    };
    error.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The sample with one text for another has exactly one fault, which begins like this.
#[track_caller]
fn check(from: &str, to: &str, expected: &str) {
    let found = faults(&sample(from, to));
    assert!(
        found.starts_with(expected) && !found.contains('\n'),
        "\n{to}\nfound    {found}\nexpected {expected}"
    );
}

fn sql(expr: &Option<Expr>) -> &str {
    expr.as_ref().map_or("-", |expr| expr.sql.as_str())
}

#[test]
fn the_sample_parses_with_its_values_and_defaults() {
    let config = parse(SAMPLE).unwrap();
    assert_eq!(
        config.postgres.url.expose_secret(),
        "postgres://deskie_cdc@db.example/site?sslmode=verify-full"
    );
    assert_eq!(config.postgres.publication, "deskie_cdc");
    assert_eq!(config.postgres.slot, None);
    assert_eq!(config.postgres.schema, "deskie_cdc");

    assert_eq!(config.deskie.url.as_str(), "https://destek.deskie.io/");
    assert_eq!(config.deskie.staff_email, "api@example.com");
    assert_eq!(config.deskie.api_key.expose_secret(), "key-from-the-environment");
    assert_eq!(config.deskie.ticket_field, 25);
    assert_eq!(config.deskie.requests_per_minute, None);
    assert!(config.deskie.labels.is_empty());
    assert_eq!(config.deskie.timeout, Duration::from_secs(30));
    assert_eq!(config.deskie.sweep, Duration::from_secs(120));
    assert_eq!(config.deskie.doubt_wait, Duration::from_secs(120));
    assert_eq!(config.deskie.max_body, 60_000);

    assert_eq!(config.server.listen.to_string(), "0.0.0.0:8787");
    assert_eq!(config.server.admin_listen.to_string(), "127.0.0.1:8788");
    let secrets: Vec<&str> = config
        .server
        .webhook_secrets
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    assert_eq!(
        secrets,
        ["hook-from-the-environment"],
        "a file's last newline is no part of it"
    );

    assert_eq!(config.capture.settle, Duration::ZERO);
    assert_eq!(config.capture.max_age, Duration::from_secs(86_400));
    assert_eq!(config.capture.max_wal, 10_000_000_000);
    assert_eq!(config.capture.on_max_wal, OnMaxWal::Warn);
    assert_eq!(config.capture.retain, Duration::from_secs(30 * 86_400));

    let ticket = &config.ticket;
    assert_eq!(
        (ticket.table.schema.as_deref(), ticket.table.table.as_str()),
        (Some("public"), "tickets")
    );
    assert_eq!(SAMPLE.get(ticket.table.span.clone()), Some("\"public.tickets\""));
    assert!(ticket.key.is_empty());
    assert_eq!(ticket.open_on, OpenOn::Ticket);
    assert_eq!((sql(&ticket.subject), sql(&ticket.body)), ("subject", "body"));
    let email = ticket.customer.email.clone().unwrap();
    assert_eq!(
        (email.name.as_str(), email.sql.as_str()),
        ("ticket.customer.email", "u.email")
    );
    assert_eq!(SAMPLE.get(email.span), Some("\"u.email\""));
    assert_eq!(ticket.wait, Duration::from_secs(3600));

    let message = config.message.as_ref().unwrap();
    assert_eq!(message.ticket.len(), 1);
    assert_eq!(message.ticket[0].name, "message.ticket");
    assert_eq!(
        (message.agent_as, message.on_edit),
        (AgentAs::Note, OnEdit::Ignore)
    );
    assert_eq!((message.on_delete, message.coalesce), (OnDelete::Ignore, false));

    let reply = config.reply.as_ref().unwrap();
    let set: Vec<_> = reply
        .both
        .set
        .iter()
        .map(|(column, expr)| (column.as_str(), expr.sql.as_str()))
        .collect();
    assert_eq!(
        set,
        [("ticket_id", "t.id"), ("author", ":kind"), ("body", ":text")]
    );
    assert_eq!(reply.both.set[1].1.name, "reply.set.author");
    assert!(matches!(reply.attachments, ReplyAttachments::Links));
    assert!(config.status.is_none() && config.case.is_none() && config.alert_url.is_none());
}

#[test]
fn a_config_without_optional_sections_takes_the_defaults() {
    let text = r#"
        [postgres]
        url = "host=db dbname=site"
        [deskie]
        url = "https://destek.deskie.io/api/"
        staff_email = "api@example.com"
        api_key = "k"
        ticket_field = "${FIELD}"
        [ticket]
        table = '"My Schema"."Ti""ckets"'
        key = ["tenant", '"createdAt"']
        open_on = "ticket"
        body = "body"
        customer.email = "email"
    "#;
    let config = parse(text).unwrap();
    assert_eq!(config.deskie.url.as_str(), "https://destek.deskie.io/");
    assert_eq!(config.deskie.ticket_field, 25);
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:8787");
    assert_eq!(config.server.admin_listen.to_string(), "127.0.0.1:8788");
    assert!(config.server.webhook_secrets.is_empty());
    assert_eq!(config.capture.max_wal, 10_000_000_000);
    assert_eq!(config.ticket.table.schema.as_deref(), Some("My Schema"));
    assert_eq!(config.ticket.table.table, "Ti\"ckets");
    assert_eq!(config.ticket.key, ["tenant", "createdAt"]);
    assert!(config.message.is_none() && config.reply.is_none() && config.attachments.is_empty());
}

#[test]
fn everything_else_of_the_contract_is_read() {
    let text = SAMPLE.to_owned()
        + r#"
"createdAt" = "now()"
is_public = true
rank = 1_000
weight = 0.5

[reply]
after = "update tickets set touched = now() where id = :ticket"
where = "not :via_rule::bool"
attachments = ["insert into files values (:row, :name)"]
files_dir = "/srv/files"
[reply.agent]
after = ["select 1", "select 2"]
[reply.agent.set]
staff = ":agent_email"
[reply.customer]
set = { staff = "null" }

[[attachment]]
of = "message"
table = "files"
parent = "message_id"
path = "a.path"
base = "/srv/uploads"
wait = "10m"
[[attachment]]
of = "ticket"
table = "blobs"
key = "id"
parent = ["ticket_id"]
bytes = "content"
allow_private = true

[status]
sql = "update tickets set status = :status where id = :ticket"
map = { open = "new", waiting = 2, closed = "done" }

[case]
sql = ["insert into tickets default values returning id"]

[alert]
url = "https://chat.example/hooks/T0/abc"
"#;
    let text = text
        .replace(
            "[capture]",
            "[capture]\nsettle = \"500ms\"\nsession = \"set role r\"\nmax_wal = \"64MiB\"\non_max_wal = \"drop_slot\"",
        )
        .replace(
            "[message]",
            "fields.cf_26 = \"t.plan\"\nfields.cf_27 = 3\nlabels = [101, 102]\ngroup_id = 44\nchannel = \"'cch3'\"\n[message]",
        )
        .replace("webhook_secret = \"${DESKIE_WEBHOOK_SECRET}\"", "webhook_secret = [\"one\", \"two\"]");
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.capture.settle, Duration::from_millis(500));
    assert_eq!(config.capture.session[0].sql, "set role r");
    assert_eq!(config.capture.max_wal, 64 << 20);
    assert_eq!(config.capture.on_max_wal, OnMaxWal::DropSlot);
    assert_eq!(config.server.webhook_secrets.len(), 2);
    assert_eq!(config.ticket.fields[&26].sql, "t.plan");
    assert_eq!(
        (config.ticket.fields[&27].sql.as_str(), sql(&config.ticket.labels)),
        ("3", "array[101,102]")
    );
    assert_eq!(sql(&config.ticket.group_id), "44");

    let reply = config.reply.unwrap();
    let set: Vec<_> = reply
        .both
        .set
        .iter()
        .map(|(column, expr)| (column.as_str(), expr.sql.as_str()))
        .collect();
    assert_eq!(
        set[3..],
        [
            ("createdAt", "now()"),
            ("is_public", "true"),
            ("rank", "1000"),
            ("weight", "0.5")
        ]
    );
    assert_eq!(reply.both.after[0].name, "reply.after");
    assert_eq!(reply.agent.after[1].name, "reply.agent.after[1]");
    assert_eq!(reply.agent.set[0].0, "staff");
    assert_eq!(reply.customer.set[0].1.name, "reply.customer.set.staff");
    assert!(matches!(reply.attachments, ReplyAttachments::Statements(statements) if statements.len() == 1));
    assert_eq!(reply.files_dir, Some(PathBuf::from("/srv/files")));

    assert_eq!(
        (config.attachments[0].of, config.attachments[1].of),
        (AttachmentOf::Message, AttachmentOf::Ticket)
    );
    assert_eq!(config.attachments[0].wait, Duration::from_secs(600));
    assert!(
        matches!(&config.attachments[0].source, AttachmentSource::Path { path, .. } if path.name == "attachment[0].path")
    );
    assert!(config.attachments[1].allow_private);
    let map = config.status.unwrap().map;
    assert_eq!(
        (
            map["open"].as_str(),
            map["waiting"].as_str(),
            map["closed"].as_str()
        ),
        ("new", "2", "done")
    );
    assert_eq!(config.case.unwrap().sql.len(), 1);
    assert_eq!(config.alert_url.unwrap().host_str(), Some("chat.example"));
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    check(
        "table = \"public.t",
        "tabel = 1\ntable = \"public.t",
        "18:1 unknown key `tabel` in `[ticket]` | did you mean `table`?",
    );
    check(
        "staff_email =",
        "staffEmail = 1\nstaff_email =",
        "6:1 unknown key `staffEmail` in `[deskie]` | did you mean `staff_email`?",
    );
    check(
        "join =",
        "filter = 1\njoin =",
        "19:1 unknown key `filter` in `[ticket]` | did you mean `where`?",
    );
    check(
        "[capture]",
        "[capture]\nsweep = \"1m\"",
        "16:1 unknown key `sweep` in `[capture]` | it belongs to `[deskie]`",
    );
    check(
        "[capture]",
        "[capture]\nzzzzzz = \"1m\"",
        "16:1 unknown key `zzzzzz` in `[capture]` | known here: settle, session",
    );
    check(
        "name = \"u.full_name\"",
        "nmae = \"u.full_name\"",
        "23:34 unknown key `nmae` in `[ticket.customer]` | did you mean `name`?",
    );
    check(
        "[capture]",
        "[captured]",
        "15:2 unknown section `[captured]` | did you mean `[capture]`?",
    );
    check(
        "[capture]",
        "[zz]",
        "15:2 unknown section `[zz]` | known: `[postgres]`, `[deskie]`",
    );
    check(
        "[postgres]",
        "sweep = 1\n[postgres]",
        "1:1 key `sweep` outside of a section | it belongs to `[deskie]`",
    );
    check(
        "[capture]",
        "[[capture]]",
        "15:1 `capture` must be one section | its header is `[capture]`",
    );
    check(
        "[capture]",
        "[attachment]",
        "15:1 `attachment` must be a list of sections | its header is `[[attachment]]`",
    );
}

#[test]
fn what_is_missing_is_told_at_its_section() {
    check(
        "ticket_field = 25\n",
        "",
        "4:1 `[deskie]` needs `ticket_field` | e.g. ticket_field = 25",
    );
    check(
        "table = \"public.messages\"\n",
        "",
        "25:1 `[message]` needs `table`",
    );
    check("ticket = \"ticket_id\"\n", "", "25:1 `[message]` needs `ticket`");
    check(
        "customer = { email = \"u.email\", name = \"u.full_name\" }",
        "",
        "17:1 `[ticket]` needs `customer`",
    );
    check(
        "email = \"u.email\", ",
        "",
        "23:12 `ticket.customer` needs one of `email`, `phone`, `custom_id`",
    );
    check(
        "email = \"u.email\"",
        "custom_id = \"u.id\"",
        "23:26 `ticket.customer.custom_id` needs a channel, and none is given | channel = \"cch3\"",
    );
    good(
        "email = \"u.email\", name = \"u.full_name\" }",
        "custom_id = \"u.id\" }\nchannel = \"'cch3'\"",
    );
    assert_eq!(
        faults("# nothing\n"),
        "1:10 the section `[deskie]` is missing\n1:10 the section `[postgres]` is missing\n1:10 the section `[ticket]` is missing"
    );
    assert!(faults("").starts_with("1:1 the section `[deskie]` is missing\n"));
}

#[test]
fn where_a_case_opens_agrees_with_the_rest() {
    check(
        "body = \"body\"\ncust",
        "cust",
        "17:1 `[ticket]` needs `body` | e.g. body = \"description\", as `open_on` is \"ticket\"",
    );
    check(
        "open_on = \"ticket\"",
        "open_on = \"message\"",
        "22:8 `ticket.body` is not read with `open_on = \"message\"`",
    );
    check(
        "open_on = \"ticket\"",
        "open_on = \"Ticket\"",
        "20:11 `ticket.open_on` must be one of \"ticket\", \"message\": `Ticket` | did you mean \"ticket\"?",
    );
    let (before, _) = SAMPLE.split_once("[message]").unwrap();
    assert!(parse(before).is_ok());
    let found = faults(&before.replace("open_on = \"ticket\"\n", ""));
    assert_eq!(
        found,
        "21:8 `ticket.body` is not read without `open_on = \"ticket\"`, and there is no `[message]` | is the first message in the ticket row? then: open_on = \"ticket\""
    );
    let found = faults(
        &before
            .replace("open_on = \"ticket\"\n", "")
            .replace("body = \"body\"\n", ""),
    );
    assert!(
        found.starts_with("17:1 `open_on = \"message\"`, the default, needs the section `[message]`"),
        "{found}"
    );
    let found = faults(
        &before
            .replace("\"ticket\"", "\"message\"")
            .replace("body = \"body\"\n", ""),
    );
    assert!(
        found.starts_with("20:11 `open_on = \"message\"`, the default, needs"),
        "{found}"
    );
    let reply = "[reply.set]\nauthor = \":kind\"\n";
    assert!(
        faults(&format!("{before}{reply}"))
            .starts_with("26:10 `set` makes a row of the message table, but there is no `[message]`")
    );
}

#[test]
fn wrong_types_and_values_are_told_at_the_value() {
    check(
        "ticket_field = 25",
        "ticket_field = \"25\"",
        "8:16 `deskie.ticket_field` must be a whole number above 0, not a string | without quotes: 25",
    );
    check(
        "ticket_field = 25",
        "ticket_field = \"cf_25\"",
        "8:16 `deskie.ticket_field` must be a whole number above 0, not a string | without quotes: 25",
    );
    check(
        "ticket_field = 25",
        "ticket_field = 0",
        "8:16 `deskie.ticket_field` must be a whole number above 0",
    );
    check(
        "ticket_field = 25",
        "ticket_field = 25\nlabels = 7",
        "9:10 `deskie.labels` must be a list of numbers, not a number",
    );
    check(
        "ticket_field = 25",
        "ticket_field = 25\nlabels = [7, 8, 7]",
        "9:17 `deskie.labels[2]` names 7 again",
    );
    check(
        "ticket_field = 25",
        "ticket_field = 25\nsweep = 30",
        "9:9 `deskie.sweep` must be a duration, not a number | a number and `ms`",
    );
    check(
        "ticket_field = 25",
        "ticket_field = 25\nsweep = \"30\"",
        "9:9 `deskie.sweep` is not a duration: `30` | a number and `ms`, `s`",
    );
    check(
        "ticket_field = 25",
        "ticket_field = 25\ndoubt_wait = \"0s\"",
        "9:14 `deskie.doubt_wait` must be above 0: `0s`",
    );
    check(
        "ticket_field = 25",
        "ticket_field = 25\nmax_body = \"60 bananas\"",
        "9:12 `deskie.max_body` is not a size: `60 bananas`",
    );
    check(
        "ticket_field = 25",
        "ticket_field = 25\nchannel = \"cch\"",
        "9:11 `deskie.channel` is not a custom channel: `cch` | its id in Deskie",
    );
    check(
        "ticket_field = 25",
        "ticket_field = 25\nrequests_per_minute = 5000000000",
        "9:23 `deskie.requests_per_minute` is too large",
    );
    check(
        "\"api@example.com\"",
        "\"api\"",
        "6:15 `deskie.staff_email` is not an e-mail address: `api`",
    );
    check(
        "[capture]",
        "[capture]\nmax_wal = \"0GB\"",
        "16:11 `capture.max_wal` must be above 0",
    );
    check(
        "[capture]",
        "[capture]\non_max_wal = \"drop\"",
        "16:14 `capture.on_max_wal` must be one of \"warn\", \"drop_slot\": `drop`",
    );
    check(
        "\"0.0.0.0:8787\"",
        "\"8787\"",
        "11:10 `server.listen` is not an address to listen on: `8787`",
    );
    check(
        "\"0.0.0.0:8787\"",
        "\":8788\"",
        "12:16 `server.admin_listen` is the same port",
    );
    check(
        "author = \"author\"",
        "coalesce = \"true\"",
        "28:12 `message.coalesce` must be true or false, not a string | without quotes: true",
    );
    check(
        "\"join users u on u.id = t.user_id\"",
        "[]",
        "19:8 `ticket.join` must be an SQL expression",
    );
    check(
        "subject = \"subject\"",
        "subject = \" \"",
        "21:11 `ticket.subject` is empty",
    );
    check(
        "author = \"author\"",
        "format = \"html\"",
        "28:10 `message.format` is an SQL expression, and `html` a column's name in it | did you mean \"'html'\"?",
    );
    check(
        "subject = \"subject\"",
        "channel = \"cch3\"",
        "21:11 `ticket.channel` is an SQL expression, and `cch3` a column's name in it | did you mean \"'cch3'\"?",
    );
    check(
        "author = \":kind\"",
        "author = 2024-01-01",
        "33:10 `reply.set.author` must be an SQL expression, not a date | as an SQL string: \"'2024-01-01'\"",
    );
    check(
        "author = \":kind\"",
        "t.author = \":kind\"",
        "33:1 `t` must be a column with an expression",
    );
    check(
        "[reply.set]",
        "[reply.agent.set]\nbody = \"x\"\n[reply.set]",
        "32:8 `body` is set in `[reply.set]` too",
    );
}

#[test]
fn names_are_checked() {
    check(
        "\"public.tickets\"",
        "\"public.tickets t\"",
        "18:9 `ticket.table` is not a table name: `public.tickets t` | the table alone: its alias is given",
    );
    check(
        "\"public.tickets\"",
        "\"db.public.tickets\"",
        "18:9 `ticket.table` has more than two parts",
    );
    check(
        "\"public.tickets\"",
        "'\"public.tickets'",
        "18:9 `ticket.table` is not a table name",
    );
    check(
        "\"public.tickets\"",
        "\"deskie_cdc.tickets\"",
        "18:9 `tickets` lies in `deskie_cdc`, the connector's own schema",
    );
    check(
        "open_on",
        "key = \"a, b\"\nopen_on",
        "20:7 `ticket.key` is not a column name: `a, b` | several columns are a list",
    );
    check(
        "open_on",
        "key = \"t.id\"\nopen_on",
        "20:7 `ticket.key` is not a column name: `t.id` | the column alone: `id`",
    );
    check(
        "open_on",
        "key = [\"a\", \"a\"]\nopen_on",
        "20:13 `ticket.key[1]` names `a` again",
    );
    check(
        "open_on",
        "key = [\"a\", \"b\"]\nopen_on",
        "28:10 `message.ticket` has 1 part, but `ticket.key` has 2",
    );
    check(
        "open_on",
        "fields.plan = \"x\"\nopen_on",
        "20:8 `plan` is not a custom field",
    );
    check(
        "open_on",
        "fields.cf_25 = \"x\"\nopen_on",
        "20:16 `cf_25` is `deskie.ticket_field`",
    );
    check(
        "url = \"p",
        "slot = \"Deskie\"\nurl = \"p",
        "2:8 `postgres.slot` is not a slot name: `Deskie`",
    );
    check(
        "url = \"p",
        "publication = \"a,b\"\nurl = \"p",
        "2:15 `postgres.publication` is not a publication name: `a,b`",
    );
    check(
        "url = \"p",
        "schema = \"public\"\nurl = \"p",
        "2:10 `postgres.schema` is not the connector's to use: `public`",
    );
    let long = "x".repeat(64);
    check(
        "url = \"p",
        &format!("schema = \"{long}\"\nurl = \"p"),
        "2:10 `postgres.schema` is not a schema name of at most 63 bytes",
    );
    check(
        "url = \"postgres://",
        "url = \"mysql://",
        "2:7 `postgres.url` is not a Postgres address",
    );
    check(
        "author = \"author\"",
        "expand = \"cross join lateral x\"",
        "25:1 `[message]` needs `key`",
    );
}

#[test]
fn the_api_key_is_never_sent_unencrypted() {
    let url = "https://destek.deskie.io";
    for address in [
        "http://localhost:9",
        "http://127.0.0.9:1/api",
        "http://[::1]:80/",
        "http://simulator:8789",
    ] {
        assert!(!good(url, address).deskie.url.as_str().contains("api"));
    }
    check(
        url,
        "http://destek.deskie.io",
        "5:7 `deskie.url` is plain http: the API key would travel unencrypted",
    );
    check(url, "http://10.0.0.1", "5:7 `deskie.url` is plain http");
    check(url, "http://[fe80::1]", "5:7 `deskie.url` is plain http");
    check(
        url,
        "ftp://destek.deskie.io",
        "5:7 `deskie.url` is not a web address",
    );
    check(
        url,
        "destek.deskie.io",
        "5:7 `deskie.url` is not a web address: `destek.deskie.io` | it begins with `https://`",
    );
    check(
        url,
        "https://destek.deskie.io/staff",
        "5:7 `deskie.url` holds more than the domain",
    );
    check(
        url,
        "https://me:hunter22@destek.deskie.io",
        "5:7 `deskie.url` holds a user name or a password",
    );
}

#[test]
fn attachments_have_one_source() {
    let with = |lines: &str| {
        format!(
            "{SAMPLE}[[attachment]]\nof = \"message\"\ntable = \"files\"\nparent = \"message_id\"\n{lines}\n"
        )
    };
    assert!(parse(&with("url = \"a.url\"")).is_ok());
    assert!(
        faults(&with("")).starts_with("35:1 `[[attachment]]` needs one of `url`, `path`, `bytes` | e.g. url")
    );
    assert!(
        faults(&with("url = \"u\"\nbytes = \"b\"")).starts_with("40:9 `attachment[0].bytes` is one too many")
    );
    assert!(faults(&with("path = \"p\"")).starts_with("39:8 `attachment[0].path` needs `base` | the folder"));
    assert!(
        faults(&with("url = \"p\"\nbase = \"/x\""))
            .starts_with("40:8 `attachment[0].base` is the folder of `path`, which is not given")
    );
}

#[test]
fn the_environment_is_put_in() {
    check(
        "${DESKIE_API_KEY}",
        "${NOT_THERE}",
        "7:12 environment variable `NOT_THERE` is not set | set it, or give a default: `${NOT_THERE:-...}`",
    );
    check(
        "${DESKIE_API_KEY}",
        "a${NOT THERE}",
        "7:13 not a reference to an environment variable",
    );
    check(
        "${DESKIE_API_KEY}",
        "${DESKIE",
        "7:12 `${` without its `}` | a plain `${` is written `$${`",
    );
    check(
        "${DESKIE_API_KEY}",
        "${EMPTY}",
        "7:11 `deskie.api_key` is empty | its environment variable is empty",
    );
    check(
        "${DESKIE_WEBHOOK_SECRET}",
        "${SLASHED}",
        "13:18 `server.webhook_secret` holds a `/`, but is one part of a path",
    );
    check(
        "${DESKIE_WEBHOOK_SECRET}",
        "",
        "13:18 `server.webhook_secret` is empty",
    );
    check(
        "\"${DESKIE_WEBHOOK_SECRET}\"",
        "[\"a\", \"b\", \"c\"]",
        "13:18 `server.webhook_secret` holds more than two secrets",
    );
    let put = |raw: &str| {
        let expanded = env::expand(raw, &env);
        assert!(expanded.failures.is_empty(), "{raw}: {:?}", expanded.failures);
        expanded.text
    };
    assert_eq!(
        put("a ${FIELD} b ${NOT_THERE:-c d} ${EMPTY:-e}${EMPTY}"),
        "a 25 b c d e"
    );
    assert_eq!(
        put("$${FIELD} $$$${x} $1 $$ body $$ {}"),
        "${FIELD} $$${x} $1 $$ body $$ {}"
    );
    assert_eq!(put("${NOT_THERE:-}"), "");
    assert_eq!(
        good("\"https://destek.deskie.io\"", "\"${CLEAR}\"")
            .deskie
            .url
            .host_str(),
        Some("destek.deskie.io")
    );
}

#[test]
fn all_faults_come_at_once_in_order() {
    let text = sample("ticket_field = 25", "ticket_feild = 25\nsweep = 1")
        .replace("${DESKIE_API_KEY}", "${NOT_THERE}")
        .replace("open_on = \"ticket\"", "open_on = 1");
    let error = parse(&text).unwrap_err();
    let places: Vec<(usize, usize)> = error
        .faults()
        .iter()
        .map(|(line, column, _)| (*line, *column))
        .collect();
    assert_eq!(places, [(7, 12), (8, 1), (9, 9), (21, 11)], "{error}");
    insta::assert_snapshot!(error.to_string(), @r#"
    error: environment variable `NOT_THERE` is not set
     --> deskie-cdc.toml:7:12
      |
    7 | api_key = "${NOT_THERE}"
      |            ^^^^^^^^^^^^
      |
      = help: set it, or give a default: `${NOT_THERE:-...}`

    error: unknown key `ticket_feild` in `[deskie]`
     --> deskie-cdc.toml:8:1
      |
    8 | ticket_feild = **
      | ^^^^^^^^^^^^
      |
      = help: did you mean `ticket_field`?

    error: `deskie.sweep` must be a duration, not a number
     --> deskie-cdc.toml:9:9
      |
    9 | sweep = 1
      |         ^
      |
      = help: a number and `ms`, `s`, `m`, `h` or `d`: "500ms", "30s", "2m", "1h", "1d"

    error: `ticket.open_on` must be a string, not a number
      --> deskie-cdc.toml:21:11
       |
    21 | open_on = 1
       |           ^

    4 errors in the config
    "#);
}

#[test]
fn syntax_errors_are_told_with_what_else_is_certain() {
    let found = faults(
        &sample(
            "staff_email = \"api@example.com\"",
            "staff_email = api@example.com",
        )
        .replace("key}", "key"),
    );
    assert!(
        found.starts_with("6:15 TOML syntax error: ") && !found.contains('\n'),
        "{found}"
    );
    let found = faults(&sample("open_on = \"ticket\"", "open_on = \"ticket").replace("= 25", "= 0"));
    assert!(
        found.starts_with("8:16 `deskie.ticket_field` must") && found.contains("\n20:18 TOML syntax"),
        "{found}"
    );
    assert!(!found.contains("needs"), "{found}");
    check(
        "subject = \"subject\"",
        "table = \"x\"",
        "21:1 `table` is given twice",
    );
    check("[capture]", "[deskie]", "15:2 `deskie` is given twice");
}

#[test]
fn secrets_are_never_shown() {
    let secrets = [
        "pw-of-postgres",
        "literal-api-key",
        "literal-hook",
        "old-hook",
        "literal-token",
        "alert-path",
        "hunter22",
    ];
    let text = sample("deskie_cdc@db", "deskie_cdc:pw-of-postgres@db")
        .replace("${DESKIE_API_KEY}", "literal-api-key")
        .replace(
            "\"${DESKIE_WEBHOOK_SECRET}\"",
            "[\n\"literal-hook\", # old-hook\n\"old-hook\"]\nadmin_token = '''\nliteral-token'''",
        )
        + "[alert]\nurl = \"https://chat.example/alert-path\"\n";
    let hidden = |shown: &str| {
        for secret in secrets {
            assert!(!shown.contains(secret), "{secret} is shown:\n{shown}");
        }
    };
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    hidden(&format!("{config:?}"));
    for offset in 0..text.len() {
        hidden(&config.fault(&(offset..offset + 1), "here", None).to_string());
    }
    let bad = [
        ("url = \"postgres", "url = \"mysql"),
        ("url = \"postgres", "uri = \"postgres"),
        ("url = \"postgres", "url = \"${NOT_THERE}postgres"),
        (
            "url = \"postgres",
            "url = \"${NOT_THERE:-hunter22${}\"\nslot = \"postgres",
        ),
        ("api_key", "apikey"),
        ("api_key = \"literal-api-key\"", "api_key = literal-api-key"),
        ("api_key = \"literal-api-key\"", "api_key = \"literal-api-key"),
        (
            "api_key = \"literal-api-key\"",
            "api_key = \"literal-api-key\nliteral-api-key\"",
        ),
        (
            "api_key = \"literal-api-key\"",
            "api_key = \"literal-api-key\"\napi_key = \"literal-api-key\"",
        ),
        ("api_key = \"literal-api-key\"", "api_key = \"literal-api-key x\""),
        ("api_key = \"literal-api-key\"", "api_key = [\"literal-api-key\"]"),
        (
            "api_key = \"literal-api-key\"",
            "api_key = \"literal-api-key\" oops = 1",
        ),
        (
            "api_key = \"literal-api-key\"",
            "api_key = \"\"\"literal-api-key\nliteral-api-key\n",
        ),
        ("literal-hook", "literal-hook/x"),
        ("literal-hook\"", "literal-hook"),
        ("old-hook\"]", "old-hook\""),
        ("[server]", "[serverr]"),
        ("[postgres]", "[postgress]"),
        (
            "https://destek.deskie.io",
            "https://user:hunter22@destek.deskie.io",
        ),
        (
            "https://destek.deskie.io",
            "https://user:hunter22/@destek.deskie.io",
        ),
        ("https://chat", "ftp://chat"),
        ("[alert]\n", "[alert]\nalert-"),
    ];
    for (from, to) in bad {
        assert!(text.contains(from), "{from}");
        let error = parse(&text.replacen(from, to, 1)).expect_err(to);
        hidden(&error.to_string());
        hidden(&format!("{error:?}"));
    }
    let numeric = parse(&sample("\"${DESKIE_API_KEY}\"", "1234567890")).unwrap_err();
    assert!(!numeric.to_string().contains("1234567890") && !format!("{numeric:?}").contains("1234567890"));
    let from_env = parse(&sample("${DESKIE_WEBHOOK_SECRET}", "${SLASHED}"))
        .unwrap_err()
        .to_string();
    assert!(
        !from_env.contains("very/secret") && from_env.contains("${SLASHED}"),
        "{from_env}"
    );
}

#[test]
fn masking_keeps_every_place() {
    let text = "[deskie]\napi_key = \"aé ${NAME} ${NAME:-x}\" # old: y\n";
    let masked = secret::mask(text);
    assert_eq!(
        masked,
        "[deskie]\napi_key = \"*** ${NAME} **********\" # ***** *\n".replace("# ***** *", "# **** *")
    );
    assert_eq!(masked.len(), text.len());
}

#[test]
fn a_fault_points_at_any_place() {
    let config = parse(SAMPLE).unwrap();
    let subject = config.ticket.subject.clone().unwrap();
    let fault = config.fault(
        &subject.span,
        "column `subject` does not exist",
        Some("did you mean `title`?".to_owned()),
    );
    assert_eq!((fault.line(), fault.column()), (21, 11));
    insta::assert_snapshot!(fault.to_string(), @r#"
    error: column `subject` does not exist
      --> deskie-cdc.toml:21:11
       |
    21 | subject = "subject"
       |           ^^^^^^^^^
       |
       = help: did you mean `title`?
    "#);
    assert_eq!(config.source.line_column(0), (1, 1));
    assert_eq!(config.source.line_column(usize::MAX), (35, 1));
    let odd = Source {
        path: PathBuf::from("x"),
        text: "\u{feff}é = 'ü'\r\nb = 1".to_owned(),
    };
    assert_eq!(odd.line_column(8), (1, 6));
    assert_eq!(odd.line_column(14), (2, 1));
    for span in [0..0, 0..100, 5..4, 13..14, 90..95, usize::MAX..usize::MAX] {
        odd.fault(&span, "x\u{1b}[31m\ny", None);
    }
}

#[test]
fn a_file_that_cannot_be_read_tells_how_it_was_found() {
    let load = |path: &str, env: &dyn Fn(&str) -> Option<String>| {
        Config::load(Path::new(path), env).unwrap_err().to_string()
    };
    let named = |name: &str| (name == CONFIG_VARIABLE).then(|| "/nonexistent/a.toml".to_owned());
    assert_eq!(default_path(&named), PathBuf::from("/nonexistent/a.toml"));
    assert_eq!(default_path(&|_| None), PathBuf::from("./deskie-cdc.toml"));
    let shown = load("/nonexistent/a.toml", &named);
    assert!(shown.starts_with("error: cannot read the config file /nonexistent/a.toml (named by $DESKIE_CDC_CONFIG): No such file"), "{shown}");
    let shown = load("/nonexistent/b.toml", &named);
    assert!(shown.contains("(named by --config)"), "{shown}");
    let shown = load("./deskie-cdc.toml", &|_| None);
    assert!(
        shown.contains("(the default, as neither --config nor $DESKIE_CDC_CONFIG names one)"),
        "{shown}"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"a = 1\n\xff").unwrap();
    let shown = Config::load(file.path(), &env).unwrap_err().to_string();
    assert!(shown.contains(":2: not UTF-8"), "{shown}");
    std::fs::write(file.path(), SAMPLE).unwrap();
    assert!(Config::load(file.path(), &env).is_ok());
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_fine() {
    let text = format!("\u{feff}{}", SAMPLE.replace('\n', "\r\n"));
    assert!(parse(&text).is_ok());
    let found = faults(&text.replacen("[postgres]", "[postgre]", 1));
    assert!(found.starts_with("1:2 unknown section `[postgre]`"), "{found}");
}

#[test]
fn durations_and_sizes() {
    let seconds = |text: &str| value::duration(text).ok().map(|duration| duration.as_millis());
    assert_eq!(seconds("0s"), Some(0));
    assert_eq!(seconds("500ms"), Some(500));
    assert_eq!(seconds("1h30m"), Some(5_400_000));
    assert_eq!(seconds("1 d"), Some(86_400_000));
    for bad in [
        "",
        "s",
        "1",
        "1y",
        "-1s",
        "1.5h",
        "36501d",
        "99999999999999999999s",
        "1s,",
    ] {
        assert_eq!(seconds(bad), None, "{bad}");
    }
    assert_eq!(value::size("60kB").ok(), Some(60_000));
    assert_eq!(value::size("10GB").ok(), Some(10_000_000_000));
    assert_eq!(value::size("1KiB").ok(), Some(1024));
    for bad in ["", "10", "10XB", "-1kB", "1kB1", "99999999999TB"] {
        assert!(value::size(bad).is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn no_toml_like_text_makes_it_panic(
        pieces in proptest::collection::vec(prop_oneof![
            Just("[ticket]\n"), Just("[[attachment]]\n"), Just("[reply.set]\n"), Just("["), Just("]"), Just("{"), Just("}"),
            Just("\""), Just("'''"), Just("\"\"\""), Just("="), Just("."), Just(","), Just("\n"), Just("\r\n"), Just(" "),
            Just("customer"), Just("key"), Just("url"), Just("fields.cf_1"), Just("api_key"), Just("[server]\n"),
            Just("${"), Just("${A}"), Just("}"), Just("#"), Just("é"), Just("\u{feff}"), Just("1"), Just("-"), Just("0x"),
            Just("inf"), Just("2024-01-01"), Just("true"), Just("\\"), Just("://"), Just("@"), Just(":"), Just("\t"),
        ], 0..60)
    ) {
        let _ = parse(&pieces.concat()).map_err(|error| error.to_string());
    }

    #[test]
    fn no_damage_to_a_config_makes_it_panic_or_tell_a_secret(at in 0..SAMPLE.len(), length in 0usize..40, with in "\\PC{0,8}") {
        let text = SAMPLE.replace("${DESKIE_API_KEY}", "literal-api-key");
        let end = (at + length).min(text.len());
        let (at, end) = (text.floor_char_boundary(at), text.floor_char_boundary(end));
        // Damage elsewhere than in the key's own line and header.
        let key = text.find("[deskie]").unwrap()..text.find("ticket_field").unwrap();
        prop_assume!(end < key.start || at > key.end);
        let damaged = format!("{}{with}{}", &text[..at], &text[end..]);
        if let Err(error) = parse(&damaged) {
            prop_assert!(!error.to_string().contains("literal-api-key"), "{}", error);
        }
    }
}
