//! Virtual links: a rate that all sessions of a group share.

/// Where processes on one trunk find one another, if `<trunks><run_directory>` does not say.
pub const DEFAULT_RUN_DIRECTORY: &str = "/run/ascp";

/// One `<trunk>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trunk {
    /// Its number, 1 to 255, by which sessions name it.
    pub id: u8,
    /// Its name.
    pub name: String,
    /// Whether it limits anything.
    pub on: bool,
    /// What its sessions share, bit/s.
    pub capacity_bps: u64,
    /// Uploads and downloads share it, instead of having it each.
    pub ignores_direction: bool,
}
