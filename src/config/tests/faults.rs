//! What each fault says, and where.

use super::*;

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    check_all(
        r##"
        table = "public.t ⟶ tabel = 1⏎table = "public.t ⟶ 18:1 unknown key `tabel` in `[ticket]` | did you mean `table`?
        staff_email = ⟶ staffEmail = 1⏎staff_email = ⟶ 6:1 unknown key `staffEmail` in `[deskie]` | did you mean `staff_email`?
        join = ⟶ filter = 1⏎join = ⟶ 19:1 unknown key `filter` in `[ticket]` | did you mean `where`?
        [capture] ⟶ [capture]⏎sweep = "1m" ⟶ 16:1 unknown key `sweep` in `[capture]` | it belongs to `[deskie]`
        [capture] ⟶ [capture]⏎zzzzzz = "1m" ⟶ 16:1 unknown key `zzzzzz` in `[capture]` | known here: settle, session
        name = "u.full_name" ⟶ nmae = "u.full_name" ⟶ 23:33 unknown key `nmae` in `[ticket.customer]` | did you mean `name`?
        [capture] ⟶ [captured] ⟶ 15:2 unknown section `[captured]` | did you mean `[capture]`?
        [capture] ⟶ [zz] ⟶ 15:2 unknown section `[zz]` | known: `[postgres]`, `[deskie]`
        [postgres] ⟶ sweep = 1⏎[postgres] ⟶ 1:1 key `sweep` outside of a section | it belongs to `[deskie]`
        [capture] ⟶ [[capture]] ⟶ 15:1 `capture` must be one section | its header is `[capture]`
        [capture] ⟶ [attachment] ⟶ 15:1 `attachment` must be a list of sections | its header is `[[attachment]]`
    "##,
    );
}

