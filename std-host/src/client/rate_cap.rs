//! The highest rates that the configuration of this computer allows.
//!
//! A wish is lowered before it is told. Where the user left the rate to the server, its answer may still be too high:
//! then an upload is slower than agreed, and a download's server is asked for less (RATE).

use fasp_core::control::{ControlMessage, Rate};
use fasp_core::fault::Fault;
use fasp_core::negotiation::Agreement;
use fasp_core::negotiation::agreement::Terms;
use fasp_core::units::BitRate;

use crate::cli::settings::{Direction, LocalWishes, TransferSettings};
use crate::failure::{Failure, Outcome};
use crate::session::MessageWriter;

/// Target and minimum rate as they may be wished for; a target of 0 leaves it to the server.
pub(super) fn lowered(
    local: &LocalWishes,
    target: BitRate,
    minimum: BitRate,
) -> (BitRate, BitRate) {
    let held = |rate: BitRate, cap: Option<u64>| rate.min(BitRate(cap.unwrap_or(u64::MAX)));
    let target = held(target, local.target_cap);
    let mut minimum = held(held(minimum, local.minimum_cap), local.target_cap);
    if target > BitRate(0) {
        minimum = minimum.min(target);
    }
    (target, minimum)
}

/// What was agreed, no faster than this computer allows; the server is told where it sends.
///
/// # Errors
///
/// The loss of the connection.
pub(super) async fn hold(
    settings: &TransferSettings,
    agreement: Agreement,
    writer: &mut MessageWriter,
) -> Outcome<Agreement> {
    let (target, minimum) = lowered(
        &settings.local,
        agreement.target_rate(),
        agreement.minimum_rate(),
    );
    if target == agreement.target_rate() && minimum == agreement.minimum_rate() {
        return Ok(agreement);
    }
    if settings.direction == Direction::Receive {
        let rate = Rate {
            target,
            minimum,
            policy: agreement.policy(),
        };
        writer.send(&ControlMessage::Rate(rate)).await?;
    }
    Agreement::new(Terms {
        target_rate: target,
        minimum_rate: minimum,
        ..*agreement.terms()
    })
    .map_err(|_| Failure::new(Fault::BadConfiguration, "the configured rates are too low"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rate_is_above_its_cap_and_nothing_becomes_faster() {
        let caps = |target, minimum| LocalWishes {
            target_cap: target,
            minimum_cap: minimum,
            ..LocalWishes::default()
        };
        for (target_cap, minimum_cap, wished, held) in [
            (None, None, (100, 50), (100, 50)),
            (Some(80), None, (100, 50), (80, 50)),
            (Some(30), None, (100, 50), (30, 30)),
            (Some(200), None, (100, 50), (100, 50)),
            (None, Some(10), (100, 50), (100, 10)),
            (Some(80), Some(0), (100, 50), (80, 0)),
            // The rate is left to the server.
            (Some(80), None, (0, 0), (0, 0)),
            (Some(80), None, (0, 90), (0, 80)),
        ] {
            let (target, minimum) = lowered(
                &caps(target_cap, minimum_cap),
                BitRate(wished.0),
                BitRate(wished.1),
            );
            assert_eq!(
                (target.0, minimum.0),
                held,
                "{target_cap:?} {minimum_cap:?}"
            );
        }
    }
}
