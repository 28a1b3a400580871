//! Passwords and TLS against a real server; the ordinary connection has to agree each time.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::postgres::testing::Cluster;
use crate::postgres::{SessionOptions, connect};

async fn both(url: &ConnectUrl) -> Result<(), ConnectFault> {
    let ordinary = connect(url, &SessionOptions::new("test"))
        .await
        .map(drop)
        .map_err(|error| error.fault);
    let replication = ReplicationConnection::connect(url, "test")
        .await
        .map(drop)
        .map_err(|error| match error {
            ReplicationError::Connect(error) => error.fault,
            other => panic!("{other}"),
        });
    assert_eq!(ordinary, replication, "the two agree: {url:?}");
    ordinary
}

#[tokio::test]
async fn passwords_of_all_kinds_log_in() {
    let hba = "host all scram all scram-sha-256\nhost all old all md5\nhost all clear all password";
    let cluster = Cluster::start(&[], hba);
    let admin = cluster.client().await;
    let sql = "CREATE ROLE scram LOGIN REPLICATION PASSWORD 'p@ss/wörd'; \
        CREATE ROLE clear LOGIN REPLICATION PASSWORD 'x'; SET password_encryption TO md5; \
        CREATE ROLE old LOGIN REPLICATION PASSWORD 'm'; CREATE ROLE plain LOGIN";
    admin.batch_execute(sql).await.expect("roles");
    let url = |text: &str| cluster.url_of(text);
    both(&url("postgres://scram:p%40ss%2Fw%C3%B6rd@127.0.0.1/postgres"))
        .await
        .expect("SCRAM");
    both(&url("postgres://old:m@127.0.0.1/postgres"))
        .await
        .expect("md5");
    both(&url("postgres://clear:x@127.0.0.1/postgres"))
        .await
        .expect("cleartext");
    let refused = Err(ConnectFault::Authentication);
    for text in [
        "postgres://scram:no@127.0.0.1/postgres",
        "postgres://old:no@127.0.0.1/postgres",
        "postgres://clear:no@127.0.0.1/postgres",
        "postgres://scram@127.0.0.1/postgres",
        "postgres://scram:p%40ss%2Fw%C3%B6rd@127.0.0.1/postgres?channel_binding=require",
    ] {
        assert_eq!(both(&url(text)).await, refused, "{text}");
    }
    let error = ReplicationConnection::connect(&url("postgres://plain@127.0.0.1/postgres"), "x").await;
    assert_eq!(error.expect_err("no REPLICATION").sqlstate(), Some("42501"));
}

fn openssl(directory: &Path, arguments: &str) {
    let run = Command::new("openssl")
        .current_dir(directory)
        .args(arguments.split_whitespace())
        .output();
    let run = run.expect("openssl");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

/// A self-signed certificate for `localhost` as most guides make it; it counts as an authority, too.
fn self_signed(data: &Path) {
    openssl(
        data,
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
         -keyout server.key -out server.crt",
    );
    own(data);
}

/// An authority of the house, and a certificate of it.
fn signed(data: &Path) {
    openssl(
        data,
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=house -keyout ca.key -out ca.crt",
    );
    openssl(
        data,
        "req -new -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
    );
    std::fs::write(data.join("ext"), "subjectAltName=DNS:localhost").expect("ext");
    openssl(
        data,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -sha384 -extfile ext \
         -out server.crt",
    );
    own(data);
}

fn own(data: &Path) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let owner = std::fs::metadata(data).expect("an owner");
    for file in ["server.key", "server.crt"] {
        let file = data.join(file);
        chown(&file, Some(owner.uid()), Some(owner.gid())).expect("chown");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("chmod");
    }
}

async fn tls_is_as_strict_as_asked(cluster: &Cluster, root: &str) {
    let admin = cluster.client().await;
    admin
        .batch_execute("CREATE ROLE scram LOGIN REPLICATION PASSWORD 'x'")
        .await
        .expect("a role");
    let root = cluster.data().join(root);
    let root = root.display();
    let url =
        |host: &str, options: &str| cluster.url_of(&format!("postgres://scram:x@{host}/postgres?{options}"));
    let check = async |host: &str, options: &str, expected: Result<(), ConnectFault>| {
        assert_eq!(both(&url(host, options)).await, expected, "{host} {options}");
    };
    check(
        "localhost",
        &format!("sslmode=verify-full&sslrootcert={root}"),
        Ok(()),
    )
    .await;
    check(
        "localhost",
        &format!("sslrootcert={root}&channel_binding=require"),
        Ok(()),
    )
    .await;
    check(
        "127.0.0.1",
        &format!("sslmode=verify-full&sslrootcert={root}"),
        Err(ConnectFault::Tls),
    )
    .await;
    check(
        "127.0.0.1",
        &format!("sslmode=verify-ca&sslrootcert={root}"),
        Ok(()),
    )
    .await;
    check("127.0.0.1", "sslmode=require", Ok(())).await;
    check("127.0.0.1", "", Ok(())).await;
    check("localhost", "sslmode=verify-full", Err(ConnectFault::Tls)).await;
    check("localhost", "sslmode=verify-ca", Err(ConnectFault::Tls)).await;
    check(
        "localhost",
        "sslmode=verify-full&sslrootcert=/none.pem",
        Err(ConnectFault::Tls),
    )
    .await;
    check("127.0.0.1", "sslmode=disable", Err(ConnectFault::NotAllowed)).await;
    check("127.0.0.1", "sslmode=allow", Ok(())).await;
    let mut connection = ReplicationConnection::connect(&url("localhost", "sslmode=require"), "x").await;
    let rows = connection
        .as_mut()
        .expect("a connection")
        .command("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    assert_eq!(text(&rows.await.expect("a row"), 0), Some("t"));
}

const TLS_ONLY: &str = "hostssl all scram all scram-sha-256\nhost all scram all reject";

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_where_it_is_named() {
    if Cluster::has_tls().await {
        let cluster = Cluster::start_with(&["ssl=on"], TLS_ONLY, self_signed);
        tls_is_as_strict_as_asked(&cluster, "server.crt").await;
    }
}

#[tokio::test]
async fn a_certificate_of_a_named_authority_is_trusted() {
    if Cluster::has_tls().await {
        let cluster = Cluster::start_with(&["ssl=on"], TLS_ONLY, signed);
        tls_is_as_strict_as_asked(&cluster, "ca.crt").await;
    }
}
