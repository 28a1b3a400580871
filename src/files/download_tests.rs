use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::HeaderMap;
use axum::response::Redirect;
use axum::routing::get;

use super::*;

/// A server on loopback; how often it was asked.
async fn server() -> (SocketAddr, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let router = Router::new()
        .route(
            "/file",
            get(|| async { ([("content-type", "Text/Plain; charset=utf-8")], "12345") }),
        )
        .route(
            "/auth",
            get(|headers: HeaderMap| async move { headers.contains_key("authorization").to_string() }),
        )
        .route("/gone", get(|| async { axum::http::StatusCode::NOT_FOUND }))
        .route(
            "/busy",
            get(|| async { axum::http::StatusCode::SERVICE_UNAVAILABLE }),
        )
        .route("/once", get(|| async { Redirect::temporary("/file") }))
        .route("/round", get(|| async { Redirect::temporary("/round") }))
        .route(
            "/inside",
            get(|| async { Redirect::temporary("http://[::ffff:169.254.169.254]/") }),
        )
        .route(
            "/scheme",
            get(|| async { Redirect::temporary("file:///etc/passwd") }),
        )
        .layer(axum::middleware::from_fn(
            move |request, next: axum::middleware::Next| {
                count.fetch_add(1, Ordering::SeqCst);
                next.run(request)
            },
        ));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[allow(clippy::disallowed_methods)]
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, asked)
}

fn downloader(lookup: impl Fn(usize) -> Vec<SocketAddr> + Send + Sync + 'static) -> Downloader {
    crate::postgres::install_tls_provider();
    let asked = AtomicUsize::new(0);
    let lookup = Arc::new(lookup);
    Downloader::with(Arc::new(move |_| {
        let found = lookup(asked.fetch_add(1, Ordering::SeqCst));
        Box::pin(async move { Ok(found) })
    }))
    .unwrap()
}

#[tokio::test]
async fn what_is_inside_is_not_fetched() {
    let (here, asked) = server().await;
    let public: SocketAddr = "198.51.101.1:0".parse().unwrap();
    // A name of the inside; one that is both; addresses written in all their forms; other schemes.
    let inside = downloader(move |_| vec![here]);
    let both = downloader(move |_| vec![public, here]);
    let port = here.port();
    for (downloader, url) in [
        (&inside, format!("http://evil.example:{port}/file")),
        (&both, format!("http://evil.example:{port}/file")),
        (&inside, format!("http://127.0.0.1:{port}/file")),
        (&inside, format!("http://2130706433:{port}/file")),
        (&inside, format!("http://0x7f.1:{port}/file")),
        (&inside, format!("http://[::ffff:7f00:1]:{port}/file")),
        (&inside, format!("http://localhost:{port}/file")),
        (&inside, "file:///etc/passwd".to_owned()),
        (&inside, "gopher://evil.example/".to_owned()),
        (&inside, "not an address".to_owned()),
    ] {
        let fetched = downloader.fetch(&url, false, 10).await;
        assert!(
            matches!(fetched, Err(FetchError::Refused(_))),
            "{url}: {fetched:?}"
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody knocked");
}

#[tokio::test]
async fn each_hop_is_looked_at() {
    let (here, asked) = server().await;
    let any = downloader(|_| Vec::new());
    let fetch = |path: &str, max| {
        let (any, url) = (any.clone(), format!("http://u:secret@{here}{path}"));
        async move { any.fetch(&url, true, max).await }
    };
    let file = fetch("/once", 5).await.unwrap();
    assert_eq!(
        (file.mime.as_deref(), &*file.bytes),
        (Some("text/plain"), &b"12345"[..])
    );
    assert_eq!(
        &*fetch("/auth", 5).await.unwrap().bytes,
        b"true",
        "its own credentials are used"
    );
    assert_eq!(fetch("/file", 4).await, Err(FetchError::TooLarge(4)));
    assert!(matches!(fetch("/round", 5).await, Err(FetchError::Refused(_))));
    assert!(matches!(fetch("/scheme", 5).await, Err(FetchError::Refused(_))));
    for (path, passes) in [("/gone", false), ("/busy", true)] {
        let error = fetch(path, 5).await.unwrap_err();
        assert_eq!(matches!(error, FetchError::Passing(_)), passes, "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    // A redirect into the inside, where the first hop was allowed.
    let next = may_be_fetched(&Url::parse("http://[::ffff:169.254.169.254]/").unwrap(), false);
    assert!(next.is_err() && asked.load(Ordering::SeqCst) > 0);
    assert!(may_be_shown("https://cdn.example/a.png") && !may_be_shown("https://u:p@cdn.example/a.png"));
    assert!(!may_be_shown("http://10.0.0.1/a.png"));
}
