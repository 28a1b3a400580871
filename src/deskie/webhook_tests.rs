//! Bodies from the dossier, and what else an operator's template may make of them.

use proptest::prelude::*;

use super::*;

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
const JSON: Option<&str> = Some("application/json; charset=utf-8");

fn rule(case_id: i64, message_id: Option<i64>) -> Result<Webhook, Unreadable> {
    let message_id = message_id.map(MessageId);
    Ok(Webhook::Rule(RuleHint {
        case_id: Some(CaseId(case_id)),
        message_id,
        ..RuleHint::default()
    }))
}

#[test]
fn the_captured_rule_payload() {
    let body = r#"{"case_number":"130-809267","case_id":"423208679","case_subject":"..",
        "case_description":"<p>first message</p>","note_text":"","last_message":"<p>latest</p>",
        "case_status":"Açık","last_message_id":"638929422","last_note_id":"","staff_id":"41878",
        "last_staff_id":"0","user_id":"81815346","custom_field_6260":"42","custom_field_6261":"","category":""}"#;
    let expected = Webhook::Rule(RuleHint {
        case_id: Some(CaseId(423_208_679)),
        message_id: Some(MessageId(638_929_422)),
        custom_fields: BTreeMap::from([(6260, "42".to_owned())]),
    });
    for content_type in [JSON, FORM, Some("text/plain"), None] {
        assert_eq!(
            parse(content_type, None, body.as_bytes()),
            Ok(expected.clone()),
            "{content_type:?}"
        );
    }
}

#[test]
fn a_case_id_is_found_in_every_shape() {
    for body in [
        r#"{"case_id":123}"#,
        r#"{"case_id":"123"}"#,
        "\u{feff}  {\"case_id\": \" 123 \"}\r\n",
        r#"[{"case_id":"123"}]"#,
        r#"{"case":{"case_id":"123"}}"#,
        r#"junk {"case_id":"123"} more junk"#,
        r#"payload={"case_id":"123"}"#,
        "payload=%7B%22case_id%22%3A%22123%22%7D",
        "%7B%22case_id%22%3A%22123%22%7D",
        "case_id=123",
        "case_id=123&last_message=a%20b",
        "case_id=%31%32%33",
        "case_id=%2531%2532%2533",
        "case%5Bcase_id%5D=123",
        "case%255Bcase_id%255D=123",
        "<webhook><case_id>123</case_id></webhook>",
        "--x\r\nContent-Disposition: form-data; name=\"case_id\"\r\n\r\n123\r\n--x--",
        // a template without escaping
        "{\"case_id\":\"123\",\"last_message\":\"line one\nline two\tend\"}",
        r#"{"last_message":"<a href="http://x">x</a> "quoted"","case_id":"123"}"#,
        r#"{"case_id":"123","last_message":"ends in a backslash \"}"#,
        r#"{"case_id":"123","last_message":"cut"#,
    ] {
        assert_eq!(parse(None, None, body.as_bytes()), rule(123, None), "{body}");
        assert_eq!(
            parse(JSON, None, body.as_bytes()),
            rule(123, None),
            "as JSON: {body}"
        );
    }
}

#[test]
fn a_similar_name_is_not_a_case_id() {
    let body = r#"{"parent_case_id":"7","last_message":"a "b"","case_id":"123","last_message_id":"9"}"#;
    assert_eq!(parse(None, None, body.as_bytes()), rule(123, Some(9)));
}

