//! What is odd in an ordeal: rows, files, messages, cases, lists and webhooks that somebody has to choke on.
//!
//! Each oddity has a token like everything else, so that it is known in the end whether it came. What parks until the site
//! is mended makes its ticket a poisoned one; all other tickets have to be whole before that.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use deskie_cdc_sandbox::simulator::{
    Action, Agent, Fault, FaultKind, Match, Options, Says, Simulator, Spoilt,
};
use deskie_cdc_sandbox::simulator::{CaseId, StaffId};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio_postgres::{Client, Error};
use tokio_util::sync::CancellationToken;

use crate::support::{Building, Stage, Workplace};

/// The site's end of it: a mapping that raises what a row says, constraints and triggers that refuse, files, customers
/// without an address that Deskie takes, and an order of the rows that does not hang on their keys.
const SCHEMA: &str = r#"
create sequence written;
alter table messages add written bigint not null default nextval('written');
alter table tickets add meta json;
create table files (id bigint generated always as identity primary key,
    message_id bigint not null references messages on delete cascade, name text, mime text, content bytea);
grant usage on sequence written to public;
create function touchy(word text) returns text language plpgsql as $$ begin
    if word like '%raises %' then
        raise exception 'no' using errcode = substr(word, strpos(word, 'raises ') + 7, 5);
    end if;
    return word;
end $$;
create function meant(meta json) returns text language sql as $$ select ((meta->>'order')::int8 + 1)::text $$;
create function refuse() returns trigger language plpgsql as $$ begin
    if new.author <> 'customer' and new.body like '%raises %' then
        raise exception 'no' using errcode = substr(new.body, strpos(new.body, 'raises ') + 7, 5);
    end if;
    return new;
end $$;
create trigger refuse before insert on messages for each row execute function refuse();
alter table messages add constraint polite check (author = 'customer' or body not like '%rude%');
alter table tickets add constraint polite check (body not like '%rude%');
insert into users (email, full_name) values
    ('nobody', 'No Address'), ('', 'Nothing'), ('two words@example.com', E'Tab\tand\nline'), ('@', ''),
    ('İPEK@örnek.com.tr', chr(8238) || 'olleh'), (repeat('x', 300) || '@example.com', repeat('ş', 5000)),
    ('o''brien+"tag"@example.com', '<b>&amp;'), ('null@example.com', 'NULL');
"#;

/// Customers whom nobody can have as one are 6 to 9; odd ones who can be, 10 to 13.
const NO_CUSTOMERS: std::ops::RangeInclusive<i64> = 6..=9;
const ODD_CUSTOMERS: std::ops::RangeInclusive<i64> = 10..=13;

/// What a person does about it in the end.
const MEND: &str = "
    create or replace function touchy(word text) returns text language sql as 'select word';
    create or replace function meant(meta json) returns text language sql as 'select null::text';
    drop trigger refuse on messages;
    alter table messages drop constraint polite;
    alter table tickets drop constraint polite;
    update users set email = 'mended' || id || '@example.com' where id between 6 and 9;
    update files set name = 'mended.txt', mime = 'text/plain', content = '\\x20' where name is null or name = '' or content is null;
";

const CASE: &str = "[case]\nsql = [\n\
    \"insert into users (email, full_name) values (:customer_email, coalesce(:customer_name, 'x')) on conflict do nothing\",\n\
    \"insert into tickets (user_id, subject, body) select id, coalesce(:subject, ''), :text from users where email = :customer_email returning id\"\n\
    ]\n\n[postgres]\n";

const FILES: &str = "[[attachment]]\nof = \"message\"\ntable = \"files\"\nparent = \"message_id\"\nname = \"name\"\n\
    mime = \"mime\"\nbytes = \"content\"\n\n[reply]\n";

/// What an expression or a trigger may raise about one row: all that is neither the connection's nor a reason to wait.
const CODES: [&str; 16] = [
    "39000", "38001", "54001", "XX000", "XX001", "22P02", "22P05", "22008", "F0000", "42883", "42501",
    "0A000", "3F000", "21000", "23514", "P0001",
];

