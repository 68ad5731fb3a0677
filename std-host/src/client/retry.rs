//! After a lost session: whether another login may help, and when (`--retry-timeout`).
//!
//! What cannot get better by waiting ends the run at once: a refused login, a full disk, a missing file. Time is
//! an argument. The clock of the time-out starts when a loss is noticed, and anew after a session that moved data.

use std::time::{Duration, Instant};

use fasp_core::fault::Fault;

use crate::failure::Failure;

/// The first wait; each further one is twice as long, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// After silence of the data path the other side notices a moment later, and lets go of the files only then.
const WAIT_AFTER_SILENCE: Duration = Duration::from_secs(3);

/// How long a lost session is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    limit: Duration,
    lost_at: Option<Instant>,
    tries: u32,
}

/// One more try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Try {
    /// Its number since data moved last, from 1.
    pub(super) number: u32,
    /// How long to wait before it.
    pub(super) wait: Duration,
    /// After so much time there will be no further one.
    pub(super) left: Duration,
}

impl Retry {
    /// Tries for `limit`; not at all if that is zero.
    pub(super) const fn new(limit: Duration) -> Self {
        Self {
            limit,
            lost_at: None,
            tries: 0,
        }
    }

    /// A session moved data.
    pub(super) const fn begin_anew(&mut self) {
        self.lost_at = None;
        self.tries = 0;
    }

    /// The next try after `failure`; `None` if there is no point in one or no time left.
    pub(super) fn after(&mut self, failure: &Failure, now: Instant) -> Option<Try> {
        if self.limit.is_zero() || !may_pass(failure.fault) {
            return None;
        }
        let ends_at = *self.lost_at.get_or_insert(now) + self.limit;
        let left = ends_at
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())?;
        let doubled = FIRST_WAIT * 2_u32.saturating_pow(self.tries.min(10));
        let least = match failure.fault {
            Fault::DataTransferTimeout => WAIT_AFTER_SILENCE,
            _ => Duration::ZERO,
        };
        self.tries += 1;
        Some(Try {
            number: self.tries,
            wait: doubled.max(least).min(LONGEST_WAIT).min(left),
            left,
        })
    }
}

/// Whether waiting can help against this.
const fn may_pass(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::TransferError
            | Fault::TransferTimeout
            | Fault::ConnectionError
            | Fault::ConnectionTimeout
            | Fault::ConnectionLost
            | Fault::ReceiverSend
            | Fault::ReceiverReceive
            | Fault::PeerAborted
            | Fault::DataTransferTimeout
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Failure {
        Fault::ConnectionLost.into()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_grow_to_half_a_minute_and_end_with_the_time() {
        let mut retry = Retry::new(seconds(100));
        let mut now = Instant::now();
        let begun = now;
        let mut waits = Vec::new();
        while let Some(next) = retry.after(&lost(), now) {
            waits.push(next.wait.as_secs());
            now += next.wait;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 9]);
        assert_eq!(now, begun + seconds(100));
    }

    #[test]
    fn a_session_that_moved_data_gets_the_whole_time_again() {
        let mut retry = Retry::new(seconds(10));
        let now = Instant::now();
        assert!(retry.after(&lost(), now).is_some());
        assert_eq!(retry.after(&lost(), now + seconds(10)), None);
        retry.begin_anew();
        let next = retry.after(&lost(), now + seconds(20)).unwrap();
        assert_eq!(
            (next.number, next.wait, next.left),
            (1, seconds(1), seconds(10))
        );
    }

    #[test]
    fn without_the_option_nothing_is_tried_again() {
        assert_eq!(Retry::new(seconds(0)).after(&lost(), Instant::now()), None);
    }

    #[test]
    fn what_cannot_get_better_is_not_tried_again() {
        for fault in [
            Fault::Authentication,
            Fault::InsecureConnection,
            Fault::NoPermissions,
            Fault::NoSpaceLeft,
            Fault::ReadOnlyFileSystem,
            Fault::DiskWrite,
            Fault::DiskRead,
            Fault::NoSuchFile,
            Fault::OutsideDocroot,
            Fault::UserCancelled,
            Fault::Protocol,
            Fault::BadConfiguration,
            Fault::Unauthorized,
            Fault::InternalError,
        ] {
            let mut retry = Retry::new(seconds(60));
            assert_eq!(
                retry.after(&fault.into(), Instant::now()),
                None,
                "{fault:?}"
            );
        }
    }

    #[test]
    fn everything_tried_again_is_public_as_such() {
        for fault in Fault::ALL.iter().filter(|fault| may_pass(**fault)) {
            assert!(fault.is_retryable(), "{fault:?}");
        }
    }

    #[test]
    fn silence_is_waited_for_a_little_longer() {
        let mut retry = Retry::new(seconds(60));
        let silence = Fault::DataTransferTimeout.into();
        assert_eq!(
            retry.after(&silence, Instant::now()).unwrap().wait,
            seconds(3)
        );
    }
}
