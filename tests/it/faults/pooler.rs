//! What answers in the database's place takes ordinary sessions and refuses the stream: a pooler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{free_port, stage, wait_until};

/// Refuses sessions for replication as PgBouncer does, and leads all others on.
async fn pooler(port: u16, server: u16, refuses: Arc<AtomicBool>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    while let Ok((mut client, _)) = listener.accept().await {
        let refuses = refuses.clone();
        tokio::spawn(async move {
            let mut length = [0; 4];
            client.read_exact(&mut length).await?;
            let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
            client.read_exact(&mut rest).await?;
            let is_replication = rest.windows(11).any(|word| word == b"replication");
            if is_replication && refuses.load(Ordering::SeqCst) {
                let fields = "SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: replication\0\0";
                client.write_all(b"E").await?;
                client.write_u32(4 + fields.len() as u32).await?;
                return client.write_all(fields.as_bytes()).await;
            }
            let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
            server.write_all(&length).await?;
            server.write_all(&rest).await?;
            copy_bidirectional(&mut client, &mut server).await.map(drop)
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_refuses_the_stream_is_a_trouble_that_ends_by_itself() {
    // GIVEN a connector whose way to the server leads through a pooler now
    let stage = stage().build().await;
    let (port, refuses) = (free_port(), Arc::new(AtomicBool::new(true)));
    let url = stage.workplace.places.database_url.clone();
    let (_, after) = url.rsplit_once(':').unwrap();
    let (server, _) = after.split_once('/').unwrap();
    tokio::spawn(pooler(port, server.parse().unwrap(), refuses.clone()));
    let through = url.replace(&format!(":{server}/"), &format!(":{port}/"));
    stage.workplace.change_config(&url, &through);
    // WHEN it starts
    let connector = stage.workplace.run_with(&[("DESKIE_CDC_WATCH_MS", "200")]);
    connector
        .wait_for_log("nothing is sent, and it is tried again")
        .await;
    // THEN it is told what that is, as no decision of anybody's
    let told = "select text from deskie_cdc.trouble where kind = 'stream_down' and ended_at is null";
    let text: String = wait_until("it is told", || async {
        stage.query(told, &[]).await.first().map(|row| row.get(0))
    })
    .await;
    assert!(text.contains("pooler"), "{text}");
    assert_eq!(stage.count("select count(*) from deskie_cdc.hold").await, 0);
    let ready = reqwest::get(stage.workplace.admin_url("/health/ready"))
        .await
        .unwrap();
    let ready = ready.text().await.unwrap();
    assert!(
        ready.contains("nothing can be streamed") && !ready.contains("held:"),
        "{ready}"
    );
    // AND it does not take the lead anew and anew
    wait_until("the second attempt", || async {
        let leading = connector
            .log()
            .iter()
            .filter(|line| line.contains("leading"))
            .count();
        (leading >= 2).then_some(())
    })
    .await;
    let told_in_log = |line: &&String| line.contains("nothing is sent, and it is tried again");
    assert_eq!(connector.log().iter().filter(told_in_log).count(), 1);
    // AND WHEN the way is the server's own, THEN it goes on, and that is over
    refuses.store(false, Ordering::SeqCst);
    stage.open("Soru").await;
    wait_until("it is over", || async {
        stage.query(told, &[]).await.is_empty().then_some(())
    })
    .await;
}
