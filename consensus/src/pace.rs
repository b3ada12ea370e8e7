//! The current view: when to wait, when to vote, when to give up, when to say it again.
//!
//! Left out: what the votes add up to (`machine`) and what follows from it (`chain`).
//!
//! Invariant: after [`Consensus::settle`] nothing is due, so the next wake-up lies in the future.

use alloc::vec::Vec;

use ledger::block::View;
use ledger::certificate::{Statement, Vote};
use ledger::time::Timestamp;

use crate::blocks::Verdict;
use crate::event::{Effect, Message, To};
use crate::machine::Consensus;
use crate::timer::{after, delta_ms, grown, jitter};

/// Own finalize votes said again in a retry: the newest few, because a finalization of any of them
/// finalizes the older ones with it.
const FINALIZES_RESENT: usize = 4;

impl Consensus {
    /// Draws every consequence of what was just learnt, until nothing is left to do now.
    pub(crate) fn settle(&mut self) {
        if self.halted() {
            return;
        }
        self.repair_if_due();
        self.retry_if_due();
        // Each round that leaves `dirty` behind has learnt something that it cannot learn twice: a
        // block newly wanted, a verdict, a new tip.
        let mut blocked = false;
        while !self.halted() {
            while core::mem::take(&mut self.dirty) && !self.halted() {
                self.advance_blocks();
                self.finalize();
                self.cast_finalizes();
            }
            self.arm();
            self.notarize();
            blocked = self.lead();
            if !self.dirty {
                break;
            }
        }
        if self.halted() {
            return;
        }
        self.propose();
        self.time_out(blocked);
        self.wake_at = self.next_wake(blocked);
    }

    fn delta_ms(&self) -> u64 {
        delta_ms(&self.config, self.view.0.saturating_sub(self.final_view().0).saturating_sub(1))
    }

    /// t_l: so long a leader may take.
    fn leader_ms(&self) -> u64 {
        self.config.block_interval_ms.saturating_add(self.delta_ms().saturating_mul(2))
    }

    /// When the chain has rested long enough; unknown while our books are behind.
    fn heartbeat_at(&self) -> Option<Timestamp> {
        let at = after(self.tip.time, self.config.heartbeat_ms);
        Some(at).filter(|_| self.final_view() == self.tip.view)
    }

    fn heartbeat_due(&self) -> bool {
        self.heartbeat_at().is_some_and(|at| self.now >= at)
    }

    /// Whether a block is wanted by us: there is work, or something notarized is not yet final, or
    /// the chain has rested long enough.
    fn wants_block(&self) -> bool {
        self.work || self.highest_certified > self.final_view() || self.heartbeat_due()
    }

    /// Whether anybody, ourselves included, did something in this view or the next.
    fn stirred(&self) -> bool {
        let mut views = self.views.range(self.view..=self.view.next());
        views.any(|(_, state)| {
            state.nudged || state.proposal.is_some() || state.own.acted() || !state.tally.is_empty()
        })
    }

    /// Rule C12: the clocks of a view run only while somebody wants something.
    fn arm(&mut self) {
        let armed = self.timer.armed_at.is_some();
        let busy = self.wants_block() || self.stirred();
        if busy && !armed {
            let own = self.views.get(&self.view).map(|state| state.own).unwrap_or_default();
            let delta = self.delta_ms();
            // A restarted validator that gave the view up before has nothing to wait for. The others
            // ask well before t_l, so that a leader who knew of no work can still propose in time.
            let wait_ms =
                if own.nullified { 0 } else { self.config.block_interval_ms.saturating_add(delta / 2) };
            let jitter = jitter(self.me.unwrap_or(u16::MAX), self.view, 0, delta / 4 + 1);
            self.timer.armed_at = Some(self.now);
            self.timer.retry_at = after(self.now, wait_ms.saturating_add(jitter).saturating_add(1));
        } else if !busy {
            self.timer.armed_at = None;
        }
    }

    /// Rule C7, for every view that has a notarization.
    pub(crate) fn cast_finalizes(&mut self) {
        let above = self.views.range(self.tip.view.next()..self.reach());
        let ready: Vec<Statement> = above
            .filter(|(_, state)| state.finalization.is_none() && !state.skipped())
            .filter_map(|(view, state)| {
                let block = state.notarization.as_ref()?.statement.block()?;
                let valid = self.blocks.is(&block, Verdict::Valid);
                let statement = Statement::Finalize { view: *view, block };
                (valid && self.may(&statement)).then_some(statement)
            })
            .collect();
        ready.into_iter().for_each(|statement| self.cast(statement));
    }

