use std::collections::BTreeSet;
use std::time::Duration;

use consensus::event::{Justification, Status};
use ledger::block::{Epoch, Header, View};
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::codec;
use ledger::finality::Finality;
use ledger::signature::Signature;
use ledger::time::Timestamp;
use ledger::transaction::SignedTransaction;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::wire::Frame;
use super::*;

const CHAIN: Digest = Digest([7; 32]);
/// Generous, because other tests share the machine.
const PATIENCE: Duration = Duration::from_secs(30);

struct Node {
    handle: NetworkHandle,
    events: NetworkEvents,
}

fn keypair(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap()
}

fn key(seed: u8) -> PublicKey {
    PublicKey(keypair(seed).public().try_into_ed25519().unwrap().to_bytes())
}

fn members(addresses: &[Vec<Multiaddr>]) -> Vec<Member> {
    let member = |(index, addresses): (u16, &Vec<Multiaddr>)| Member {
        index,
        key: key(index as u8 + 1),
        addresses: addresses.clone(),
    };
    (0..).zip(addresses).map(member).collect()
}

fn loopback(port: u16) -> Multiaddr {
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

fn config(port: u16) -> NetworkConfig {
    NetworkConfig { chain: CHAIN, listen: vec![loopback(port)] }
}

/// Node `index` of four, listening on `port`; it dials those whose addresses are given.
async fn start(index: u8, port: u16, addresses: &[Vec<Multiaddr>]) -> Node {
    let started = Network::start(config(port), keypair(index + 1), members(addresses)).await;
    let (handle, events) = started.unwrap();
    Node { handle, events }
}

/// As many connected nodes: each dials those started before it.
async fn connected(count: u8) -> Vec<Node> {
    let mut addresses = vec![Vec::new(); usize::from(count)];
    let mut nodes = Vec::new();
    for index in 0..count {
        let node = start(index, 0, &addresses).await;
        addresses[usize::from(index)] = node.handle.listening().to_vec();
        nodes.push(node);
    }
    for node in &mut nodes {
        let mut seen = BTreeSet::new();
        while seen.len() < usize::from(count) - 1 {
            if let NetworkEvent::Connected(peer) = next(node).await {
                seen.insert(peer);
            }
        }
    }
    nodes
}

async fn next(node: &mut Node) -> NetworkEvent {
    timeout(PATIENCE, node.events.recv()).await.expect("an event in time").expect("the network runs")
}

/// The next event that `wanted` takes, passing over the others.
async fn find<T>(node: &mut Node, mut wanted: impl FnMut(NetworkEvent) -> Option<T>) -> T {
    loop {
        if let Some(found) = wanted(next(node).await) {
            return found;
        }
    }
}

async fn until(mut what: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !what() {
        assert!(Instant::now() < deadline, "it did not happen in time");
        sleep(Duration::from_millis(20)).await;
    }
}

fn vote(view: u64) -> Message {
    Message::Vote(Vote {
        epoch: Epoch(0),
        statement: Statement::Nullify { view: View(view) },
        signer: 0,
        signature: Signature([view as u8; 64]),
    })
}

fn certificate(view: u64) -> Certificate {
    let statement = Statement::Nullify { view: View(view) };
    Certificate { epoch: Epoch(0), statement, signers: vec![7], signatures: vec![Signature([1; 64]); 3] }
}

fn signed(number: u64) -> SignedTransaction {
    use ledger::transaction::{KeySignature, Operation, PaymentId, Transaction};
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let submitter = ledger::entity::OrgNumber::new(964_965_226).unwrap();
    let transaction = Transaction {
        id: PaymentId { submitter, number: id },
        operation: Operation::RevokeKey { key: key(1) },
    };
    SignedTransaction {
        transaction,
        signatures: vec![KeySignature { key: key(1), signature: Signature([3; 64]) }],
    }
}

fn block(height: u64, transactions: usize) -> Block {
    let transactions: Vec<_> = (0..transactions as u64).map(signed).collect();
    let header = Header {
        version: 1,
        chain: CHAIN,
        epoch: Epoch(0),
        view: View(height),
        height: Height(height),
        parent_view: View(height - 1),
        parent: BlockHash::default(),
        proposer: 0,
        time: Timestamp(height),
        payload: Block::payload(&transactions),
        log_size: 0,
        log_root: Digest::default(),
        state_root: Digest::default(),
    };
    Block { header, transactions }
}

fn proposal(height: u64, transactions: usize) -> Message {
    let Message::Vote(vote) = vote(height) else { unreachable!("it is a vote") };
    let justification =
        Justification { parent: Some(certificate(1)), skips: vec![certificate(2); SKIPS_MAX] };
    Message::Proposal { block: block(height, transactions), justification, vote }
}

fn finalized(height: u64, transactions: usize) -> FinalizedBlock {
    FinalizedBlock {
        block: block(height, transactions),
        finality: Finality::Voted {
            notarization: certificate(height),
            skips: Vec::new(),
            finalization: Some(certificate(height)),
            closing: Vec::new(),
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_networks_connect_and_exchange_everything() {
    let mut nodes = connected(4).await;
    assert_eq!(nodes[0].handle.connected(), [1, 2, 3]);

    // Votes arrive at all, once, in the order they were sent.
    for view in 1..=200 {
        nodes[0].handle.broadcast(vote(view));
    }
    for node in &mut nodes[1..] {
        for view in 1..=200 {
            let (from, message) = find(node, |event| match event {
                NetworkEvent::Message { from, message } => Some((from, message)),
                _ => None,
            })
            .await;
            assert_eq!((from, message), (0, vote(view)));
        }
    }

    // A proposal of full size, and a status.
    let full = proposal(9, 4000);
    assert!(Frame::Consensus(full.clone()).encode().len() > 600_000);
    nodes[2].handle.send(1, full.clone());
    let status = Message::Status(Status {
        epoch: Epoch(0),
        view: View(3),
        height: Height(2),
        entry: Some(certificate(2)),
        finalization: Some(certificate(1)),
    });
    nodes[2].handle.send(1, status.clone());
    let mut wanted = vec![full, status];
    while !wanted.is_empty() {
        let message = find(&mut nodes[1], |event| match event {
            NetworkEvent::Message { from: 2, message } => Some(message),
            _ => None,
        })
        .await;
        wanted.retain(|other| *other != message);
    }

    // Cosignatures.
    let by = ledger::checkpoint::Cosignature { signer: 3, time_s: 1, signature: Signature([4; 64]) };
    let cosignature = Cosignature { size: 5, root: Digest([5; 32]), by };
    nodes[3].handle.broadcast_cosignatures(vec![cosignature]);
    let got = find(&mut nodes[0], |event| match event {
        NetworkEvent::Cosignatures { from: 3, cosignatures } => Some(cosignatures),
        _ => None,
    })
    .await;
    assert_eq!(got, [cosignature]);

    // Nothing is sent to oneself or to nobody.
    nodes[0].handle.send(0, vote(1));
    nodes[0].handle.send(99, vote(1));
    assert_eq!(nodes[0].handle.metrics().offences.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_reach_every_node_once() {
    let mut nodes = connected(4).await;
    let all: Vec<_> = (0..2000).map(|number| codec::encode(&signed(number))).collect();
    // Gossip learns who listens a moment after the connection stands; until then nothing is kept.
    let mut got = vec![BTreeSet::new(); 4];
    nodes[1].handle.gossip_transactions(vec![vec![1]]);
    sleep(Duration::from_secs(2)).await;
    nodes[1].handle.gossip_transactions(all.clone());
    let mut duplicates = 0;
    for index in [0, 2, 3] {
        while got[index].len() < all.len() {
            let transactions = find(&mut nodes[index], |event| match event {
                NetworkEvent::Transactions { transactions, .. } => Some(transactions),
                _ => None,
            })
            .await;
            assert!(transactions.iter().map(Vec::len).sum::<usize>() <= BATCH_BYTES_MAX);
            for transaction in transactions.into_iter().filter(|t| t.len() > 1) {
                duplicates += usize::from(!got[index].insert(transaction));
            }
        }
        assert!(all.iter().all(|transaction| got[index].contains(transaction)));
    }
    assert_eq!(duplicates, 0);
    // Too long for anybody's pool: dropped here, not sent.
    nodes[1].handle.gossip_transactions(vec![vec![1; TRANSACTION_BYTES_MAX + 1]]);
    until(|| nodes[1].handle.metrics().dropped_batches.get() >= 1).await;
    assert_eq!(nodes[0].handle.metrics().offences.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_come_back_answered_or_unanswered() {
    let mut nodes = connected(2).await;
    let Node { handle: asked, mut events } = nodes.pop().unwrap();
    let mut asks = nodes.pop().unwrap();
    let answering = tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            match event {
                NetworkEvent::BlocksRequest { from: 0, from_height: Height(666), reply } => drop(reply),
                NetworkEvent::BlocksRequest { from: 0, from_height, reply } => {
                    let blocks = from_height.0..from_height.0 + 300;
                    let blocks = blocks.map(|height| finalized(height, 100)).collect();
                    reply.answer(Stretch { earliest: Height(3), blocks });
                }
                NetworkEvent::BlockRequest { from: 0, hash, reply } => {
                    let block = block(3, 1);
                    reply.answer(if hash == BlockHash::default() { None } else { Some(block) });
                }
                _ => {}
            }
        }
    });
    asks.handle.request_blocks(1, Height(10));
    let blocks = find(&mut asks, |event| match event {
        NetworkEvent::Blocks { from: 1, from_height: Height(10), earliest: Height(3), blocks } => {
            Some(blocks)
        }
        _ => None,
    })
    .await;
    // Cut at the number of bytes.
    assert!(blocks.len() > 100 && blocks.len() < 300, "{}", blocks.len());
    assert_eq!(blocks[1], finalized(11, 100));

    asks.handle.request_block(1, block(3, 1).header.hash());
    let got = find(&mut asks, |event| match event {
        NetworkEvent::Block { from: 1, block, .. } => Some(block),
        _ => None,
    });
    assert_eq!(got.await, Some(block(3, 1)));
    asks.handle.request_block(1, BlockHash::default());
    let got = find(&mut asks, |event| match event {
        NetworkEvent::Block { from: 1, block, .. } => Some(block),
        _ => None,
    });
    assert_eq!(got.await, None);
    assert_eq!(asks.handle.metrics().offences.get(), 0);

    // No answer, and an answer to another question, which is an offence.
    let unanswered = |event| matches!(event, NetworkEvent::Unanswered { from: 1 }).then_some(());
    asks.handle.request_blocks(1, Height(666));
    find(&mut asks, unanswered).await;
    asks.handle.request_block(1, block(4, 1).header.hash());
    find(&mut asks, unanswered).await;
    until(|| asks.handle.metrics().offences.get() == 1).await;
    // A node ends when nobody holds it any more.
    answering.abort();
    drop(asked);
    find(&mut asks, |event| matches!(event, NetworkEvent::Disconnected(1)).then_some(())).await;
    asks.handle.request_blocks(1, Height(1));
    find(&mut asks, unanswered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_refused_after_the_handshake() {
    let mut nodes = connected(2).await;
    let at = nodes[0].handle.listening().to_vec();
    // It knows the members, but its key is none of theirs.
    let strangers = members(&[at.clone(), Vec::new()]);
    let (handle, mut events) = Network::start(config(0), keypair(77), strangers).await.unwrap();
    let stranger = until(|| nodes[0].handle.metrics().refused_connections.get() >= 2);
    stranger.await;
    handle.broadcast(vote(1));
    handle.request_blocks(0, Height(1));
    // A connection may seem to stand for the moment until it is refused, but nothing passes.
    let quiet = sleep(Duration::from_secs(1));
    tokio::pin!(quiet);
    loop {
        tokio::select! {
            event = events.recv() => assert!(
                matches!(event, Some(NetworkEvent::Connected(_) | NetworkEvent::Disconnected(_) | NetworkEvent::Unanswered { .. })),
                "{event:?}"
            ),
            event = nodes[0].events.recv() => panic!("{event:?}"),
            () = &mut quiet => break,
        }
    }
    assert_eq!(nodes[0].handle.connected(), [1]);

    // A member's key on another chain shares no protocol.
    let other = NetworkConfig { chain: Digest([8; 32]), listen: vec![loopback(0)] };
    drop(nodes.pop());
    find(&mut nodes[0], |event| matches!(event, NetworkEvent::Disconnected(1)).then_some(())).await;
    let (handle, _events) = Network::start(other, keypair(2), members(&[at, Vec::new()])).await.unwrap();
    find(&mut nodes[0], |event| matches!(event, NetworkEvent::Connected(1)).then_some(())).await;
    handle.broadcast(vote(2));
    nodes[0].handle.request_blocks(1, Height(1));
    find(&mut nodes[0], |event| match event {
        NetworkEvent::Unanswered { from: 1 } => Some(()),
        NetworkEvent::Message { .. } => panic!("a message from another chain"),
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_the_port_leaves_the_node_unharmed() {
    let mut nodes = connected(2).await;
    let Some(libp2p::multiaddr::Protocol::Tcp(port)) = nodes[0].handle.listening()[0].iter().nth(1) else {
        panic!("it listens on TCP")
    };
    let before = nodes[0].handle.metrics().refused_connections.get();
    let pieces: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0; 4096],
        &[0xff; 4096],
        // A correct greeting, then nonsense; and one that announces a long message.
        b"\x13/multistream/1.0.0\n\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff",
        b"",
    ];
    for _ in 0..10 {
        for piece in pieces {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            // It may hang up in the middle of it.
            let _ = stream.write_all(piece).await;
            let _ = stream.shutdown().await;
            let mut rest = Vec::new();
            let _ = timeout(Duration::from_millis(50), stream.read_to_end(&mut rest)).await;
        }
    }
    // Many that say nothing at all occupy handshakes for a while, and no longer.
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    nodes[1].handle.send(0, vote(5));
    let got = find(&mut nodes[0], |event| match event {
        NetworkEvent::Message { from: 1, message } => Some(message),
        _ => None,
    });
    assert_eq!(got.await, vote(5));
    until(|| nodes[0].handle.metrics().refused_connections.get() >= before + 100).await;
    assert_eq!(nodes[0].handle.connected(), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_breaks_the_protocol_is_cut_off_for_a_while() {
    let mut nodes = connected(2).await;
    // A member's own queue takes any bytes: announce and send what no lane carries.
    let queues = nodes[1].handle.queues[0].clone().unwrap();
    let oversized = vec![0; FRAME_BYTES_MAX + 1];
    let misplaced = Frame::Consensus(proposal(1, 0)).encode();
    queues.votes.push(oversized.into());
    until(|| nodes[0].handle.metrics().offences.get() == 1).await;
    queues.votes.push(b"not a message".to_vec().into());
    // What was written into a stream that its reader gave up is lost, so it is sent until it counts.
    until(|| {
        queues.votes.push(b"not a message".to_vec().into());
        nodes[0].handle.metrics().offences.get() >= 2
    })
    .await;
    until(|| {
        queues.votes.push(misplaced.clone().into());
        nodes[0].handle.metrics().offences.get() >= 3
    })
    .await;
    find(&mut nodes[0], |event| match event {
        NetworkEvent::Message { .. } => panic!("a message that breaks the protocol was passed on"),
        NetworkEvent::Disconnected(1) => Some(()),
        _ => None,
    })
    .await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(nodes[0].handle.connected(), [0u16; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_a_member_that_is_blamed_too_often_is_cut_off_and_nobody_else() {
    let nodes = connected(3).await;
    let handle = &nodes[0].handle;
    for blamed in 1..OFFENCES_MAX {
        handle.blame(1, "blocks as final whose proof does not hold");
        until(|| handle.metrics().offences.get() == u64::from(blamed)).await;
    }
    assert_eq!(handle.connected(), [1, 2]);
    // Nobody, and ourselves.
    handle.blame(77, "nothing");
    handle.blame(0, "nothing");
    handle.blame(1, "blocks as final whose proof does not hold");
    until(|| handle.connected() == [2]).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!((handle.connected(), handle.metrics().offences.get()), (vec![2], u64::from(OFFENCES_MAX)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_restarts_is_connected_again_and_gets_what_was_queued() {
    let mut nodes = connected(3).await;
    let addresses = nodes[2].handle.listening().to_vec();
    let Some(libp2p::multiaddr::Protocol::Tcp(port)) = addresses[0].iter().nth(1) else {
        panic!("it listens on TCP")
    };
    drop(nodes.pop());
    for node in &mut nodes {
        find(node, |event| matches!(event, NetworkEvent::Disconnected(2)).then_some(())).await;
    }
    for view in 0..FRAMES_QUEUED_MAX as u64 + 10 {
        nodes[0].handle.send(2, vote(view));
    }
    // The oldest made room.
    assert_eq!(nodes[0].handle.metrics().dropped_frames.get(), 10);
    // It dials nobody; node 1 knows where it was, node 0 waits to be found.
    let others: Vec<_> = nodes.iter().map(|node| node.handle.listening().to_vec()).collect();
    let mut again = start(2, port, &[others[0].clone(), others[1].clone(), Vec::new()]).await;
    for node in &mut nodes {
        find(node, |event| matches!(event, NetworkEvent::Connected(2)).then_some(())).await;
    }
    let message = find(&mut again, |event| match event {
        NetworkEvent::Message { from: 0, message } => Some(message),
        _ => None,
    });
    assert_eq!(message.await, vote(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_dialed_until_it_is_there() {
    // Its port is known before it listens.
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = reserved.local_addr().unwrap().port();
    drop(reserved);
    let name: Multiaddr = format!("/dns4/localhost/tcp/{port}").parse().unwrap();
    let mut early = start(0, 0, &[Vec::new(), vec![name]]).await;
    sleep(Duration::from_millis(700)).await;
    assert_eq!(early.handle.connected(), [0u16; 0]);
    let _late = start(1, port, &[Vec::new(), Vec::new()]).await;
    find(&mut early, |event| matches!(event, NetworkEvent::Connected(1)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = Network::start(config(port), keypair(1), members(&[Vec::new()])).await;
    let Err(error) = refused else { panic!("it listens on a taken port") };
    assert!(
        error.to_string().starts_with(&format!("cannot listen on /ip4/127.0.0.1/tcp/{port}: ")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_loop_that_rests_holds_up_senders_and_loses_nothing() {
    let mut nodes = connected(2).await;
    // More than the inbox holds, and slow enough that no queue overflows.
    let count = INBOX_MAX as u64 + 500;
    for view in 0..count {
        nodes[1].handle.send(0, vote(view));
        if view % 100 == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    }
    sleep(Duration::from_millis(500)).await;
    for view in 0..count {
        let message = find(&mut nodes[0], |event| match event {
            NetworkEvent::Message { message, .. } => Some(message),
            _ => None,
        });
        assert_eq!(message.await, vote(view));
    }
    assert_eq!(nodes[1].handle.metrics().dropped_frames.get(), 0);
}

#[test]
fn limits_hold_what_they_are_for() {
    for members in [4, 31, 100, 400] {
        let mut signers = certificate(1);
        signers.signers = vec![255; members / 8];
        signers.signatures = vec![Signature([1; 64]); members];
        let status = Message::Status(Status {
            epoch: Epoch(0),
            view: View(3),
            height: Height(2),
            entry: Some(signers.clone()),
            finalization: Some(signers.clone()),
        });
        assert!(Frame::Consensus(status).encode().len() <= frame_bytes_max(members));
        let by = ledger::checkpoint::Cosignature { signer: 3, time_s: 1, signature: Signature([4; 64]) };
        let cosignature = Cosignature { size: 5, root: Digest([5; 32]), by };
        assert!(Frame::Cosignatures(vec![cosignature; members]).encode().len() <= frame_bytes_max(members));
        let Message::Proposal { block, vote, .. } = proposal(1, 0) else { unreachable!("it is a proposal") };
        let justification = Justification { parent: Some(signers.clone()), skips: vec![signers; SKIPS_MAX] };
        let proposal = Frame::Consensus(Message::Proposal { block, justification, vote });
        assert!(proposal.encode().len() + BLOCK_BYTES_MAX <= proposal_bytes_max(members));
    }
}

/// Prints what a vote's way costs beside bare TCP on the same machine, and how fast transactions spread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run alone, with --ignored --nocapture"]
async fn a_vote_takes_little_longer_than_the_link() {
    let mut nodes = connected(4).await;
    sleep(Duration::from_secs(2)).await;
    let rounds = 2000;
    let start = Instant::now();
    for view in 0..rounds {
        nodes[0].handle.send(1, vote(view));
        find(&mut nodes[1], |event| matches!(event, NetworkEvent::Message { .. }).then_some(())).await;
        nodes[1].handle.send(0, vote(view));
        find(&mut nodes[0], |event| matches!(event, NetworkEvent::Message { .. }).then_some(())).await;
    }
    let votes = start.elapsed() / (2 * rounds as u32);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut here, _) = listener.accept().await.unwrap();
    there.set_nodelay(true).unwrap();
    here.set_nodelay(true).unwrap();
    tokio::spawn(async move {
        let mut bytes = [0; 150];
        while there.read_exact(&mut bytes).await.is_ok() {
            there.write_all(&bytes).await.unwrap();
        }
    });
    let start = Instant::now();
    let mut bytes = [0; 150];
    for _ in 0..rounds {
        here.write_all(&bytes).await.unwrap();
        here.read_exact(&mut bytes).await.unwrap();
    }
    let bare = start.elapsed() / (2 * rounds as u32);
    println!("one way: a vote {votes:.1?}, bare TCP {bare:.1?}");

    let count = 100_000;
    let all: Vec<_> = (0..count).map(|number| codec::encode(&signed(number))).collect();
    let bytes: usize = all.iter().map(Vec::len).sum();
    let start = Instant::now();
    let sender = nodes[1].handle.clone();
    tokio::spawn(async move {
        for some in all.chunks(200) {
            sender.gossip_transactions(some.to_vec());
            sleep(Duration::from_millis(4)).await;
        }
    });
    let mut got = 0;
    while got < count {
        got += find(&mut nodes[0], |event| match event {
            NetworkEvent::Transactions { transactions, .. } => Some(transactions.len() as u64),
            _ => None,
        })
        .await;
    }
    let took = start.elapsed();
    let rate = count as f64 / took.as_secs_f64();
    println!("{count} transactions of {bytes} bytes to three peers in {took:.1?}: {rate:.0} a second");
}
