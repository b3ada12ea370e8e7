//! What goes wrong with machines: crashes at every moment, disks that tear, fill up, rot or are set
//! back, clocks that jump; and the healing after it.

use ledger::time::Timestamp;
use node::intake::Intake;
use node::validator::Validator;

use super::{Happening, Moment, Until, World};
use crate::chain::invented_org;
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

/// What a machine's disk loses of its votes in every crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forgetting {
    /// Nothing, as promised.
    Never,
    /// All, and the signers' memory says that nothing was ever signed.
    Unnoticed,
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
        self.machines[at].forgetting = Forgetting::Unnoticed;
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

    /// Whether a machine has lost votes, or may have, and has not made up for it yet.
    pub fn has_lost_votes(&self, at: usize) -> bool {
        self.machines[at].lost || self.machines[at].rotten
    }

    /// A bit of a machine's disk turns over, and the machine reads it.
    pub fn rot_disk_and_restart(&mut self, at: usize) {
        self.rot_disk(at);
        self.crash_now(at, crash::AT_REST);
    }

    /// What a machine spreads to the others' pools reaches nobody from now on, or again everybody.
    pub fn spread_nothing(&mut self, at: usize, nothing: bool) {
        self.machines[at].unspread = nothing;
    }

    /// Keeps a copy of a machine's disk and of its signers' memory.
    pub fn take_image(&mut self, at: usize) {
        let machine = &self.machines[at];
        let image = (machine.disk.clone(), machine.files.image());
        self.machines[at].image = Some(image);
    }

    /// Crashes a machine and sets its disk back to the copy; the signers' memory too, if `whole`, which
    /// amounts to running a second machine with the same keys.
    pub fn put_image_back(&mut self, at: usize, whole: bool) {
        self.crash_now(at, crash::AT_REST);
        let machine = &mut self.machines[at];
        let full = machine.disk.is_full();
        let Some((disk, memory)) = machine.image.clone() else { return };
        machine.disk = disk;
        machine.disk.fill(full);
        machine.checked = machine.checked.min(machine.disk.finalized().len());
        if whole {
            machine.files.set_back(&memory);
        }
        self.figures.set_back += 1;
        self.tell(|| format!("#{at} is set back to an old image"));
        self.lose_votes(at);
    }

    /// Crashes a machine, whose vote log is gone then, and its signers' memory with it.
    pub fn lose_log(&mut self, at: usize) {
        self.crash_now(at, crash::AT_REST);
        self.machines[at].disk.forget_votes();
        self.machines[at].files.lose_memory();
        self.figures.logs_lost += 1;
        self.tell(|| format!("#{at} loses its vote log and its signer's memory"));
        self.lose_votes(at);
    }

    /// From here on a machine's view may be one it was beyond before.
    pub(super) fn lose_votes(&mut self, at: usize) {
        self.machines[at].lost = true;
        self.checker.on_lost(invented_org(self.machines[at].place));
    }

    /// A machine is gone for good, disk and all.
    pub fn destroy(&mut self, at: usize) {
        self.crash_now(at, crash::AT_REST);
        self.machines[at].dead = true;
        self.tell(|| format!("#{at} is gone for good"));
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
        if self.random.permille(300) {
            // Nobody takes it up into the mesh that carries transactions.
            let at = self.random.index(self.machines.len());
            self.machines[at].unspread = true;
        }
        self.later(1, Happening::Weather);
        self.later(200, Happening::Trouble);
        self.run(Until::Ms(ms));
        self.storm = false;
        self.crash_permille = 0;
    }

    /// Everything heals that may; finality must go on, and every life must come to its end. Clocks
    /// and lines stay bad on as many machines as the faults allow.
    ///
    /// # Panics
    /// When it does not within the bound.
    pub fn heal(&mut self) {
        self.weather = Weather::calm(self.machines.len());
        for at in 0..self.machines.len() {
            (self.machines[at].skew_ms, self.machines[at].slow_ms) = self.heal_pace(at);
            self.machines[at].unspread = false;
            self.machines[at].doom = None;
            self.machines[at].doomed_effect = None;
            self.machines[at].disk.fill(false);
            self.schedule_turn(at);
            if self.machines[at].validator.is_none() && !self.machines[at].dead {
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
        let faulty = self.checker.set().faulty_max() as u64;
        if let Some((epoch, view)) = self.checker.first_final_above(top) {
            let began = if epoch == top.0 { top.1.0 } else { 0 };
            self.figures.views_to_heal = view.0 - began;
            // Invariant 13; the view in which the world healed does not count.
            assert!(view.0 - began <= faulty + 3, "{} views without finality after healing", view.0 - began);
        }
    }

    /// How far a machine's clock is off from now on, and how late all is that it sends.
    fn heal_pace(&mut self, at: usize) -> (i64, u64) {
        let unspread = self.machines[at].unspread;
        let may_stay = self.figures.storms > 0 && self.faults_left() > 0 && self.machines[at].is_sound();
        // Whoever's transactions reached nobody is the one who should need the others to book them.
        let stays = may_stay && self.random.permille(if unspread { 800 } else { 300 });
        if !stays {
            return (self.random.between(0, 400) as i64 - 200, 0);
        }
        self.machines[at].stays_bad = true;
        if self.random.permille(400) {
            self.figures.lines_left_slow += 1;
            self.tell(|| format!("#{at} line stays slow"));
            return (0, self.random.between(3000, 6000));
        }
        self.figures.clocks_left_wrong += 1;
        self.tell(|| format!("#{at} clock stays wrong"));
        let most = CLOCK_OFF_MS_MAX;
        (self.random.between(0, 2 * most) as i64 - most as i64, 0)
    }

    /// How many machines more may lose votes or stay bad.
    fn faults_left(&self) -> usize {
        self.government.faulty_max(self.checker.set()).saturating_sub(self.beyond_healing())
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
            7 if self.random.permille(350) => self.harm(at),
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
        machine.signers = None;
        if machine.forgetting == Forgetting::Unnoticed {
            machine.disk.forget_votes();
            machine.files.forge_memory();
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
        let mut signers = machine.files.open(chain.trust.chain());
        machine.keyring = machine.files.keyring();
        let mut damage = None;
        let mut recovered = match machine.disk.recover(&chain) {
            Ok(recovered) => recovered,
            Err(found) => {
                // As a node opens its store: every signer is told before what is left is read.
                assert!(machine.rotten, "#{at} finds its disk damaged, {found:?}, though nothing rotted");
                signers.lose().expect("the signers' memory can be written");
                machine.disk.salvage(&self.checker.leaves()[..self.checker.genesis_leaves()]);
                machine.checked = machine.checked.min(machine.disk.finalized().len());
                damage = Some(format!("{found:?}"));
                machine.disk.recover(&chain).expect("what was salvaged reads")
            }
        };
        assert!(!machine.rotten || damage.is_some(), "#{at} starts from a rotten disk and does not notice");
        machine.rotten = false;
        match signers.remember_in(&mut machine.disk, damage.as_deref()) {
            Ok(memory) => recovered.memory = memory,
            Err(error) => {
                self.tell(|| format!("#{at} does not start: {error}"));
                let wait = self.random.between(1, 1000);
                return self.later(wait, Happening::Restart { at });
            }
        }
        let silent = recovered.memory.progress().is_some();
        let vote_keys = machine.keyring.vote_keys();
        let (validator, actions) = Validator::new(self.settings.clone(), vote_keys, recovered, now);
        machine.validator = Some(validator);
        machine.signers = Some(signers);
        machine.turn_at = None;
        machine.life += 1;
        self.tell(|| format!("#{at} starts{}", if silent { " and has lost its votes" } else { "" }));
        self.figures.refused_to_vote += u64::from(silent);
        self.figures.salvaged += u64::from(damage.is_some());
        if silent {
            self.lose_votes(at);
        }
        self.admit(at);
        self.check_read_back(at);
        self.finish_turn(at, actions);
        self.connect(at);
    }

    /// Something befalls a sound member's disk that it must notice and make up for.
    fn harm(&mut self, at: usize) {
        let seated = self.sits_in(at, self.checker.set());
        if self.disks_hold || self.faults_left() == 0 || !self.machines[at].is_sound() || !seated {
            return;
        }
        match self.random.below(4) {
            0 => self.lose_log(at),
            1 if self.machines[at].image.is_some() => self.put_image_back(at, false),
            1 => self.take_image(at),
            2 => self.rot_disk(at),
            _ => self.rot_disk_and_restart(at),
        }
    }

    pub(super) fn clock(&self, at: usize) -> Timestamp {
        Timestamp(self.now.saturating_add_signed(self.machines[at].skew_ms))
    }
}
