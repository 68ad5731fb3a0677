//! Virtual links: a rate that all sessions of a group share.

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
}
