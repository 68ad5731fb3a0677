//! What a sender of the model asks its congestion control, and which there are.
//!
//! Windows are in segments of full size, as fractions where growth is slower than one per acknowledgement.

use super::bbr::Bbr;
use super::loss_based::LossBased;

/// Payload of a full segment over IPv4 with time stamps.
pub(super) const PAYLOAD_BYTES: u64 = 1_448;
/// Segments that a new connection may send at once (RFC 6928).
pub(super) const INITIAL_WINDOW: f64 = 10.0;

/// Which congestion control a model has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ControlKind {
    /// RFC 5681 with a cut to one half.
    Reno,
    /// RFC 9438.
    Cubic,
    /// After the first version of BBR.
    Bbr,
}

/// What an acknowledgement told.
#[derive(Clone, Copy, Debug)]
pub(super) struct AckSample {
    pub(super) now_us: u64,
    /// Segments it acknowledged that were not before.
    pub(super) acked: u64,
    /// Segments in flight after it.
    pub(super) in_flight: u64,
    /// Segments acknowledged in all, and how many were when the latest acknowledged one was sent.
    pub(super) delivered: u64,
    pub(super) delivered_before: u64,
    /// Segments a second that arrived since then.
    pub(super) rate: Option<f64>,
    pub(super) round_trip_us: Option<u64>,
    pub(super) smoothed_us: f64,
    /// A window of losses is being repaired.
    pub(super) in_recovery: bool,
}

/// A congestion control at work.
#[derive(Debug)]
pub(super) enum CongestionControl {
    LossBased(LossBased),
    Bbr(Bbr),
}

impl CongestionControl {
    pub(super) fn new(kind: ControlKind, seed: u64, name: &str, now_us: u64) -> Self {
        match kind {
            ControlKind::Reno => Self::LossBased(LossBased::reno()),
            ControlKind::Cubic => Self::LossBased(LossBased::cubic()),
            ControlKind::Bbr => Self::Bbr(Bbr::new(seed, name, now_us)),
        }
    }

    pub(super) fn on_ack(&mut self, sample: &AckSample) {
        match self {
            Self::LossBased(control) => control.on_ack(sample),
            Self::Bbr(control) => control.on_ack(sample),
        }
    }

    /// The first losses of a window; at most once per window.
    pub(super) fn on_loss(&mut self) {
        if let Self::LossBased(control) = self {
            control.on_loss();
        }
    }

    /// Nothing was heard for the retransmission timeout.
    pub(super) fn on_timeout(&mut self) {
        match self {
            Self::LossBased(control) => control.on_timeout(),
            Self::Bbr(control) => control.on_timeout(),
        }
    }

    /// Segments that may be in flight.
    pub(super) fn window(&self) -> f64 {
        match self {
            Self::LossBased(control) => control.window(),
            Self::Bbr(control) => control.window(),
        }
    }

    /// Segments a second at which it spaces them; `None` sends whatever the window allows.
    pub(super) fn pacing(&self) -> Option<f64> {
        match self {
            Self::LossBased(_) => None,
            Self::Bbr(control) => control.pacing(),
        }
    }

    /// Whether the rate of sending falls smoothly while losses are repaired (RFC 6937).
    pub(super) const fn reduces_smoothly(&self) -> bool {
        matches!(self, Self::LossBased(_))
    }
}
