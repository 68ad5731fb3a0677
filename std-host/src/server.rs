//! Placeholder until the server is merged.

use std::process::ExitCode;

use crate::cli::settings::ServerModeSettings;

/// Serves one session over standard input and output.
pub fn run_stdio(_settings: ServerModeSettings) -> ExitCode {
    ExitCode::FAILURE
}