/// The same, where a mapping reads: it asks for nothing that others hold.
const READ_CODES: [&str; 2] = ["57014", "53200"];

const TIMES: [&str; 7] = [
    "infinity",
    "-infinity",
    "0044-03-15 BC",
    "294276-12-31",
    "0001-01-01",
    "1970-01-01",
    "9999-12-31 23:59:59+14",
];

/// Texts that stand behind a token.
const WORDS: [&str; 8] = [
    r"\u0000 \x00 \0 %00 &#0;",
    "\u{202e}sola\u{2066} \u{feff}\u{fffe}\u{10ffff}",
    "\u{1}\u{7}\u{1b}[31m\u{7f}\u{85}\u{2028}\u{2029}\r\r\n",
    "<p><font><ul><table><!-- ]]> <script>alert(1)</script><style>",
    "$1 %s {0} {{x}} ${HOME} :ticket :text [case_id] ; drop table messages; --",
    "I\u{307}\u{131}\u{130}\u{df}\u{fb01}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "NaN Infinity 1e400 -9223372036854775809 0x10 ''",
    "'\"\\`´’\u{0}",
];

/// What a case's ticket field may hold that somebody filled in.
const CLAIMS: [&str; 6] = ["-1", "99999999999999999999999", " 1 ", "null", "1;2", "\u{1f4a3}"];

const WEBHOOKS: [&str; 16] = [
    "",
    " ",
    "null",
    "[]",
    "{}",
    "{",
    "\u{feff}{\"case_id\": 1}",
    "{\"case_id\": null}",
    "{\"case_id\": {\"a\": [1]}}",
    "{\"case_id\": -1}",
    "{\"case_id\": 0}",
    "{\"case_id\": 99999999999999999999999999}",
    "{\"case_id\": 1e400}",
    "{\"case_id\": \"\\u0000\"}",
    "{\"case_id\": \"9223372036854775807\", \"last_message_id\": \"-9223372036854775808\"}",
    "case_id=1&case_id=2&%00=%ff",
];

/// Which one of so many is odd, and what has become of it.
pub struct Poison {
    every: u32,
    /// The site's tickets that something odd may park.
    pub tickets: Mutex<HashSet<i64>>,
    /// The same of Deskie's cases.
    pub cases: Mutex<HashSet<i64>>,
    /// What Deskie does not show for a while.
    pub late: Mutex<HashSet<String>>,
    keys: AtomicI64,
    spoilt: AtomicUsize,
}

/// A file's name, type and content.
type OddFile<'a> = (Option<&'a str>, &'a str, Option<&'a [u8]>);

/// A list that is spoilt is asked for in smaller and smaller pieces: so many at most.
const SPOILT: usize = 24;

fn some<'a, T: ?Sized>(of: &[&'a T], random: &mut StdRng) -> &'a T {
    of[random.random_range(0..of.len())]
}

/// A long text, seldom one of a megabyte: each read of its case brings that again.
fn long(random: &mut StdRng) -> String {
    let size = match random.random_range(0..40) {
        0 => 1_000_000,
        1..10 => 70_000,
        _ => 5_000,
    };
    "uzun söz ".repeat(size / 10)
}

impl Poison {
    /// One of `every` is odd.
    pub fn new(every: u32) -> Poison {
        Poison {
            every,
            tickets: Mutex::default(),
            cases: Mutex::default(),
            late: Mutex::default(),
            keys: AtomicI64::new(1),
            spoilt: AtomicUsize::new(0),
        }
    }

    /// A site, a Deskie and a config for it.
    pub fn stage(building: Building) -> Building {
        building
            .schema(SCHEMA)
            .deskie(Poison::people)
            .config("[postgres]\n", CASE)
            .config("[reply]\n", FILES)
            .config("author = \"author\"\nbody = \"body\"", "author = \"author\"\nbody = \"touchy(m.body)\"")
            .config("subject = \"subject\"\nbody = \"body\"", "subject = \"touchy(t.subject)\"\nbody = \"body\"\nwait = \"1s\"\nfields.cf_30 = \"meant(t.meta)\"")
    }

