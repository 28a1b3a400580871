//! A file from an address that a user may have written.
//!
//! Where private addresses are not allowed, the name is looked up once, every address that it has must be public, and
//! the connection goes to one of these very addresses: a name that answers differently the second time (DNS rebinding)
//! is never asked a second time. Redirects are followed by hand, each like a new address. No proxy stands between,
//! since it would look names up itself.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use url::{Host, Url};

use super::address::is_public;

/// How long a file may take as a whole.
const TIMEOUT: Duration = Duration::from_secs(60);

/// So many redirects are followed.
const REDIRECTS: usize = 3;

/// A file as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Download {
    /// `Content-Type` without its parameters, where there was one.
    pub mime: Option<String>,
    /// Its content.
    pub bytes: Bytes,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Download({} bytes, {:?})", self.bytes.len(), self.mime)
    }
}

/// Why a file could not be had. Neither its address nor a credential in it is told, at most its host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The server says that there is none.
    #[error("{host} answers {status}")]
    Missing {
        /// Who says so.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// It may go better later.
    #[error("{0}")]
    Passing(String),
    /// It must not be fetched.
    #[error("{0}")]
    Refused(String),
    /// It is larger than allowed.
    #[error("it is larger than {} MB", .0 >> 20)]
    TooLarge(u64),
}

/// Looks names up.
type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Gives the addresses of a name only where all of them are public.
struct PublicOnly(Lookup);

/// An address that is not public stands behind a name.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to a private address")]
struct PrivateAddress;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = (self.0)(name.as_str().to_owned());
        Box::pin(async move {
            let addresses = addresses.await?;
            if addresses.iter().any(|address| !is_public(address.ip())) {
                return Err(PrivateAddress.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Fetches files.
#[derive(Clone)]
pub struct Downloader {
    public: reqwest::Client,
    any: reqwest::Client,
}

impl Downloader {
    /// Nothing is fetched yet.
    pub fn new() -> Result<Downloader, reqwest::Error> {
        let lookup: Lookup = Arc::new(|name| {
            Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) })
        });
        Downloader::with(lookup)
    }

    fn with(lookup: Lookup) -> Result<Downloader, reqwest::Error> {
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("deskie-cdc/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .no_proxy()
                .connect_timeout(Duration::from_secs(5))
                .timeout(TIMEOUT)
                .pool_max_idle_per_host(0)
        };
        Ok(Downloader {
            public: builder().dns_resolver(PublicOnly(lookup)).build()?,
            any: builder().build()?,
        })
    }

    /// Fetches at most `max` bytes.
    pub async fn fetch(&self, url: &str, allow_private: bool, max: u64) -> Result<Download, FetchError> {
        let url =
            Url::parse(url.trim()).map_err(|_| FetchError::Refused("its address is not one".to_owned()))?;
        let fetching = async {
            let mut url = url;
            for _ in 0..=REDIRECTS {
                match self.hop(&url, allow_private, max).await? {
                    Hop::File(file) => return Ok(file),
                    Hop::Redirect(next) => url = next,
                }
            }
            Err(FetchError::Refused(format!(
                "its address redirects more than {REDIRECTS} times"
            )))
        };
        match tokio::time::timeout(TIMEOUT, fetching).await {
            Ok(result) => result,
            Err(_) => Err(FetchError::Passing(format!(
                "not there within {} s",
                TIMEOUT.as_secs()
            ))),
        }
    }

    async fn hop(&self, url: &Url, allow_private: bool, max: u64) -> Result<Hop, FetchError> {
        let host = may_be_fetched(url, allow_private)?;
        let client = if allow_private { &self.any } else { &self.public };
        let request = client.get(url.clone());
        let mut response = request.send().await.map_err(|error| failure(&host, &error))?;
        let status = response.status();
        if status.is_redirection() {
            let next = response
                .headers()
                .get(LOCATION)
                .and_then(|location| location.to_str().ok())
                .and_then(|location| url.join(location).ok());
            return next.map(Hop::Redirect).ok_or(FetchError::Missing {
                host,
                status: status.as_u16(),
            });
        }
        match status.as_u16() {
            200 => {}
            status @ (408 | 425 | 429 | 500..) => {
                return Err(FetchError::Passing(format!("{host} answers {status}")));
            }
            status => return Err(FetchError::Missing { host, status }),
        }
        let bytes = read_body(&mut response, max)
            .await
            .map_err(|error| error.unwrap_or_else(|error| failure(&host, &error)))?;
        Ok(Hop::File(Download {
            mime: content_type(&response),
            bytes,
        }))
    }
}

enum Hop {
    File(Download),
    Redirect(Url),
}

/// The host, where the address may be fetched as far as it tells by itself.
fn may_be_fetched(url: &Url, allow_private: bool) -> Result<String, FetchError> {
    let refused = |why: &str| Err(FetchError::Refused(why.to_owned()));
    if !matches!(url.scheme(), "http" | "https") {
        return refused("its address is neither http nor https");
    }
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return refused("its address names no host"),
    };
    if !allow_private && literal.is_some_and(|address| !is_public(address)) {
        return refused(PRIVATE);
    }
    Ok(url.host_str().unwrap_or_default().to_owned())
}

/// Whether an address can be given to others: public as far as it tells, and without a password in it.
pub(super) fn may_be_shown(url: &str) -> bool {
    Url::parse(url.trim()).is_ok_and(|url| {
        may_be_fetched(&url, false).is_ok() && url.username().is_empty() && url.password().is_none()
    })
}

const PRIVATE: &str = "its address leads into a private network; of a file of the site's, [[attachment]] allow_private = true allows that";

/// Reads a body of at most `max` bytes; the outer error of the two is the connection's.
async fn read_body(
    response: &mut reqwest::Response,
    max: u64,
) -> Result<Bytes, Result<FetchError, reqwest::Error>> {
    if response.content_length().is_some_and(|length| length > max) {
        return Err(Ok(FetchError::TooLarge(max)));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(Err)? {
        if (body.len() + chunk.len()) as u64 > max {
            return Err(Ok(FetchError::TooLarge(max)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn content_type(response: &reqwest::Response) -> Option<String> {
    let header = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let mime = header.split(';').next()?.trim();
    (!mime.is_empty()).then(|| mime.to_ascii_lowercase())
}

fn failure(host: &str, error: &reqwest::Error) -> FetchError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.downcast_ref::<PrivateAddress>().is_some() {
            return FetchError::Refused(PRIVATE.to_owned());
        }
        cause = inner.source();
    }
    let what = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "does not answer in time",
        (_, true) => "cannot be reached",
        _ => "broke the connection off",
    };
    FetchError::Passing(format!("{host} {what}"))
}

#[cfg(test)]
#[path = "download_tests.rs"]
mod tests;
