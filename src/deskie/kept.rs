//! PURE: what Deskie answered, kept for a person who looks at what it refused.

use std::fmt::Write;

/// So many characters of an answer are kept; a refusal of the API's is one short line.
const LENGTH: usize = 2_000;

/// The status of an answer and the beginning of its body. It may repeat what was sent, so nothing logs it, and its `Debug`
/// form tells its length alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept(String);

impl Kept {
    /// Of an answer as it came; without a body the status alone.
    pub fn of(status: u16, body: &[u8]) -> Kept {
        let mut text = format!("HTTP {status}");
        let body = String::from_utf8_lossy(body);
        let body = body.trim();
        // Postgres stores no NUL.
        let mut characters = body.chars().filter(|c| *c != '\0');
        let kept: String = characters.by_ref().take(LENGTH).collect();
        if !kept.is_empty() {
            text.push('\n');
            text.push_str(&kept);
        }
        let more = characters.count();
        if more > 0 {
            let _ = write!(text, "… ({more} more characters)");
        }
        Kept(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_in_its_beginning_and_shown_to_no_log() {
        assert_eq!(Kept::of(502, b"  ").as_str(), "HTTP 502");
        assert_eq!(
            Kept::of(400, b"{\"error\":\"wrong_email\"}\n").as_str(),
            "HTTP 400\n{\"error\":\"wrong_email\"}"
        );
        assert_eq!(Kept::of(400, b"a\0\xffb").as_str(), "HTTP 400\na\u{fffd}b");
        let long = Kept::of(422, "я".repeat(LENGTH + 5).as_bytes());
        assert!(long.as_str().ends_with("я… (5 more characters)"));
        assert!(!format!("{long:?}").contains('я'));
    }
}
