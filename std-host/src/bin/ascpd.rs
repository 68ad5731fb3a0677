//! The transfer server for machines without sshd.

use std::process::ExitCode;

fn main() -> ExitCode {
    fasp_host::daemon::run()
}
