//! What stands behind something parked costs a look for work nothing, and is there again once that is decided.

use deskie_cdc::postgres::{ConnectUrl, Pool, SessionOptions, install_tls_provider};
use deskie_cdc::store::Store;

use super::support::Site;

/// Lanes by their letters. Parked: the first of A, the second of B, the first of F; of C a captured change; of E a status,
/// which holds up no message. All else is queued.
const LANES: &str = "
    insert into ours.ticket (key, case_id, user_id) select l, ascii(l), 7 from unnest('{A,B,C,D,E,F}'::text[]) l;
    insert into ours.link (section, key, ticket_id, state)
        select 'message', t.key || n, t.id, 'queued' from ours.ticket t, generate_series(1, 3) n order by n, t.id;
    insert into ours.delivery (position, ticket_id, link_id, section, author, body, state, act, call)
        select 10 * substr(l.key, 2)::int, l.ticket_id, l.id, 'message', 'customer', jsonb_build_object('text', 'x', 'html', 'x'),
            case when l.key in ('A1', 'B2', 'E1', 'F1') then 'parked' else 'queued' end,
            case when l.key = 'E1' then 'status' else 'message' end, 'add_message'
        from ours.link l order by l.id;
    insert into ours.parked_event (id, xid, commit_lsn, committed_at, schema_name, table_name, op, echo, found, ticket_id, position, error)
        select 3, '3', '0/3', now(), 'public', 'messages', 'I', false, false, id, 5, 'why' from ours.ticket where key = 'C'";

/// The keys of what could be sent.
async fn heads(store: &Store, site: &Site) -> String {
    let heads = store.deliveries().lane_heads(16, &[]).await.unwrap();
    let ids: Vec<i64> = heads.deliveries.iter().map(|delivery| delivery.id.0).collect();
    let sql = "select coalesce(string_agg(l.key, ' ' order by l.key), '') from ours.delivery d
        join ours.link l on l.id = d.link_id where d.id = any($1)";
    site.client.query_one(sql, &[&ids]).await.unwrap().get(0)
}

/// The keys of what is left out.
async fn marked(site: &Site) -> String {
    let sql = "select coalesce(string_agg(l.key, ' ' order by l.key), '') from ours.delivery d
        join ours.link l on l.id = d.link_id where d.behind is not null";
    site.client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn what_stands_behind_something_parked_is_left_out_until_that_is_decided() {
    install_tls_provider();
    let site = Site::start().await;
    let url = ConnectUrl::parse(&site.admin_url()).unwrap();
    let store = Store::new(Pool::new(url, SessionOptions::new("test"), 4).unwrap(), "ours");
    site.client.batch_execute("create schema ours").await.unwrap();
    store.migrate().await.unwrap();
    // GIVEN lanes in which something is parked, and one of which another session is just deciding
    site.client.batch_execute(LANES).await.unwrap();
    let decided = |key: &str| {
        format!(
            "update ours.delivery set state = 'discarded' where link_id = (select id from ours.link where key = '{key}')"
        )
    };
    let other = site.connect().await;
    other
        .batch_execute(&format!("begin; {}", decided("F1")))
        .await
        .unwrap();
    assert_eq!(heads(&store, &site).await, "B1 D1 E2");
    // WHEN it is marked what stands behind
    store.deliveries().mark_behind().await.unwrap();
    // THEN it is that, and the same can be sent as before
    assert_eq!(marked(&site).await, "A2 A3 B3 C1 C2 C3");
    assert_eq!(heads(&store, &site).await, "B1 D1 E2");
    // WHEN it is decided, whoever does that
    other.batch_execute("commit").await.unwrap();
    site.client.batch_execute(&decided("A1")).await.unwrap();
    site.client
        .batch_execute("delete from ours.parked_event")
        .await
        .unwrap();
    // THEN the next ones are there at once
    assert_eq!(marked(&site).await, "B3");
    assert_eq!(heads(&store, &site).await, "A2 B1 C1 D1 E2 F2");
    // AND a mark that is no longer true goes with the next round: the row stands before what is parked now
    let before =
        "update ours.delivery set position = 1 where link_id = (select id from ours.link where key = 'B3')";
    site.client.batch_execute(before).await.unwrap();
    store.deliveries().mark_behind().await.unwrap();
    assert_eq!(
        (marked(&site).await, heads(&store, &site).await),
        (String::new(), "A2 B3 C1 D1 E2 F2".into())
    );
}
