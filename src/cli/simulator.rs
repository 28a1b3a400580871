//! `simulator`: a Deskie to try things against.

use std::net::SocketAddr;

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, failed};
use deskie_cdc_sandbox::browser::{Browser, Places};
use deskie_cdc_sandbox::simulator::{
    self, ChannelKind, CustomChannel, Options, Rule, RuleBody, Simulator, Trigger,
};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the API and the control port listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// What stands in the links that it gives out, if others reach it at another address.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Send webhooks for agents' and customers' replies there, as two rules do (with the ids only).
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// A custom channel whose messages go to `--webhook`, such as `cch3`.
    #[arg(long, value_name = "CHANNEL", requires = "webhook")]
    channel: Option<String>,
    /// The same of a live chat.
    #[arg(long, value_name = "CHANNEL", requires = "webhook")]
    chat: Option<String>,
    /// A folder that keeps cases, customers and messages from one start to the next.
    #[arg(long, value_name = "PATH")]
    books: Option<std::path::PathBuf>,
    /// Also serve pages for a browser there: the sample site's and the simulated Deskie's, side by side.
    #[arg(long, value_name = "ADDRESS", requires = "site")]
    browser: Option<SocketAddr>,
    /// The sample site's database for these pages, as its owner, without TLS.
    #[arg(long, value_name = "URL", requires = "browser")]
    site: Option<String>,
    /// The connector's console, as these pages link it.
    #[arg(long, value_name = "URL", requires = "browser")]
    console: Option<String>,
    /// What one logs in there with, as these pages tell it.
    #[arg(long, value_name = "TOKEN", requires = "console")]
    console_token: Option<String>,
    /// The account's limit.
    #[arg(long, default_value_t = 1500, value_name = "N")]
    requests_per_minute: u32,
    /// The staff e-mail that calls are made as.
    #[arg(long, default_value = "api@example.com", value_name = "E-MAIL")]
    staff_email: String,
    /// The API key.
    #[arg(long, default_value = "simulator-key", value_name = "KEY")]
    api_key: String,
}

/// The two rules that `rules` tells to enter: agents' and customers' replies.
pub(super) fn rules(webhook: &str) -> Vec<Rule> {
    [Trigger::AgentReply, Trigger::CustomerReply]
        .into_iter()
        .map(|on| Rule {
            url: webhook.to_owned(),
            on,
            on_updated: true,
            body: RuleBody::Ids,
            ..Rule::default()
        })
        .collect()
}

/// A custom channel whose messages are posted to this address.
pub(super) fn custom_channel(channel: &str, kind: ChannelKind, webhook: &str) -> CustomChannel {
    CustomChannel {
        channel: channel.to_owned(),
        kind,
        webhook_url: Some(webhook.to_owned()),
        ..CustomChannel::default()
    }
}

/// A message of a case as Deskie shows it: as we show it on the site.
pub(super) fn shown(text: &str, html: &str) -> String {
    crate::text::incoming(text, html, None).html
}

pub(super) async fn run(arguments: &Arguments) -> Result<(), Failure> {
    // A link to all addresses leads nowhere.
    let listens_everywhere = arguments.listen.ip().is_unspecified() && arguments.listen.port() != 0;
    let public_url = arguments
        .public_url
        .clone()
        .or_else(|| listens_everywhere.then(|| super::healthcheck::url_here(arguments.listen, "")));
    let simulator = Simulator::start(Options {
        listen: arguments.listen,
        public_url: public_url.clone(),
        books: arguments.books.clone(),
        requests_per_minute: arguments.requests_per_minute,
        staff_email: arguments.staff_email.clone(),
        api_key: arguments.api_key.clone(),
        ..Options::default()
    })
    .await
    .map_err(failed)?;
    if let Some(webhook) = &arguments.webhook {
        for rule in rules(webhook) {
            simulator.add_rule(rule);
        }
        for (channel, kind) in [
            (&arguments.channel, ChannelKind::Async),
            (&arguments.chat, ChannelKind::Sync),
        ] {
            if let Some(channel) = channel {
                simulator.add_channel(custom_channel(channel, kind, webhook));
            }
        }
    }
    let browser = match (arguments.browser, &arguments.site) {
        (Some(listen), Some(site_url)) => {
            let places = Places {
                listen,
                site_url: site_url.clone(),
                console: arguments.console.clone(),
                console_token: arguments.console_token.clone(),
                shown,
            };
            let browser = Browser::start(places, simulator.people()).await;
            Some(browser.map_err(|error| failed(format!("cannot listen on `{listen}`: {error}")))?)
        }
        _ => None,
    };
    let (api, control) = match public_url {
        Some(url) => (url.clone(), format!("{url}/_control")),
        None => (simulator.url(), simulator.control_url()),
    };
    println!("{}", simulator::describe(&api, &control));
    if let Some(browser) = browser.as_ref().filter(|browser| browser.is_reached_here()) {
        println!("In a browser: {}", browser.url());
    }
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    simulator.stop();
    Ok(())
}
