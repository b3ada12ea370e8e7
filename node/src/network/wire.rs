//! Bytes on the streams: frames with a length before them, and what they may hold.
//!
//! Invariant: no frame is read into memory beyond its lane's limit, and memory grows with what
//! arrives, not with what was announced.

use std::io;
use std::time::Duration;

use consensus::event::Message;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use ledger::block::{BlockHash, Height};
use ledger::codec::{self, CodecError, Decode, Encode};
use ledger::digest::Digest;
use libp2p::StreamProtocol;

use crate::cosigning::Cosignature;

/// What goes over the two streams that stay open.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time, between a stream and a queue")]
pub(super) enum Frame {
    Consensus(Message),
    Cosignatures(Vec<Cosignature>),
}

impl Frame {
    pub(super) fn is_proposal(&self) -> bool {
        matches!(self, Self::Consensus(Message::Proposal { .. }))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// What a peer may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum Request {
    Blocks { from: Height },
    Block { hash: BlockHash },
    Standing,
    Handoffs { height: Height, from: u64 },
    Page { height: Height, register: u8, number: u64 },
}

/// A request is one of a few dozen bytes.
pub(super) const REQUEST_BYTES_MAX: usize = 64;

/// The streams that two nodes open to one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Votes,
    Proposals,
    Requests,
}

impl Lane {
    pub(super) const ALL: [Self; 3] = [Self::Votes, Self::Proposals, Self::Requests];

    /// Its name on the wire. The chain is part of it, so that nodes of two chains part at once.
    pub(super) fn protocol(self, chain: &Digest) -> StreamProtocol {
        let name = match self {
            Self::Votes => "votes",
            Self::Proposals => "proposals",
            Self::Requests => "requests",
        };
        let chain = chain.to_hex();
        StreamProtocol::try_from_owned(format!("/hovedbok/{}/{name}/1", &chain[..16]))
            .expect("a protocol name begins with a slash")
    }
}

/// Why reading from a peer ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The link, or the peer's patience, ended: nobody's fault.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer announced more than its lane carries.
    #[error("a frame of {bytes} bytes, at most {max} are read")]
    TooLong { bytes: usize, max: usize },
    /// The bytes are no frame of the lane.
    #[error("{0}")]
    Codec(#[from] CodecError),
    /// What was sent does not belong there.
    #[error("{0}")]
    Misplaced(&'static str),
}

impl WireError {
    /// Whether the peer broke the protocol, rather than the link.
    pub(super) fn is_offence(&self) -> bool {
        !matches!(self, Self::Io(_))
    }
}

/// Writes one frame; the caller flushes.
pub(super) async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(bytes).await
}

/// Reads one frame of at most `max` bytes, however long it takes to begin, and in `within` after.
pub(super) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    max: usize,
    within: Duration,
) -> Result<Vec<u8>, WireError> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > max {
        return Err(WireError::TooLong { bytes: length, max });
    }
    let mut bytes = Vec::new();
    let mut body = stream.take(length as u64);
    let all = body.read_to_end(&mut bytes);
    let read =
        tokio::time::timeout(within, all).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    if read < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use consensus::event::Status;
    use ledger::block::{Epoch, View};
    use ledger::certificate::{Certificate, Statement};
    use ledger::signature::Signature;

    use super::*;

    /// Bytes that look random and are the same in every run (splitmix64).
    fn noise(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn harmless<T: Encode + Decode<()>>(bytes: &[u8], max: usize) {
        if let Ok(value) = codec::decode::<T>(bytes, max) {
            assert_eq!(codec::encode(&value), bytes, "one encoding for each value");
        }
    }

    #[tokio::test]
    async fn what_a_peer_frames_is_refused_or_reads_back_to_the_same_bytes() {
        let statement = Statement::Nullify { view: View(7) };
        let certificate = Certificate::from_votes(
            Epoch(0),
            statement,
            4,
            &[0, 1, 3].map(|signer| (signer, Signature([9; 64]))),
        );
        let status = Status {
            epoch: Epoch(0),
            view: View(8),
            height: Height(3),
            entry: Some(certificate.clone()),
            finalization: None,
        };
        let valid = [
            Frame::Consensus(Message::Certificate(certificate)).encode(),
            Frame::Consensus(Message::Status(status)).encode(),
            codec::encode(&Request::Blocks { from: Height(5) }),
            codec::encode(&Request::Page { height: Height(7), register: 2, number: 9 }),
            codec::encode(&vec![vec![1u8, 2, 3], vec![4; 40]]),
        ];
        let mut seed = 1;
        for round in 0..20_000 {
            let mut bytes = valid[round % valid.len()].clone();
            for _ in 0..noise(&mut seed) % 4 {
                let place = noise(&mut seed) as usize % bytes.len();
                match noise(&mut seed) % 3 {
                    0 => bytes[place] = noise(&mut seed) as u8,
                    1 => bytes.truncate(place.max(1)),
                    _ => bytes.insert(place, noise(&mut seed) as u8),
                }
            }
            harmless::<Frame>(&bytes, 1 << 20);
            harmless::<Request>(&bytes, REQUEST_BYTES_MAX);
            harmless::<Vec<Vec<u8>>>(&bytes, 1 << 16);
            // The first four bytes as a length that lies, or does not.
            let mut stream = futures::io::Cursor::new(bytes.clone());
            match read_frame(&mut stream, 64, Duration::from_secs(5)).await {
                Ok(frame) => assert_eq!(frame, bytes[4..4 + frame.len()]),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}
