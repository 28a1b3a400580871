//! Files of messages: they lie on the account's own host and need the API's credentials; without, and perhaps with
//! rights that are too small, a login page comes with status 200 (`[C]`, dossier 3.1 and quirk 15).

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use secrecy::ExposeSecret;
use url::Url;

use super::Client;

/// So many redirects are followed.
const REDIRECTS: usize = 3;

/// A file, or where it is.
#[derive(Clone, PartialEq, Eq)]
pub enum DeskieFile {
    /// It came.
    Here {
        /// `Content-Type` without its parameters.
        mime: Option<String>,
        /// Its content.
        bytes: Bytes,
    },
    /// It lies on another host, which is not to see the credentials.
    Elsewhere(Url),
}

/// Why a file could not be had. Its address is not told: it may be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It may go better later.
    #[error("{0}")]
    Passing(String),
    /// A person has to look.
    #[error("{0}")]
    Refused(String),
}

impl Client {
    /// Fetches a file of at most `max` bytes. `expected`: its name and its type, as far as they are known.
    pub async fn file(&self, url: &str, expected: (&str, &str), max: u64) -> Result<DeskieFile, FileError> {
        let mut url = self
            .root()
            .join(url.trim())
            .map_err(|_| FileError::Refused("its address in Deskie is not one".to_owned()))?;
        for _ in 0..=REDIRECTS {
            if url.origin() != self.root().origin() {
                return Ok(DeskieFile::Elsewhere(url));
            }
            // The address may bear a name and a password of its own; ours are the ones that count.
            let bare = url.set_username("").and_then(|()| url.set_password(None));
            if bare.is_err() {
                return Err(FileError::Refused("its address in Deskie is not one".to_owned()));
            }
            let mut response = self.fetch(url.clone()).await.map_err(passing)?;
            let status = response.status();
            if status.is_redirection() {
                let next = response
                    .headers()
                    .get(LOCATION)
                    .and_then(|location| location.to_str().ok())
                    .and_then(|location| url.join(location).ok());
                url = next.ok_or_else(|| FileError::Refused(format!("Deskie answers {status} for it")))?;
                continue;
            }
            match status.as_u16() {
                200 => {}
                408 | 425 | 429 | 500.. => {
                    return Err(FileError::Passing(format!("Deskie answers {status} for it")));
                }
                _ => return Err(FileError::Refused(format!("Deskie answers {status} for it"))),
            }
            let mime = mime_of(&response);
            let bytes = read(&mut response, max).await?;
            if is_login_page(mime.as_deref(), expected, &bytes) {
                return Err(FileError::Refused(
                    "Deskie sends an HTML page instead of it, as for somebody who is not logged in; see whether the API \
                     key's employee may open it"
                        .to_owned(),
                ));
            }
            return Ok(DeskieFile::Here { mime, bytes });
        }
        Err(FileError::Refused(
            "Deskie redirects its address without end".to_owned(),
        ))
    }

    async fn fetch(&self, url: Url) -> Result<reqwest::Response, reqwest::Error> {
        let (email, key) = self.credentials();
        self.http()
            .get(url)
            .basic_auth(email, Some(key.expose_secret()))
            .send()
            .await
    }
}

