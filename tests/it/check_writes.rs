//! `check` and what the mapping writes: nothing stays, nothing stands in another's ticket, and all of it is told in one pass.

use serde_json::Value;

use crate::check::set_up;
use crate::support::{Site, Workplace};

async fn codes(work: &Workplace) -> Vec<(String, String, String)> {
    let checked = work.command(&["check", "--json"]).await;
    let list: Vec<Value> = serde_json::from_str(&checked.stdout).unwrap_or_default();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    list.iter()
        .map(|one| (text(one, "code"), text(one, "message"), text(one, "mend")))
        .collect()
}

async fn messages(site: &Site) -> i64 {
    let rows = site.client.query_one("select count(*) from messages", &[]).await;
    rows.unwrap().get(0)
}

#[tokio::test]
async fn a_statement_that_ends_the_transaction_is_refused_by_its_place_and_nothing_stays() {
    let (site, _deskie, work) = set_up().await;
    let right = std::fs::read_to_string(work.config_file()).unwrap();
    let before = messages(&site).await;
    for statement in [
        "commit",
        "END",
        "; Rollback",
        "-- x\n commit",
        "/* a /* b */ c */ prepare transaction 'x'",
        "begin",
        "start transaction",
        "savepoint x",
        "release x",
        "abort",
    ] {
        let statement = statement.replace('\n', "\\n");
        for (from, to) in [
            ("after = [\"", format!("after = [\"{statement}\", \"")),
            ("[reply]\n", format!("[reply]\nattachments = [\"{statement}\"]\n")),
            (
                "[postgres]\n",
                format!("[case]\nsql = [\"{statement}\"]\n\n[postgres]\n"),
            ),
            (
                "[postgres]\n",
                format!("[status]\nsql = [\"{statement}\"]\n\n[postgres]\n"),
            ),
        ] {
            work.write_config(&right);
            work.change_config(from, &to);
            for command in ["check", "run"] {
                let refused = work.command(&[command]).await.exits(2);
                assert!(
                    refused.stderr.contains("is transaction control") && refused.stderr.contains("--> "),
                    "{statement} {}",
                    refused.stderr
                );
            }
        }
    }
    assert_eq!(before, messages(&site).await);
    // AND what only begins with such a word is none
    work.write_config(&right);
    work.change_config("after = [\"", "after = [\"select 'commit' as commit\", \"");
    work.command(&["check"]).await.ok();
    // AND a NUL is told by its place
    work.change_config("subject = \"subject\"", "subject = \"'\\u0000'\"");
    let refused = work.command(&["check"]).await.exits(2);
    assert!(
        refused.stderr.contains("holds a NUL") && refused.stderr.contains("--> "),
        "{}",
        refused.stderr
    );
}

#[tokio::test]
async fn triggers_that_keep_or_move_the_row_are_named() {
    let (site, _deskie, work) = set_up().await;
    // GIVEN a trigger that moves the row to another ticket
    let sql = "create function away() returns trigger language plpgsql as $$ begin new.ticket_id = 1; return new; end $$;
        create trigger away before insert on messages for each row execute function away()";
    site.client.batch_execute(sql).await.unwrap();
    let told = codes(&work).await;
    let moved = told.iter().filter(|(code, ..)| code == "reply_other_ticket");
    assert_eq!(moved.count(), 2, "{told:?}");
    // GIVEN one that keeps it from being written
    let sql =
        "create or replace function away() returns trigger language plpgsql as 'begin return null; end'";
    site.client.batch_execute(sql).await.unwrap();
    let told = codes(&work).await;
    assert!(
        told.iter()
            .any(|(code, message, _)| code == "no_row_written" && message.contains("away (public.away)")),
        "{told:?}"
    );
    assert!(
        told.iter()
            .all(|(_, message, _)| !message.contains("deskie_cdc.row")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_clock_that_is_off_hides_no_error_behind_it() {
    let (site, _deskie, work) = set_up().await;
    let sql = "alter table messages alter created_at type timestamp using created_at at time zone 'Europe/Istanbul';
        alter database site set timezone = 'Europe/Istanbul'";
    site.client.batch_execute(sql).await.unwrap();
    work.change_config("after = [\"", "after = [\"select 1/0\", \"");
    work.change_config(
        "created_at = \"created_at\"\n\n[reply]",
        "created_at = \"m.created_at at time zone 'Europe/Istanbul'\"\n\n[reply]",
    );
    let told = codes(&work).await;
    for code in ["reply_other_time", "write_back"] {
        assert_eq!(
            told.iter().filter(|(one, ..)| one == code).count(),
            2,
            "{code} {told:?}"
        );
    }
    assert!(
        told.iter()
            .any(|(_, message, _)| message.contains("division by zero"))
    );
}
