//! What goes wrong with machines: crashes at every moment, disks that tear, fill up, rot or are set
//! back, clocks that jump; and the healing after it.

use ledger::time::Timestamp;
use node::intake::Intake;
use node::validator::Validator;

use super::{Happening, Moment, Until, World};
use crate::disk::{Damage, promise};
use crate::weather::Weather;

/// After healing, all must be well within this much of the world's time.
pub(super) const HEALING_MS: u64 = 120_000;
/// No clock is further off than this, in milliseconds.
const CLOCK_OFF_MS_MAX: u64 = 600_000;
/// As `consensus::machine::Config::drift_ms`: a block further ahead of a clock waits for it.
const DRIFT_MS: u64 = 2000;

/// Why a machine crashed; the place in the figures.
pub(super) mod crash {
    pub(crate) const AT_REST: usize = 0;
    pub(crate) const BEFORE_PERSIST: usize = 1;
    pub(crate) const TORN_WRITE: usize = 2;
    pub(crate) const BEFORE_SEND: usize = 3;
    pub(crate) const MID_SEND: usize = 4;
    pub(crate) const FULL_DISK: usize = 5;
}

impl World {
    /// Crashes a machine at the next such moment that comes; it restarts a while later.
    pub fn crash(&mut self, at: usize, moment: Moment) {
        self.crash_after(at, 0, moment);
    }

    /// Crashes a machine at such a moment after so many more steps that keep something.
    pub fn crash_after(&mut self, at: usize, steps: u32, moment: Moment) {
        self.machines[at].doom = Some((steps, moment));
    }

    /// Crashes a machine just before its effect of this number, counted from the world's beginning: a
    /// write is an effect, and so is each action that is carried out after it.
    pub fn crash_before_effect(&mut self, at: usize, number: u64) {
        self.machines[at].doomed_effect = Some(number);
    }

    /// How many effects a machine has had.
    pub fn effects(&self, at: usize) -> u64 {
        self.machines[at].effects
    }

    /// The power goes, for everybody at once.
    pub fn black_out(&mut self) {
        (0..self.machines.len()).for_each(|at| self.crash_now(at, crash::AT_REST));
    }

    /// From now on a machine's disk loses its own votes in every crash, which no correct validator's
    /// may: shows that the checker notices.
    pub fn forget_votes(&mut self, at: usize) {
        self.machines[at].forgetful = true;
    }

    /// From now on nothing more fits on a machine's disk, or again everything.
    pub fn fill_disk(&mut self, at: usize, full: bool) {
        self.machines[at].disk.fill(full);
    }

    /// A bit of a machine's disk turns over.
    pub fn rot_disk(&mut self, at: usize) {
        let place = self.random.next();
        if self.machines[at].disk.rot(place) {
            self.machines[at].rotten = true;
            self.figures.rotten += 1;
            self.tell(|| format!("#{at} a bit rots"));
        }
    }

    /// Whether a machine refused to start from its disk.
    pub fn is_ruined(&self, at: usize) -> bool {
        self.machines[at].ruined
    }

    /// Cuts a machine off until the world heals or the weather changes.
    pub fn isolate(&mut self, at: usize) {
        self.weather.isolate(at);
    }

    /// The weather, to be set by hand.
    pub fn weather(&mut self) -> &mut Weather {
        &mut self.weather
    }

    /// Whatever a machine sends leaves so much later from now on, until the world heals.
    pub fn slow(&mut self, at: usize, ms: u64) {
        self.machines[at].slow_ms = ms;
    }

    /// Stops a machine until the world heals.
    pub fn stop(&mut self, at: usize) {
        self.crash_now(at, crash::AT_REST);
        self.queue
            .retain(|_, happening| !matches!(happening, Happening::Restart { at: whom } if *whom == at));
    }

    /// Sets a machine's clock ahead, or back with a negative number.
    pub fn skew(&mut self, at: usize, ms: i64) {
        self.machines[at].skew_ms = ms;
        self.schedule_turn(at);
    }

    /// Bad weather for a while: all that may go wrong does.
    pub fn storm(&mut self, ms: u64) {
        self.storm = true;
        self.figures.storms += 1;
        self.crash_permille = [0, 2, 10, 40][self.random.index(4)];
        self.later(1, Happening::Weather);
        self.later(200, Happening::Trouble);
        self.run(Until::Ms(ms));
        self.storm = false;
        self.crash_permille = 0;
    }

    /// Everything heals that may; finality must go on, and every life must come to its end. Clocks
    /// stay wrong on as many machines as the faults allow.
    ///
    /// # Panics
    /// When it does not within the bound.
    pub fn heal(&mut self) {
        self.weather = Weather::calm(self.machines.len());
        for at in 0..self.machines.len() {
            self.machines[at].skew_ms = self.heal_clock(at);
            self.machines[at].doom = None;
            self.machines[at].doomed_effect = None;
            self.machines[at].slow_ms = 0;
            self.machines[at].disk.fill(false);
            self.schedule_turn(at);
            if self.machines[at].validator.is_none() && !self.machines[at].ruined {
                self.start(at);
            }
        }
        for from in 0..self.machines.len() {
            self.connect(from);
        }
        // Something to agree on, so that healing shows.
        self.clients.lives_max += 2;
        self.later(1, Happening::NewClient);
        let (began, top, ahead_ms) = (self.now, self.top_view(), self.ahead_ms());
        let bound_ms = HEALING_MS + ahead_ms;
        while self.now < began + bound_ms {
            if self.queue.is_empty() {
                break;
            }
            self.next();
            if self.is_well() {
                break;
            }
        }
        assert!(self.is_well(), "{bound_ms} ms after healing: {}", self.complaint());
        if ahead_ms > 0 {
            // Blocks of a time to come: nothing may be final before it has come.
            self.figures.waited_for_time += 1;
            return;
        }
        self.figures.healed_in_ms = self.now - began;
        let faulty = self.chain.trust.validators().faulty_max() as u64;
        if let Some(view) = self.checker.first_final_above(top) {
            self.figures.views_to_heal = view.0 - top.0;
            // Invariant 13; the view in which the world healed does not count.
            assert!(view.0 - top.0 <= faulty + 3, "{} views without finality after healing", view.0 - top.0);
        }
    }

