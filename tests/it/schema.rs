//! Our own tables: what they say of themselves, which words they take, and how those of an older version come up to date.

use std::collections::BTreeSet;

use deskie_cdc::model::{CallKind, DeliveryState, Kind, Op, Section, Word};
use deskie_cdc::postgres::{ConnectUrl, Pool, SessionOptions, install_tls_provider};
use deskie_cdc::store::{
    Act, Done, HoldKind, InboxKind, InboxState, LinkState, RemoteState, Store, Via, Way,
};

use crate::support::Site;

async fn store_in(site: &Site, schema: &str) -> Store {
    install_tls_provider();
    let url = ConnectUrl::parse(&site.admin_url()).unwrap();
    let sql = format!("create schema if not exists {schema}");
    site.client.batch_execute(&sql).await.unwrap();
    Store::new(Pool::new(url, SessionOptions::new("test"), 2).unwrap(), schema)
}

async fn texts(site: &Site, sql: &str) -> Vec<String> {
    let rows = site.client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The words that a column may hold, by its CHECK, that the program does not know.
async fn unknown_words<W: Word>(site: &Site, column: &str) -> Vec<String> {
    let (table, name) = column.split_once('.').unwrap();
    let sql = format!(
        "select w[1] from pg_constraint c, regexp_matches(pg_get_constraintdef(c.oid), '''(\\w+)''', 'g') w
         where c.conname = '{table}_{name}_check' and c.conrelid = 'ours.{table}'::regclass"
    );
    let mut taken = texts(site, &sql).await;
    for word in W::WORDS {
        let place = taken.iter().position(|taken| taken == word.word());
        let Some(place) = place else {
            panic!("{column} does not take `{}`", word.word())
        };
        taken.swap_remove(place);
    }
    taken
}

#[tokio::test]
async fn the_tables_explain_themselves_and_take_the_words_that_the_program_knows() {
    let site = Site::start().await;
    let store = store_in(&site, "ours").await;
    store.migrate().await.unwrap();
    // Each table and column says what it is for.
    let silent = "select c.relname || coalesce('.' || a.attname, '') from pg_class c
        left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'ours'::regnamespace and c.relkind = 'r' and c.relname <> 'migration'
          and (obj_description(c.oid, 'pg_class') is null or col_description(c.oid, a.attnum) is null)";
    assert_eq!(texts(&site, silent).await, Vec::<String>::new());
    // What the program reads as an enum is checked, and by the same words.
    let nothing = Vec::<String>::new();
    assert_eq!(unknown_words::<Section>(&site, "link.section").await, nothing);
    assert_eq!(unknown_words::<LinkState>(&site, "link.state").await, nothing);
    assert_eq!(unknown_words::<Section>(&site, "delivery.section").await, nothing);
    assert_eq!(
        unknown_words::<DeliveryState>(&site, "delivery.state").await,
        nothing
    );
    assert_eq!(unknown_words::<CallKind>(&site, "delivery.call").await, nothing);
    assert_eq!(unknown_words::<Kind>(&site, "delivery.author").await, nothing);
    assert_eq!(unknown_words::<Act>(&site, "delivery.act").await, ["held"]);
    assert_eq!(unknown_words::<Op>(&site, "event.op").await, nothing);
    assert_eq!(unknown_words::<Op>(&site, "parked_event.op").await, nothing);
    assert_eq!(unknown_words::<Kind>(&site, "remote.kind").await, nothing);
    assert_eq!(unknown_words::<HoldKind>(&site, "hold.kind").await, nothing);
    assert_eq!(unknown_words::<Via>(&site, "audit.via").await, nothing);
    assert_eq!(unknown_words::<Done>(&site, "audit.act").await, nothing);
    assert_eq!(unknown_words::<Way>(&site, "pause.way").await, nothing);
    assert_eq!(unknown_words::<InboxKind>(&site, "inbox.kind").await, nothing);
    assert_eq!(unknown_words::<InboxState>(&site, "inbox.state").await, nothing);
    let mut later = unknown_words::<RemoteState>(&site, "remote.state").await;
    later.sort();
    assert_eq!(later, ["discarded", "written"]);
}

/// What stands in the tables of the first version: a ticket with its case, a message that is parked, and a reply.
const FIRST: &str = "
    create table ours.migration (step integer primary key, at timestamptz default now(), version text);
    insert into ours.migration (step, version) values (1, '0.0.1');
    insert into ours.ticket (key, case_id, case_number) values ('7', 1001, '130-809267');
    insert into ours.link (section, key, ticket_id, state) values
        ('ticket', '7', 1, 'delivered'), ('message', '70', 1, 'parked');
    insert into ours.delivery (position, ticket_id, link_id, section, author, state, call, message_id) values
        (0, 1, 1, 'ticket', 'customer', 'delivered', 'create_case', 900);
    insert into ours.delivery (position, ticket_id, link_id, section, author, body, state, error) values
        (2, 1, 2, 'message', 'customer', '{\"text\": \"hello\", \"html\": \"\"}', 'parked', 'refused');
    insert into ours.remote (message_id, case_id, ticket_id, state, kind) values (901, 1001, 1, 'written', 'agent');";

#[tokio::test]
async fn the_first_versions_tables_come_up_to_date_with_what_is_in_them() {
    let site = Site::start().await;
    // GIVEN the tables as the first step made them, with data
    let store = store_in(&site, "ours").await;
    let first = include_str!("../../sql/0001_state.sql").replace("{schema}", "ours");
    site.client.batch_execute(&first).await.unwrap();
    site.client.batch_execute(FIRST).await.unwrap();
    // WHEN this version starts; and another instance at the same time
    let (one, other) = tokio::join!(store.migrate(), store.migrate());
    // THEN each step was taken once, and they are the tables that a new installation has
    let steps = one.unwrap() + other.unwrap();
    let new = store_in(&site, "fresh").await;
    assert_eq!(new.migrate().await.unwrap(), steps + 1);
    assert_eq!(store.migrate().await.unwrap(), 0);
    let shape = |schema: &str| {
        format!(
            "select format('%s.%s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull)
             from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
             where c.relnamespace = '{schema}'::regnamespace and c.relkind in ('r', 'i')
             union all select conrelid::regclass::name || ' ' || conname || ' ' || pg_get_constraintdef(oid)
             from pg_constraint where connamespace = '{schema}'::regnamespace order by 1"
        )
    };
    let (ours, fresh) = (shape("ours"), shape("fresh"));
    let unqualified = |lines: Vec<String>| -> BTreeSet<String> {
        let plain = |line: String| line.replace("ours.", "").replace("fresh.", "");
        lines.into_iter().map(plain).collect()
    };
    let (ours, fresh) = (
        unqualified(texts(&site, &ours).await),
        unqualified(texts(&site, &fresh).await),
    );
    let different: Vec<&String> = ours.symmetric_difference(&fresh).collect();
    assert!(different.is_empty() && !ours.is_empty(), "{different:#?}");
    // AND what stood there is read as before
    let ticket = store.tickets().of_key("7").await.unwrap().remove(0);
    assert_eq!(ticket.case_number.as_deref(), Some("130-809267"));
    let parked = store.parked().list(None, 0, None).await.unwrap();
    assert_eq!(
        parked
            .iter()
            .map(|item| (item.id.to_string(), item.error.as_str()))
            .collect::<Vec<_>>(),
        [("d2".to_owned(), "refused")]
    );
    assert_eq!(store.parked().retry(None, "").await.unwrap(), 1);
    assert_eq!(
        store
            .deliveries()
            .lane_heads(5, &[])
            .await
            .unwrap()
            .deliveries
            .len(),
        1
    );
}
