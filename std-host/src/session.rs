//! One session, seen from either side: control messages and the transfer thread, brought together.
//!
//! The client and the server open a session each in its own way; from then on both run this. It ends with one
//! outcome that both sides agree on, or with a failure that says who failed.

mod channel;
pub(crate) mod mirroring;
mod outcome;
mod rate_bounds;
mod run;
mod source_feed;
mod source_queue;

pub(crate) use channel::{Message, MessageWriter, Messages};
pub use outcome::{Observer, SessionOutcome};
pub(crate) use rate_bounds::RateBounds;
pub(crate) use run::{Session, Side};
pub(crate) use source_feed::SourceFeed;
pub(crate) use source_queue::{SourceQueue, named_sources, source_queue};

use fasp_core::crypto::SessionSecret;
use fasp_core::fault::Fault;
use fasp_core::negotiation::Capabilities;
use fasp_core::units::ConnectionId;

use crate::driver::{METADATA_ANNOUNCED, OBJECTS, PACKETS};
use crate::failure::{Failure, Outcome};

/// Largest control message we read.
pub(crate) const MAX_BODY: u32 = 1 << 20;

/// What this program can take.
pub(crate) fn capabilities(max_datagram: u16, report_size: u16) -> Capabilities {
    Capabilities {
        max_datagram,
        report_size: report_size.min(max_datagram),
        object_window: u32::try_from(OBJECTS).unwrap_or(u32::MAX),
        packet_window: u32::try_from(PACKETS).unwrap_or(u32::MAX),
        metadata_window: METADATA_ANNOUNCED,
        max_body: MAX_BODY,
    }
}

/// Unpredictable bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Failure::new(Fault::InternalError, "the system gives no random bytes"))?;
    Ok(bytes)
}

/// Seeds the random generator beside the first round trip: its first use costs tens of milliseconds.
pub(crate) fn warm_up_randomness() {
    // Without the thread the first use just takes longer.
    let _ = std::thread::Builder::new()
        .name("seed".to_owned())
        .spawn(random::<1>);
}

/// A fresh share of the session keys.
pub(crate) fn fresh_secret() -> Outcome<SessionSecret> {
    random().map(SessionSecret::new)
}

/// A fresh connection id.
pub(crate) fn fresh_connection() -> Outcome<ConnectionId> {
    Ok(ConnectionId::new(u32::from_be_bytes(random()?)))
}

/// A random session identity in its usual form.
pub(crate) fn fresh_uuid() -> Outcome<String> {
    let hex: String = random::<16>()?
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let part = |range| hex.get(range).unwrap_or_default();
    Ok(format!(
        "{}-{}-{}-{}-{}",
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32)
    ))
}
