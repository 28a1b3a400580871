use super::*;
use proptest::prelude::*;

fn judged(status: u16, body: &[u8]) -> Result<i64, ErrorKind> {
    judge(
        RawAnswer {
            status,
            body: Ok(body),
            quota: Quota::default(),
        },
        "case",
        |json| {
            json.get("case")
                .and_then(|case| case.get("case_id"))
                .and_then(Value::as_i64)
                .ok_or("no `case`".into())
        },
    )
    .result
}

fn outcome(write: bool, kind: ErrorKind) -> Outcome {
    let call = "POST cases.json".to_owned();
    let took = Duration::ZERO;
    CallError {
        call,
        write,
        kind,
        quota: Quota::default(),
        date: None,
        took,
        answer: None,
    }
    .outcome()
}

#[test]
fn a_root_key_makes_a_success_even_beside_an_error() {
    assert_eq!(judged(200, br#"{"case":{"case_id":7}}"#), Ok(7));
    assert_eq!(judged(201, br#"{"error":"mail","case":{"case_id":7}}"#), Ok(7));
}

#[test]
fn an_error_key_on_200_is_a_refusal() {
    let error = judged(200, br#"{"error":"wrong_email"}"#);
    assert!(
        matches!(&error, Err(ErrorKind::Refused { status: 200, code: Some(code), .. }) if code == "wrong_email")
    );
}

/// Every status with every kind of body: what it means for a write, and for a read.
#[test]
fn only_the_apis_own_word_about_one_item_parks_it() {
    const HTML: &str = "<html>Forbidden</html>";
    let later = Outcome::Throttled(None);
    for status in (200..=599).filter(|status| ![304, 413].contains(status)) {
        for body in [
            "",
            HTML,
            "default backend - 404",
            "{}",
            r#"{"message":"no"}"#,
            "[]",
            "null",
        ] {
            let kind = judged(status, body.as_bytes()).unwrap_err();
            let write = match status {
                401 => Outcome::KeyRevoked,
                429 => later,
                200..=299 | 302 | 303 | 408 | 500.. => Outcome::Doubt,
                _ => Outcome::Retry,
            };
            let read = if write == Outcome::Doubt {
                Outcome::Retry
            } else {
                write
            };
            assert_eq!(outcome(true, kind.clone()), write, "{status} {body}");
            assert_eq!(outcome(false, kind.clone()), read, "{status} {body}");
            assert_eq!(
                matches!(kind, ErrorKind::Gone { .. }),
                status == 404,
                "{status} {body}"
            );
            let text = kind.to_string();
            assert!(
                !text.contains("Forbidden") && !text.contains("backend -"),
                "{text}"
            );
        }
        let said = |code: &str| judged(status, format!("{{\"error\":\"{code}\"}}").as_bytes()).unwrap_err();
        for code in ITEM_CODES.iter().chain(&STAFF_CODES) {
            let refused = matches!(said(code), ErrorKind::Refused { .. });
            assert_eq!(refused, !matches!(status, 401 | 429 | 500..), "{status} {code}");
        }
        let gone = said("case_not_found");
        let is_gone = matches!(gone, ErrorKind::Gone { code: Some(_), .. });
        assert_eq!(is_gone, !matches!(status, 401 | 429 | 500..), "{status}");
        for code in RATE_CODES {
            let throttled = matches!(said(code), ErrorKind::Throttled { .. });
            assert_eq!(throttled, !matches!(status, 401 | 500..), "{status} {code}");
        }
        for code in [
            "internal_error",
            "maintenance",
            "payment_required",
            "not_found",
            "Sorry, no!",
        ] {
            let kind = said(code);
            let unclear = matches!(status, 400 | 403 | 409 | 422);
            assert_eq!(
                matches!(kind, ErrorKind::Unclear { .. }),
                unclear,
                "{status} {code}"
            );
            assert_ne!(outcome(true, kind.clone()), Outcome::Refused, "{status} {code}");
            assert_ne!(outcome(false, kind.clone()), Outcome::Refused, "{status} {code}");
            assert!(!kind.to_string().contains("Sorry"), "{kind}");
        }
    }
    for body in ["", HTML, r#"{"error":"request_too_large"}"#] {
        let kind = judged(413, body.as_bytes()).unwrap_err();
        assert_eq!(outcome(true, kind), Outcome::Refused, "{body}");
    }
    let inactive = judged(403, br#"{"error":"staff_not_active"}"#).unwrap_err();
    assert_eq!(outcome(false, inactive), Outcome::KeyRevoked);
}

#[test]
fn the_limit_is_read_whatever_the_spelling() {
    let headers = [
        ("Rate_Limit_Per_Minute", "50"),
        ("api-calls-left", "-1"),
        ("retry_after", "37"),
        ("content-type", "text/html"),
    ];
    let quota = Quota::from_headers(headers.into_iter());
    assert_eq!(quota.limit_per_minute, Some(50));
    assert_eq!(quota.calls_left, Some(-1));
    assert_eq!(quota.retry_after, Some(Duration::from_secs(37)));
    assert_eq!(
        Quota::from_headers([("retry_after", "soon")].into_iter()),
        Quota::default()
    );
}

proptest! {
    #[test]
    fn no_answer_makes_the_judge_panic(status in 100u16..600, body in any::<Vec<u8>>()) {
        if let Err(kind) = judged(status, &body) {
            let _ = kind.to_string();
        }
    }

    #[test]
    fn no_header_makes_the_quota_panic(name in "(retry_after|api_calls_left|x)", value in ".*") {
        Quota::from_headers([(name.as_str(), value.as_str())].into_iter());
    }
}