#[test]
fn the_query_alone_and_beside_a_body() {
    assert_eq!(
        parse(None, Some("case_id=123&last_message_id=9"), b""),
        rule(123, Some(9))
    );
    assert_eq!(
        parse(JSON, Some("last_message_id=9"), br#"{"case_id":"123"}"#),
        rule(123, Some(9))
    );
    assert_eq!(
        parse(JSON, Some("case_id=123"), br#"{"case_id":""}"#),
        rule(123, None)
    );
    assert_eq!(
        parse(None, Some("case_id=123"), b"no sense at all"),
        rule(123, None)
    );
}

#[test]
fn a_test_call_has_no_case() {
    for body in [
        "",
        "  \r\n",
        "{}",
        "[]",
        r#"{"test":true}"#,
        r#"{"case_id":""}"#,
        r#"{"case_id":0}"#,
        r#"{"case_id":null}"#,
        r#"{"case_id":"[case_id]","custom_field_25":"{custom_field_25}"}"#,
        "case_id=",
        "a=b",
    ] {
        assert_eq!(parse(None, None, body.as_bytes()), Ok(Webhook::Test), "{body}");
    }
}

#[test]
fn nonsense_is_unreadable() {
    for body in [
        "hello",
        "<html><body class=\"x\">no</body></html>",
        "\"text\"",
        "12",
        "\u{0}\u{1}",
    ] {
        assert_eq!(parse(None, None, body.as_bytes()), Err(Unreadable), "{body}");
    }
    assert_eq!(parse(JSON, None, &[0xff, 0xfe, 0x80]), Err(Unreadable));
}

fn channel() -> ChannelMessage {
    ChannelMessage {
        message_id: MessageId(42_577_887),
        case_id: CaseId(985_687),
        staff_id: Some(StaffId(7235)),
        user_id: Some(UserId(5_654_846_848)),
        custom_user_id: Some("u1".to_owned()),
        content: "Help is coming! 100%25 + ş".to_owned(),
        content_html: String::new(),
        note: false,
        sent_via_rule: false,
        attachments: vec!["https://d/1?a=b&c=d".to_owned(), "https://d/2".to_owned()],
    }
}

#[test]
fn a_custom_channel_message_as_json() {
    let body = r#"{"type":"message_new","object":{"message_id":42577887,"case_id":985687,"staff_id":7235,
        "user_id":5654846848,"custom_user_id":"u1","content":"Help is coming! 100%25 + ş","note":0,
        "sent_via_rule":0,"attachments":[{"url":"https://d/1?a=b&c=d"},{"url":"https://d/2"}]}}"#;
    assert_eq!(
        parse(JSON, None, body.as_bytes()),
        Ok(Webhook::Channel(channel()))
    );
}

#[test]
fn a_custom_channel_message_as_a_php_form() {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("type", "message_new")
        .append_pair("object[message_id]", "42577887")
        .append_pair("object[case_id]", "985687")
        .append_pair("object[staff_id]", "7235")
        .append_pair("object[user_id]", "5654846848")
        .append_pair("object[custom_user_id]", "u1")
        .append_pair("object[content]", "Help is coming! 100%25 + ş")
        .append_pair("object[note]", "0")
        .append_pair("object[sent_via_rule]", "0")
        .append_pair("object[attachments][0][url]", "https://d/1?a=b&c=d")
        .append_pair("object[attachments][1][url]", "https://d/2");
    assert_eq!(
        parse(FORM, None, form.finish().as_bytes()),
        Ok(Webhook::Channel(channel()))
    );
}

