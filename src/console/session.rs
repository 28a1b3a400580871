//! Who is logged in to the console: a cookie that only the admin token can have made.
//!
//! It holds its own end and the name that the person gave, under a code of the two made with the token (HMAC-SHA-256): so it
//! holds over a restart and on a second instance, and ends when the token is changed. A form carries a second code made of
//! the cookie's (`csrf`), which a page of another site cannot know; `SameSite=Strict` keeps the cookie from such a request.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The cookie's name.
pub const COOKIE: &str = "deskie_cdc_session";

/// So many seconds a log-in holds.
pub const SECONDS: i64 = 12 * 3600;

/// The longest name, in characters.
const LONGEST_NAME: usize = 60;

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The name that was given.
    pub name: String,
    /// What each form of this session carries.
    pub csrf: String,
}

/// The cookie's value for somebody who has given the token; `now`: seconds since 1970.
pub fn begin(token: &SecretString, name: &str, now: i64) -> Option<String> {
    let name: String = name
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_NAME)
        .collect();
    let content = format!("{}.{}", now + SECONDS, hex(name.trim().as_bytes()));
    let code = code(token, "session", &content)?;
    Some(format!("{content}.{code}"))
}

/// Who a cookie's value is of; `None`: it is not of this token, or over.
pub fn read(token: &SecretString, value: &str, now: i64) -> Option<Session> {
    let (content, given) = value.rsplit_once('.')?;
    let (ends, name) = content.split_once('.')?;
    is_code(token, "session", content, given).then_some(())?;
    (ends.parse::<i64>().ok()? > now).then_some(())?;
    Some(Session {
        name: String::from_utf8(unhex(name)?).ok()?,
        csrf: code(token, "csrf", value)?,
    })
}

impl Session {
    /// Whether a form is of this session.
    pub fn has_made(&self, csrf: &str) -> bool {
        bool::from(subtle::ConstantTimeEq::ct_eq(
            self.csrf.as_bytes(),
            csrf.as_bytes(),
        ))
    }
}

fn mac(token: &SecretString, what: &str, content: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.expose_secret().as_bytes()).ok()?;
    mac.update(format!("deskie-cdc console {what} {content}").as_bytes());
    Some(mac)
}

fn code(token: &SecretString, what: &str, content: &str) -> Option<String> {
    Some(hex(&mac(token, what, content)?.finalize().into_bytes()))
}

fn is_code(token: &SecretString, what: &str, content: &str, given: &str) -> bool {
    mac(token, what, content)
        .zip(unhex(given))
        .is_some_and(|(mac, given)| mac.verify_slice(&given).is_ok())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    (text.len().is_multiple_of(2) && text.is_ascii())
        .then(|| digits.map(byte).collect())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_makes_a_session_and_it_ends() {
        let (token, other) = (
            SecretString::from("0123456789abcdef"),
            SecretString::from("0123456789abcdeF"),
        );
        let cookie = begin(&token, " Ayşe\n. ", 1000).unwrap();
        let session = read(&token, &cookie, 1000).unwrap();
        assert_eq!(session.name, "Ayşe.");
        assert!(session.has_made(&session.csrf) && !session.has_made("") && !session.has_made(&cookie));
        assert_eq!(read(&token, &cookie, 1000 + SECONDS), None, "it is over");
        assert_eq!(read(&other, &cookie, 1000), None, "the token was changed");
        let longer = cookie.replacen("44200", "99200", 1);
        assert_eq!((longer != cookie, read(&token, &longer, 1000)), (true, None));
        for forged in ["", ".", "..", "a.b.c", "99999..", "99999.ff.zz", "99999.é.00"] {
            assert_eq!(read(&token, forged, 1000), None, "{forged}");
        }
    }
}
