//! Draining: sending half of what passes until the queue is gone, and looking whether it is.
//!
//! What is in flight less what the path holds at the rate of delivery is the queue, so the end of a drain is known
//! a round trip before it can be seen. A session that joined others may take their queue for the delay of the path: one that
//! looks goes a little below what passes for a round trip more, and drains again if the delay falls.

use crate::time::{Duration, Instant};
use crate::units::BitRate;

/// A drain with all its looks is over after so long, or twelve round trips.
const LONGEST: Duration = Duration::from_secs(1);
/// A look lets the queue fall by this, but goes no more than an eighth below what passes.
const LOOK_US: u64 = 8_000;
/// The delay has fallen if it did by as much as this.
const FALLEN_US: i64 = 1_000;

/// A drain under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    stage: Stage,
    looks: bool,
    /// Not over before this.
    not_before: Instant,
    deadline: Instant,
    after: BitRate,
    /// What passed when it began: less than `after` where much is lost.
    passed: BitRate,
    /// Base delay when it began, and when the stage began, µs.
    first_base_us: i64,
    base_us: i64,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Emptying { until: Instant },
    Looking { until: Instant },
}

/// What a drain must know of the path.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) now: Instant,
    pub(super) interval: Duration,
    pub(super) round_trip: Duration,
    /// The round trip that the path would have without a queue of data.
    pub(super) unqueued: Duration,
    /// UDP payload bytes of which nothing is known yet.
    pub(super) in_flight: u64,
    pub(super) queue_us: u64,
    pub(super) base_us: i64,
    /// What arrives, without the path's own loss.
    pub(super) arrived: BitRate,
    /// What does arrive.
    pub(super) delivered: BitRate,
}

impl Drain {
    /// A drain that begins now.
    pub(super) fn new(view: &View, looks: bool) -> Self {
        let mut drain = Self {
            stage: Stage::Emptying { until: view.now },
            looks,
            not_before: view.now,
            deadline: view.now + LONGEST.max(view.round_trip.scaled(12, 1)),
            after: view.arrived,
            passed: view.delivered.min(view.arrived),
            first_base_us: view.base_us,
            base_us: view.base_us,
        };
        drain.empty(view);
        drain
    }

    /// It lasts two round trips at least: others will drain as well.
    pub(super) fn listen(&mut self, view: &View) {
        self.not_before = view.now + view.round_trip.scaled(2, 1);
        self.empty(view);
    }

    fn empty(&mut self, view: &View) {
        let queue = Duration::from_micros(view.queue_us);
        let longest = view.now + queue.scaled(2, 1) + view.round_trip.scaled(3, 2);
        self.stage = Stage::Emptying {
            until: longest.max(self.not_before),
        };
        self.base_us = view.base_us;
    }

    /// The rate to send at.
    pub(super) fn rate(&self, round_trip: Duration) -> BitRate {
        let passes = self.passes();
        match self.stage {
            Stage::Emptying { .. } => passes.scaled(1, 2),
            Stage::Looking { .. } => {
                let round_trip = round_trip.as_micros().max(8 * LOOK_US);
                passes.scaled(round_trip - LOOK_US, round_trip)
            }
        }
    }

    /// What the drain must stay below. Where a full buffer was taken for the path, what is lost would keep it full.
    const fn passes(&self) -> BitRate {
        if self.looks { self.passed } else { self.after }
    }

    /// The rate to go on with.
    pub(super) fn after(&self, view: &View) -> BitRate {
        if self.has_found_queue(view) {
            self.passed
        } else {
            self.after
        }
    }

    /// What was taken for the path's own delay was a queue.
    pub(super) const fn has_found_queue(&self, view: &View) -> bool {
        self.looks && view.base_us + FALLEN_US < self.first_base_us
    }

