//! Sockets of HTTP: within a number of connections, and with time limits that hold for those who send slowly.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Time for the head of a request, and for the silence between two on one connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Requests under way get this long when the relay stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Rest after a failed accept, such as one for want of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// A socket that listens.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    head_timeout: Duration,
}

/// Binds now, so that a port that is taken is known before anything else begins.
pub async fn bind(address: SocketAddr) -> io::Result<Bound> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok(Bound {
        listener,
        address,
        head_timeout: HEAD_TIMEOUT,
    })
}

impl Bound {
    /// With the port that was chosen where the configuration says 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Less patience, for those who test it.
    #[cfg(test)]
    pub fn with_head_timeout(self, head_timeout: Duration) -> Bound {
        Bound {
            head_timeout,
            ..self
        }
    }

    /// Serves until told to stop, and then what is under way for a moment.
    pub async fn serve(self, router: Router, connections_max: usize, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(connections_max));
        let tasks = TaskTracker::new();
        loop {
            let next = async {
                let permit = Arc::clone(&room).acquire_owned().await;
                (permit, self.listener.accept().await)
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = next => accepted,
            };
            match accepted {
                (Ok(permit), Ok((stream, peer))) => {
                    let router = router.clone();
                    let stop = stop.clone();
                    let patience = self.head_timeout;
                    tasks.spawn(async move {
                        connection(stream, peer, router, patience, stop).await;
                        drop(permit);
                    });
                }
                _ => tokio::time::sleep(ACCEPT_REST).await,
            }
        }
        drop(self.listener);
        tasks.close();
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, tasks.wait()).await;
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    patience: Duration,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(axum::Extension(ConnectInfo(peer))));
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(HEAD_BYTES_MAX);
    let mut serving = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    // What goes wrong on a connection concerns the client alone.
    tokio::select! {
        _ = serving.as_mut() => return,
        () = stop.cancelled() => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}