    /// Rule C3: vote for the leader's proposal once everything it rests on is here.
    fn notarize(&mut self) {
        let waited = self.clock_at.take();
        let view = self.view;
        let Some(block) = self.views.get(&view).and_then(|state| state.proposal) else { return };
        let Some(known) = self.blocks.get(&block) else { return };
        let statement = Statement::Notarize { view, block };
        if Some(self.leader(view)) == self.me || known.verdict.refuses() || !self.may(&statement) {
            return;
        }
        let (parent_view, parent, time) = (known.header.parent_view, known.header.parent, known.header.time);
        let verdict = known.verdict;
        self.want(block, view);
        let certified = self.views.get(&parent_view).and_then(|state| state.certified());
        if parent != self.tip.block && certified != Some(parent) {
            return self.ask(parent_view);
        }
        if !self.gap_covered(parent_view, view) {
            return self.ask_gap(parent_view, view);
        }
        let reach = after(self.now, self.config.drift_ms);
        if time > reach {
            // Not invalid: whether a block is valid may not depend on anybody's clock.
            self.clock_at = Some(Timestamp(time.0.saturating_sub(self.config.drift_ms)));
            self.stats.ahead_of_clock += u64::from(waited != self.clock_at);
            return;
        }
        if verdict == Verdict::Valid {
            self.cast(statement);
        }
    }

    /// Rule C2. True if we ought to build and cannot.
    fn lead(&mut self) -> bool {
        self.build_at = None;
        let view = self.view;
        let state = self.views.get(&view);
        let free = state.is_none_or(|state| state.building.is_none() && !state.own.acted());
        let asked =
            state.is_some_and(|state| state.nudged || state.tally.nullified_by_another(view, self.me));
        let mine = Some(self.leader(view)) == self.me && self.may(&Statement::Nullify { view });
        if !mine || !free || !(asked || self.wants_block()) {
            return false;
        }
        let Some((parent_view, parent, parent_time)) = self.ground() else { return true };
        // From the parent's time or from when we entered, whichever is earlier: a predecessor whose
        // clock runs ahead must not slow us down.
        let mut due = after(parent_time.min(self.timer.entered_at), self.config.block_interval_ms);
        if !asked && !self.work && !self.heartbeat_due() {
            // Only finality is missing, and most often on its way: an empty block for its sake, made
            // at once, would itself lack finality when the next leader looks, and so on for ever.
            due = due.max(after(self.timer.entered_at, self.delta_ms() / 2));
        }
        if due > self.now {
            self.build_at = Some(due);
            return false;
        }
        self.views.entry(view).or_default().building = Some((parent_view, parent));
        self.effects.push(Effect::Build { view, parent_view, parent });
        false
    }

    /// Our notarize vote is durable and signed: out with the block (rules C2, C4).
    fn propose(&mut self) {
        let view = self.view;
        let Some(me) = self.me.filter(|me| *me == self.leader(view)) else { return };
        let Some(state) = self.views.get(&view).filter(|state| !state.proposed) else { return };
        let Some(block) = state.own.notarized.filter(|_| !state.own.nullified) else { return };
        let Some(vote) = state.tally.vote(self.epoch, Statement::Notarize { view, block }, me) else {
            return;
        };
        let Some(known) = self.blocks.get(&block) else { return };
        let (parent_view, parent) = (known.header.parent_view, known.header.parent);
        let Some(justification) = self.justification(view, parent_view, parent) else { return };
        self.effects.push(Effect::Propose { block, justification, vote });
        self.views.entry(view).or_default().proposed = true;
    }

    /// Rule C15: waited for in vain or silent for many views, while a quorum was heard; or out of reach
    /// while a quorum is not.
    fn inactive(&self, leader: u16) -> bool {
        let reached = usize::from(self.validators).saturating_sub(self.cut.len());
        if self.cut.contains(&leader) && reached >= self.quorum {
            return self.config.leader_skip_views > 0;
        }
        let limit = self.config.leader_skip_views;
        let silent = |heard: &u64| self.lived.saturating_sub(*heard) > limit;
        let heard = self.heard.iter().filter(|heard| !silent(heard)).count();
        let long = || self.heard.get(usize::from(leader)).is_some_and(silent);
        limit > 0 && heard >= self.quorum && (self.mute.contains(&leader) || long())
    }

