//! What becomes of the sources after their transfer.

pub use fasp_core::control::AfterTransfer;

/// Options about the sources afterwards.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AfterTransferWishes {
    /// What is removed (`--remove-after-transfer` and its companions).
    pub removed: AfterTransfer,
    /// Where files are moved to (`--move-after-transfer`), on the side of the sources; not with removing them.
    pub archive: Option<Vec<u8>>,
}

impl AfterTransferWishes {
    /// Whether sources change.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}
