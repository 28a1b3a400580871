//! What one flow hands to the next as a value is no truth of its own: what the tables say by then counts.

use deskie_cdc::model::{CaseId, Kind, MessageId};
use deskie_cdc::postgres::{ConnectUrl, Pool, SessionOptions, install_tls_provider};
use deskie_cdc::store::{NewRemote, NewWebhook, ReadCase, RemoteState, Store, WantedRead};

use super::support::Site;

/// The read that a webhook of message `id` asks for, as it is handed on.
async fn asked_for(store: &Store, id: i64) -> WantedRead {
    let webhook = NewWebhook {
        digest: vec![u8::try_from(id).unwrap()],
        case_id: CaseId(65),
        message_id: Some(MessageId(id)),
        message: None,
        ticket_key: None,
    };
    store.inbox().add(&webhook).await.unwrap();
    store.inbox().take().await.unwrap();
    let mut reads = store.handed().reads();
    assert_eq!(reads.len(), 1);
    reads.remove(0)
}

/// The read has brought message `id`, an agent's; how many wait for being written, where it was stored.
async fn stored(store: &Store, read: &WantedRead, id: i64) -> Option<i64> {
    let new = NewRemote {
        message_id: MessageId(id),
        state: RemoteState::Pending,
        reason: None,
        kind: Some(Kind::Agent),
        payload: Some(serde_json::json!({"content": "An answer"})),
        delivery: None,
    };
    let read_case = ReadCase {
        new: vec![new],
        wanted_at: read.ticket.read_wanted.unwrap().1,
        is_at_once: true,
        is_by_what_was_known: true,
        ..ReadCase::default()
    };
    let case = read.ticket.case_id.unwrap();
    store
        .remotes()
        .read(&read.ticket, case, &read_case)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_read_by_what_was_known_stores_nothing_once_more_is_known() {
    install_tls_provider();
    let site = Site::start().await;
    let url = ConnectUrl::parse(&site.admin_url()).unwrap();
    let store = Store::new(Pool::new(url, SessionOptions::new("test"), 4).unwrap(), "ours");
    site.client.batch_execute("create schema ours").await.unwrap();
    store.migrate().await.unwrap();
    // GIVEN a ticket with a case of which one message is known
    let given = "insert into ours.ticket (key, case_id, user_id) values ('A', 65, 7);
        insert into ours.remote (message_id, case_id, ticket_id, state, done_at) select 100, 65, id, 'ours', now() from ours.ticket";
    site.client.batch_execute(given).await.unwrap();
    let is = async |sql: &str| -> bool { site.client.query_one(sql, &[]).await.unwrap().get(0) };
    let is_wished = "select read_wanted = 0 from ours.ticket";
    // WHEN a webhook names another one, which turns out to be ours before the read is stored
    let read = asked_for(&store, 101).await;
    assert!(read.is_news);
    assert_eq!(read.known, Some(vec![MessageId(100)]));
    let sent = "insert into ours.link (section, key, ticket_id, state) select 'message', 'A1', id, 'delivered' from ours.ticket;
        insert into ours.delivery (position, ticket_id, link_id, section, author, body, state, call, message_id)
            select 1, ticket_id, id, 'message', 'customer', '{\"text\": \"x\", \"html\": \"x\"}', 'delivered', 'add_message', 101
            from ours.link";
    site.client.batch_execute(sent).await.unwrap();
    // THEN nothing of it is stored or handed on, and the case is read again
    assert_eq!(stored(&store, &read, 101).await, None);
    assert!(is("select not exists (select from ours.remote where message_id = 101)").await);
    assert!(is(is_wished).await && store.handed().remotes().is_empty());
    // AND so it is where a call of ours may have made a message whose number nobody knows
    let doubt = "update ours.delivery set state = 'doubt', message_id = null, doubt_since = now()";
    let read = asked_for(&store, 102).await;
    site.client.batch_execute(doubt).await.unwrap();
    assert_eq!(stored(&store, &read, 102).await, None);
    assert_eq!(asked_for(&store, 103).await.known, None);
    // AND a message that is nobody's else is stored, handed on, and what was asked for is done
    let settled = "update ours.delivery set state = 'delivered', message_id = 101, doubt_since = null";
    site.client.batch_execute(settled).await.unwrap();
    let read = asked_for(&store, 104).await;
    assert_eq!(stored(&store, &read, 104).await, Some(1));
    let handed = store.handed().remotes();
    let [remote] = &handed[..] else {
        panic!("{handed:?}")
    };
    assert_eq!((remote.message_id, remote.has_more), (MessageId(104), false));
    assert!(is("select read_wanted is null from ours.ticket").await);
    // AND behind one that waits nothing is handed on
    let read = asked_for(&store, 105).await;
    assert_eq!(stored(&store, &read, 105).await, Some(1));
    assert!(store.handed().remotes().is_empty());
}