    fn people(options: &mut Options) {
        let names = ["\u{0}", "Deniz\u{0}\u{202e}\r\nArslan", " "].map(str::to_owned);
        let long = std::iter::once("Uzun ".repeat(2_000));
        for (name, staff_id) in names.into_iter().chain(long).zip(51_000..) {
            options.agents.push(Agent {
                staff_id: StaffId(staff_id),
                email: format!("agent{staff_id}@example.com"),
                full_name: name,
                active: true,
            });
        }
    }

    /// The next one is odd.
    pub fn strikes(&self, random: &mut StdRng) -> bool {
        self.every > 0 && random.random_range(0..self.every) == 0
    }

    fn parks(&self, ticket: i64) {
        self.tickets.lock().unwrap().insert(ticket);
    }

    /// An odd ticket; its key.
    pub async fn ticket(&self, client: &Client, random: &mut StdRng, token: &str) -> Result<i64, Error> {
        let (mut user, mut subject, mut meta) = (random.random_range(1..=5_i64), token.to_owned(), None);
        let (mut key, mut at) = (None, "now".to_owned());
        let mut parks = false;
        match random.random_range(0..8) {
            0 => (user, parks) = (random.random_range(NO_CUSTOMERS), true),
            1 => user = random.random_range(ODD_CUSTOMERS),
            2 => subject = some(&["", " \n", "\u{202e}x", "\u{200b}"], random).to_owned(),
            3 => subject = long(random),
            4 => {
                let odd = [
                    "\"twelve\"",
                    "{\"a\": []}",
                    "1e400",
                    "9223372036854775807",
                    "\"\\u0000\"",
                    "[null]",
                ];
                (meta, parks) = (Some(format!("{{\"order\": {}}}", some(&odd, random))), true);
            }
            5 => (subject, parks) = (format!("raises {}", self.code(random)), true),
            6 => at = some(&TIMES, random).to_owned(),
            _ => {
                let n = self.keys.fetch_add(1, Ordering::Relaxed);
                key = Some(*some(&[&-n, &(i64::MAX - n), &(i64::MIN + n)], random));
            }
        }
        let body = format!("{token} {}", some(&WORDS, random).replace('\0', ""));
        let sql = "insert into tickets (id, user_id, subject, body, meta, created_at) overriding system value
            values (coalesce($1, nextval(pg_get_serial_sequence('tickets', 'id'))), $2, $3, $4, $5::text::json, $6::text::timestamptz)
            returning id";
        let row = client
            .query_one(sql, &[&key, &user, &subject, &body, &meta, &at])
            .await?;
        let ticket = row.get(0);
        if parks {
            self.parks(ticket);
        }
        Ok(ticket)
    }