    fn heal_clock(&mut self, at: usize) -> i64 {
        let stays_wrong = self.storm_left_room() && self.machines[at].character.keeps_its_word();
        let most = if stays_wrong && self.random.permille(300) {
            self.faults_left -= 1;
            self.figures.clocks_left_wrong += 1;
            self.tell(|| format!("#{at} clock stays wrong"));
            CLOCK_OFF_MS_MAX
        } else {
            200
        };
        self.random.between(0, 2 * most) as i64 - most as i64
    }

    // A disk that rotted and was not read yet may still ruin its machine; it has used up its share.
    fn storm_left_room(&self) -> bool {
        self.faults_left > 0 && self.figures.storms > 0
    }

    /// How long the clocks must run until blocks may be made on what was made by clocks ahead.
    fn ahead_ms(&self) -> u64 {
        let clock = self.now + DRIFT_MS;
        let latest = self.honest().map(|machine| machine.disk.latest_time().0).max();
        latest.unwrap_or_default().saturating_sub(clock)
    }

    pub(super) fn trouble(&mut self) {
        let at = self.random.index(self.machines.len());
        match self.random.below(8) {
            0 => self.crash_now(at, crash::AT_REST),
            1 | 2 => {
                let moments = [Moment::BeforePersist, Moment::TornWrite, Moment::BeforeSend, Moment::MidSend];
                self.machines[at].doom = Some((0, moments[self.random.index(4)]));
            }
            3 | 4 => self.jump_clock(at),
            5 if self.random.permille(100) => {
                // The power goes for everybody.
                self.black_out();
            }
            6 if self.random.permille(300) => {
                self.machines[at].disk.fill(true);
                self.tell(|| format!("#{at} disk is full"));
                let wait = self.random.between(1, 4000);
                self.later(wait, Happening::FreeSpace { at });
            }
            7 if self.random.permille(100) => {
                let may = self.faults_left > 0
                    && self.machines[at].character.keeps_its_word()
                    && !self.machines[at].rotten;
                if may {
                    self.faults_left -= 1;
                    self.rot_disk(at);
                }
            }
            _ => {}
        }
        let wait = self.random.between(20, 2000);
        self.later(wait, Happening::Trouble);
    }

    fn jump_clock(&mut self, at: usize) {
        let most = [200, 1500, 10_000, CLOCK_OFF_MS_MAX][self.random.index(4)];
        let ms = self.random.between(0, 2 * most) as i64 - most as i64;
        self.figures.clock_jumps += 1;
        self.tell(|| format!("#{at} clock jumps to {ms} ms off"));
        self.skew(at, ms);
    }

    pub(super) fn crash_now(&mut self, at: usize, kind: usize) {
        let machine = &mut self.machines[at];
        if machine.validator.take().is_none() {
            return;
        }
        machine.inbox.clear();
        machine.own.clear();
        machine.pending.clear();
        machine.doom = None;
        if machine.forgetful {
            machine.disk.forget_votes();
        }
        machine.intake = Intake::new(*self.chain.trust.chain());
        self.checker.on_crash(at);
        self.figures.crashes[kind] += 1;
        self.tell(|| format!("#{at} crashes"));
        let wait = [1, 50, 1000, 5000][self.random.index(4)];
        let wait = self.random.between(1, wait);
        self.later(wait, Happening::Restart { at });
    }

    pub(super) fn start(&mut self, at: usize) {
        let now = self.clock(at);
        let chain = std::sync::Arc::clone(&self.chain);
        let machine = &mut self.machines[at];
        let recovered = match machine.disk.recover(&chain) {
            Ok(recovered) => recovered,
            Err(damage) => return self.refuse_to_start(at, damage),
        };
        assert!(!machine.rotten || promise::DAMAGED_LOG_STARTS_SILENT, "#{at} starts from a rotten disk");
        let vote_keys = vec![machine.keys.vote_key()];
        let (validator, actions) = Validator::new(self.settings.clone(), vote_keys, recovered, now);
        machine.validator = Some(validator);
        machine.turn_at = None;
        machine.life += 1;
        self.tell(|| format!("#{at} starts"));
        self.check_read_back(at);
        self.finish_turn(at, actions);
        self.connect(at);
    }

    /// Silence is safe: the node does not start from a disk that is damaged.
    fn refuse_to_start(&mut self, at: usize, damage: Damage) {
        assert!(self.machines[at].rotten, "#{at} refuses to start, {damage:?}, though nothing rotted");
        self.machines[at].ruined = true;
        self.figures.refused_to_start += 1;
        self.tell(|| format!("#{at} refuses to start: {damage:?}"));
    }

    pub(super) fn clock(&self, at: usize) -> Timestamp {
        Timestamp(self.now.saturating_add_signed(self.machines[at].skew_ms))
    }
}
