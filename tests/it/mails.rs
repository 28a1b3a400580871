//! Mails as mail programs write them, made by hand after their public descriptions, and what the site is given of each:
//! `tests/mails/NAME.html` in, `NAME.txt` and `NAME.out.html` out; `NAME.had` is what their ticket has, a text a paragraph.
//! With `DESKIE_CDC_WRITE_MAILS` set, what comes out is written, to be read by a person before it is committed;
//! `tests/mails/sheet` shows all of them in a browser.

use std::path::{Path, PathBuf};

use deskie_cdc::text::{Known, fingerprints, read};

use crate::support::env;

fn mails() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mails");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut mails: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".html") && !name.ends_with(".out.html")
        })
        .collect();
    mails.sort();
    mails
}

#[test]
fn mails_of_every_program_become_what_a_reader_sees() {
    let base = url::Url::parse("https://destek.example/api/").unwrap();
    let mails = mails();
    assert!(mails.len() >= 18, "{} mails", mails.len());
    let mut wrong = Vec::new();
    for mail in &mails {
        let had = std::fs::read_to_string(mail.with_extension("had")).unwrap_or_default();
        let had = had.trim_end().split("\n\n").filter(|text| !text.is_empty());
        let known: Known = had.flat_map(|text| fingerprints(text, text)).collect();
        let (message, _) = read("", &std::fs::read_to_string(mail).unwrap(), Some(&base), &known);
        for (ending, came) in [("txt", message.text), ("out.html", message.html)] {
            let file = mail.with_extension(ending);
            let came = came + "\n";
            if env("DESKIE_CDC_WRITE_MAILS").is_some() {
                std::fs::write(&file, &came).unwrap();
            }
            if std::fs::read_to_string(&file).unwrap_or_default() != came {
                wrong.push(format!("{}:\n{came}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
