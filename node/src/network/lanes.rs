//! What runs on a stream: writing from a queue, reading into the inbox, asking and answering.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use ledger::block::{BLOCK_BYTES_MAX, Block, HEADER_BYTES_MAX};
use ledger::certificate::VALIDATORS_MAX;
use ledger::codec::{self, Decode, ENCODED_BYTES_MAX, Encode};
use ledger::finality::FinalizedBlock;
use ledger::registers::Page;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use super::wire::{Frame, Lane, REQUEST_BYTES_MAX, Request, WireError, read_frame, write_frame};
use super::{
    ANSWER_BLOCKS_MAX, ANSWER_BYTES_MAX, FRAME_BYTES_MAX, FRAME_TIMEOUT, FRAMES_QUEUED_MAX, NetworkEvent,
    PROPOSAL_BYTES_MAX, PROPOSALS_QUEUED_MAX, REQUEST_TIMEOUT, Responder, Stretch,
};
use crate::snapshot::{OFFER_BYTES_MAX, PAGE_BYTES_MAX, Standing};

/// A block alone in an answer.
const BLOCK_FRAME_BYTES_MAX: usize = BLOCK_BYTES_MAX + HEADER_BYTES_MAX + 1024;

/// A height alone in a frame.
const HEIGHT_BYTES: usize = 8;
/// An offer with two heights before it.
const STANDING_BYTES_MAX: usize = OFFER_BYTES_MAX + 32;

/// Frames that wait for a peer. Never full: the oldest makes room.
#[derive(Debug)]
pub(super) struct Queue {
    frames: Mutex<VecDeque<Arc<[u8]>>>,
    filled: Notify,
    max: usize,
}

impl Queue {
    fn new(max: usize) -> Self {
        Self { frames: Mutex::new(VecDeque::new()), filled: Notify::new(), max }
    }

    /// Adds a frame; says how many were dropped for it.
    pub(super) fn push(&self, frame: Arc<[u8]>) -> u64 {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dropped = 0;
        while frames.len() >= self.max {
            frames.pop_front();
            dropped += 1;
        }
        frames.push_back(frame);
        drop(frames);
        self.filled.notify_one();
        dropped
    }

    fn pop(&self) -> Option<Arc<[u8]>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    async fn next(&self) -> Arc<[u8]> {
        loop {
            // A wake-up that comes between the two is kept by Notify.
            if let Some(frame) = self.pop() {
                return frame;
            }
            self.filled.notified().await;
        }
    }
}

/// The queues of one peer.
#[derive(Debug)]
pub(super) struct Queues {
    pub(super) votes: Queue,
    pub(super) proposals: Queue,
}

impl Queues {
    pub(super) fn new() -> Self {
        Self { votes: Queue::new(FRAMES_QUEUED_MAX), proposals: Queue::new(PROPOSALS_QUEUED_MAX) }
    }

    fn of(&self, lane: Lane) -> &Queue {
        match lane {
            Lane::Proposals => &self.proposals,
            Lane::Votes | Lane::Requests => &self.votes,
        }
    }
}

/// Writes frames as they come, until the stream fails. The frame being written then is lost.
pub(super) async fn write(
    mut stream: impl AsyncWrite + Unpin,
    queues: Arc<Queues>,
    lane: Lane,
) -> io::Result<()> {
    let queue = queues.of(lane);
    loop {
        let frame = match queue.pop() {
            Some(frame) => frame,
            None => {
                within(FRAME_TIMEOUT, stream.flush()).await?;
                queue.next().await
            }
        };
        within(FRAME_TIMEOUT, write_frame(&mut stream, &frame)).await?;
    }
}

/// Reads frames and passes them on, waiting while the inbox is full, until the stream ends, the peer
/// breaks the protocol, or nobody listens.
pub(super) async fn read(
    mut stream: impl AsyncRead + Unpin,
    from: u16,
    lane: Lane,
    inbox: mpsc::Sender<NetworkEvent>,
) -> Result<(), WireError> {
    let max = match lane {
        Lane::Proposals => PROPOSAL_BYTES_MAX,
        Lane::Votes | Lane::Requests => FRAME_BYTES_MAX,
    };
    loop {
        let bytes = read_frame(&mut stream, max, FRAME_TIMEOUT).await?;
        let frame: Frame = codec::decode(&bytes, max)?;
        if frame.is_proposal() != (lane == Lane::Proposals) {
            return Err(WireError::Misplaced("a message on the other lane's stream"));
        }
        let event = match frame {
            Frame::Consensus(message) => NetworkEvent::Message { from, message },
            Frame::Cosignatures(cosignatures) if cosignatures.len() > VALIDATORS_MAX => {
                return Err(WireError::Misplaced("more cosignatures than validators"));
            }
            Frame::Cosignatures(cosignatures) => NetworkEvent::Cosignatures { from, cosignatures },
        };
        if inbox.send(event).await.is_err() {
            return Ok(());
        }
    }
}

