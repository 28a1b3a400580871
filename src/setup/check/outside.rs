//! What stands between the connector and others: the webhook's secret, and whether the addresses in the config answer.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::Checks;
use crate::config::Config;

/// A secret of fewer characters can be guessed.
const SECRET: usize = 16;
/// So long an address is waited for.
const WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn check(config: &Config, found: &mut Checks) {
    secrets(config, found);
    if let Some(url) = &config.server.public_url {
        match answers(url).await {
            Ok(()) => found.ok("public url", format!("something answers at {url}")),
            Err(why) => found.warn(
                ("public url", "public_url_dead"),
                format!("[server] public_url {url} does not answer: {why}"),
                "check its DNS name, certificate and the proxy that leads to [server] listen; Deskie's webhooks come that way",
            ),
        }
    }
    if let Some(url) = &config.alert.url {
        // Its path may hold a secret.
        let host = url.host_str().unwrap_or_default();
        match answers(url).await {
            Ok(()) => found.ok("alert", format!("{host} answers")),
            Err(why) => found.warn(
                ("alert", "alert_url_dead"),
                format!("[alert] url at {host} does not answer: {why}"),
                "check the address: nobody would be told of a trouble",
            ),
        }
    }
}

fn secrets(config: &Config, found: &mut Checks) {
    let secrets = &config.server.webhook_secrets;
    let is_short = secrets
        .iter()
        .any(|secret| secret.expose_secret().chars().count() < SECRET);
    match secrets.len() {
        0 => found.warn(
            ("webhooks", "no_webhook_secret"),
            format!(
                "no webhook_secret is set: replies are found only by asking Deskie every {:?}",
                config.deskie.sweep
            ),
            "set [server] webhook_secret, then see `deskie-cdc rules`",
        ),
        _ if is_short => found.warn(
            ("webhooks", "short_webhook_secret"),
            format!("the webhook_secret has fewer than {SECRET} characters: whoever guesses it can make the connector read cases"),
            "make a long one (openssl rand -hex 24), set it in [server] webhook_secret and in Deskie's rules; a list of two \
             holds while you change it",
        ),
        1 => found.ok("webhooks", "a webhook_secret is set"),
        count => found.ok("webhooks", format!("{count} webhook secrets are set")),
    }
}

/// Whether any HTTP server answers; what it answers is its own business.
async fn answers(url: &url::Url) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .timeout(WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())?;
    match client.head(url.clone()).send().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let mut cause: &dyn std::error::Error = &error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            Err(cause.to_string())
        }
    }
}
