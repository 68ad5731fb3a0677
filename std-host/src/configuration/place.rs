//! Where the configuration is looked for.

use std::path::{Path, PathBuf};

/// Used when there is none beside the program.
const SYSTEM_PLACES: [&str; 2] = ["/opt/aspera/etc/aspera.conf", "/etc/aspera.conf"];

/// The configuration file of this program: the first that exists of `../etc/aspera.conf` beside the program and the
/// places of the system.
#[must_use]
pub fn find() -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(beside_program);
    beside
        .into_iter()
        .chain(SYSTEM_PLACES.map(PathBuf::from))
        .find(|path| path.is_file())
}

fn beside_program(program: &Path) -> Option<PathBuf> {
    Some(program.parent()?.parent()?.join("etc/aspera.conf"))
}