async fn read(response: &mut reqwest::Response, max: u64) -> Result<Bytes, FileError> {
    let too_large = || FileError::Refused(format!("it is larger than {} MB", max >> 20));
    if response.content_length().is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(passing)? {
        if (body.len() + chunk.len()) as u64 > max {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn mime_of(response: &reqwest::Response) -> Option<String> {
    let header = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let mime = header.split(';').next()?.trim().to_ascii_lowercase();
    (!mime.is_empty()).then_some(mime)
}

/// HTML that was not asked for. A file that is HTML itself is one only where it asks for a password.
fn is_login_page(mime: Option<&str>, (name, expected): (&str, &str), bytes: &[u8]) -> bool {
    if !matches!(mime, Some("text/html" | "application/xhtml+xml")) {
        return false;
    }
    let name = name.to_ascii_lowercase();
    let is_html = expected.to_ascii_lowercase().contains("html")
        || [".html", ".htm", ".xhtml"]
            .iter()
            .any(|ending| name.ends_with(ending));
    let head = bytes.get(..bytes.len().min(64 << 10)).unwrap_or_default();
    let asks = || {
        String::from_utf8_lossy(head)
            .to_ascii_lowercase()
            .contains("type=\"password\"")
    };
    !is_html || asks()
}

fn passing(error: reqwest::Error) -> FileError {
    FileError::Passing(match (error.is_timeout(), error.is_connect()) {
        (true, _) => "Deskie does not send it in time".to_owned(),
        (_, true) => "Deskie cannot be reached".to_owned(),
        _ => "Deskie broke off while sending it".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_credentials_stay_with_their_host() {
        use axum::http::HeaderMap;
        use axum::response::Redirect;
        use axum::routing::get;

        let seen = |headers: HeaderMap| async move { headers.contains_key("authorization").to_string() };
        let router = axum::Router::new()
            .route("/user/attachments/1", get(seen))
            .route(
                "/near",
                get(|| async { Redirect::temporary("/user/attachments/1") }),
            )
            .route(
                "/far",
                get(|| async { Redirect::temporary("http://files.example/1?key=2") }),
            )
            .route(
                "/page",
                get(|| async { axum::response::Html("<title>Log in</title>") }),
            )
            .route("/gone", get(|| async { axum::http::StatusCode::NOT_FOUND }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root: Url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        #[allow(clippy::disallowed_methods)]
        tokio::spawn(async move { axum::serve(listener, router).await });
        let key = secrecy::SecretString::from("key");
        let client = Client::new(&root, "api@example.com", &key, std::time::Duration::from_secs(5)).unwrap();
        let file = |url: &str, max| {
            let (client, url) = (client.clone(), root.join(url).unwrap());
            async move { client.file(url.as_str(), ("a.txt", "text/plain"), max).await }
        };
        for own in ["/user/attachments/1", "/near"] {
            let Ok(DeskieFile::Here { bytes, .. }) = file(own, 4).await else {
                panic!("{own}");
            };
            assert_eq!(&*bytes, b"true", "{own}");
        }
        for (other, expected) in [
            ("/far", "http://files.example/1?key=2"),
            ("https://127.0.0.1/x", "https://127.0.0.1/x"),
            ("http://127.0.0.1:1/x", "http://127.0.0.1:1/x"),
        ] {
            let Ok(DeskieFile::Elsewhere(url)) = file(other, 4).await else {
                panic!("{other}");
            };
            assert_eq!(url.as_str(), expected);
        }
        for refused in ["/page", "/gone"] {
            assert!(
                matches!(file(refused, 99).await, Err(FileError::Refused(_))),
                "{refused}"
            );
        }
        assert!(
            matches!(file("/near", 3).await, Err(FileError::Refused(_))),
            "too large"
        );
    }

    #[test]
    fn a_login_page_is_told_from_a_file() {
        let form = br#"<form><input type="password"></form>"#;
        for (mime, expected, bytes, is_page) in [
            (Some("text/html"), ("a.png", "image/png"), &b"x"[..], true),
            (Some("text/html"), ("attachment", ""), b"x", true),
            (Some("text/html"), ("page.HTM", ""), b"<p>x", false),
            (Some("text/html"), ("page", "text/html"), b"<p>x", false),
            (Some("text/html"), ("page.html", "text/html"), form, true),
            (Some("image/png"), ("a.png", "image/png"), form, false),
            (None, ("a.png", ""), b"x", false),
        ] {
            assert_eq!(
                is_login_page(mime, expected, bytes),
                is_page,
                "{mime:?} {expected:?}"
            );
        }
    }
}
