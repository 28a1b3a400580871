//! `init`.

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
            "table = \"public.tickets\"   # guessed by its name, its column subject, messages refers to it",
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
