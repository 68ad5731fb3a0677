//! The `ascp` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    fasp_host::cli::run_ascp()
}
