//! Delay, jitter and reordering between validators, for kernels without netem: a process-local stand-in
//! for a long line. The kernel wraps every packet of a chosen link into a UDP datagram (VXLAN,
//! RFC 7348); the relay keeps it for a while and hands it on. It leaves out which links are chosen
//! (`netns`), and loss and bandwidth, which the kernel does itself.
//!
//! Invariant: a packet is handed on at most once, unchanged, to the validator that it is addressed to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::payments::Dice;

/// The port that VXLAN has of IANA.
pub const PORT: u16 = 4789;
/// Packets on their way at once, all links together; beyond it they are lost, as on any full line.
const ON_THE_WAY_MAX: usize = 1 << 16;
/// Eight bytes of VXLAN, then the receiver's hardware address, whose last byte numbers the validator.
const RECEIVER_AT: usize = 8 + 5;

/// What a link does to a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// Every packet is kept at least this long.
    pub least: Duration,
    /// And up to so much longer, each by its own dice, so that later ones overtake.
    pub jitter: Duration,
}

/// What went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Packets handed on.
    pub packets: u64,
    /// Those of them that a later one of the same link had overtaken.
    pub overtaken: u64,
    /// Packets that found no room.
    pub lost: u64,
}

/// The last byte of an address, which numbers a validator.
type Host = u8;
/// When it is due, its number, its link, its bytes.
type Packet = Reverse<(Instant, u64, (Host, Host), Vec<u8>)>;

#[derive(Default)]
struct Lines {
    delays: BTreeMap<(Host, Host), Delay>,
    under_way: BinaryHeap<Packet>,
    // Highest number handed on.
    newest: BTreeMap<(Host, Host), u64>,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<Lines>,
    due: Condvar,
    stop: AtomicBool,
    packets: AtomicU64,
    overtaken: AtomicU64,
    lost: AtomicU64,
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module. It ends when dropped.
pub struct Relay {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Listens at an address whose first three bytes are those of all validators.
    ///
    /// # Errors
    /// What the socket says.
    pub fn start(at: Ipv4Addr, seed: u64) -> io::Result<Self> {
        Self::listen(
            SocketAddrV4::new(at, PORT),
            move |host| {
                let [a, b, c, _] = at.octets();
                SocketAddr::from((Ipv4Addr::new(a, b, c, host), PORT))
            },
            seed,
        )
    }

    fn listen(
        at: SocketAddrV4,
        address_of: impl Fn(Host) -> SocketAddr + Send + 'static,
        seed: u64,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind(at)?;
        // So that the end is noticed.
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let sender = socket.try_clone()?;
        let shared = Arc::new(Shared::default());
        let (taking, giving) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            std::thread::spawn(move || take_in(&taking, &socket, seed)),
            std::thread::spawn(move || hand_on(&giving, &sender, address_of)),
        ];
        Ok(Self { shared, threads })
    }

    /// What one direction of a link does from now on; without a word about it, nothing.
    pub fn set(&self, from: Host, to: Host, delay: Delay) {
        self.shared.lines().delays.insert((from, to), delay);
    }

    /// What went through so far.
    pub fn carried(&self) -> Carried {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Shared { packets, overtaken, lost, .. } = &*self.shared;
        Carried { packets: read(packets), overtaken: read(overtaken), lost: read(lost) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.due.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn take_in(shared: &Shared, socket: &UdpSocket, seed: u64) {
    let mut dice = Dice::seeded(seed);
    let mut bytes = vec![0; 1 << 16];
    for number in 0.. {
        let received = socket.recv_from(&mut bytes);
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok((length, SocketAddr::V4(from))) = received else { continue };
        let Some(to) = bytes[..length].get(RECEIVER_AT).copied() else { continue };
        let from = from.ip().octets()[3];
        let mut lines = shared.lines();
        if lines.under_way.len() >= ON_THE_WAY_MAX {
            shared.lost.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let delay = lines.delays.get(&(from, to)).copied().unwrap_or_default();
        let more_us = dice.below(delay.jitter.as_micros() as u64 + 1);
        let due = Instant::now() + delay.least + Duration::from_micros(more_us);
        lines.under_way.push(Reverse((due, number, (from, to), bytes[..length].to_vec())));
        shared.due.notify_one();
    }
}

fn hand_on(shared: &Shared, socket: &UdpSocket, address_of: impl Fn(Host) -> SocketAddr) {
    let mut lines = shared.lines();
    while !shared.stop.load(Ordering::Relaxed) {
        let wait = lines.under_way.peek().map(|packet| packet.0.0.saturating_duration_since(Instant::now()));
        match wait {
            Some(Duration::ZERO) => {
                let Some(Reverse((_, number, link, bytes))) = lines.under_way.pop() else { continue };
                let newest = lines.newest.entry(link).or_default();
                shared.overtaken.fetch_add(u64::from(number < *newest), Ordering::Relaxed);
                *newest = number.max(*newest);
                drop(lines);
                // A full socket loses it, as a line does.
                let sent = socket.send_to(&bytes, address_of(link.1));
                let counter = if sent.is_ok() { &shared.packets } else { &shared.lost };
                counter.fetch_add(1, Ordering::Relaxed);
                lines = shared.lines();
            }
            wait => {
                let wait = wait.unwrap_or(Duration::from_millis(200));
                let woken = shared.due.wait_timeout(lines, wait);
                lines = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(to: Host, content: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[RECEIVER_AT] = to;
        bytes[63] = content;
        bytes
    }

    #[test]
    fn packets_arrive_late_once_and_out_of_order_and_only_at_their_receiver() {
        let local = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let receivers = [1, 2].map(|_| UdpSocket::bind(local(0)).unwrap());
        let addresses = [0, 1].map(|place| receivers[place].local_addr().unwrap());
        let spare = UdpSocket::bind(local(0)).unwrap().local_addr().unwrap().port();
        let relay = Relay::listen(local(spare), move |host| addresses[usize::from(host)], 5).unwrap();
        // All on this machine have one address, which ends in 1.
        let delay = Delay { least: Duration::from_millis(50), jitter: Duration::from_millis(50) };
        relay.set(1, 0, delay);
        relay.set(1, 1, delay);
        let sender = UdpSocket::bind(local(0)).unwrap();
        let began = Instant::now();
        for n in 0..100 {
            sender.send_to(&packet(n % 2, n), local(spare)).unwrap();
        }
        for (place, receiver) in receivers.iter().enumerate() {
            receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut bytes = [0; 100];
            let mut arrived: Vec<u8> = (0..50)
                .map(|_| {
                    assert_eq!(receiver.recv(&mut bytes).unwrap(), 64);
                    bytes[63]
                })
                .collect();
            assert!(began.elapsed() >= delay.least, "{:?}", began.elapsed());
            assert!(!arrived.is_sorted(), "nothing was overtaken");
            arrived.sort_unstable();
            let sent: Vec<u8> = (0..100).filter(|n| usize::from(n % 2) == place).collect();
            assert_eq!(arrived, sent);
        }
        // A packet is counted a moment after it is sent.
        let counted = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            relay.carried().packets >= 100
        });
        assert!(counted, "{:?}", relay.carried().packets);
        let Carried { packets, overtaken, lost } = relay.carried();
        assert_eq!((packets, lost), (100, 0));
        assert!(overtaken > 10, "{overtaken}");
    }
}
