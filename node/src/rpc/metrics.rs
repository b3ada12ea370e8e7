//! What an operator watches: counts and gauges in the Prometheus text form.
//!
//! Values that the running validator knows are read from it when somebody asks; only what would be
//! forgotten is counted here.

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Labels of refusals: rule ids are few, so the family is bounded.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Rule {
    rule: &'static str,
}

/// Labels of answers.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Status {
    status: u16,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct Metrics {
    registry: std::sync::Arc<Registry>,
    pub(super) peers: Gauge,
    pub(super) halted: Gauge,
    pub(super) lost_votes: Gauge,
    pub(super) refused: Gauge,
    pub(super) answers_in_time: Gauge,
    pub(super) epoch: Gauge,
    pub(super) votes: Gauge,
    pub(super) height: Gauge,
    pub(super) earliest: Gauge,
    pub(super) view: Gauge,
    pub(super) pool: Gauge,
    pub(super) faults: Gauge,
    pub(super) checkpoint_size: Gauge,
    pub(super) checkpoint_age_s: Gauge,
    pub(super) block_age_s: Gauge,
    pub(super) transactions: Gauge,
    pub(super) listeners: Gauge,
    resident_bytes: Gauge,
    cpu_seconds: Gauge<f64, AtomicU64>,
    refusals: Family<Rule, Counter>,
    answers: Family<Status, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("hovedbok");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let peers = gauge("peers_connected", "Validators and followers connected");
        let halted = gauge("halted", "1 once the validator stopped voting for good");
        let lost_votes = gauge("lost_votes", "1 while the vote log is lost and nothing is voted");
        let refused = gauge("refused_signatures", "what the signer refused to sign since the start");
        let answers_in_time = gauge("answers", "1 while the validator answers questions in time");
        let epoch = gauge("epoch", "Epoch of the validator set in force");
        let votes = gauge("votes", "1 while this node has a seat and votes; 0 of a follower");
        let height = gauge("height", "Height of the last posted block");
        let earliest = gauge("earliest", "Lowest height whose block this node holds");
        let view = gauge("view", "View that consensus is in");
        let pool = gauge("pool_transactions", "Transactions that wait for a block");
        let faults = gauge("peer_faults", "Messages of peers that broke the protocol since start");
        let checkpoint_size = gauge("checkpoint_size", "Leaves under the newest certified checkpoint");
        let checkpoint_age_s =
            gauge("checkpoint_age_seconds", "Age of the newest certified checkpoint by its cosignatures");
        let block_age_s = gauge("block_age_seconds", "Age of the last posted block by its time");
        let transactions = gauge("transactions_posted", "Transactions posted since genesis");
        let listeners = gauge("event_listeners", "Event streams open");
        let resident_bytes = gauge("resident_memory_bytes", "Memory of the process");
        let cpu_seconds = Gauge::<f64, AtomicU64>::default();
        registry.register("cpu_seconds", "Processor time of the process since start", cpu_seconds.clone());
        let refusals = Family::default();
        registry.register("refusals", "Transactions refused here since start, by rule", refusals.clone());
        let answers = Family::default();
        registry.register("http_answers", "Requests answered since start, by status", answers.clone());
        Self {
            registry: std::sync::Arc::new(registry),
            peers,
            halted,
            lost_votes,
            refused,
            answers_in_time,
            epoch,
            votes,
            height,
            earliest,
            view,
            pool,
            faults,
            checkpoint_size,
            checkpoint_age_s,
            block_age_s,
            transactions,
            listeners,
            resident_bytes,
            cpu_seconds,
            refusals,
            answers,
        }
    }
}

impl Metrics {
    /// A transaction was refused under this rule.
    pub(super) fn refused(&self, rule: &'static str) {
        self.refusals.get_or_create(&Rule { rule }).inc();
    }

    /// A request was answered with this status.
    pub(super) fn answered(&self, status: u16) {
        self.answers.get_or_create(&Status { status }).inc();
    }

    /// Everything, in the text form.
    pub(super) fn text(&self) -> String {
        self.read_process();
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            // Writing into memory does not fail; an empty page is still a page.
            let _ = write!(text, "# EOF");
        }
        text
    }

    /// What the kernel says of this process; where it says nothing, the gauges stay.
    fn read_process(&self) {
        // Ticks are 1/100 s on every Linux since 2.4 as seen from user space.
        const TICKS_PER_SECOND: f64 = 100.0;
        if let Ok(stat) = std::fs::read_to_string("/proc/self/stat") {
            // The second field is the program's name in brackets and may hold blanks.
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
            let ticks = |place: usize| fields.get(place)?.parse::<u32>().ok();
            if let (Some(user), Some(system)) = (ticks(11), ticks(12)) {
                self.cpu_seconds.set((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND);
            }
        }
        if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<i64>().ok());
            if let Some(kib) = kib {
                self.resident_bytes.set(kib.saturating_mul(1024));
            }
        }
    }
}

/// Event streams open, one place each; see `events`.
pub(super) struct Listening(Gauge);

impl Listening {
    pub(super) fn new(metrics: &Metrics) -> Self {
        metrics.listeners.inc();
        Self(metrics.listeners.clone())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_reads_refusals_by_rule() {
        let metrics = Metrics::default();
        metrics.refused("L7");
        metrics.refused("L7");
        metrics.answered(422);
        metrics.peers.set(3);
        let text = metrics.text();
        for line in [
            "hovedbok_refusals_total{rule=\"L7\"} 2",
            "hovedbok_http_answers_total{status=\"422\"} 1",
            "hovedbok_peers_connected 3",
            "hovedbok_halted 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
