//! `healthcheck`: asks a running connector's admin port; for containers, whose image has no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::{Failure, failed};
use crate::config::Config;

/// A container's own limit is 30 s by default.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Where the admin port is by default.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8788);

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What to ask (default: /health/ready on the config's admin_listen).
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

pub(super) async fn run(config: Option<Arc<Config>>, arguments: &Arguments) -> Result<(), Failure> {
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => url_here(
            config.map_or(DEFAULT, |config| config.server.admin_listen),
            "/health/ready",
        ),
    };
    let answer = get(&url, ANSWER_WITHIN).await.map_err(failed)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    // Why it is not ready, for `docker inspect`.
    let why = answer.text().await.unwrap_or_default();
    Err(failed(format!("{url} answers {status}: {why}")))
}

/// A page of a port of ours from this machine: what listens on all addresses is asked on the loopback one.
pub(super) fn url_here(listen: SocketAddr, path: &str) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}{path}", SocketAddr::new(ip, listen.port()))
}

/// One GET, past any proxy of the environment.
pub(super) async fn get(url: &str, within: Duration) -> Result<reqwest::Response, String> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(within)
        .build()
        .map_err(|error| error.to_string())?;
    client.get(url).send().await.map_err(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_asked_here() {
        for (listen, url) in [
            ("0.0.0.0:8788", "http://127.0.0.1:8788/x"),
            ("[::]:1", "http://[::1]:1/x"),
            ("10.0.0.7:1", "http://10.0.0.7:1/x"),
        ] {
            assert_eq!(url_here(listen.parse().unwrap(), "/x"), url);
        }
    }
}
