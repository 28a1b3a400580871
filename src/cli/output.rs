//! Results on stdout.

use std::io::{ErrorKind, Write};

use super::log::harmless;
use super::{Failure, failed};

/// Prints a result, with its last newline, and nothing in it that a terminal obeys. A reader that has gone away (`| head`) has seen enough.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let end = if text.ends_with('\n') || text.is_empty() {
        ""
    } else {
        "\n"
    };
    let text = harmless(text);
    let printed = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(end.as_bytes()));
    match printed.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(failed(format!("stdout: {error}"))),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(value).map_err(failed)?)
}

/// Cuts a text to one line of at most `width` characters.
pub(super) fn one_line(text: &str, width: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(width) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default().trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_line_is_cut_between_characters() {
        assert_eq!(one_line("Merhaba,\n  dünya", 40), "Merhaba, dünya");
        assert_eq!(one_line("Здравствуйте", 5), "Здрав…");
        assert_eq!(one_line("", 5), "");
    }
}
