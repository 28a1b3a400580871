#!/usr/bin/env bash
# reqwest 0.13.5 (crates.io) to PHP 8.2.36 (Debian 12's php-cli): a field whose name has a blank, a slash or a letter that is not ASCII never arrives, and takes with it all fields that follow.
#
# Expected: what is sent by multipart/form-data stands in $_POST or $_FILES under its name, whatever the name: a custom field `case[Тема]` as well as `case[body]`.
# Seen: for a name with a blank, a quote, `/`, `%` or any other letter reqwest writes `name*=utf-8''…` in place of `name="…"`, which RFC 7578 does not have for forms and PHP does not know. A text
#   of that kind is a field without a name to PHP, and there it ends the whole form: this field is gone and each one after it, $_POST holds what came before, and the answer is a
#   200 without a warning. A file of that kind stands in $_FILES under the number 0, and the rest goes on. With percent_encode_attr_chars(), which sounds like the
#   stricter choice, brackets count as well, so that no `case[body]` arrives. percent_encode_noop() sends names as browsers do, and all is there. File names
#   have nothing of this: they are sent as they are, whatever is set.
# For the connector: it builds its forms with percent_encode_noop(), so that all names go as they are.
. "$(dirname "${BASH_SOURCE[0]}")/php.sh"
mkdir -p send/src
cat >send/Cargo.toml <<'TOML'
[package]
name = "send"
version = "0.0.0"
edition = "2021"
[dependencies]
reqwest = { version = "=0.13.5", default-features = false, features = ["blocking", "multipart"] }
TOML
cat >send/src/main.rs <<'RS'
use reqwest::blocking::{multipart::{Form, Part}, Client};
fn main() -> Result<(), reqwest::Error> {
    let url = std::env::args().nth(1).expect("the receiver's URL");
    let ways: [(&str, fn(Form) -> Form); 3] = [
        ("as it is", |form| form),
        ("attr_chars", |form| form.percent_encode_attr_chars()),
        ("noop", |form| form.percent_encode_noop()),
    ];
    for (way, set) in ways {
        for name in ["body", "case[body]", "case[order no]", "case/body", "case[Тема]"] {
            let file = Part::bytes(b"x".to_vec()).file_name("Счёт 1.pdf");
            for (what, part) in [("text", Part::text("x")), ("file", file)] {
                let form = set(Form::new()).part(name, part).text("last", "y");
                print!("{way}, {what} {name}: {}", Client::new().post(&url).multipart(form).send()?.text()?);
            }
        }
    }
    Ok(())
}
RS
cat >taken.php <<'PHP'
<?php
$files = array_map(fn($file) => $file['name'], $_FILES);
echo http_response_code(), ' ', json_encode(array_diff_key($_POST, ['last' => 1]) + $files, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES), isset($_POST['last']) ? '' : ', and none after it', "\n";
PHP
CARGO_TARGET_DIR=$work/target cargo build --quiet --manifest-path send/Cargo.toml
serve taken.php
target/debug/send "http://127.0.0.1:$port" | tee seen
diff seen - <<'SEEN'
as it is, text body: 200 {"body":"x"}
as it is, file body: 200 {"body":"Счёт 1.pdf"}
as it is, text case[body]: 200 {"case":{"body":"x"}}
as it is, file case[body]: 200 {"case":{"body":"Счёт 1.pdf"}}
as it is, text case[order no]: 200 [], and none after it
as it is, file case[order no]: 200 ["Счёт 1.pdf"]
as it is, text case/body: 200 [], and none after it
as it is, file case/body: 200 ["Счёт 1.pdf"]
as it is, text case[Тема]: 200 [], and none after it
as it is, file case[Тема]: 200 ["Счёт 1.pdf"]
attr_chars, text body: 200 {"body":"x"}
attr_chars, file body: 200 {"body":"Счёт 1.pdf"}
attr_chars, text case[body]: 200 [], and none after it
attr_chars, file case[body]: 200 ["Счёт 1.pdf"]
attr_chars, text case[order no]: 200 [], and none after it
attr_chars, file case[order no]: 200 ["Счёт 1.pdf"]
attr_chars, text case/body: 200 [], and none after it
attr_chars, file case/body: 200 ["Счёт 1.pdf"]
attr_chars, text case[Тема]: 200 [], and none after it
attr_chars, file case[Тема]: 200 ["Счёт 1.pdf"]
noop, text body: 200 {"body":"x"}
noop, file body: 200 {"body":"Счёт 1.pdf"}
noop, text case[body]: 200 {"case":{"body":"x"}}
noop, file case[body]: 200 {"case":{"body":"Счёт 1.pdf"}}
noop, text case[order no]: 200 {"case":{"order no":"x"}}
noop, file case[order no]: 200 {"case":{"order no":"Счёт 1.pdf"}}
noop, text case/body: 200 {"case/body":"x"}
noop, file case/body: 200 {"case/body":"Счёт 1.pdf"}
noop, text case[Тема]: 200 {"case":{"Тема":"x"}}
noop, file case[Тема]: 200 {"case":{"Тема":"Счёт 1.pdf"}}
SEEN
echo "as described"
