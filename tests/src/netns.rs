//! A small network of its own for real processes: one network namespace for each validator, wires
//! between them that can be cut, made lossy, narrow or long, and a kernel that takes all of it away
//! when the program ends, however it ends.
//!
//! [`enter`] starts a program again inside namespaces for network, mounts and processes. In there
//! [`Wires`] lays a bridge with one wire for each validator; the program itself stands at the
//! bridge, where clients and the `relay` are. It leaves out who runs at the ends of the wires.
//!
//! Invariants: nothing outside is touched, so that networks beside each other do not meet; no
//! process, namespace, mount or rule outlives the program, because all of them hang on the first
//! process inside. Validator `i` is at 10.7.0.(i + 1).

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::relay::{Carried, Delay, Relay};

/// What has to be installed, beside util-linux: Debian's packages of these commands.
const TOOLS: [(&str, &str); 4] =
    [("ip", "iproute2"), ("tc", "iproute2"), ("iptables", "iptables"), ("ethtool", "ethtool")];
/// Where the program stands.
const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 254);

/// The command that starts a program in namespaces of its own, as the only root in there.
fn inside() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    if user_id() != "0" {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--");
    command
}

fn user_id() -> String {
    let id = Command::new("id").arg("-u").output();
    id.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string()).unwrap_or_default()
}

/// Why such a network cannot be made on this machine, if it cannot.
///
/// # Errors
/// One line: what is missing, or what the machine does not allow.
pub fn possible() -> Result<(), String> {
    for (tool, package) in TOOLS {
        // The administrator's folders are not on everybody's path.
        if !["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
            .iter()
            .any(|folder| Path::new(folder).join(tool).exists())
        {
            return Err(format!("{tool} is not installed; install the package {package}"));
        }
    }
    let trial =
        "mount -t tmpfs tmpfs /run && mkdir /run/netns && ip netns add trial && ip link add x type bridge";
    let tried = inside().args(["sh", "-c", trial]).env("PATH", path()).stdin(Stdio::null()).output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!(
                "this machine allows no namespaces: {}",
                said.lines().next().unwrap_or("no reason given")
            ))
        }
        Err(error) => Err(format!("unshare: {error}")),
    }
}

fn path() -> String {
    format!("{}:/usr/sbin:/sbin:/usr/bin:/bin", std::env::var("PATH").unwrap_or_default())
}

/// Runs a program inside, with temporary files in a folder that is removed at the end. Its standard
/// input stays open for as long as this process lives; it ends itself by [`end_with_parent`].
///
/// # Errors
/// One line, when it cannot be started.
pub fn enter(
    program: &Path,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<ExitStatus, String> {
    let files = tempfile::tempdir().map_err(|error| format!("a folder for its files: {error}"))?;
    let mut command = inside();
    command
        .arg(program)
        .args(arguments)
        .env("TMPDIR", files.path())
        .env("PATH", path())
        .stdin(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("unshare: {error}"))?;
    // `wait` would close it.
    let held = child.stdin.take();
    let ended = child.wait().map_err(|error| format!("unshare: {error}"));
    drop(held);
    ended
}

/// Ends this process when whoever started it is gone.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(1);
    });
}

/// Runs a command of the system.
///
/// # Panics
/// If it fails: then the network is not what the story says.
#[track_caller]
fn run(words: &str) {
    let mut parts = words.split(' ');
    let output = Command::new(parts.next().unwrap_or_default()).args(parts).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{words}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
}

/// The wires of a network. Made inside only.
pub struct Wires {
    count: usize,
    relay: Relay,
}

impl Wires {
    /// Lays wires for so many validators, at most 200.
    ///
    /// # Panics
    /// If the kernel refuses a part.
    pub fn lay(count: usize, seed: u64) -> Self {
        assert!(count <= 200, "addresses end at 254");
        // The machine's own /run stays as it is.
        run("mount -t tmpfs tmpfs /run");
        fs::create_dir("/run/netns").expect("a folder for the names of namespaces");
        run("ip link set lo up");
        run("ip link add bridge type bridge");
        run(&format!("ip address add {BRIDGE}/24 dev bridge"));
        run("ip link set bridge up");
        for index in 0..count {
            let (name, address) = (name(index), address(index));
            run(&format!("ip netns add {name}"));
            run(&format!("ip link add wire{index} type veth peer name eth0 netns {name}"));
            run(&format!("ip link set wire{index} master bridge up"));
            run(&format!("ip -n {name} link set lo up"));
            run(&format!("ip -n {name} address add {address}/24 dev eth0"));
            run(&format!("ip -n {name} link set eth0 up"));
            run(&format!(
                "ip -n {name} link add long address {} type vxlan id 7 local {address} remote {BRIDGE} dstport {} nolearning dev eth0",
                hardware(index),
                crate::relay::PORT
            ));
            // The relay hands packets on as they are, so they must leave with their checksums and unjoined.
            run(&format!("ip netns exec {name} ethtool -K long tx off"));
            run(&format!("ip -n {name} link set long mtu 1450 up"));
            for other in (0..count).filter(|other| *other != index) {
                run(&format!(
                    "ip -n {name} neighbour add {} lladdr {} dev long nud permanent",
                    crate::netns::address(other),
                    hardware(other)
                ));
            }
        }
        Self { count, relay: Relay::start(BRIDGE, seed).expect("the relay's port is free in here") }
    }