    fn code(&self, random: &mut StdRng) -> &'static str {
        some(&[CODES.as_slice(), READ_CODES.as_slice()].concat(), random)
    }

    /// An odd message of a customer's.
    pub async fn row(
        &self,
        client: &Client,
        random: &mut StdRng,
        ticket: i64,
        token: &str,
    ) -> Result<(), Error> {
        let (mut body, mut at, mut key) = (format!("{token} odd"), "now", None);
        let mut file: Option<OddFile<'_>> = None;
        match random.random_range(0..12) {
            0 => at = some(&TIMES, random),
            1..3 => {
                body = format!("{token} raises {}", self.code(random));
                self.parks(ticket);
            }
            3 => {
                let n = self.keys.fetch_add(1, Ordering::Relaxed);
                key = Some(*some(&[&-n, &(i64::MAX - n), &(i64::MIN + n)], random));
            }
            4 => body = format!("{token} {}", long(random)),
            // Nothing that could be sent.
            5 => body = some(&["", " ", "\r\n\t", "\u{feff}", "\u{200b}\u{2060}"], random).to_owned(),
            6..10 => {
                let names = [
                    Some("../../etc/passwd"),
                    Some("CON.txt"),
                    Some("a\nb\".txt"),
                    Some("\u{202e}gpj.exe"),
                    Some("."),
                    Some("şğı.pdf"),
                    Some(""),
                    None,
                ];
                let name = names[random.random_range(0..names.len())];
                let mime = some(
                    &["", "text/plain", "x", "text/html; charset=\n", "../..", "a/b/c"],
                    random,
                );
                let content: [Option<&[u8]>; 4] = [Some(b"x"), Some(b""), None, Some(&[0, 255, 13, 10])];
                file = Some((name, mime, content[random.random_range(0..content.len())]));
            }
            _ => body = format!("{token} {}", some(&WORDS, random).replace('\0', "")),
        }
        let sql = "with m as (insert into messages (id, ticket_id, author, body, created_at) overriding system value
                values (coalesce($1, nextval(pg_get_serial_sequence('messages', 'id'))), $2, 'customer', $3, $4::text::timestamptz)
                returning id)
            insert into files (message_id, name, mime, content) select id, $5, $6, $7 from m where $8";
        let (name, mime, content) = file.unwrap_or((None, "", None));
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
            [&key, &ticket, &body, &at, &name, &mime, &content, &file.is_some()];
        client.execute(sql, &values).await?;
        Ok(())
    }

    /// Something odd in Deskie: a message in this case, or a new case.
    pub fn deskie(&self, simulator: &Simulator, random: &mut StdRng, case: CaseId, token: &str) {
        let parks = || self.cases.lock().unwrap().insert(case.0);
        let says = match random.random_range(0..12) {
            0 | 1 => {
                parks();
                Says::text(format!("{token} raises {}", some(&CODES, random)))
            }
            2 => {
                parks();
                Says::text(format!("{token} rude"))
            }
            3 => Says::text(""),
            4 => Says::text(format!("{token} {}", long(random))),
            5 => Says::html(format!("{token} söz {}", "<p><font a=1>".repeat(600))),
            6 => Says {
                staff: Some(StaffId(random.random_range(51_000..51_004))),
                ..Says::text(format!("{token} by somebody"))
            },
            7 => Says::text(format!("{token} files"))
                .with_file(
                    some(&["../../x\".txt", "", "a\u{0}b", "\r\n"], random),
                    "x/\n",
                    b"",
                )
                .with_file("x", "", &[0; 9]),
            8 => return self.case(simulator, random, token),
            9 | 10 => {
                // What is in doubt there stays it while one of its messages cannot be read.
                parks();
                let text = format!("{token} seldom seen");
                self.spoil(simulator, Match::ListMessages, &text, token, random);
                Says::text(text)
            }
            _ => Says::text(format!("{token} {}", some(&WORDS, random))),
        };
        let said = match random.random_bool(0.5) {
            true => simulator.agent_reply(case, says),
            false => simulator.customer_mail_reply(case, says),
        };
        said.expect("a message in Deskie");
    }

    /// Somebody writes to the support address.
    fn case(&self, simulator: &Simulator, random: &mut StdRng, token: &str) {
        let mut subject = some(&["", "\u{202e}\r\nBcc: x", "Soru\u{0}"], random).to_owned();
        let mut text = format!("{token} by mail");
        let is_rude = random.random_bool(0.25);
        match random.random_range(0..4) {
            0 => subject = long(random),
            1 => {
                subject = format!("{token} seldom listed");
                self.spoil(simulator, Match::ListCases, &subject, token, random);
            }
            _ if is_rude => text = format!("{token} rude"),
            _ => {}
        }
        let from = some(
            &[
                "x@y",
                "İ@örnek.com",
                "a b@example.com",
                "o'brien\"@example.com",
                "@",
            ],
            random,
        );
        let action = Action::CreateCaseByMail {
            user_email: format!("{}{from}", token.trim_end_matches(';')),
            user_full_name: some(&["", "\u{0}", "<b>&amp;"], random).to_owned(),
            subject,
            says: Says::text(text),
        };
        let case = simulator.act(action).expect("a case").case_id.expect("a case");
        if is_rude {
            self.cases.lock().unwrap().insert(case.0);
        }
        if random.random_bool(0.2) {
            let value = some(&CLAIMS, random).to_owned();
            let field = 25;
            simulator
                .act(Action::SetField { case, field, value })
                .expect("a field");
        }
    }

    /// Deskie does not show this as it should until all is well again.
    fn spoil(&self, simulator: &Simulator, matches: Match, says: &str, token: &str, random: &mut StdRng) {
        use Spoilt::{CutOff, Empty, Fault as Refused, NoId, Nul, Null, Surrogate, Text};
        if self.spoilt.fetch_add(1, Ordering::Relaxed) >= SPOILT {
            return;
        }
        let how = *some(
            &[&Nul, &Surrogate, &Null, &Text, &NoId, &Empty, &CutOff, &Refused],
            random,
        );
        self.late
            .lock()
            .unwrap()
            .insert(token.trim_end_matches(';').to_owned());
        let says = says.to_owned();
        simulator.add_fault(Fault::on(matches, FaultKind::Spoil { says, how }).times(u32::MAX));
    }

    /// Somebody who knows the secret posts nonsense.
    pub async fn webhooks(&self, workplace: &Workplace, mut random: StdRng, stop: &CancellationToken) {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()
            .expect("a client");
        while self.every > 0 && !stop.is_cancelled() {
            let body = match random.random_range(0..20) {
                0 => format!("{{\"case_id\": \"{}\"}}", "9".repeat(1_000_000)),
                1 => "[".repeat(100),
                _ => some(&WEBHOOKS, &mut random).to_owned(),
            };
            // Nobody is there now and then.
            let _ = client.post(workplace.webhook_url()).body(body).send().await;
            tokio::time::sleep(Duration::from_millis(random.random_range(50..400))).await;
        }
    }

    /// Tickets of which something is parked; a panic where nothing odd is the cause.
    pub async fn parked(&self, stage: &Stage) -> HashSet<i64> {
        let rows = stage.query(PARKED, &[]).await;
        let (tickets, cases) = (self.tickets.lock().unwrap(), self.cases.lock().unwrap());
        let mut parked = HashSet::new();
        for row in rows {
            let (what, ticket, case): (String, Option<i64>, Option<i64>) =
                (row.get(0), row.get(1), row.get(2));
            let is_odd = ticket.is_some_and(|ticket| tickets.contains(&ticket))
                || case.is_some_and(|case| cases.contains(&case));
            // A case that was being opened may be what a spoilt list shows as an odd entry: only a person can tell.
            let is_hidden = case.is_none()
                && what.contains("what cannot be read in Deskie")
                && self.spoilt.load(Ordering::Relaxed) > 0;
            assert!(
                is_odd || is_hidden,
                "{what} is parked, ticket {ticket:?}, case {case:?}: nothing of it is odd"
            );
            parked.extend(ticket);
        }
        parked
    }

    /// A person mends what is odd on the site, and has all of it tried again.
    pub async fn mend(&self, stage: &Stage) {
        stage.sql(MEND).await;
        stage.workplace.command(&["failed", "retry", "--all"]).await.ok();
    }
}

/// What is parked: what it is and why, its ticket, its case. Files alone stop nothing.
const PARKED: &str = "
    select 'd' || d.id || ' ' || d.act || ': ' || d.error, t.key::int8, t.case_id
        from deskie_cdc.delivery d join deskie_cdc.ticket t on t.id = d.ticket_id where d.state = 'parked' and d.act <> 'file'
    union all select 'r' || r.message_id || ': ' || r.error, t.key::int8, r.case_id
        from deskie_cdc.remote r left join deskie_cdc.ticket t on t.id = r.ticket_id where r.state = 'parked'
    union all select 'c' || b.case_id || ': ' || b.error, null, b.case_id from deskie_cdc.birth b where b.state = 'parked'
    union all select 's' || w.ticket_id || ': ' || w.error, t.key::int8, t.case_id
        from deskie_cdc.status_write w join deskie_cdc.ticket t on t.id = w.ticket_id where w.state = 'parked'
    union all select 'e' || e.id || ': ' || e.error, e.ticket_key::int8, null from deskie_cdc.parked_event e where e.state = 'parked'
    union all select 'x' || b.xid::text, null, null from deskie_cdc.bulk b where held_since is not null";
