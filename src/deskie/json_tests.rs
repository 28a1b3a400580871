use proptest::prelude::*;
use serde_json::json;

use super::*;

fn is_answer(value: &Value) -> bool {
    value.get("case").is_some() || value.get("total_count").is_some()
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(object) => object
            .iter()
            .any(|(key, value)| key.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

fn value_of(body: &[u8]) -> Result<Value, Unread> {
    read(body, is_answer).map(|found| found.value)
}

#[test]
fn one_odd_value_costs_neither_its_page_nor_its_neighbours() {
    let (said, kept) = (json!({"case": {"a": "x"}, "b": 1}), "x");
    for odd in [
        &br#"{"case":{"a":"\u0000x\u0000"},"b":1}"#[..],
        b"{\"case\":{\"a\":\"\0x\x01\"},\"b\":1}",
        "\u{feff}{\"case\":{\"a\":\"x\"},\"b\":1}".as_bytes(),
        b"<br />\n<b>Notice</b>:  Undefined index: a in <b>/x.php</b><br />\n{\"case\":{\"a\":\"x\"},\"b\":1}",
        b"Array ( [0] => { 'a' } ) {\"case\":{\"a\":\"x\"},\"b\":1}",
        b"array(1) {\n  [0]=> {\"a\": 1}\n}\n{\"case\":{\"a\":\"x\"},\"b\":1}",
        b"array {} {\"no\": {} } [{}] {\"case\":{\"a\":\"x\"},\"b\":1}\n<!-- 0.12 s -->",
        b"{\"case\":{\"a\":\"x\"},\"b\":1} // fine\n",
        b"{\"case\":{\"a\":\"x\"},\"b\":1}\n\n<b>Warning</b>: { in x",
        b"{\"case\":{\"a\":\"x\"},\"b\":1}\0\0",
    ] {
        let text = String::from_utf8_lossy(odd);
        assert_eq!(value_of(odd).as_ref(), Ok(&said), "{text}");
    }
    for (odd, text) in [
        (&br#"\ud83d"#[..], "\u{fffd}"),
        (
            br#"\ude00 \uD83D\uDE00 \ud83d\ud83d\ude00"#,
            "\u{fffd} 😀 \u{fffd}😀",
        ),
        (br#"\ud83dA \u00zz \x \\u0000"#, "\u{fffd}A \\u00zz \\x \\u0000"),
        (b"a\xff\xed\xa0\xbdb", "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}b"),
        (b"a\tb\nc\x07d", "a\tb\ncd"),
    ] {
        let body = [&b"{\"case\":{\"a\":\"x\",\"b\":\""[..], odd, b"\"}}"].concat();
        let expected = json!({"case": {"a": kept, "b": text}});
        assert_eq!(value_of(&body), Ok(expected), "{}", String::from_utf8_lossy(odd));
    }
    for odd in ["1e999", "NaN", "-Infinity", "007", "undefined", "+1"] {
        let body = format!("{{\"case\":{{\"a\":{odd},\"b\":2}}}}");
        let expected = json!({"case": {"a": null, "b": 2}});
        assert_eq!(value_of(body.as_bytes()), Ok(expected), "{odd}");
    }
    let deep = format!(
        "{{\"case\":{{\"a\":{}1{},\"b\":2}}}}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    assert_eq!(value_of(deep.as_bytes()).unwrap()["case"]["b"], json!(2));
}

#[test]
fn a_part_is_never_taken_for_the_whole() {
    let entry = |id: u32| format!("{{\"case\":{{\"case_id\":{id}}}}}");
    let whole = format!("{{\"0\":{},\"1\":{},\"total_count\":2}}", entry(1), entry(2));
    for length in 1..whole.len() {
        let cut = &whole[..length];
        assert!(value_of(cut.as_bytes()).is_err(), "{cut}");
        let noticed = format!("<b>Notice</b> {{x}} {cut}");
        assert!(value_of(noticed.as_bytes()).is_err(), "{noticed}");
    }
    for broken in [
        format!(
            "{{\"0\":{},\"1\":{{\"case\":<b>Notice</b>}},\"2\":{}}}",
            entry(1),
            entry(2)
        ),
        format!("{{\"0\":<b>Notice</b>{},\"1\":{}}}", entry(1), entry(2)),
        format!("{{\"0\":{{'}}',\"1\":{}", entry(2)),
        format!("[{},{},<br>", entry(1), entry(2)),
        format!("{{ 0: {}, 1: {} }}", entry(1), entry(2)),
    ] {
        assert!(value_of(broken.as_bytes()).is_err(), "{broken}");
    }
}

#[test]
fn a_page_for_people_is_no_answer() {
    for page in [
        "<!DOCTYPE html><html><script>var a = {}; var b = []; f({\"x\":{}});</script>Log in</html>",
        "<html>",
        "Maintenance {} [] ",
    ] {
        assert!(value_of(page.as_bytes()).is_err(), "{page}");
    }
    assert_eq!(value_of(b"  \xef\xbb\xbf\n"), Err(Unread::Empty));
    assert_eq!(value_of(b"<html>"), Err(Unread::Page));
    assert_eq!(value_of(b"{\"case\":{"), Err(Unread::CutOff));
    assert_eq!(value_of(b"ok"), Err(Unread::NotJson));
    // As it is, and nothing around it, anything counts.
    for (plain, value) in [("{}", json!({})), ("\"\"", json!("")), (" [] ", json!([]))] {
        assert_eq!(value_of(plain.as_bytes()), Ok(value));
    }
}

proptest! {
    #[test]
    fn what_is_read_can_be_stored(text in r#"(\{"case":)?(\\u0000|\\ud83d|\\ude00|\\\\|\\|"|[a-z{}\[\]:,0-9]|<b>| ){0,40}\}?"#) {
        if let Ok(found) = read(text.as_bytes(), is_answer) {
            prop_assert!(!holds_nul(&found.value), "{}", found.value);
        }
    }

    #[test]
    fn good_json_stays_what_it_is(text in any::<String>(), number in any::<i64>(), around in "[a-z <>/!-]{0,10}") {
        let text = text.replace('\0', "");
        let value = json!({"case": {"a": text, "b": [number, true, null, {}]}});
        let body = format!("{around}{value}{around}");
        prop_assert_eq!(value_of(body.as_bytes()), Ok(value));
    }

    #[test]
    fn nothing_makes_it_panic(body in any::<Vec<u8>>()) {
        let _ = read(&body, |_| true);
    }
}