    /// Takes one report; `false` when the drain is over.
    pub(super) fn on_report(&mut self, view: &View) -> bool {
        match self.stage {
            Stage::Emptying { until } => {
                // The path has been full for longer now, so more is known of what it carries.
                self.after = self.after.max(view.arrived);
                self.passed = self.passed.max(view.delivered.min(self.after));
                if (self.is_full(view) || view.now < self.not_before) && view.now < until {
                    return true;
                }
                let seen = view.round_trip.scaled(5, 4) + view.interval.scaled(2, 1);
                self.stage = Stage::Looking {
                    until: view.now + seen,
                };
                self.base_us = view.base_us;
                self.looks && view.now < self.deadline
            }
            Stage::Looking { until } => {
                if view.base_us + FALLEN_US < self.base_us && view.now < self.deadline {
                    self.empty(view);
                    return true;
                }
                view.now < until
            }
        }
    }

    /// More is in flight than the path holds, less a little, so that the queue is empty for a moment.
    fn is_full(&self, view: &View) -> bool {
        let margin = view.unqueued.scaled(1, 32).max(Duration::from_micros(300));
        let held = view.unqueued.as_micros().saturating_sub(margin.as_micros());
        view.in_flight > self.passes().bytes_in(Duration::from_micros(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(at_ms: u64, in_flight_ms: u64, base_us: i64) -> View {
        let arrived = BitRate(80_000_000);
        View {
            now: Instant::from_micros(at_ms * 1_000),
            interval: Duration::from_millis(6),
            round_trip: Duration::from_millis(60),
            unqueued: Duration::from_millis(50),
            in_flight: arrived.bytes_in(Duration::from_millis(in_flight_ms)),
            queue_us: 10_000,
            base_us,
            arrived,
            delivered: arrived,
        }
    }

    #[test]
    fn a_drain_ends_when_no_more_is_in_flight_than_the_path_holds() {
        let mut drain = Drain::new(&view(0, 60, 0), false);
        assert_eq!(drain.rate(Duration::from_millis(60)), BitRate(40_000_000));
        assert!(drain.on_report(&view(6, 57, 0)));
        assert!(!drain.on_report(&view(24, 48, 0)));
        assert_eq!(drain.after(&view(24, 48, 0)), BitRate(80_000_000));
    }

    #[test]
    fn a_drain_that_does_not_help_ends_all_the_same() {
        let mut drain = Drain::new(&view(0, 60, 0), false);
        assert!(drain.on_report(&view(100, 60, 0)));
        assert!(!drain.on_report(&view(111, 60, 0)));
    }

    #[test]
    fn a_look_goes_below_what_passes_where_much_is_lost() {
        let lossy = |base_us| View {
            delivered: BitRate(40_000_000),
            ..view(0, 60, base_us)
        };
        let mut drain = Drain::new(&lossy(0), true);
        assert_eq!(drain.rate(Duration::from_millis(60)), BitRate(20_000_000));
        assert!(drain.on_report(&lossy(0)));
        assert_eq!(drain.rate(Duration::from_millis(60)), BitRate(20_000_000));
        assert!(drain.on_report(&View {
            in_flight: 200_000,
            ..lossy(0)
        }));
        assert_eq!(drain.rate(Duration::from_millis(64)), BitRate(35_000_000));
        assert_eq!(drain.after(&lossy(0)), BitRate(80_000_000));
        // The queue that filled the buffer is ours: no more than what passed.
        assert_eq!(drain.after(&lossy(-9_000)), BitRate(40_000_000));
    }

    #[test]
    fn a_look_goes_on_draining_while_the_delay_falls() {
        let mut drain = Drain::new(&view(0, 60, 0), true);
        assert!(drain.on_report(&view(24, 48, 0)));
        assert_eq!(drain.rate(Duration::from_millis(64)), BitRate(70_000_000));
        assert!(drain.on_report(&view(80, 48, -3_000)));
        assert_eq!(drain.rate(Duration::from_millis(64)), BitRate(40_000_000));
        assert!(drain.on_report(&view(100, 48, -3_000)));
        assert!(drain.on_report(&view(180, 48, -3_500)));
        assert!(!drain.on_report(&view(190, 48, -3_500)));
    }
}
