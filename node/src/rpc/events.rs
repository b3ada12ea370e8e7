//! What is posted, as it is posted: server-sent events, one per block, resumable by height.
//!
//! A listener that keeps up is served from memory; one that lags, or that begins in the past, reads
//! the store at its own pace and slows nobody.
//!
//! Invariant: a stream names every height from its first on, each once, in order.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use ledger::block::Height;
use ledger::transaction::VerifiedTransaction;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use utoipa::{IntoParams, ToSchema};

use super::Rpc;
use super::metrics::Listening;
use super::problem::{LookupProblems, Problem};
use super::proving::not_held;
use super::request::Terms;
use super::server::stopped;
use super::text::{Hex, Moment};
use crate::handle::Posted;
use crate::store::Store;

/// Between two comments on a stream where nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// What a client is told to wait before it connects again.
const RETRY: Duration = Duration::from_secs(2);

/// Where a stream begins.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Begin {
    /// The first height wanted. Without it, and without Last-Event-ID, the stream begins with the
    /// next block that is posted.
    #[param(minimum = 1, example = 1)]
    from: Option<u64>,
}

/// A block was posted: the data of an event.
#[derive(Serialize, ToSchema)]
pub(super) struct PostedEvent {
    /// Its height, also the event's id.
    height: u64,
    /// Its time.
    time: Moment,
    /// Its first leaf.
    first_leaf: u64,
    /// Ids of its transactions, one leaf each from `first_leaf` on.
    transactions: Vec<Hex>,
}

/// Posted blocks, as server-sent events.
///
/// Each event has the name `posted`, the height as its id, and a `PostedEvent` as its data. A client
/// that reconnects with Last-Event-ID, or with `from`, misses nothing. A comment goes out every ten
/// seconds in which nothing is posted.
#[utoipa::path(
    get, path = "/v1/events", tag = "node", operation_id = "events",
    params(
        Begin,
        ("Last-Event-ID" = Option<u64>, Header, description = "The last height that was seen; `from` wins over it", minimum = 0, example = 1)
    ),
    responses(
        (status = 200, description = "The stream", body = PostedEvent, content_type = "text/event-stream"),
        LookupProblems
    )
)]
pub(super) async fn events(
    State(rpc): State<Rpc>,
    Terms(begin): Terms<Begin>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let place = rpc.listeners.clone().try_acquire_owned();
    let place = place.map_err(|_| {
        let streams = rpc.limits.event_streams;
        Problem::busy(format!("{streams} streams are open, no more are served; connect to another node"), 30)
    })?;
    // Listening before asking where the head is, so that no block falls between the two.
    let posted = rpc.node.listen();
    let head = rpc.ask(|validator| validator.ledger().head().height).await?;
    let next = match begin.from {
        Some(from) => from,
        None => match last_event_id(&headers)? {
            Some(seen) => seen.saturating_add(1),
            None => head.0 + 1,
        },
    };
    if next > head.0 + 1 {
        return Err(Problem::not_found(format!(
            "the stream cannot begin at height {next}; the last posted block is {}",
            head.0
        )));
    }
    let held = move |store: &Store| match next.max(1) < store.earliest()?.0 {
        true => Err(not_held(store, &format!("block {next}"))),
        false => Ok(()),
    };
    rpc.read(held).await?;
    let listener = Listener {
        next: Height(next.max(1)),
        head,
        posted,
        waiting: None,
        _listening: Listening::new(&rpc.metrics),
        _place: place,
        rpc,
    };
    Ok(Sse::new(listener.stream()).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let height = value.to_str().ok().and_then(|text| text.parse().ok());
    height.map(Some).ok_or_else(|| {
        Problem::malformed("Last-Event-ID is not a height; send the id of the last event that was seen")
    })
}

struct Listener {
    next: Height,
    // The last height known to be posted.
    head: Height,
    posted: broadcast::Receiver<Posted>,
    // Posted after `next`; the store is behind it.
    waiting: Option<Posted>,
    _listening: Listening,
    _place: OwnedSemaphorePermit,
    rpc: Rpc,
}

impl Listener {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        futures::stream::unfold((self, true), |(mut listener, first)| async move {
            let mut event = listener.next_event().await?;
            if first {
                event = event.retry(RETRY);
            }
            Some((Ok(event), (listener, false)))
        })
    }

    /// The event of the next height; `None` ends the stream.
    async fn next_event(&mut self) -> Option<Event> {
        let mut stop = self.rpc.stop.clone();
        tokio::select! {
            () = stopped(&mut stop) => None,
            event = self.next_posted() => {
                let event = event?;
                let id = event.height.to_string();
                Event::default().event("posted").id(id).json_data(event).ok()
            }
        }
    }

    async fn next_posted(&mut self) -> Option<PostedEvent> {
        loop {
            if let Some(posted) = self.waiting.take_if(|posted| posted.height <= self.next) {
                if posted.height == self.next {
                    self.next = self.next.next();
                    return Some(PostedEvent {
                        height: posted.height.0,
                        time: posted.time.into(),
                        first_leaf: posted.first_leaf.0,
                        transactions: posted.transactions.iter().map(|id| Hex::from(&id.0)).collect(),
                    });
                }
                continue;
            }
            if self.next <= self.head || self.waiting.is_some() {
                let height = self.next;
                let event = self.stored(height).await?;
                self.next = height.next();
                return Some(event);
            }
            match self.posted.recv().await {
                Ok(posted) => {
                    self.head = self.head.max(posted.height);
                    self.waiting = Some(posted);
                }
                // What was dropped stands in the store.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    async fn stored(&self, height: Height) -> Option<PostedEvent> {
        let chain = *self.rpc.node.identity.trust.chain();
        let finalized = self.rpc.read(move |store| Ok(store.finalized(height)?)).await.ok()??;
        let header = &finalized.block.header;
        let count = finalized.block.transactions.len() as u64;
        let ids = finalized.block.transactions.into_iter();
        let ids = ids.map(|signed| VerifiedTransaction::from_own_store(signed, &chain).id());
        Some(PostedEvent {
            height: height.0,
            time: header.time.into(),
            first_leaf: header.log_size.saturating_sub(count + 1),
            transactions: ids.map(|id| Hex::from(&id.0)).collect(),
        })
    }
}
