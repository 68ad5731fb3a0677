//! A test whose real component is missing says so; where everything must be there, it fails.

use std::io::Write as _;

/// The variable under which a skip is a failure.
pub const NO_SKIP: &str = "FASP_NO_SKIP";

/// Says that the running test is skipped and why, so that the caller can return.
///
/// # Panics
///
/// When [`NO_SKIP`] is set to `1`: then every component must be installed.
pub fn say(reason: &str) {
    assert!(
        std::env::var_os(NO_SKIP).is_none_or(|value| value != "1"),
        "must not be skipped because {NO_SKIP}=1, but: {reason}"
    );
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    // Straight to the process's stderr: the test runner would capture `eprintln!`.
    let _ = writeln!(std::io::stderr(), "skipped: {reason} ({test})");
}
