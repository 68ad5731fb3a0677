//! Counters that one machine exposes; plain data for logs, progress lines and tests.

use crate::time::Duration;
use crate::units::BitRate;

/// What a sender has done and seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SenderStatistics {
    /// Datagrams sent.
    pub packets_sent: u64,
    /// UDP payload bytes sent.
    pub bytes_sent: u64,
    /// File bytes sent for the first time.
    pub file_bytes_sent: u64,
    /// File bytes sent again.
    pub file_bytes_repeated: u64,
    /// Datagrams reported missing.
    pub packets_lost: u64,
    /// Datagrams reported missing that arrived after all.
    pub packets_recovered: u64,
    /// Reports taken.
    pub reports: u64,
    /// Smoothed round trip.
    pub round_trip: Duration,
    /// Least round trip.
    pub least_round_trip: Duration,
    /// Standing queueing delay.
    pub queueing_delay: Duration,
    /// Rate in force.
    pub rate: BitRate,
    /// Whether a flow that fills buffers is believed to compete now.
    pub competing: bool,
    /// How often one was believed to.
    pub competition_verdicts: u32,
    /// Datagram size in use, bytes of UDP payload.
    pub datagram_size: u16,
    /// Datagrams from the network that were dropped: forged, replayed, foreign or malformed.
    pub datagrams_refused: u64,
}

/// What a receiver has done and seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ReceiverStatistics {
    /// Datagrams taken.
    pub packets_received: u64,
    /// UDP payload bytes taken.
    pub bytes_received: u64,
    /// File bytes taken that were missing before.
    pub file_bytes_received: u64,
    /// File bytes that came although they were there.
    pub file_bytes_repeated: u64,
    /// Packet numbers passed without a datagram, so far.
    pub packets_missing: u64,
    /// Reports sent.
    pub reports: u64,
    /// Datagrams dropped because their key, number or form was wrong.
    pub datagrams_refused: u64,
    /// Datagrams put off because a buffer or table was full; they are asked for again.
    pub datagrams_deferred: u64,
}
