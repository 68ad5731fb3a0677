//! Placeholder until the client is merged.

use std::process::ExitCode;

use crate::cli::settings::TransferSettings;

/// Runs one transfer.
pub fn run(_settings: TransferSettings) -> ExitCode {
    ExitCode::FAILURE
}
