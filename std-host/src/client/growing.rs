//! Waiting for sources that are still being written.
//!
//! The protocol tells the size of a file before its bytes, so such a source is waited for, before the login, until it has
//! not grown for as long as the user said, and is then a file like any other.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::cli::growing::{Growing, is_growing};
use crate::cli::terminal::{print_stderr, redacted};
use crate::failure::Outcome;

/// How often a file is looked at, least and most.
const LOOKS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Puts paths in the place of all such sources, each once it has stopped growing.
///
/// # Errors
///
/// [`Fault::Usage`] for one that is written in another way.
pub(super) async fn settle(sources: &mut [Vec<u8>], quiet: bool) -> Outcome<()> {
    for source in sources {
        if !is_growing(source) {
            continue;
        }
        let growing = Growing::parse(source)?;
        if !quiet && !growing.wait.is_zero() {
            let (path, wait) = (redacted(growing.path), growing.wait.as_secs());
            print_stderr(&format!(
                "ascp: note: waiting until {path} has not grown for {wait} s\n"
            ));
        }
        wait_for(&growing).await;
        *source = growing.path.to_vec();
    }
    Ok(())
}

/// Waits until the file has not grown for long enough, or is not there.
async fn wait_for(source: &Growing<'_>) {
    let path = Path::new(std::ffi::OsStr::from_bytes(source.path));
    let between = (source.wait / 10).clamp(LOOKS.0, LOOKS.1);
    let (mut size, mut grown_at) = (None, Instant::now());
    while let Ok(facts) = std::fs::metadata(path) {
        let now = Instant::now();
        if size.replace(facts.len()) != Some(facts.len()) {
            grown_at = now;
        }
        let quiet = match facts.modified() {
            // A time in the future is no wait that is over.
            Ok(modified) if source.from_modification => SystemTime::now()
                .duration_since(modified)
                .unwrap_or_default(),
            _ => now.duration_since(grown_at),
        };
        if quiet >= source.wait || !facts.is_file() {
            return;
        }
        tokio::time::sleep(between).await;
    }
}