    /// Rewrites configurations that were laid out for the loopback address, and gives the words that
    /// start a program at the end of each wire.
    ///
    /// # Panics
    /// If a configuration is not as `localnet` writes it.
    pub fn occupy(&self, folder: &Path) -> Vec<Vec<String>> {
        let files: Vec<PathBuf> =
            (0..self.count).map(|index| folder.join(format!("node-{index}/node.toml"))).collect();
        let texts: Vec<String> =
            files.iter().map(|file| fs::read_to_string(file).expect("a configuration")).collect();
        let ports: Vec<String> = texts.iter().map(|text| listening(text).expect("a peers' port")).collect();
        for (index, (file, text)) in files.iter().zip(&texts).enumerate() {
            let mut text = text.replace("listen = \"127.0.0.1:", &format!("listen = \"{}:", address(index)));
            for (other, port) in ports.iter().enumerate() {
                let there = format!("/ip4/{}/tcp/{port}\"", address(other));
                text = text.replace(&format!("/ip4/127.0.0.1/tcp/{port}\""), &there);
            }
            assert!(!text.contains("127.0.0.1"), "a loopback address is left: {text}");
            fs::write(file, text).expect("a configuration can be written");
        }
        let words = |index| ["ip", "netns", "exec", &name(index)].map(String::from).to_vec();
        (0..self.count).map(words).collect()
    }

    /// Packets from one validator do not arrive at the other any more.
    pub fn cut(&self, from: usize, to: usize) {
        self.rule(to, &format!("--source {} --jump DROP", address(from)));
    }

    /// Of the packets of all validators to each other, so many in a hundred do not arrive.
    pub fn lose(&self, percent: u32) {
        let mut probability = String::new();
        let _ = write!(probability, "{}.{:02}", percent / 100, percent % 100);
        for to in 0..self.count {
            for from in (0..self.count).filter(|from| *from != to) {
                let statistic = format!("--match statistic --mode random --probability {probability}");
                self.rule(to, &format!("--source {} {statistic} --jump DROP", address(from)));
            }
        }
    }

    fn rule(&self, at: usize, rule: &str) {
        run(&format!("ip netns exec {} iptables --wait 10 --append INPUT {rule}", name(at)));
    }

    /// A validator sends no faster than this, clients included.
    pub fn narrow(&self, index: usize, kbit_per_s: u32) {
        let limit = format!("rate {kbit_per_s}kbit burst 16kb latency 500ms");
        run(&format!("tc -n {} qdisc add dev eth0 root tbf {limit}", name(index)));
    }

    /// Every link between these and any other validator becomes long, in both directions.
    pub fn lengthen(&self, indexes: &[usize], delay: Delay) {
        let host = |index: usize| address(index).octets()[3];
        for from in 0..self.count {
            for to in (0..self.count).filter(|to| *to != from) {
                if indexes.contains(&from) || indexes.contains(&to) {
                    self.relay.set(host(from), host(to), delay);
                    let source = address(from);
                    run(&format!(
                        "ip -n {} route replace {}/32 dev long src {source}",
                        name(from),
                        address(to)
                    ));
                }
            }
        }
    }

    /// What went over long links so far.
    pub fn carried(&self) -> Carried {
        self.relay.carried()
    }

    /// All wires are as they were laid.
    pub fn mend(&self) {
        for index in 0..self.count {
            let name = name(index);
            run(&format!("ip netns exec {name} iptables --wait 10 --flush"));
            // Fails where there is none.
            let tc = Command::new("tc").args(["-n", &name, "qdisc", "del", "dev", "eth0", "root"]).output();
            tc.expect("tc runs");
            run(&format!("ip -n {name} route flush dev long"));
        }
    }
}

/// A file system of so many megabytes, for one folder, which is made.
///
/// # Panics
/// If the kernel refuses.
pub fn small_disk(at: &Path, megabytes: usize) {
    fs::create_dir_all(at).expect("a folder to mount on");
    run(&format!("mount -t tmpfs -o size={megabytes}m tmpfs {}", at.display()));
}

fn name(index: usize) -> String {
    format!("validator{index}")
}

/// Where a validator is.
pub fn address(index: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 7, 0, index as u8 + 1)
}

fn hardware(index: usize) -> String {
    format!("02:00:00:00:00:{:02x}", index + 1)
}

/// The port in a configuration's own line for peers.
fn listening(text: &str) -> Option<String> {
    let own = text.split("[network]").nth(1)?.split("[network.peers]").next()?;
    let port: String = own.split("/tcp/").nth(1)?.chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty()).then_some(port)
}
