//! When to stop waiting, and when to say things again.
//!
//! Every wait is a multiple of Δ, which grows by half with each view without finality up to a cap.
//! Views pass only by certificate, so Δ stands still while the quorum is away, and an hour's outage
//! leaves no hour's timer behind. No randomness: the jitter that keeps validators from speaking at
//! once is drawn from who they are, the view and the attempt.
//!
//! Invariant: no wait computed here is longer than the block interval and four times the cap.

use ledger::block::View;
use ledger::time::Timestamp;

use crate::machine::Config;

/// Half as much again, `steps` times, up to `max`.
pub(crate) fn grown(base_ms: u64, steps: u64, max_ms: u64) -> u64 {
    let mut wait_ms = base_ms.max(1);
    // From one millisecond, 110 steps pass any cap that fits in 64 bits.
    for _ in 0..steps.min(110) {
        if wait_ms >= max_ms {
            break;
        }
        wait_ms = wait_ms.saturating_add(wait_ms.div_ceil(2));
    }
    wait_ms.min(max_ms.max(1))
}

/// Δ after this many views without finality; the first three cost nothing, because a faulty leader
/// or two are no sign of a slow network.
pub(crate) fn delta_ms(config: &Config, views_without: u64) -> u64 {
    grown(config.delta_ms, views_without.saturating_sub(3), config.delta_max_ms)
}

/// A number below `range`, the same for the same arguments (the finalizer of splitmix64).
pub(crate) fn jitter(me: u16, view: View, attempt: u32, range: u64) -> u64 {
    let mut word =
        view.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(me) << 32 ^ u64::from(attempt).rotate_left(48);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (word ^ word >> 31) % range.max(1)
}

/// Later by so many milliseconds; time does not wrap.
pub(crate) fn after(at: Timestamp, wait_ms: u64) -> Timestamp {
    Timestamp(at.0.saturating_add(wait_ms))
}

/// The clocks of the current view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timer {
    /// When the view was entered.
    pub(crate) entered_at: Timestamp,
    /// When waiting began; `None` while the chain rests.
    pub(crate) armed_at: Option<Timestamp>,
    /// When to say again what we have said.
    pub(crate) retry_at: Timestamp,
    /// How often we did.
    pub(crate) attempt: u32,
}

impl Timer {
    pub(crate) fn entered(now: Timestamp) -> Self {
        Self { entered_at: now, armed_at: None, retry_at: now, attempt: 0 }
    }

    /// The clock was set back: what was to come in so long still comes in so long.
    pub(crate) fn set_back(&mut self, by_ms: u64) {
        let back = |at: Timestamp| Timestamp(at.0.saturating_sub(by_ms));
        self.entered_at = back(self.entered_at);
        self.armed_at = self.armed_at.map(back);
        self.retry_at = back(self.retry_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c11_delta_grows_by_half_from_the_fourth_view_and_stops_at_the_cap() {
        let config = Config { delta_ms: 1000, delta_max_ms: 10_000, ..Config::default() };
        let deltas: alloc::vec::Vec<u64> = (0..12).map(|k| delta_ms(&config, k)).collect();
        assert_eq!(deltas, [1000, 1000, 1000, 1000, 1500, 2250, 3375, 5063, 7595, 10_000, 10_000, 10_000]);
        assert_eq!(delta_ms(&config, u64::MAX), 10_000);
    }

    #[test]
    fn c11_no_configuration_makes_a_wait_of_zero() {
        let config = Config { delta_ms: 0, delta_max_ms: 0, ..Config::default() };
        assert_eq!(delta_ms(&config, 9), 1);
    }

    #[test]
    fn c13_jitter_differs_between_validators_and_attempts_but_not_between_runs() {
        assert_eq!(jitter(1, View(5), 0, 250), jitter(1, View(5), 0, 250));
        let drawn: alloc::collections::BTreeSet<u64> =
            (0..8).flat_map(|me| (0..8).map(move |a| jitter(me, View(5), a, 1 << 40))).collect();
        assert_eq!(drawn.len(), 64);
    }
}
