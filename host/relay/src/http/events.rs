//! `GET /api/v1/events`: everything that happens, as server-sent events, while somebody watches.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::problem::Problem;
use crate::event::stream::{Next, Reader};

/// People who watch at the same time.
const WATCHERS_MAX: usize = 32;
/// Chunks that wait for a watcher.
const CHUNKS_MAX: usize = 64;
/// A comment this often keeps proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub async fn stream(State(parts): State<super::State>) -> Result<Response, Problem> {
    if parts.bus.watchers() >= WATCHERS_MAX {
        return Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many watch already.",
        ));
    }
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    let reader = parts.bus.subscribe();
    let stop = parts.stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = sender.closed() => {}
            () = copy(reader, &sender) => {}
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::new(Chunks { receiver })).into_response())
}

async fn copy(mut reader: Reader, to: &mpsc::Sender<Bytes>) {
    if to
        .send(Bytes::from_static(b": watching\n\n"))
        .await
        .is_err()
    {
        return;
    }
    loop {
        let text = match tokio::time::timeout(KEEP_ALIVE, reader.next()).await {
            Err(_) => ": still here\n\n".to_owned(),
            Ok(None) => return,
            Ok(Some(Next::Lost(count))) => format!("event: lost\ndata: {{\"count\":{count}}}\n\n"),
            // JSON has no line ends outside of strings, and escapes them inside.
            Ok(Some(Next::Event(event))) => match serde_json::to_string(&*event) {
                Ok(json) => format!("data: {json}\n\n"),
                Err(_) => continue,
            },
        };
        if to.send(Bytes::from(text)).await.is_err() {
            return;
        }
    }
}

/// A body that is what the channel gives.
pub(super) struct Chunks {
    pub receiver: mpsc::Receiver<Bytes>,
}

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.receiver
            .poll_recv(context)
            .map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}
