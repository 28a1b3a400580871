//! Nothing secret is shown, and no text makes it panic.

use proptest::prelude::*;

use super::*;

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
            "[\n\"literal-hook\", # old-hook\n\"old-hook\"]\nadmin_token = '''\nliteral-token-of-16'''",
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

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

#[test]
fn what_stands_in_the_file_itself_is_told_from_what_comes_from_elsewhere() {
    let of = |text: &str| super::super::secret::written_out(text).join(" ");
    for (text, found) in [
        ("[deskie]\napi_key = \"key\"", "[deskie] api_key"),
        ("deskie.api_key = 'key'", "[deskie] api_key"),
        ("deskie = { api_key = \"key\" }", "[deskie] api_key"),
        ("[deskie]\napi_key = \"${DESKIE_API_KEY}\"", ""),
        ("[deskie]\napi_key = \"${KEY:-simulator-key}\"", ""),
        ("[deskie]\napi_key = \"\"", ""),
        (
            "[server]\nwebhook_secret = [\"${A}\", \"old\"]",
            "[server] webhook_secret",
        ),
        (
            "[server]\nadmin_token = \"token\"\nlisten = \"a:1\"",
            "[server] admin_token",
        ),
        ("[postgres]\nurl = \"postgres://u:pw@h/d\"", "[postgres] url"),
        (
            "[postgres]\nurl = \"postgres://${U}:pw@${H}/d\"",
            "[postgres] url",
        ),
        ("[postgres]\nurl = \"postgres://u:${PW}@h/d\"", ""),
        ("[postgres]\nurl = \"postgres://u:${PW_FILE}@h/d\"", ""),
        ("[postgres]\nurl = \"postgres://u@h/d?sslmode=disable\"", ""),
        (
            "[postgres]\nurl = \"postgres://u@h/d?password=pw&a=b\"",
            "[postgres] url",
        ),
        ("[postgres]\nurl = \"postgres://u@h/d?password=${PW}&a=b\"", ""),
        (
            "[postgres]\nreplication_url = \"host=h password = 'pw' user=u\"",
            "[postgres] replication_url",
        ),
        ("[postgres]\nurl = \"host=h password='${PW}' user=u\"", ""),
        ("[postgres]\nurl = \"${URL}\"", ""),
        ("[alert]\nurl = \"https://chat.example/hook/abc\"", "[alert] url"),
        ("[alert]\nurl = \"https://chat.example/hook/${HOOK}\"", ""),
        ("[alert]\nurl = \"https://chat.example/\"", ""),
    ] {
        assert_eq!(of(text), found, "{text}");
    }
}
