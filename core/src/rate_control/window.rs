//! Sums over the last reports: delivery rate and loss of about one round trip.

use crate::time::Duration;
use crate::units::BitRate;

use super::ReportFacts;

const SLOTS: usize = 64;
/// Fewer packets make no rate.
const LEAST_PACKETS: u32 = 12;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    interval_us: u64,
    bytes: u64,
    received: u32,
    passed: u32,
    application_limited: bool,
}

/// The last [`SLOTS`] reports.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReportWindow {
    slots: [Slot; SLOTS],
    next: usize,
}

/// What a window of reports adds up to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delivery {
    pub(super) rate: BitRate,
    /// Packets lost per million passed.
    pub(super) loss_ppm: u64,
    pub(super) passed: u64,
    /// Receiver time that it covers.
    pub(super) span: Duration,
    pub(super) application_limited: bool,
}

impl ReportWindow {
    pub(super) const fn new() -> Self {
        const EMPTY: Slot = Slot {
            interval_us: 0,
            bytes: 0,
            received: 0,
            passed: 0,
            application_limited: false,
        };
        Self {
            slots: [EMPTY; SLOTS],
            next: 0,
        }
    }

    pub(super) fn on_report(&mut self, facts: &ReportFacts) {
        if let Some(slot) = self.slots.get_mut(self.next) {
            *slot = Slot {
                interval_us: facts.interval.as_micros(),
                bytes: u64::from(facts.received_bytes),
                received: facts.received_packets,
                passed: facts.passed_packets,
                application_limited: facts.application_limited,
            };
        }
        self.next = (self.next + 1) % SLOTS;
    }

    /// Sums the newest reports until they cover `span` and at least [`LEAST_PACKETS`].
    pub(super) fn delivery(&self, span: Duration) -> Delivery {
        let mut sum = Slot::default();
        for back in 1..=SLOTS {
            let Some(slot) = self.slots.get((self.next + SLOTS - back) % SLOTS) else {
                break;
            };
            sum.interval_us += slot.interval_us;
            sum.bytes += slot.bytes;
            sum.received = sum.received.saturating_add(slot.received);
            sum.passed = sum.passed.saturating_add(slot.passed);
            sum.application_limited |= slot.application_limited;
            if sum.interval_us >= span.as_micros() && sum.passed >= LEAST_PACKETS {
                break;
            }
        }
        let lost = u64::from(sum.passed.saturating_sub(sum.received));
        Delivery {
            rate: BitRate::of(sum.bytes, Duration::from_micros(sum.interval_us)),
            loss_ppm: (lost * 1_000_000)
                .checked_div(u64::from(sum.passed))
                .unwrap_or(0),
            passed: u64::from(sum.passed),
            span: Duration::from_micros(sum.interval_us),
            application_limited: sum.application_limited,
        }
    }
}