    /// Rule C5: give the view up, for any of its reasons.
    fn time_out(&mut self, blocked: bool) {
        let view = self.view;
        let nullify = Statement::Nullify { view };
        let Some(armed_at) = self.timer.armed_at.filter(|_| self.may(&nullify)) else { return };
        let leader = self.leader(view);
        let mine = Some(leader) == self.me;
        let state = self.views.get(&view);
        let proposal = state.and_then(|state| if mine { state.own.notarized } else { state.proposal });
        let gave_up = state.is_some_and(|state| state.tally.vote(self.epoch, nullify, leader).is_some());
        let verdict = proposal.and_then(|block| self.blocks.verdict(&block));
        let invalid = verdict.is_some_and(Verdict::refuses);
        let skip = proposal.is_none() && !mine && self.inactive(leader);
        let passed = |wait_ms: u64| self.now >= after(armed_at, wait_ms);
        let late = passed(self.patience_ms(proposal.is_some(), blocked));
        if gave_up || invalid || skip || late {
            self.stats.nullifies += 1;
            self.stats.leader_skips += u64::from(skip && !gave_up && !late);
            self.mute.extend(Some(leader).filter(|_| late && proposal.is_none() && !mine));
            self.cast(nullify);
        }
    }

    /// How long after arming the view is given up: t_l without a proposal, t_c with one, and half
    /// of t_l for a leader who lacks what he would build on, so that the others need not wait.
    fn patience_ms(&self, proposal: bool, blocked: bool) -> u64 {
        let leader_ms = self.leader_ms();
        if blocked {
            leader_ms / 2
        } else if proposal {
            leader_ms.saturating_add(self.delta_ms())
        } else {
            leader_ms
        }
    }

    /// Rule C13: whatever may have been lost is said again.
    fn retry_if_due(&mut self) {
        if self.timer.armed_at.is_none() || self.now < self.timer.retry_at {
            return;
        }
        let view = self.view;
        self.stats.retries += 1;
        let attempt = self.timer.attempt;
        if let Some(me) = self.me {
            let votes = self.votes_to_resend(me).into_iter().map(Message::Vote);
            for message in votes.chain([Message::Status(self.status())]) {
                self.effects.push(Effect::Send { to: To::All, message });
            }
        }
        if self.validators > 1 {
            // First the leader, who may not know that anybody wants a block.
            let leader = self.leader(view);
            let first = attempt == 0 && Some(leader) != self.me;
            let to = To::One(if first { leader } else { self.peer(view, attempt) });
            self.effects.push(Effect::Send { to, message: Message::StatusRequest });
        }
        if let Some(state) = self.views.get_mut(&view) {
            state.proposed = false;
        }
        self.timer.attempt = attempt.saturating_add(1);
        let delta = self.delta_ms();
        let wait_ms = grown(delta, u64::from(attempt), self.config.delta_max_ms);
        let jitter = jitter(self.me.unwrap_or(u16::MAX), view, self.timer.attempt, delta / 4 + 1);
        self.timer.retry_at = after(self.now, wait_ms.saturating_add(jitter));
    }

    fn votes_to_resend(&self, me: u16) -> Vec<Vote> {
        let mut votes = Vec::new();
        let signed = |view: &View, statement: Option<Statement>| {
            let state = self.views.get(view)?;
            state.tally.vote(self.epoch, statement?, me)
        };
        let view = self.view;
        if let Some(state) = self.views.get(&view) {
            let notarize = state.own.notarized.map(|block| Statement::Notarize { view, block });
            votes.extend(signed(&view, notarize));
            votes.extend(signed(&view, Some(Statement::Nullify { view })));
        }
        let above = self.views.range(self.tip.view.next()..).rev();
        let open = above.filter(|(_, state)| state.finalization.is_none() && state.own.finalized.is_some());
        for (view, state) in open.take(FINALIZES_RESENT) {
            let finalize = state.own.finalized.map(|block| Statement::Finalize { view: *view, block });
            votes.extend(signed(view, finalize));
        }
        votes
    }

    /// When the next of all these falls due.
    fn next_wake(&self, blocked: bool) -> Option<Timestamp> {
        let armed_at = self.timer.armed_at;
        let view = self.view;
        let may_nullify = self.may(&Statement::Nullify { view });
        let state = self.views.get(&view);
        let mine = Some(self.leader(view)) == self.me;
        let proposal = state.and_then(|state| if mine { state.own.notarized } else { state.proposal });
        let patience_ms = self.patience_ms(proposal.is_some(), blocked);
        let wakes = [
            armed_at.filter(|_| may_nullify).map(|at| after(at, patience_ms)),
            armed_at.map(|_| self.timer.retry_at),
            self.heartbeat_at().filter(|at| *at > self.now),
            self.repair.at,
            self.clock_at,
            self.build_at,
        ];
        wakes.into_iter().flatten().min().map(|at| at.max(after(self.now, 1)))
    }
}
