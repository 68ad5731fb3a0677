//! From an agreement to the machine that receives.

use fasp_core::crypto::Role;
use fasp_core::negotiation::{Agreement, KeyInputs};
use fasp_core::receiver::Receiver;
use fasp_core::time::Instant;

use super::super::{HostReceiver, Lane};
use super::LEAST_CAPACITY;

/// A machine and what it was told.
pub(super) struct Agreed {
    pub(super) receiver: Box<HostReceiver>,
    /// Every object waits for a decision.
    pub(super) decides: bool,
}

/// The machine of `core` for a session that was agreed.
pub(super) fn machine(agreement: Agreement, keys: KeyInputs, role: Role, now: Instant) -> Agreed {
    let (sealer, opener) = Lane::protection(keys, &agreement, role);
    let receiver = Box::new(Receiver::new(
        &agreement,
        sealer,
        opener,
        LEAST_CAPACITY,
        now,
    ));
    Agreed {
        receiver,
        decides: agreement.decides_each_object(),
    }
}
