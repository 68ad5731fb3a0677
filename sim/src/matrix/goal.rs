//! What must be reached, as sentences, and the count of runs that reached it.

use std::collections::BTreeMap;

use super::Row;

/// A goal that cells are judged by.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Goal {
    Goodput,
    MeanGoodput,
    Extreme,
    Bursts,
    Jitter,
    Stalls,
    Overhead,
    Duplicates,
    StartUp,
    Queue,
    Jain,
    JainSpread,
    SharedLink,
    FalseVerdicts,
    HighToFair,
    LowYields,
    LowReturns,
    Cubic,
    Bbr,
    Shallow,
    ShallowLoss,
    Policed,
    PolicedLoss,
    Changes,
    Outages,
    LiveLimits,
    LostReports,
    Completion,
    Tail,
    SmallFiles,
    SmallFilesRoundTrip,
    SlowStorage,
    Clocks,
    Stacks,
}

impl Goal {
    /// The goal as a sentence.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Goodput => "grid: goodput >= 0.97 of C(1-p) in every cell",
            Self::MeanGoodput => "grid: mean goodput >= 0.99",
            Self::Extreme => "30 % loss at 1 s RTT, 100M: goodput >= 0.90",
            Self::Bursts => "losses in runs of 4 to 128: goodput >= 0.95",
            Self::Jitter => "jitter <= 10 ms: goodput >= 0.95",
            Self::Stalls => "stalls of 20 and 60 ms at 5 Hz: goodput >= 0.90",
            Self::Overhead => "sent/needed - 1 <= p/(1-p) x 1.02 + 0.1 %",
            Self::Duplicates => "duplicate payload received <= 0.5 %",
            Self::StartUp => "time to 90 % of capacity <= 4 RTT (100M and up)",
            Self::Queue => "standing queue <= 1.3 x (0.5 ms + 10 ms x sqrt(N x 10M / C))",
            Self::Jain => "Jain index of N = 2..32 own flows >= 0.98",
            Self::JainSpread => "Jain index with a 20-fold spread of round trips >= 0.95",
            Self::SharedLink => "own flows together: goodput >= 0.97",
            Self::FalseVerdicts => "no competition verdict among own flows, 1,000 runs",
            Self::HighToFair => "high : fair = 2.0 +- 0.15",
            Self::LowYields => "low <= max(minimum rate, 5 %) within 10 RTT + 2 s",
            Self::LowReturns => "low back to >= 95 % within 5 s when alone",
            Self::Shallow => "buffers of 2 to 50 packets: goodput >= 0.95",
            Self::ShallowLoss => "buffers of 2 to 50 packets: loss <= 3 %",
            Self::Policed => "policers: goodput >= 0.95 of the limit",
            Self::PolicedLoss => "policers: loss <= 3 %",
            Self::Cubic => "fair against one Cubic: share 0.33 to 0.67",
            Self::Bbr => "fair against BBR-like: >= 0.3 of a fair share",
            Self::Changes => "route and rate changes: 95 % within 3 s + 10 RTT",
            Self::Outages => "outages and standstills: 95 % within 3 s + 10 RTT of their end",
            Self::LiveLimits => "live changes of target rate, minimum rate and policy are obeyed",
            Self::LostReports => "half of the reports lost: goodput >= 0.97",
            Self::Completion => "completion / ideal at >= 100 BDP <= 1.05",
            Self::Tail => "tail after the last new byte <= 1.5 RTT",
            Self::SmallFiles => "1,000,000 files of 1 KiB: >= 0.8 of the link",
            Self::SmallFilesRoundTrip => "1,000,000 files of 1 KiB: no term in RTT",
            Self::SlowStorage => "slow storage: >= 0.95 of its speed, nothing dropped",
            Self::Stacks => "a real stack under the machines changes nothing but the headers",
            Self::Clocks => "skewed, jumping, coarse and wrapping clocks: goodput >= 0.95",
        }
    }
}

/// For each goal: runs that reached it, and runs that were judged by it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<Goal, (usize, usize)>,
}

impl Tally {
    pub(super) fn count(&mut self, goal: Goal, reached: bool) {
        let (good, all) = self.counts.entry(goal).or_default();
        *good += usize::from(reached);
        *all += 1;
    }

    pub(super) fn of(rows: &[Row]) -> Self {
        let mut tally = Self::default();
        for check in rows.iter().flat_map(|row| &row.checks) {
            tally.count(check.goal, check.reached);
        }
        tally
    }

    /// Adds what another matrix counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (&goal, &(good, all)) in &other.counts {
            let sum = self.counts.entry(goal).or_default();
            sum.0 += good;
            sum.1 += all;
        }
    }

    /// A line for each goal: reached or missed, and by how many runs.
    pub(crate) fn to_markdown(&self) -> String {
        let lines = self.counts.iter().map(|(goal, &(good, all))| {
            let result = if good == all { "reached" } else { "MISSED" };
            format!("| {result:7} | {good:>5} of {all:<5} | {} |\n", goal.text())
        });
        let head = "|         | runs           | goal |\n|---------|----------------|------|\n";
        head.to_owned() + &lines.collect::<String>()
    }
}
