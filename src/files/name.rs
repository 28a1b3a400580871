//! PURE: names of files. What comes from outside names no folder, hides nothing and fits every file system.

/// The longest name, in bytes; with what is put before it, it stays below the 255 of usual file systems.
const LONGEST: usize = 120;

/// The longest ending that is kept when a name is shortened.
const LONGEST_ENDING: usize = 16;

/// A name that is one plain component of a path on any system: no separators, no control or direction characters, no
/// dots or blanks at its ends, nothing that Windows forbids.
pub fn safe(name: &str) -> String {
    let plain = |c: char| match c {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => Some('_'),
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' => None,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => None,
        '\u{fff9}'..='\u{fffc}' | '\u{e0000}'..='\u{e007f}' => None,
        c if c.is_control() => None,
        c if c.is_whitespace() => Some(' '),
        c => Some(c),
    };
    let name: String = name.chars().filter_map(plain).collect();
    let ends = |c: char| c == '.' || c == ' ';
    let name = name.trim_matches(ends);
    let name = match is_device(name) {
        true => shortened(&format!("_{name}")),
        false => shortened(name),
    };
    match name.trim_matches(ends) {
        "" => "file".to_owned(),
        // It has become one by being shortened.
        name if is_device(name) => name.replacen(char::is_alphabetic, "_", 1),
        name => name.to_owned(),
    }
}

/// Whether Windows takes it for a device, whatever its ending: `nul.txt` swallows what is written to it.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_ascii_uppercase();
    let numbered = ["COM", "LPT"].iter().find_map(|port| stem.strip_prefix(port));
    matches!(
        stem.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$"
    ) || numbered.is_some_and(|number| {
        matches!(
            number,
            "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
        )
    })
}

/// At most [`LONGEST`] bytes, with its ending.
fn shortened(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let ending = name
        .rfind('.')
        .and_then(|at| name.get(at..))
        .filter(|ending| ending.len() <= LONGEST_ENDING)
        .unwrap_or_default();
    let mut room = LONGEST - ending.len();
    while !name.is_char_boundary(room) {
        room -= 1;
    }
    format!("{}{ending}", name.get(..room).unwrap_or_default())
}

/// The last component of an address' or a file's path, percent-decoded.
pub fn of_path(path: &str) -> Option<String> {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let last = path.rsplit(['/', '\\']).next().filter(|name| !name.is_empty())?;
    Some(
        percent_encoding::percent_decode_str(last)
            .decode_utf8_lossy()
            .replace('\0', ""),
    )
}

/// The type that a name's ending tells; Deskie shows images and plays nothing by other means.
pub fn mime(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "txt" | "log" => "text/plain",
        "csv" => "text/csv",
        "zip" => "application/zip",
        "mp4" => "video/mp4",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    #[test]
    fn names_stay_what_they_are_where_they_may() {
        for (name, expected) in [
            ("scan.pdf", "scan.pdf"),
            ("Отчёт 1.xlsx", "Отчёт 1.xlsx"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("..\\..\\x.exe", "_.._x.exe"),
            (".htaccess", "htaccess"),
            ("..", "file"),
            ("", "file"),
            ("\0\n", "file"),
            ("a\u{202e}gpj.exe", "agpj.exe"),
            ("C:\\x", "C__x"),
            ("a\u{61c}\u{2067}gpj.exe\u{ad}", "agpj.exe"),
            ("fatura.pdf. . .", "fatura.pdf"),
            ("nul", "_nul"),
            ("NUL .tar.gz", "_NUL .tar.gz"),
            ("com1.txt", "_com1.txt"),
            ("LPT³", "_LPT³"),
            ("CONIN$", "_CONIN$"),
            ("console.log", "console.log"),
            ("com10.txt", "com10.txt"),
            ("COM\u{200b}1", "_COM1"),
            ("x:Zone.Identifier", "x_Zone.Identifier"),
            ("~/.ssh/id", "~_.ssh_id"),
        ] {
            assert_eq!(safe(name), expected, "{name:?}");
        }
        let long = safe(&format!("nul.{}", "x".repeat(200)));
        assert!(long.starts_with("_nul.x") && long.len() == LONGEST, "{long}");
        let cut = safe(&format!("nul{}x.txt", " ".repeat(200)));
        assert!(cut.starts_with("_ul ") && cut.len() == LONGEST, "{cut}");
        assert_eq!(of_path("https://x/a%20b.png?token=1").as_deref(), Some("a b.png"));
        assert_eq!(of_path("folder/"), None);
    }

    proptest! {
        #[test]
        fn a_safe_name_is_one_component(name in ".{0,300}", extra in "[./\\\\ \0a-z]{0,40}") {
            for name in [&name, &extra, &format!("{extra}{name}{extra}")] {
                let safe = safe(name);
                prop_assert!(!safe.is_empty() && safe.len() <= LONGEST);
                let parts: Vec<_> = Path::new(&safe).components().collect();
                prop_assert!(matches!(parts.as_slice(), [Component::Normal(_)]), "{:?}", safe);
                prop_assert!(!safe.starts_with('.') && !safe.contains(['/', '\\', '\0']));
                prop_assert_eq!(super::safe(&safe), safe, "it is stable");
            }
        }
    }
}
