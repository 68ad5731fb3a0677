//! What the server lets its clients do to files besides reading and writing them.
//!
//! Plain defaults: a configuration may fill them in.

/// What is allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Permissions {
    /// Delete at the destination what the source has not (`--delete-before-transfer`).
    pub deletes: bool,
    /// Remove or move sources after their transfer (`--remove-after-transfer`, `--move-after-transfer`).
    pub changes_sources: bool,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            deletes: true,
            changes_sources: true,
        }
    }
}