#[test]
fn a_channel_message_may_have_files_only() {
    let body = "type=message_new&object[message_id]=1&object[case_id]=2&object[attachments][0]=https://d/1";
    match parse(FORM, None, body.as_bytes()) {
        Ok(Webhook::Channel(message)) => {
            assert_eq!((message.content.as_str(), message.attachments.len()), ("", 1));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_customers_words_in_a_rule_do_not_pass_for_an_agents_message() {
    let form = "case_id=5&last_message=hi&type=message_new&object[message_id]=1&object[case_id]=2&object[staff_id]=3";
    assert!(
        matches!(parse(FORM, None, form.as_bytes()), Ok(Webhook::Rule(hint)) if hint.case_id == Some(CaseId(5)))
    );
    let json =
        r#"{"case_id":"5","last_message":"hi","type":"message_new","object":{"message_id":1,"case_id":2}}"#;
    assert!(
        matches!(parse(JSON, None, json.as_bytes()), Ok(Webhook::Rule(hint)) if hint.case_id == Some(CaseId(5)))
    );
}

#[test]
fn a_broken_channel_message_is_a_poke() {
    let body = r#"{"type":"message_new","object":{"message_id":1,"case_id":2,"content":"a "b" c"}}"#;
    assert_eq!(parse(JSON, None, body.as_bytes()), rule(2, Some(1)));
}

#[test]
fn the_debug_form_shows_no_text() {
    assert!(!format!("{:?}", channel()).contains("Help"));
}

proptest! {
    #[test]
    fn no_body_makes_the_parser_panic(body in any::<Vec<u8>>(), query in prop::option::of(".*")) {
        let _ = parse(None, query.as_deref(), &body);
        let _ = parse(JSON, query.as_deref(), &body);
    }

    #[test]
    fn no_almost_json_makes_the_parser_panic(
        body in "[{\\[]?(\"(case_id|object|type|last_message_id)\"[:=]?\"?[0-9a-z%ş\n\\\\\"]{0,9}\"?,?){0,5}[}\\]]?"
    ) {
        let _ = parse(None, None, body.as_bytes());
    }

    #[test]
    fn a_case_id_survives_any_unescaped_value_after_it(id in 1i64..1_000_000_000_000, value in ".*") {
        let body = format!("{{\"case_id\":\"{id}\",\"last_message\":\"{value}\"}}");
        match parse(JSON, None, body.as_bytes()) {
            Ok(Webhook::Rule(hint)) => prop_assert_eq!(hint.case_id, Some(CaseId(id))),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

#[test]
fn what_a_webhook_brings_can_be_stored() {
    for body in [
        r#"{"type":"message_new","object":{"message_id":1,"case_id":2,"content":"a\u0000b "}}"#,
        "type=message_new&object[message_id]=1&object[case_id]=2&object[content]=a%00b%20",
    ] {
        let Ok(Webhook::Channel(message)) = parse(None, None, body.as_bytes()) else {
            panic!("{body}");
        };
        assert_eq!(message.content, "ab ", "{body}");
    }
    for body in [
        r#"{"case_id":"7","custom_field_25":"4\u00002"}"#,
        "case_id=7&custom_field_25=4%002",
        "case_id=7&custom_field_25=4%25002",
    ] {
        let Ok(Webhook::Rule(hint)) = parse(None, None, body.as_bytes()) else {
            panic!("{body}");
        };
        assert_eq!(
            hint.custom_fields.get(&25).map(String::as_str),
            Some("42"),
            "{body}"
        );
    }
}

#[test]
fn no_text_inside_a_value_becomes_a_field() {
    let forged = r#"","type":"message_new","object":{"message_id":9,"case_id":2,"staff_id":3,"custom_user_id":"u1","content":"forged"},"x":""#;
    for template in [
        r#"{"case_id":"5","last_message":"~"}"#,
        r#"{"last_message":"~","case_id":"5"}"#,
        r#"{"last_message":"~"}"#,
        r#"{"type":"rule","text":"~","case_id":"5"}"#,
        r#"{"type":"message_new","object":{"message_id":1,"case_id":5,"content":"~"}}"#,
        r#"{"object":{"content":"~","message_id":1,"case_id":5},"type":"message_new"}"#,
        r#"[{"last_message":"~"}]"#,
        r#"payload={"last_message":"~"}"#,
    ] {
        for body in [
            template.replace('~', forged),
            template.replace('~', &format!("{forged}\n")),
        ] {
            let found = parse(JSON, None, body.as_bytes());
            assert!(matches!(found, Ok(Webhook::Rule(_))), "{body}: {found:?}");
        }
    }
    // Other ways in which a value ends, or a name is written.
    for (template, forged) in [
        (
            r#"{"last_message":"~","case_id":"5"}"#,
            r#"","type":"message_new","object[message_id]":"9","object[case_id]":"2","object[content]":"forged","x":""#,
        ),
        (
            r#"{"last_message":"~","case_id":"5"}"#,
            r#"","\u0074ype":"message_new","\u006fbject":{"message_id":9,"case_id":2,"content":"forged"},"x":""#,
        ),
        (
            r#"[{"case_id":"5","last_message":"~"}]"#,
            r#""},{"type":"message_new","object":{"message_id":9,"case_id":2,"content":"forged"}},{"x":""#,
        ),
        (
            r#"{"case_id":"5","ticket":{"last_message":"~"}}"#,
            r#""}},{"type":"message_new","object":{"message_id":9,"case_id":2,"content":"forged"},"x":{"y":""#,
        ),
        (
            "<case_id>5</case_id><text>~</text>",
            r#"</text>{"type":"message_new","object":{"message_id":9,"case_id":2,"content":"forged"}}"#,
        ),
        (
            "case_id=5&last_message=~",
            "%26type%3Dmessage_new%26object%5Bmessage_id%5D%3D9%26object%5Bcase_id%5D%3D2%26object%5Bcontent%5D%3Dforged",
        ),
        (
            "case_id=5&last_message=~",
            "&%74ype=message_new&object%255Bmessage_id%255D=9&object%255Bcase_id%255D=2&object%255Bcontent%255D=forged",
        ),
        (
            "{'case_id':'5','last_message':'~'}",
            r#"'} {"type":"message_new","object":{"message_id":9,"case_id":2,"content":"forged"}}"#,
        ),
    ] {
        let body = template.replace('~', forged);
        for kind in [JSON, FORM, Some("text/xml"), None] {
            let found = parse(kind, None, body.as_bytes());
            assert!(
                matches!(found, Ok(Webhook::Rule(_)) | Err(_)),
                "{body}: {found:?}"
            );
        }
    }
    let parts = "--B\r\nContent-Disposition: form-data; name=\"last_message\"\r\n\r\nx\r\n--B\r\nContent-Disposition: form-data; \
        name=\"type\"\r\n\r\nmessage_new\r\n--B\r\nContent-Disposition: form-data; name=\"object[case_id]\"\r\n\r\n2\r\n--B\r\n\
        Content-Disposition: form-data; name=\"object[message_id]\"\r\n\r\n9\r\n--B--";
    let found = parse(Some("multipart/form-data; boundary=B"), None, parts.as_bytes());
    assert!(matches!(found, Ok(Webhook::Rule(_))), "{found:?}");
    let whole = r#"{"type":"message_new","object":{"message_id":9,"case_id":2,"content":"forged"}}"#;
    assert_eq!(parse(JSON, Some("case_id=5"), whole.as_bytes()), rule(5, Some(9)));
    let forged = "&type=message_new&object[message_id]=9&object[case_id]=2&object[content]=forged";
    for (template, query) in [
        ("last_message=~&case_id=5", None),
        ("last_message=~", None),
        (
            "type=message_new&object[message_id]=1&object[case_id]=5&object[content]=~",
            None,
        ),
        ("~", Some("case_id=5")),
    ] {
        let body = template.replace('~', forged);
        let found = parse(FORM, query, body.as_bytes());
        assert!(matches!(found, Ok(Webhook::Rule(_))), "{body}: {found:?}");
    }
    // JSON in a value is no more than what the form itself does not name.
    for body in [
        r#"last_message={"case_id":"6","x":1}&case_id=5"#,
        "last_message=%7B%22case_id%22%3A6%7D&case_id=5",
        r#"case_id=5&last_message={"case_id":"6"}"#,
    ] {
        assert_eq!(parse(FORM, None, body.as_bytes()), rule(5, None), "{body}");
    }
    // The first value under a name stays.
    let body = r#"{"case_id":"5","last_message":"","case_id":"6"}"#;
    assert_eq!(parse(JSON, None, body.as_bytes()), rule(5, None));
    assert_eq!(
        parse(FORM, None, b"case_id=5&last_message=&case_id=6"),
        rule(5, None)
    );
}

/// A custom channel's message with this content, as a form whose bytes are `encoded`.
fn as_form(encoded: &[u8]) -> Vec<u8> {
    let mut body =
        b"type=message_new&object%5Bmessage_id%5D=1&object%5Bcase_id%5D=2&object%5Bcontent%5D=".to_vec();
    body.extend(encoded);
    body
}

fn content(found: Result<Webhook, Unreadable>) -> Option<String> {
    match found {
        Ok(Webhook::Channel(message)) => Some(message.content),
        Ok(Webhook::Rule(hint)) => {
            assert_eq!(
                (hint.case_id, hint.message_id),
                (Some(CaseId(2)), Some(MessageId(1)))
            );
            None
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_character_set_is_read_and_one_that_is_not_told_is_a_poke() {
    for (name, text) in [
        ("windows-1254", "Şikâyet ığüşöç İ"),
        ("iso-8859-9", "Şikâyet ığüşöç İ"),
        ("koi8-r", "Привет, мир"),
        ("windows-1251", "Привет, мир"),
        ("UTF-8", "Привет, Şü"),
        ("shift_jis", "こんにちは"),
        ("iso-8859-5", "Привет, мир"),
        ("ibm866", "Привет, мир"),
        ("x-mac-cyrillic", "Привет, мир"),
        ("koi8-u", "Привіт, світе"),
        ("cp1251", "Привет, мир"),
        ("latin5", "Şikâyet ığüşöç İ"),
        ("windows-1252", "naïve “café” – €"),
        ("windows-1258", "cà phê"),
        ("gb18030", "你好，世界"),
        ("big5", "你好"),
        ("euc-kr", "안녕하세요"),
    ] {
        let encoding = encoding_rs::Encoding::for_label(name.as_bytes()).unwrap();
        let (bytes, _, _) = encoding.encode(text);
        let percent =
            percent_encoding::percent_encode(&bytes, percent_encoding::NON_ALPHANUMERIC).to_string();
        let kind = format!("application/x-www-form-urlencoded; charset=\"{name}\"");
        for body in [as_form(percent.as_bytes()), as_form(&bytes)] {
            assert_eq!(
                content(parse(Some(&kind), None, &body)).as_deref(),
                Some(text),
                "{name}"
            );
        }
        let mut json = br#"{"type":"message_new","object":{"message_id":1,"case_id":2,"content":""#.to_vec();
        json.extend(bytes.iter());
        json.extend(br#""}}"#);
        let kind = format!("application/json; charset={name}");
        assert_eq!(
            content(parse(Some(&kind), None, &json)).as_deref(),
            Some(text),
            "{name}"
        );
        if name != "UTF-8" {
            assert_eq!(
                content(parse(FORM, None, &as_form(percent.as_bytes()))),
                None,
                "{name} untold"
            );
            assert_eq!(content(parse(JSON, None, &json)), None, "{name} untold");
        }
    }
    let json = r#"{"type":"message_new","object":{"message_id":1,"case_id":2,"content":"Şü"}}"#;
    let mut wide = vec![0xff, 0xfe];
    wide.extend(json.encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(content(parse(None, None, &wide)).as_deref(), Some("Şü"));
}

#[test]
fn what_is_encoded_twice_is_read_and_what_may_be_is_a_poke() {
    let twice = |text: &str| {
        let once =
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        percent_encoding::utf8_percent_encode(&once, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let text = "Merhaba dünya, 100%25 indirim + hediye";
    let body = format!(
        "type=message_new&{}=1&{}=2&{}={}",
        twice("object[message_id]"),
        twice("object[case_id]"),
        twice("object[content]"),
        twice(text)
    );
    assert_eq!(content(parse(FORM, None, body.as_bytes())).as_deref(), Some(text));
    let whole = percent_encoding::utf8_percent_encode(&body, percent_encoding::NON_ALPHANUMERIC).to_string();
    assert_eq!(
        content(parse(FORM, None, format!("%74{}", &whole[1..]).as_bytes())).as_deref(),
        Some(text)
    );
    let unclear = as_form(twice("Merhaba dünya").as_bytes());
    assert_eq!(content(parse(FORM, None, &unclear)), None);
    let json = format!(
        "{{\"type\":\"message_new\",\"object\":{{\"message_id\":1,\"case_id\":2,\"content\":\"{text}\"}}}}"
    );
    let whole = percent_encoding::utf8_percent_encode(&json, percent_encoding::NON_ALPHANUMERIC).to_string();
    assert_eq!(
        content(parse(FORM, None, whole.as_bytes())).as_deref(),
        Some(text)
    );
}

#[test]
fn a_custom_channel_message_in_parts() {
    let part = |name: &str, value: &str| {
        format!("--B-1\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = [
        part("type", "message_new"),
        part("object[message_id]", "1"),
        part("object[case_id]", "2"),
        part("object[content]", "satır\r\n\r\n--B\r\nşü"),
        "--B-1\r\nContent-Disposition: form-data; name=\"f\"; filename=\"type\"\r\n\r\nx\r\n--B-1--\r\n"
            .to_owned(),
    ]
    .concat();
    let kind = Some("multipart/form-data; boundary=\"B-1\"");
    assert_eq!(
        content(parse(kind, None, body.as_bytes())).as_deref(),
        Some("satır\r\n\r\n--B\r\nşü")
    );
}
