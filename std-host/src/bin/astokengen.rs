//! Makes tokens for transfers.

use std::process::ExitCode;

fn main() -> ExitCode {
    fasp_host::token::generator::run()
}
