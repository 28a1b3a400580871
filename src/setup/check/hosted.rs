//! What the provider of the database adds: its own steps where something is missing.

use super::Checks;
use crate::postgres::provider::{Provider, is_pooler};
use crate::postgres::{ConnectError, ConnectFault, ConnectUrl};
use crate::setup::error::SetupError;

/// A connection that was not made, with the provider's own mend where it is likely to be that.
pub(super) fn unreachable(url: &ConnectUrl, error: ConnectError) -> SetupError {
    let Some(provider) = Provider::of_host(&url.host()) else {
        return error.into();
    };
    let is_network = matches!(
        error.fault,
        ConnectFault::NoRoute | ConnectFault::HostUnknown | ConnectFault::TimedOut | ConnectFault::Refused
    );
    match error.fault {
        ConnectFault::Pooler => SetupError::with(
            error.to_string(),
            format!("{}: {}", provider.name(), provider.direct()),
        ),
        _ if is_network && provider == Provider::Supabase => {
            SetupError::with(error.to_string(), format!("Supabase: {}", provider.direct()))
        }
        _ => error.into(),
    }
}

/// Whose server it is, and what one has to know.
pub(super) fn provider(url: &ConnectUrl, by_server: Option<Provider>, found: &mut Checks) {
    let (host, port) = (url.host(), url.port());
    let Some(provider) = Provider::of_host(&host).or(by_server) else {
        return;
    };
    if is_pooler(&host, port) {
        found.fail(
            ("direct connection", "pooler"),
            format!(
                "{host}:{port} leads to a connection pooler of {}, through which no change is streamed",
                provider.name()
            ),
            provider.direct(),
        );
    }
    let note = provider.note().map_or(String::new(), |note| format!("; {note}"));
    found.ok(
        "provider",
        format!("this is {} (see docs/providers.md){note}", provider.name()),
    );
}
