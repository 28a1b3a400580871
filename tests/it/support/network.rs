//! A network that can be cut: a relay whose sockets stay open while nothing passes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Relays to one port of 127.0.0.1; ends when dropped.
pub struct Network {
    address: SocketAddr,
    passes: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Network {
    /// A network in front of this port.
    pub async fn before(port: u16) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (passes, open) = watch::channel(true);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut relays = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                relays.spawn(relay(near, port, open.clone()));
            }
        });
        Network {
            address,
            passes,
            _tasks: tasks,
        }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on nothing passes; no connection is closed, and new ones are taken.
    pub fn cut(&self) {
        self.passes.send_replace(false);
    }

    /// What was held passes, and all that follows.
    pub fn mend(&self) {
        self.passes.send_replace(true);
    }
}

async fn relay(near: TcpStream, port: u16, mut open: watch::Receiver<bool>) {
    if open.wait_for(|open| *open).await.is_err() {
        return;
    }
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = one_way(near_in, far_out, open.clone()) => {}
        () = one_way(far_in, near_out, open) => {}
    }
}

async fn one_way(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut open: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if open.wait_for(|open| *open).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
