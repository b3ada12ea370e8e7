//! What happened in a world, counted by kind of fault, for the reader of a report.

use super::adversary::Character;

/// What happened in a world, counted.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Figures {
    pub worlds: u64,
    pub storms: u64,
    pub views: u64,
    pub blocks: u64,
    pub transactions: u64,
    pub acknowledged: u64,
    pub refused: u64,
    pub receipts: u64,
    /// At rest, before persisting, torn write, before sending, while sending, disk full.
    pub crashes: [u64; 6],
    /// Disks with a bit turned over and what was read on from what was left of one; disks set back, vote logs
    /// lost with the signer's memory; starts that voted nothing at first, votes shown that were forgotten,
    /// silences made up for, signatures refused by the signer. Then epochs begun, changes asked for and
    /// refused, and recoveries.
    pub rotten: u64,
    pub salvaged: u64,
    pub set_back: u64,
    pub logs_lost: u64,
    pub refused_to_vote: u64,
    pub shown: u64,
    pub regained: u64,
    pub unsigned: u64,
    pub epochs: u64,
    pub changes: u64,
    pub changes_refused: u64,
    pub recoveries: u64,
    pub delivered: u64,
    pub lost: u64,
    pub unspread: u64,
    pub damaged: u64,
    pub clock_jumps: u64,
    pub clocks_left_wrong: u64,
    pub lines_left_slow: u64,
    pub waited_for_time: u64,
    /// Seats that behaved so, by the place of [`Character`].
    pub characters: [u64; Character::COUNT],
    /// What misbehaving members did: messages twisted, forged, withheld or invented.
    pub misdeeds: u64,
    /// Equivocations that an honest machine saw both halves of, each demanded as evidence.
    pub equivocations: u64,
    pub convictions: u64,
    /// What members that keep their word hold against others.
    pub blamed: u64,
    pub healed_in_ms: u64,
    pub views_to_heal: u64,
}

impl Figures {
    /// Adds those of another world; the slowest healing stays.
    pub fn add(&mut self, other: &Self) {
        let slowest = self.healed_in_ms.max(other.healed_in_ms);
        let longest = self.views_to_heal.max(other.views_to_heal);
        let mut mine = self.counters();
        for (sum, more) in mine.iter_mut().zip(other.clone().counters()) {
            **sum += *more;
        }
        self.healed_in_ms = slowest;
        self.views_to_heal = longest;
    }

    fn counters(&mut self) -> Vec<&mut u64> {
        let single = [
            &mut self.worlds,
            &mut self.storms,
            &mut self.views,
            &mut self.blocks,
            &mut self.transactions,
            &mut self.acknowledged,
            &mut self.refused,
            &mut self.receipts,
            &mut self.rotten,
            &mut self.salvaged,
            &mut self.set_back,
            &mut self.logs_lost,
            &mut self.refused_to_vote,
            &mut self.shown,
            &mut self.regained,
            &mut self.unsigned,
            &mut self.epochs,
            &mut self.changes,
            &mut self.changes_refused,
            &mut self.recoveries,
            &mut self.delivered,
            &mut self.lost,
            &mut self.unspread,
            &mut self.damaged,
            &mut self.clock_jumps,
            &mut self.clocks_left_wrong,
            &mut self.lines_left_slow,
            &mut self.waited_for_time,
            &mut self.misdeeds,
            &mut self.equivocations,
            &mut self.convictions,
            &mut self.blamed,
        ];
        single.into_iter().chain(&mut self.crashes).chain(&mut self.characters).collect()
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [at_rest, before_persist, torn, before_send, mid_send, full] = self.crashes;
        let characters = Character::FAULTY.map(|c| (format!("  {c:?}"), self.characters[c as usize]));
        let rows = [
            ("worlds", self.worlds),
            ("views", self.views),
            ("blocks", self.blocks),
            ("transactions posted", self.transactions),
            ("  acknowledged", self.acknowledged),
            ("  refused, as they should be", self.refused),
            ("receipts verified", self.receipts),
            ("crashes at rest", at_rest),
            ("  before a write", before_persist),
            ("  in a write that tears", torn),
            ("  after it, before sending", before_send),
            ("  while sending", mid_send),
            ("  because the disk is full", full),
            ("disks with a rotten bit", self.rotten),
            ("  read on from the rest of", self.salvaged),
            ("disks set back to an image", self.set_back),
            ("vote logs and memories lost", self.logs_lost),
            ("starts without a vote log", self.refused_to_vote),
            ("forgotten votes shown", self.shown),
            ("silences made up for", self.regained),
            ("signatures refused", self.unsigned),
            ("epochs begun", self.epochs),
            ("  changes asked for", self.changes),
            ("  refused", self.changes_refused),
            ("  by recovery", self.recoveries),
            ("clocks that jumped", self.clock_jumps),
            ("  left wrong while healing", self.clocks_left_wrong),
            ("lines left slow", self.lines_left_slow),
            ("  waited for, all too early", self.waited_for_time),
            ("packets delivered", self.delivered),
            ("  lost", self.lost),
            ("  spread to nobody", self.unspread),
            ("  damaged", self.damaged),
            ("members that misbehave", self.characters.iter().sum::<u64>()),
        ];
        let rows = rows.map(|(name, count)| (name.to_string(), count)).into_iter().chain(characters);
        let last = [
            ("their misdeeds", self.misdeeds),
            ("equivocations seen whole", self.equivocations),
            ("convictions kept", self.convictions),
            ("blamed for what they sent", self.blamed),
            ("slowest healing, ms", self.healed_in_ms),
            ("most views to heal", self.views_to_heal),
        ];
        let rows = rows.chain(last.map(|(name, count)| (name.to_string(), count)));
        let lines: Vec<String> = rows.map(|(name, count)| format!("{name:<28} {count:>10}")).collect();
        f.write_str(&lines.join("\n"))
    }
}
