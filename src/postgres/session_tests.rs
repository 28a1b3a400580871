//! The list against a real server.

use super::session::SETTINGS;
use super::testing::Cluster;

#[tokio::test]
async fn the_list_names_what_the_server_has_and_since_when() {
    let cluster = Cluster::start(&[], "");
    let client = cluster.client().await;
    let major = super::catalog::server_facts(&client)
        .await
        .expect("facts")
        .major();
    for setting in &SETTINGS {
        let sql = "SELECT pg_catalog.current_setting($1, true) IS NOT NULL";
        let row = client.query_one(sql, &[&setting.name]).await.expect("a row");
        let is_there: bool = row.get(0);
        assert_eq!(is_there, major >= i32::from(setting.since), "{}", setting.name);
    }
}
