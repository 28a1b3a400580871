//! Who may read the admin port, and who may change things there.
//!
//! A page of another site that a person has open can have its own name lead to this machine, and its script then reads
//! whatever answers there (DNS rebinding). Such a request names that site in its `Host`; an address, `localhost` or a name
//! without a dot it cannot name. So these are answered, and the names of `[server] admin_hosts`.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Whether a request is answered: every name that it is asked under has to be ours, and one that names none is no
/// browser's. HTTP/2 and a request for a proxy name it in the address.
pub(super) fn is_for_us(headers: &HeaderMap, uri: &Uri, allowed: &[String]) -> bool {
    let hosts = headers
        .get_all(header::HOST)
        .iter()
        .map(|host| host.to_str().unwrap_or_default());
    hosts
        .chain(uri.authority().map(Authority::as_str))
        .all(|host| is_our_name(host, allowed))
}

/// Whether a request for this `Host` is answered.
fn is_our_name(host: &str, allowed: &[String]) -> bool {
    let host = host.trim();
    let name = match host.strip_prefix('[') {
        Some(v6) => v6
            .split_once(']')
            .filter(|(_, port)| is_port(port))
            .map_or("", |(name, _)| name),
        None => match host.find(':') {
            Some(at) if is_port(host.get(at..).unwrap_or_default()) => host.get(..at).unwrap_or_default(),
            Some(_) => "",
            None => host,
        },
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name.parse::<IpAddr>().is_ok()
        || (!name.is_empty() && !name.contains('.'))
        || name.ends_with(".localhost")
        || allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(&name))
}

/// What may stand behind a name: nothing, or a colon and digits.
fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':').unwrap_or(text);
    digits.len() <= 5
        && (digits.is_empty() || text.starts_with(':'))
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// After the first wrong token, and twice as long after each further one.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// The longest delay: whoever has the right token waits no longer, however many others guess.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// What came of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the one.
    Right,
    /// It is not.
    Wrong,
    /// It was not looked at: a wrong one was given shortly before.
    TooSoon(Duration),
}

/// Compares tokens, and slows down who guesses.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<(u32, Option<Instant>)>);

impl Gate {
    /// Judges a token; the digests are compared in constant time.
    pub fn judge(&self, right: &SecretString, given: &str, now: Instant) -> Verdict {
        let mut gate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (failures, opens) = &mut *gate;
        if let Some(wait) = opens
            .and_then(|opens| opens.checked_duration_since(now))
            .filter(|wait| !wait.is_zero())
        {
            return Verdict::TooSoon(wait);
        }
        let digest = |text: &str| Sha256::digest(text.as_bytes());
        if bool::from(digest(right.expose_secret()).ct_eq(&digest(given))) {
            *gate = (0, None);
            return Verdict::Right;
        }
        let delay = FIRST_DELAY
            .saturating_mul(1 << (*failures).min(16))
            .min(LONGEST_DELAY);
        *failures = failures.saturating_add(1);
        *opens = Some(now + delay);
        Verdict::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::monotonic;
    use axum::http::HeaderValue;

    #[test]
    fn another_sites_name_is_not_ours() {
        let allowed = ["cdc.example.com".to_owned()];
        for ours in [
            "127.0.0.1:8788",
            "127.0.0.1",
            "[::1]:8788",
            "[::1]",
            "10.1.2.3:8788",
            "localhost:8788",
            "LOCALHOST",
            "connector:8788",
            "a.localhost:1",
            "cdc.example.com",
            "CDC.example.com:8788",
            "cdc.example.com.",
        ] {
            assert!(is_our_name(ours, &allowed), "{ours}");
        }
        for other in [
            "evil.example:8788",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8788",
            "cdc.example.com.evil.example",
            "",
            ":8788",
            "[evil.example]:8788",
            "x@evil.example",
            "127.0.0.1:8788@evil.example",
            "localhost:8788.evil.example",
            "[::1].evil.example",
            "evil.example.",
            "[fe80::1%25eth0.evil.example]",
            "[::1",
            "[]",
            "::1",
            "2130706433.evil.example",
            "localhost\u{3002}evil.example",
            "evil.example:80:localhost",
            "localhost:8788/evil",
            "localhost:1:2",
        ] {
            assert!(!is_our_name(other, &allowed), "{other}");
        }
    }

    #[test]
    fn every_name_that_a_request_gives_has_to_be_ours() {
        let asked = |uri: &str, hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                let host = HeaderValue::from_bytes(host.as_bytes()).unwrap();
                headers.append(header::HOST, host);
            }
            is_for_us(&headers, &uri.parse().unwrap(), &[])
        };
        for (uri, hosts) in [
            ("/status", &[][..]),
            ("/status", &["localhost:8788"]),
            ("http://127.0.0.1:8788/status", &["127.0.0.1:8788"]),
            ("http://[::1]:8788/status", &[]),
        ] {
            assert!(asked(uri, hosts), "{uri}");
        }
        for (uri, hosts) in [
            ("/status", &["evil.example"][..]),
            ("/status", &["localhost", "evil.example"]),
            ("/status", &["localhöst"]),
            ("http://evil.example/status", &["localhost"]),
            ("http://evil.example/status", &[]),
            ("http://localhost@evil.example/status", &[]),
            ("http://localhost/status", &["evil.example"]),
        ] {
            assert!(!asked(uri, hosts), "{uri}");
        }
    }

    #[test]
    fn who_guesses_gets_slower_and_the_right_token_opens() {
        let gate = Gate::default();
        let right = SecretString::from("0123456789abcdef");
        let start = monotonic();
        assert_eq!(gate.judge(&right, "wrong", start), Verdict::Wrong);
        assert_eq!(
            gate.judge(&right, "0123456789abcdef", start),
            Verdict::TooSoon(FIRST_DELAY)
        );
        // Three hundred guesses, each as soon as it is allowed, take the better part of an hour.
        let (mut now, mut looked_at) = (start, 0);
        for _ in 0..300 {
            if let Verdict::TooSoon(wait) = gate.judge(&right, "wrong", now) {
                now += wait;
            } else {
                looked_at += 1;
            }
        }
        assert!(
            looked_at <= 150 && now - start > Duration::from_secs(20 * 60),
            "{:?}",
            now - start
        );
        assert_eq!(
            gate.judge(&right, "0123456789abcdef", now + LONGEST_DELAY),
            Verdict::Right
        );
        assert_eq!(gate.judge(&right, "wrong", now + LONGEST_DELAY), Verdict::Wrong);
        assert_eq!(
            gate.judge(&right, "x", now + LONGEST_DELAY),
            Verdict::TooSoon(FIRST_DELAY)
        );
    }
}
