use super::*;
use proptest::prelude::*;
use secrecy::ExposeSecret;

fn parsed(text: &str) -> ConnectUrl {
    ConnectUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn what_people_write_is_understood() {
    let check = |text: &str, redacted: &str| assert_eq!(parsed(text).redacted(), redacted, "{text}");
    check(
        "postgres://me@db.example/site",
        "postgres://me@db.example:5432/site",
    );
    check(
        "postgresql://me:pw@db:6543/a%20b",
        "postgres://me:***@db:6543/a b",
    );
    check("postgres://me@[::1]:5433/site", "postgres://me@[::1]:5433/site");
    check("postgres://me@a,b:5433/site", "postgres://me@a:5432,b:5433/site");
    check(
        "postgres://me@%2Frun%2Fpostgresql/site",
        "postgres://me@/run/postgresql:5432/site",
    );
    check(
        "postgres:///site?host=/run/postgresql&user=me",
        "postgres://me@/run/postgresql:5432/site",
    );
    check("postgres://me@db", "postgres://me@db:5432/me");
    check("host=db user=me dbname=site", "postgres://me@db:5432/site");
    check(
        r"host = db user='m\'e' dbname='my site'",
        "postgres://m'e@db:5432/my site",
    );
    check("host=a,b port=1,2 user=me", "postgres://me@a:1,b:2/me");
    check("hostaddr=10.0.0.1 user=me", "postgres://me@10.0.0.1:5432/me");
    check("  postgres://me@db/site\n", "postgres://me@db:5432/site");
}

#[test]
fn a_password_is_decoded_and_never_shown() {
    for text in [
        "postgres://me:a%40b%2Fc@db/site",
        "postgres://me@db/site?password=a%40b%2Fc",
    ] {
        let url = parsed(text);
        assert_eq!(
            url.password.as_ref().map(ExposeSecret::expose_secret),
            Some("a@b/c")
        );
        assert!(!format!("{url:?} {}", url.redacted()).contains("a@b"));
    }
    let url = parsed("postgres://me:p@ss@db/site");
    assert_eq!(
        url.password.as_ref().map(ExposeSecret::expose_secret),
        Some("p@ss")
    );
}

#[test]
fn no_error_shows_the_password() {
    for text in [
        "postgres://me:sec/ret@db/site",
        "postgres://me:sec?ret@db/site",
        "postgres://me:secret@db:70000/site",
        "postgres://me:%zzsecret@db/site",
        "user=me password=sec ret",
        "user=me password='secret",
        "mysql://me:secret@db/site",
        "me:secret@db",
        "postgres://me:secret@db/site?sslmode=secret",
        "postgres://:secret@db/site",
    ] {
        let error = ConnectUrl::parse(text).map(|url| url.redacted()).expect_err(text);
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("sec") && !shown.contains("ret@"),
            "{text}: {shown}"
        );
    }
}

#[test]
fn tls_is_strict_away_from_home() {
    let check = |text: &str, mode: SslMode| {
        let url = parsed(text);
        assert_eq!(url.ssl_mode(&url.hosts[0]), mode, "{text}");
    };
    check("postgres://me@db/site", SslMode::VerifyFull);
    check("postgres://me@10.0.0.1/site", SslMode::VerifyFull);
    check("postgres://me@localhost/site", SslMode::Prefer);
    check("postgres://me@127.0.0.1/site", SslMode::Prefer);
    check("postgres://me@[::1]/site", SslMode::Prefer);
    check("host=/tmp user=me sslmode=verify-full", SslMode::Disable);
    check("postgres://me@db/site?sslmode=disable", SslMode::Disable);
    check("postgres://me@db/site?ssl=true", SslMode::Require);
    check(
        "postgres://me@localhost/site?sslrootcert=/ca.pem",
        SslMode::VerifyFull,
    );
    check("host=db hostaddr=127.0.0.1 user=me", SslMode::Prefer);
}

#[test]
fn options_of_other_clients_are_named_and_ignored() {
    let url = parsed("postgres://me@db/site?pgbouncer=true&schema=public&sslmode=require");
    assert_eq!(
        url.warnings(),
        [
            "the option `pgbouncer` is ignored",
            "the option `schema` is ignored"
        ]
    );
}

#[test]
fn faults_are_named() {
    let check = |text: &str, expected: UrlError| assert_eq!(ConnectUrl::parse(text).err(), Some(expected));
    check("postgres://db/site", UrlError::NoUser);
    check("host=a,b port=1,2,3 user=me", UrlError::Count(2, 3, "ports"));
    check("host=a user=me sslcert=x", UrlError::ClientCert);
    check(
        "postgres://me@db/site?sslmode=require&sslrootcert=system",
        UrlError::WeakSystem,
    );
    check("postgres://me@db:x/site", UrlError::Port);
    check("postgres://me@db:0/site", UrlError::Port);
    check("", UrlError::NotPostgres);
}

proptest! {
    #[test]
    fn no_text_panics(text: String) {
        let _ = ConnectUrl::parse(&text);
        let _ = ConnectUrl::parse(&format!("postgres://{text}"));
    }
}
