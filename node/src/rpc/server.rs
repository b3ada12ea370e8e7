//! The socket side of the RPC: accepting, bounding and ending connections.
//!
//! HTTP/1.1 only: what is behind is a few hundred finance systems and operators, and HTTP/2's
//! streams would need limits of their own. Garbage ends its connection and nothing else.
//!
//! Invariant: no more connections are open than allowed, and none can stay without either sending a
//! request or taking its answer.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};

/// From a connection's opening, or from its last answer, to the end of the next request's header.
const HEADER_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a client may leave an answer lying without taking a byte of it.
const STALL_TIME_MAX: Duration = Duration::from_secs(30);
/// Header lines of a request.
const HEADERS_MAX: usize = 64;
/// Bytes of a request's header, and of either buffer of a connection.
const BUFFER_BYTES_MAX: usize = 32 * 1024;
/// What still runs this long after the node was told to stop is cut off.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(5);
/// Between two attempts to accept while the process has no file descriptor to spare.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` says true, then lets what is under way end. Connections past the limit wait in
/// the kernel's backlog.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // The place is taken before the connection, so that the kernel keeps who finds none.
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = accepted => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (Ok(place), Ok((stream, _))) = (place, accepted) else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            connection(stream, router, stop).await;
            drop(place);
        });
    }
    drop(listener);
    let farewell = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL_TIME_MAX, farewell).await.is_err() {
        connections.shutdown().await;
    }
}

/// Returns when the node is told to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever could say so being gone says it too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn connection(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
    // Answers are written whole; waiting to fill a segment only delays them.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Impatient::new(stream));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX);
    let mut serving = pin!(builder.serve_connection(io, TowerToHyperService::new(router)));
    tokio::select! {
        ended = serving.as_mut() => return log(ended),
        () = stopped(&mut stop) => serving.as_mut().graceful_shutdown(),
    }
    log(serving.await);
}

fn log(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "rpc connection ended");
    }
}

/// A stream that fails when the other side takes nothing for [`STALL_TIME_MAX`].
struct Impatient {
    stream: TcpStream,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn new(stream: TcpStream) -> Self {
        Self { stream, stalled: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let deadline = || Box::pin(tokio::time::sleep_until(Instant::now() + STALL_TIME_MAX));
        match self.stalled.get_or_insert_with(deadline).as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