/// Answers one question: reads it, passes it on, writes what comes back.
pub(super) async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    from: u16,
    questions: mpsc::Sender<NetworkEvent>,
) -> Result<(), WireError> {
    let dialogue = async {
        let bytes = read_frame(&mut stream, REQUEST_BYTES_MAX, FRAME_TIMEOUT).await?;
        match codec::decode(&bytes, REQUEST_BYTES_MAX)? {
            Request::Blocks { from: from_height } => {
                let (reply, blocks) = oneshot::channel();
                put(&questions, NetworkEvent::BlocksRequest { from, from_height, reply: Responder(reply) })?;
                let Stretch { earliest, blocks } = blocks.await.map_err(unanswered)?;
                write_frame(&mut stream, &codec::encode(&earliest)).await?;
                write_some(&mut stream, &blocks).await?;
            }
            Request::Standing => {
                let (reply, standing) = oneshot::channel();
                put(&questions, NetworkEvent::StandingRequest { from, reply: Responder(reply) })?;
                let standing: Standing = standing.await.map_err(unanswered)?;
                let bytes = codec::encode(&standing);
                // Longer than anybody reads: then it is as if there were none.
                let without = || codec::encode(&Standing { offer: None, ..standing.clone() });
                let bytes = if bytes.len() > STANDING_BYTES_MAX { without() } else { bytes };
                write_frame(&mut stream, &bytes).await?;
            }
            Request::Handoffs { height, from: first } => {
                let (reply, handoffs) = oneshot::channel();
                let reply = Responder(reply);
                put(&questions, NetworkEvent::HandoffsRequest { from, height, first, reply })?;
                write_some(&mut stream, &handoffs.await.map_err(unanswered)?).await?;
            }
            Request::Page { height, register, number } => {
                let (reply, page) = oneshot::channel();
                let reply = Responder(reply);
                put(&questions, NetworkEvent::PageRequest { from, height, register, number, reply })?;
                if let Some(page) = page.await.map_err(unanswered)? {
                    write_frame(&mut stream, &page).await?;
                }
            }
            Request::Block { hash } => {
                let (reply, block) = oneshot::channel();
                put(&questions, NetworkEvent::BlockRequest { from, hash, reply: Responder(reply) })?;
                if let Some(block) = block.await.map_err(unanswered)? {
                    write_frame(&mut stream, &codec::encode(&block)).await?;
                }
            }
        }
        write_frame(&mut stream, &[]).await?;
        stream.close().await?;
        Ok(())
    };
    timeout(REQUEST_TIMEOUT, dialogue).await.unwrap_or_else(|_| Err(timed_out().into()))
}

/// Writes as many as an answer holds.
async fn write_some<T: Encode>(stream: &mut (impl AsyncWrite + Unpin), items: &[T]) -> io::Result<()> {
    let mut sent = 0;
    for item in items.iter().take(ANSWER_BLOCKS_MAX) {
        let bytes = codec::encode(item);
        if bytes.len() > ENCODED_BYTES_MAX || sent > 0 && sent + bytes.len() > ANSWER_BYTES_MAX {
            break;
        }
        sent += bytes.len();
        write_frame(stream, &bytes).await?;
    }
    Ok(())
}

/// Reads as many as an answer may hold, up to the empty frame.
async fn read_some<T: Encode + Decode<()>>(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Vec<T>, WireError> {
    let (mut items, mut read) = (Vec::new(), 0);
    loop {
        let bytes = read_frame(stream, ENCODED_BYTES_MAX, REQUEST_TIMEOUT).await?;
        if bytes.is_empty() {
            return Ok(items);
        }
        read += bytes.len();
        if items.len() >= ANSWER_BLOCKS_MAX || !items.is_empty() && read > ANSWER_BYTES_MAX {
            return Err(WireError::Misplaced("more than an answer holds"));
        }
        items.push(codec::decode(&bytes, ENCODED_BYTES_MAX)?);
    }
}

fn put(questions: &mpsc::Sender<NetworkEvent>, question: NetworkEvent) -> io::Result<()> {
    questions.try_send(question).map_err(|_| io::Error::other("too many questions wait"))
}

fn unanswered(_: oneshot::error::RecvError) -> io::Error {
    io::Error::other("the question was not answered")
}

/// Asks one question and reads the answer.
pub(super) async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    from: u16,
    request: Request,
) -> Result<NetworkEvent, WireError> {
    write_frame(&mut stream, &codec::encode(&request)).await?;
    stream.flush().await?;
    match request {
        Request::Blocks { from: from_height } => {
            let bytes = read_frame(&mut stream, HEIGHT_BYTES, REQUEST_TIMEOUT).await?;
            let earliest = codec::decode(&bytes, HEIGHT_BYTES)?;
            let blocks: Vec<FinalizedBlock> = read_some(&mut stream).await?;
            Ok(NetworkEvent::Blocks { from, from_height, earliest, blocks })
        }
        Request::Standing => {
            let bytes = read_frame(&mut stream, STANDING_BYTES_MAX, REQUEST_TIMEOUT).await?;
            let standing = codec::decode(&bytes, STANDING_BYTES_MAX)?;
            Ok(NetworkEvent::Standing { from, standing })
        }
        Request::Handoffs { height, from: first } => {
            let handoffs = read_some(&mut stream).await?;
            Ok(NetworkEvent::Handoffs { from, height, first, handoffs })
        }
        Request::Page { height, register, number } => {
            let bytes = read_frame(&mut stream, PAGE_BYTES_MAX, REQUEST_TIMEOUT).await?;
            if bytes.is_empty() {
                return Ok(NetworkEvent::Page { from, height, register, number, page: None });
            }
            let page: Page = codec::decode(&bytes, PAGE_BYTES_MAX)?;
            if (page.register, page.number) != (register, number) {
                return Err(WireError::Misplaced("another page than asked for"));
            }
            Ok(NetworkEvent::Page { from, height, register, number, page: Some(page) })
        }
        Request::Block { hash } => {
            let bytes = read_frame(&mut stream, BLOCK_FRAME_BYTES_MAX, REQUEST_TIMEOUT).await?;
            if bytes.is_empty() {
                return Ok(NetworkEvent::Block { from, hash, block: None });
            }
            let block: Block = codec::decode(&bytes, BLOCK_FRAME_BYTES_MAX)?;
            if block.header.hash() != hash {
                return Err(WireError::Misplaced("another block than asked for"));
            }
            Ok(NetworkEvent::Block { from, hash, block: Some(block) })
        }
    }
}

async fn within(limit: Duration, work: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(timed_out()))
}

fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}
