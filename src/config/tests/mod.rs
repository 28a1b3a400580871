use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;

mod faults;
mod secrets;

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

/// The sample as it stands.
pub(super) fn sample_config() -> Config {
    parse(SAMPLE).unwrap_or_else(|error| panic!("{error}"))
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

/// A table of `check`s, one a line: `from ⟶ to ⟶ expected`, with ⏎ for a line's end.
#[track_caller]
fn check_all(table: &str) {
    for row in table.lines().filter(|row| !row.trim().is_empty()) {
        let cells: Vec<String> = row
            .trim_start()
            .split(" ⟶ ")
            .map(|cell| cell.replace('⏎', "\n"))
            .collect();
        let [from, to, expected] = cells.as_slice() else {
            panic!("not a row: {row}")
        };
        check(from, to, expected);
    }
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
    assert!(config.status.is_none() && config.case.is_none() && config.alert.url.is_none());
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
    assert_eq!(config.alert.url.unwrap().host_str(), Some("chat.example"));
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
