//! `init`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use super::{in_order, json, workplace};
use crate::support::{Site, Workplace};

/// The draft with what only the user knows put in.
pub(super) fn filled(draft: &str, place: &Workplace) -> String {
    draft
        .replace(
            "${DESKIE_CDC_DATABASE_URL}",
            &place.places.database_url.replace('\\', "\\\\"),
        )
        .replace("${DESKIE_URL}", "http://127.0.0.1:9")
        .replace("${DESKIE_STAFF_EMAIL}", "api@example.com")
        .replace("${DESKIE_API_KEY}", "k")
        .replace("\"${DESKIE_TICKET_FIELD}\"", "25")
        .replace("${DESKIE_WEBHOOK_SECRET}", "s")
}

#[tokio::test]
async fn init_drafts_a_config_that_works() {
    let site = Site::start().await;
    let place = workplace(&site);
    let url = place.places.database_url.clone();

    // GIVEN the sample site, THEN the draft says what the site's own config says.
    let draft = place.command(&["init", "--url", &url]).await.ok().stdout;
    in_order(
        &draft,
        &[
            "table = \"public.tickets\"   # guessed by its name, its column subject, user_id names people, messages refers to it",
            "join = \"join public.users u on u.id = t.user_id\"",
            "subject = \"subject\"",
            "open_on = \"ticket\"",
            "body = \"body\"",
            "created_at = \"created_at\"",
            "It holds answered, closed, open.",
            "customer.email = \"u.email\"",
            "customer.name = \"u.full_name\"",
            "table = \"public.messages\"",
            "ticket = \"ticket_id\"",
            "where = \"not m.is_internal\"",
            "author = \"author\"",
            "[reply.set]",
            "ticket_id = \"t.id\"",
            "author = \":kind\"",
            "body = \":text\"",
            "author_name = \":author_name\"",
        ],
    );
    assert!(!draft.contains("\"TODO"), "{draft}");
    place.write_config(&filled(&draft, &place));
    let plan = json(
        &place
            .command(&["plan", "--ticket", "1", "--json"])
            .await
            .ok()
            .stdout,
    );
    let results: Vec<&str> = plan
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["create_case", "add_note", "skipped", "add_message"]);

    // It goes into a file, but never over one.
    let file = place.folder().join("draft.toml");
    let file = file.to_str().unwrap();
    let ended = place
        .command(&["init", "--url", &url, "--output", file])
        .await
        .ok();
    assert!(
        ended
            .stdout
            .contains("tickets in public.tickets, messages in public.messages"),
        "{}",
        ended.stdout
    );
    assert_eq!(std::fs::read_to_string(file).unwrap(), draft);
    let ended = place
        .command(&["init", "--url", &url, "--output", file])
        .await
        .exits(1);
    assert!(ended.stderr.contains("is there already"), "{}", ended.stderr);

    // GIVEN another site: Turkish names, camel case, uuid keys, a flag for the author, files in the database.
    site.client
        .batch_execute(
            "drop table messages, tickets, users cascade;
             create schema yardim;
             create table yardim.kullanicilar (id uuid primary key default gen_random_uuid(), eposta text, telefon text, ad_soyad text);
             create table yardim.\"destekTalepleri\" (id uuid primary key default gen_random_uuid(),
                 \"kullaniciId\" uuid references yardim.kullanicilar, assigned_to uuid references yardim.kullanicilar,
                 konu text not null, \"createdAt\" timestamptz not null default now(), durum text);
             create table yardim.talep_etiketleri (id int primary key, talep uuid references yardim.\"destekTalepleri\", konu text);
             create table yardim.talep_mesajlari (id uuid primary key,
                 talep uuid not null references yardim.\"destekTalepleri\", mesaj text not null,
                 is_staff boolean not null, is_private boolean, \"order\" int not null, tarih timestamptz not null);
             create table yardim.dosyalar (id int primary key, mesaj_no uuid references yardim.talep_mesajlari, filename text, icerik bytea);
             insert into yardim.kullanicilar values ('00000000-0000-0000-0000-000000000001', 'ayse@example.com', null, 'Ayşe');
             insert into yardim.\"destekTalepleri\" (id, \"kullaniciId\", konu) values
                 ('00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-000000000001', 'Kargom nerede?');
             insert into yardim.talep_mesajlari values (gen_random_uuid(), '00000000-0000-0000-0000-00000000000a', 'Merhaba', false, null, 1, now());",
        )
        .await
        .unwrap();
    let draft = place.command(&["init", "--url", &url]).await.ok().stdout;
    // What it cannot know is a question, with which no config is taken.
    place.write_config(&filled(&draft, &place));
    let refused = place.command(&["check", "--config-only"]).await.exits(2);
    assert!(
        refused.stderr.contains("`reply.set.order` is still to do")
            && refused.stderr.contains("put the answer in its place"),
        "{}",
        refused.stderr
    );
    let line = draft
        .lines()
        .find(|line| line.starts_with("order = \"TODO"))
        .unwrap();
    let answered = draft.replace(line, "order = \"1\"");
    place.write_config(&filled(&answered, &place));
    let plan = json(&place.command(&["plan", "--json"]).await.ok().stdout);
    assert_eq!(plan[1]["result"], "create_case", "{plan:#}\n{draft}");
    assert_eq!(plan[1]["parameters"]["user_email"], "ayse@example.com");
    assert_eq!(plan[1]["parameters"]["subject"], "Kargom nerede?");
    in_order(
        &draft,
        &[
            "customer.email = \"u.eposta\"",
            "customer.phone = \"u.telefon\"",
            "customer.name = \"u.ad_soyad\"",
            "[message]",
            "m.is_private is not true",
            "case when m.is_staff then 'agent' else 'customer' end",
            "[[attachment]]",
            "bytes = \"icerik\"",
            "[reply.set]",
            "talep = \"t.id\"",
            "is_staff = \":kind = 'agent'\"",
            "gen_random_uuid()",
            "order = \"TODO",
            "tarih = \":created_at\"",
        ],
    );

    // GIVEN nothing of the kind, THEN it says so.
    site.client
        .batch_execute("drop schema yardim cascade; create table products (id int primary key)")
        .await
        .unwrap();
    let ended = place.command(&["init", "--url", &url]).await.exits(1);
    assert!(ended.stderr.contains("none of the 1 tables"), "{}", ended.stderr);
}

/// `init` with a person before it: stdin and stderr are a terminal, on which each prompt gets the answer that is made of
/// what was shown before it. Gives the draft, and all that was shown; `None`: it ended badly.
fn at_a_terminal(url: &str, mut answer: impl FnMut(&str) -> String) -> (Option<String>, String) {
    let terminal = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY)
        .expect("a terminal");
    rustix::pty::grantpt(&terminal).unwrap();
    rustix::pty::unlockpt(&terminal).unwrap();
    let name = rustix::pty::ptsname(&terminal, Vec::new()).unwrap();
    let end = || {
        let name = std::ffi::OsStr::from_bytes(name.as_bytes());
        File::options()
            .read(true)
            .write(true)
            .open(name)
            .expect("its other end")
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskie-cdc"));
    command
        .args(["init", "--url", url])
        .stdin(end())
        .stdout(Stdio::piped())
        .stderr(end());
    let child = command.spawn().expect("the program starts");
    // Our copies of the other end: with them open, it would never end.
    drop(command);
    let draft = std::thread::spawn(move || child.wait_with_output().expect("it ends"));
    let (mut terminal, mut shown, mut asked) = (File::from(terminal), Vec::new(), 0);
    let mut some = [0; 4096];
    // The terminal ends by an error once nobody has its other end.
    while let Ok(count @ 1..) = terminal.read(&mut some) {
        shown.extend_from_slice(&some[..count]);
        let text = String::from_utf8_lossy(&shown).into_owned();
        if text.ends_with("number: ") || text.ends_with("leaves it open: ") {
            let line = answer(&text[asked..]) + "\n";
            asked = text.len();
            terminal.write_all(line.as_bytes()).unwrap();
        }
    }
    let ended = draft.join().unwrap();
    let draft = String::from_utf8(ended.stdout).unwrap();
    let draft = ended.status.success().then_some(draft);
    (draft, String::from_utf8_lossy(&shown).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn init_asks_on_a_terminal_what_it_cannot_tell() {
    // GIVEN three tables that may be the tickets, and answers that need an agent's row
    let site = Site::start().await;
    site.cluster.create_database("shop").await.unwrap();
    let shop = site.cluster.connect("shop").await.unwrap();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/init/candidates/site.sql");
    shop.batch_execute(&std::fs::read_to_string(schema).unwrap())
        .await
        .unwrap();
    let url = site.cluster.superuser_url("shop");
    let number = |shown: &str| {
        let line = shown
            .lines()
            .find(|line| line.contains("public.support_requests"));
        line.expect("the table")
            .trim()
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    // WHEN a person chooses, takes what is offered, and says a thing in SQL; or leaves all open; or chooses none
    let play = async |answers: &'static [&'static str]| {
        let url = url.clone();
        let mut answers = answers.iter();
        tokio::task::spawn_blocking(move || {
            at_a_terminal(&url, |shown| match answers.next() {
                Some(&"that one") => number(shown),
                Some(&answer) => answer.to_owned(),
                None => String::new(),
            })
        })
        .await
        .unwrap()
    };
    let (draft, shown) = play(&["that one", "y", "(select id from", "u.id", "42"]).await;
    // THEN what was offered with a gap in it is not taken by a careless y, what the server does not understand is told and
    // asked again, and what it understands stands in the draft
    let draft = draft.unwrap_or_else(|| panic!("{shown}"));
    in_order(
        &shown,
        &[
            "Which of these tables holds the tickets?",
            "t is a row of public.support_requests: id, user_id, subject, created_at",
            "[reply.agent.set] user_id: ",
            "for instance",
            "`y` is no answer here",
            "syntax error",
            "missing FROM-clause entry for table \"u\"",
            "hint: the joins of [ticket] and [message] are not there",
        ],
    );
    in_order(
        &draft,
        &["table = \"public.support_requests\"", "user_id = \"42\""],
    );
    assert!(!draft.contains("\"TODO"), "{draft}");
    let (draft, shown) = play(&["that one", "42"]).await;
    let draft = draft.unwrap_or_else(|| panic!("{shown}"));
    assert!(draft.contains("user_id = \"42\""), "{draft}");
    let (draft, shown) = play(&["that one"]).await;
    let draft = draft.unwrap_or_else(|| panic!("{shown}"));
    assert!(draft.contains("user_id = \"TODO"), "{draft}");
    for none in [&["9"][..], &["0"], &[""], &["tickets"]] {
        let (draft, shown) = play(none).await;
        assert!(draft.is_none() && shown.contains("hint: choose"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_careless_y_lets_nothing_out() {
    // GIVEN messages of which one kind alone is what was said
    let site = Site::start().await;
    site.cluster.create_database("parts").await.unwrap();
    let parts = site.cluster.connect("parts").await.unwrap();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/init-fourth/parts/site.sql");
    parts
        .batch_execute(&std::fs::read_to_string(schema).unwrap())
        .await
        .unwrap();
    let url = site.cluster.superuser_url("parts");
    // WHEN a person answers y to everything
    let (draft, shown) = tokio::task::spawn_blocking(move || {
        let mut answers = 0;
        at_a_terminal(&url, |_| {
            answers += 1;
            if answers % 2 == 1 { "y" } else { "" }.to_owned()
        })
    })
    .await
    .unwrap();
    // THEN what decides who sees what stays open, and what is offered for a reply is what the customer sees
    let draft = draft.unwrap_or_else(|| panic!("{shown}"));
    in_order(
        &shown,
        &[
            "[message] where: ",
            "`y` is no answer here",
            "[reply.set] type: ",
            "perhaps: ",
        ],
    );
    in_order(
        &draft,
        &[
            "where = \"TODO: ",
            "type = \"'ConversationPart::Comment'\"",
            "author_id = \"TODO: ",
        ],
    );
    assert!(
        !draft.contains("perhaps: where = \"m.type in ('ConversationPart::Assignment')"),
        "{draft}"
    );
}
