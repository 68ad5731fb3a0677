//! From the end of a run to the status its caller sees.
//!
//! Source: 0, 1 and 112 (no arguments) are public facts of the original program; 130 for Ctrl-C
//! is the custom of shells.

use std::process::ExitCode;

use fasp_core::fault::Fault;

use crate::failure::Failure;

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum ExitStatus {
    /// Every file is where it belongs, or the text asked for was printed.
    Success = 0,
    /// The session failed, or some files did.
    Failed = 1,
    /// Started without arguments.
    NoArguments = 112,
    /// Stopped by the user with Ctrl-C.
    Interrupted = 130,
}

impl From<&Failure> for ExitStatus {
    fn from(failure: &Failure) -> Self {
        if failure.fault == Fault::UserCancelled {
            Self::Interrupted
        } else {
            Self::Failed
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cancelled_run_ends_like_an_interrupted_one() {
        for fault in Fault::ALL {
            let expected = match fault {
                Fault::UserCancelled => ExitStatus::Interrupted,
                _ => ExitStatus::Failed,
            };
            assert_eq!(ExitStatus::from(&Failure::from(*fault)), expected);
        }
    }

    #[test]
    fn the_statuses_are_the_public_ones() {
        assert_eq!(ExitStatus::Success as u8, 0);
        assert_eq!(ExitStatus::Failed as u8, 1);
        assert_eq!(ExitStatus::NoArguments as u8, 112);
        assert_eq!(ExitStatus::Interrupted as u8, 130);
    }
}
