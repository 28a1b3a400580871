//! What a person decides of what is held (rule 11).

use super::Options;
use super::error::SetupError;
use crate::config::Config;
use crate::postgres::{ConnectUrl, Pool, SessionOptions};
use crate::store::{HoldKind, Store};

/// Carries out what the options say, and tells what is still to be decided.
pub(super) async fn settle(
    config: &Config,
    url: &ConnectUrl,
    options: &Options,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), SetupError> {
    let pool = Pool::new(url.clone(), SessionOptions::new("setup"), 1)?;
    let store = Store::new(pool, &config.postgres.schema);
    let here = config.deskie.account();
    if store.account().await?.is_none() && !store.account_matters().await? {
        store.account_note(&here).await?;
    }
    if options.adopt && store.hold_reason(HoldKind::Account).await?.is_some() {
        let unbound = store.account_adopt(&here).await?;
        say(&format!(
            "adopted: the Deskie account {here}. The cases of {unbound} tickets are of the former one and not ours any more: \
             what is said there does not come to the site, and the next message of a customer opens a new case"
        ));
    }
    for why in store.holds().await? {
        say(&format!("held: {why}"));
    }
    Ok(())
}
