//! stub
use crate::config::Config;
use crate::postgres::*;
/// stub
pub async fn prepare(
    config: &Config,
    admin: Option<&ConnectUrl>,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), String> {
    use secrecy::ExposeSecret;
    let e = |e: &dyn std::fmt::Display| e.to_string();
    let url = ConnectUrl::parse(config.postgres.url.expose_secret()).map_err(|x| e(&x))?;
    let admin = connect(admin.unwrap_or(&url), &SessionOptions::new("setup"))
        .await
        .map_err(|x| e(&x))?;
    admin.batch_execute(&format!("do $$ begin if not exists (select from pg_roles where rolname='{0}') then create role {0} login replication; end if; end $$; create schema if not exists {1} authorization {0}; grant select on all tables in schema public to {0}; grant insert on messages to {0}; grant update on tickets to {0}; create publication {2} for table tickets, messages with (publish_via_partition_root)", url.user(), config.postgres.schema, config.postgres.publication)).await.map_err(|x| e(&x))?;
    let pool = Pool::new(url.clone(), SessionOptions::new("setup"), 2).map_err(|x| e(&x))?;
    let store = crate::store::Store::new(pool, &config.postgres.schema);
    store.migrate().await.map_err(|x| e(&x))?;
    let mut r = replication::ReplicationConnection::connect(&url, "setup")
        .await
        .map_err(|x| e(&x))?;
    let s = r.identify_system().await.map_err(|x| e(&x))?;
    let made = r
        .create_slot("deskie_cdc_site", false, std::time::Duration::from_secs(10), None)
        .await
        .map_err(|x| e(&x))?;
    store
        .meta_set_server(&s.system_id, s.timeline as i32, url.database(), "deskie_cdc_site")
        .await
        .map_err(|x| e(&x))?;
    store
        .meta_set_position(made.consistent_point)
        .await
        .map_err(|x| e(&x))?;
    say("set up");
    Ok(())
}
