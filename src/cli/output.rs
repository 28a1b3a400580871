//! Results on stdout.

use std::io::{ErrorKind, Write};

use super::log::harmless;
use super::{Failure, failed};

/// Prints a result, with its last newline, and nothing in it that a terminal obeys. A reader that has gone away
/// (`| head`) has seen enough.
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

/// Says what is done while it is done: the work goes on where nobody reads it.
pub(super) fn say(line: &str) {
    if let Err(failure) = print(line) {
        tracing::warn!("{line} ({failure})");
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

/// How many characters fit beside each other; `None`: no person reads it on a terminal, so nothing has to fit.
pub(super) fn width() -> Option<usize> {
    let stdout = console::Term::stdout();
    let (_, columns) = stdout.size();
    stdout.is_term().then(|| usize::from(columns).clamp(40, 400))
}

/// The lines of a text, none longer than `width` characters: broken between words where there are any. What a line is
/// indented by, its further lines are, too.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(20);
    let mut lines = Vec::new();
    for given in text.lines() {
        let words = given.trim_start_matches(' ');
        let indent = (given.len() - words.len()).min(width / 2);
        let width = width - indent;
        let mut push = |line: &str| lines.push(format!("{:indent$}{line}", "").trim_end().to_owned());
        let mut line = String::new();
        for word in words.split(' ') {
            let mut word = word;
            let room =
                |line: &str| width.saturating_sub(line.chars().count() + usize::from(!line.is_empty()));
            if !line.is_empty() && word.chars().count() > room(&line) {
                push(&std::mem::take(&mut line));
            }
            while word.chars().count() > width {
                let end = word.char_indices().nth(width).map_or(word.len(), |(end, _)| end);
                let (head, tail) = word.split_at(end);
                push(head);
                word = tail;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        push(&line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{one_line, wrapped};

    #[test]
    fn lines_are_broken_between_words_where_there_are_any() {
        assert_eq!(
            wrapped("Kargom üç gündür gelmedi, nerede acaba?", 20),
            ["Kargom üç gündür", "gelmedi, nerede", "acaba?"]
        );
        assert_eq!(
            wrapped(&"я".repeat(45), 20),
            ["я".repeat(20), "я".repeat(20), "я".repeat(5)]
        );
        assert_eq!(wrapped("a\nb", 20), ["a", "b"]);
        assert_eq!(
            wrapped("rows:\n    3  that open a case", 20),
            ["rows:", "    3  that open a", "    case"]
        );
    }

    #[test]
    fn a_line_is_cut_between_characters() {
        assert_eq!(one_line("Merhaba,\n  dünya", 40), "Merhaba, dünya");
        assert_eq!(one_line("Здравствуйте", 5), "Здрав…");
        assert_eq!(one_line("", 5), "");
    }
}