#[test]
fn what_is_missing_is_told_at_its_section() {
    check_all(
        r##"
        ticket_field = 25⏎ ⟶  ⟶ 4:1 `[deskie]` needs `ticket_field` | e.g. ticket_field = 25
        table = "public.messages"⏎ ⟶  ⟶ 25:1 `[message]` needs `table`
        ticket = "ticket_id"⏎ ⟶  ⟶ 25:1 `[message]` needs `ticket`
        customer = { email = "u.email", name = "u.full_name" } ⟶  ⟶ 17:1 `[ticket]` needs `customer`
        email = "u.email",  ⟶  ⟶ 23:12 `ticket.customer` needs one of `email`, `phone`, `custom_id`
        email = "u.email" ⟶ custom_id = "u.id" ⟶ 23:26 `ticket.customer.custom_id` needs a channel, and none is given | channel = "cch3"
    "##,
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
    check_all(
        r##"
        body = "body"⏎cust ⟶ cust ⟶ 17:1 `[ticket]` needs `body` | e.g. body = "description", as `open_on` is "ticket"
        open_on = "ticket" ⟶ open_on = "message" ⟶ 22:8 `ticket.body` is not read with `open_on = "message"`
        open_on = "ticket" ⟶ open_on = "Ticket" ⟶ 20:11 `ticket.open_on` must be one of "ticket", "message": `Ticket` | did you mean "ticket"?
    "##,
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
    check_all(
        r##"
        ticket_field = 25 ⟶ ticket_field = "25" ⟶ 8:16 `deskie.ticket_field` must be a whole number above 0, not a string | without quotes: 25
        ticket_field = 25 ⟶ ticket_field = "cf_25" ⟶ 8:16 `deskie.ticket_field` must be a whole number above 0, not a string | without quotes: 25
        ticket_field = 25 ⟶ ticket_field = 0 ⟶ 8:16 `deskie.ticket_field` must be a whole number above 0
        ticket_field = 25 ⟶ ticket_field = 25⏎labels = 7 ⟶ 9:10 `deskie.labels` must be a list of numbers, not a number
        ticket_field = 25 ⟶ ticket_field = 25⏎labels = [7, 8, 7] ⟶ 9:17 `deskie.labels[2]` names 7 again
        ticket_field = 25 ⟶ ticket_field = 25⏎sweep = 30 ⟶ 9:9 `deskie.sweep` must be a duration, not a number | a number and `ms`
        ticket_field = 25 ⟶ ticket_field = 25⏎sweep = "30" ⟶ 9:9 `deskie.sweep` is not a duration: `30` | a number and `ms`, `s`
        ticket_field = 25 ⟶ ticket_field = 25⏎doubt_wait = "0s" ⟶ 9:14 `deskie.doubt_wait` must be above 0
        ticket_field = 25 ⟶ ticket_field = 25⏎max_body = "60 bananas" ⟶ 9:12 `deskie.max_body` is not a size: `60 bananas`
        ticket_field = 25 ⟶ ticket_field = 25⏎channel = "cch" ⟶ 9:11 `deskie.channel` is not a custom channel: `cch` | its id in Deskie
        ticket_field = 25 ⟶ ticket_field = 25⏎site = "shop:1" ⟶ 9:8 `deskie.site` is not a site's name: `shop:1` | 1 to 32 letters
        ticket_field = 25 ⟶ ticket_field = 25⏎requests_per_minute = 5000000000 ⟶ 9:23 `deskie.requests_per_minute` is too large
        "api@example.com" ⟶ "api" ⟶ 6:15 `deskie.staff_email` is not an e-mail address: `api`
        [capture] ⟶ [capture]⏎max_wal = "0GB" ⟶ 16:11 `capture.max_wal` must be above 0
        [capture] ⟶ [capture]⏎on_max_wal = "drop" ⟶ 16:14 `capture.on_max_wal` must be one of "warn", "drop_slot": `drop`
        "0.0.0.0:8787" ⟶ "8787" ⟶ 11:10 `server.listen` is not an address to listen on: `8787`
        "0.0.0.0:8787" ⟶ ":8788" ⟶ 12:16 `server.admin_listen` is the same port
        author = "author" ⟶ on_hide = "delete" ⟶ 28:11 `message.on_hide` counts as a deletion, and `on_delete` ignores those | on_delete = "note"
        subject = "subject" ⟶ on_edit = "edit" ⟶ 21:11 `ticket.on_edit` must be one of "ignore", "note"
        admin_listen = "127.0.0.1:8788" ⟶ admin_token = "abcdefghijklmno" ⟶ 12:15 `server.admin_token` has fewer than 16 characters
        author = "author" ⟶ coalesce = "true" ⟶ 28:12 `message.coalesce` must be true or false, not a string | without quotes: true
        "join users u on u.id = t.user_id" ⟶ [] ⟶ 19:8 `ticket.join` must be an SQL expression
        subject = "subject" ⟶ subject = " " ⟶ 21:11 `ticket.subject` is empty
        author = "author" ⟶ format = "html" ⟶ 28:10 `message.format` is an SQL expression, and `html` a column's name in it | did you mean "'html'"?
        subject = "subject" ⟶ channel = "cch3" ⟶ 21:11 `ticket.channel` is an SQL expression, and `cch3` a column's name in it | did you mean "'cch3'"?
        author = ":kind" ⟶ author = 2024-01-01 ⟶ 33:10 `reply.set.author` must be an SQL expression, not a date | as an SQL string: "'2024-01-01'"
        author = ":kind" ⟶ t.author = ":kind" ⟶ 33:1 `t` must be a column with an expression
        [reply.set] ⟶ [reply.agent.set]⏎body = "x"⏎[reply.set] ⟶ 32:8 `body` is set in `[reply.set]` too
    "##,
    );
}

#[test]
fn names_are_checked() {
    check_all(
        r##"
        "public.tickets" ⟶ "public.tickets t" ⟶ 18:9 `ticket.table` is not a table name: `public.tickets t` | the table alone: its alias is given
        "public.tickets" ⟶ "db.public.tickets" ⟶ 18:9 `ticket.table` has more than two parts
        "public.tickets" ⟶ '"public.tickets' ⟶ 18:9 `ticket.table` is not a table name
        "public.tickets" ⟶ "deskie_cdc.tickets" ⟶ 18:9 `tickets` lies in `deskie_cdc`, the connector's own schema
        open_on ⟶ key = "a, b"⏎open_on ⟶ 20:7 `ticket.key` is not a column name: `a, b` | several columns are a list
        open_on ⟶ key = "t.id"⏎open_on ⟶ 20:7 `ticket.key` is not a column name: `t.id` | the column alone: `id`
        open_on ⟶ key = ["a", "b"]⏎open_on ⟶ 28:10 `message.ticket` has 1 part, but `ticket.key` has 2
        open_on ⟶ fields.plan = "x"⏎open_on ⟶ 20:8 `plan` is not a custom field
        open_on ⟶ fields.cf_25 = "x"⏎open_on ⟶ 20:16 `cf_25` is `deskie.ticket_field`
        url = "p ⟶ slot = "Deskie"⏎url = "p ⟶ 2:8 `postgres.slot` is not a slot name: `Deskie`
        url = "p ⟶ publication = "a,b"⏎url = "p ⟶ 2:15 `postgres.publication` is not a publication name: `a,b`
        url = "p ⟶ schema = "public"⏎url = "p ⟶ 2:10 `postgres.schema` is not the connector's to use: `public`
    "##,
    );
    let long = "x".repeat(64);
    check(
        "url = \"p",
        &format!("schema = \"{long}\"\nurl = \"p"),
        "2:10 `postgres.schema` is not a schema name of at most 63 bytes",
    );
    check_all(
        r##"
        url = "postgres:// ⟶ url = "mysql:// ⟶ 2:7 `postgres.url` is not a Postgres address
        author = "author" ⟶ expand = "cross join lateral x" ⟶ 25:1 `[message]` needs `key`
    "##,
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
    let list = "url = \"e.v\"\nexpand = \"cross join lateral f(a.x) e(v)\"";
    assert!(faults(&with(list)).contains("`[[attachment]]` needs `key`"));
    let keyed = parse(&with(&format!("{list}\nkey = [\"id\", \"e.v\"]"))).unwrap();
    assert_eq!(
        (
            keyed.attachments[0].key.as_slice(),
            keyed.attachments[0].element.len()
        ),
        (&["id".to_owned()][..], 2)
    );
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
fn a_variable_may_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let variables = [
        ("KEY_FILE", file("key", b" pa$$ ${x}\n")),
        ("CRLF_FILE", file("crlf", b"a\r\nb\r\n")),
        ("EMPTY", String::new()),
        ("EMPTY_FILE", file("filled", b"filled")),
        ("UNUSED", "value".to_owned()),
        ("UNUSED_FILE", String::new()),
        ("BOTH", "value".to_owned()),
        ("BOTH_FILE", file("both", b"other")),
        ("LOST_FILE", "/none/lost".to_owned()),
        ("BINARY_FILE", file("binary", b"\xff")),
    ];
    let env = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| value.clone())
    };
    let expanded = env::expand("${KEY}|${CRLF}|${EMPTY:-x}|${UNUSED}", &env);
    assert!(expanded.failures.is_empty(), "{:?}", expanded.failures);
    assert_eq!(expanded.text, " pa$$ ${x}|a\r\nb|filled|value");
    assert!(!expanded.literal);

    // A default does not hide that the file is not there.
    for (raw, message) in [
        ("${BOTH}", "both `BOTH` and `BOTH_FILE` are set"),
        (
            "${LOST:-x}",
            "the file /none/lost, which `LOST_FILE` names, cannot be read",
        ),
        ("${BINARY}", "which `BINARY_FILE` names, cannot be read"),
    ] {
        let failures = env::expand(raw, &env).failures;
        assert!(
            failures.len() == 1 && failures[0].message.contains(message),
            "{raw}: {failures:?}"
        );
    }
}

#[test]
fn the_environment_is_put_in() {
    check_all(
        r##"
        ${DESKIE_API_KEY} ⟶ ${NOT_THERE} ⟶ 7:12 environment variable `NOT_THERE` is not set | set it, or `NOT_THERE_FILE` to a file that holds it, or give a default: `${NOT_THERE:-...}`
        ${DESKIE_API_KEY} ⟶ a${NOT THERE} ⟶ 7:13 not a reference to an environment variable
        ${DESKIE_API_KEY} ⟶ ${DESKIE ⟶ 7:12 `${` without its `}` | a plain `${` is written `$${`
        ${DESKIE_API_KEY} ⟶ ${EMPTY} ⟶ 7:11 `deskie.api_key` is empty | its environment variable is empty
        ${DESKIE_WEBHOOK_SECRET} ⟶ ${SLASHED} ⟶ 13:18 `server.webhook_secret` holds a `/`, but is one part of a path
        ${DESKIE_WEBHOOK_SECRET} ⟶  ⟶ 13:18 `server.webhook_secret` is empty
        "${DESKIE_WEBHOOK_SECRET}" ⟶ ["a", "b", "c"] ⟶ 13:18 `server.webhook_secret` holds more than two secrets
    "##,
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
      = help: set it, or `NOT_THERE_FILE` to a file that holds it, or give a default: `${NOT_THERE:-...}`

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
        found.starts_with("6:15 a string must be quoted") && !found.contains('\n'),
        "{found}"
    );
    let found = faults(&sample("open_on = \"ticket\"", "open_on = \"ticket").replace("= 25", "= 0"));
    assert!(
        found.starts_with("8:16 `deskie.ticket_field` must") && found.contains("\n20:18 TOML syntax"),
        "{found}"
    );
    assert!(!found.contains("needs"), "{found}");
    let found = faults(&sample("\n[ticket]", "\n[ticket"));
    assert!(
        found.starts_with("17:8 TOML syntax error: unclosed table") && !found.contains('\n'),
        "{found}"
    );
    check("\"ticket\"", "ticket", "20:11 a string must be quoted");
    check_all(
        r##"
        subject = "subject" ⟶ table = "x" ⟶ 21:1 `table` is given twice
        [capture] ⟶ [deskie] ⟶ 15:2 `deskie` is given twice
    "##,
    );
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
    assert_eq!(odd.line_column(8), (1, 5));
    assert_eq!(odd.line_column(14), (2, 1));
    for span in [0..0, 0..100, 4..4, 13..14, 90..95, usize::MAX..usize::MAX] {
        odd.fault(&span, "x\u{1b}[31m\ny", None);
    }
}
