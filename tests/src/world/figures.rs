//! What happened in a world, counted, for the reader of a report.

/// What happened in a world, counted.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Figures {
    pub views: u64,
    pub blocks: u64,
    pub transactions: u64,
    pub acknowledged: u64,
    pub refused: u64,
    pub receipts: u64,
    pub crashes: [u64; 4],
    pub delivered: u64,
    pub lost: u64,
    pub damaged: u64,
    pub clock_jumps: u64,
    pub convictions: u64,
    pub healed_in_ms: u64,
    pub views_to_heal: u64,
    pub worlds: u64,
}

impl Figures {
    /// Adds those of another world; the slowest healing stays.
    pub fn add(&mut self, other: &Self) {
        self.views += other.views;
        self.blocks += other.blocks;
        self.transactions += other.transactions;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.receipts += other.receipts;
        self.crashes.iter_mut().zip(other.crashes).for_each(|(sum, more)| *sum += more);
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.damaged += other.damaged;
        self.clock_jumps += other.clock_jumps;
        self.convictions += other.convictions;
        self.healed_in_ms = self.healed_in_ms.max(other.healed_in_ms);
        self.views_to_heal = self.views_to_heal.max(other.views_to_heal);
        self.worlds += other.worlds;
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [outright, before_persist, before_send, mid_send] = self.crashes;
        writeln!(f, "worlds                    {:>10}", self.worlds)?;
        writeln!(f, "views                     {:>10}", self.views)?;
        writeln!(f, "blocks                    {:>10}", self.blocks)?;
        writeln!(f, "transactions posted       {:>10}", self.transactions)?;
        writeln!(f, "  acknowledged            {:>10}", self.acknowledged)?;
        writeln!(f, "  refused, as they should {:>10}", self.refused)?;
        writeln!(f, "receipts verified         {:>10}", self.receipts)?;
        writeln!(f, "crashes at rest           {outright:>10}")?;
        writeln!(f, "  before persisting       {before_persist:>10}")?;
        writeln!(f, "  before sending          {before_send:>10}")?;
        writeln!(f, "  while sending           {mid_send:>10}")?;
        writeln!(f, "clocks that jumped        {:>10}", self.clock_jumps)?;
        writeln!(f, "packets delivered         {:>10}", self.delivered)?;
        writeln!(f, "  lost                    {:>10}", self.lost)?;
        writeln!(f, "  damaged                 {:>10}", self.damaged)?;
        writeln!(f, "convictions kept          {:>10}", self.convictions)?;
        writeln!(f, "slowest healing, ms       {:>10}", self.healed_in_ms)?;
        write!(f, "most views to heal        {:>10}", self.views_to_heal)
    }
}
