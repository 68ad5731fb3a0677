//! What becomes of files that are at the destination already.

pub use fasp_core::control::choices::OverwriteRule;

use crate::storage::file_rules::FileRules;

/// Options about what is at the destination already.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OverwriteWishes {
    /// When a file is replaced (`--overwrite`).
    pub rule: OverwriteRule,
    /// What a downloaded file has behind its name until it is complete (`--partial-file-suffix`).
    pub partial_suffix: Option<Vec<u8>>,
    /// What the note beside a partial download has behind its name instead of `.aspx` (`resume_suffix`).
    pub resume_suffix: Option<Vec<u8>>,
    /// Keep a file that is replaced under another name (`--save-before-overwrite`).
    pub saves_old: bool,
    /// Delete first what the source folder has not (`--delete-before-transfer`); there is one source with a name then,
    /// and the destination ends with the same name.
    pub deletes: bool,
}

impl OverwriteWishes {
    /// The rules for files received here.
    #[must_use]
    pub fn file_rules(&self) -> FileRules {
        FileRules {
            resume_suffix: self.resume_suffix.clone(),
            overwrite: self.rule,
            saves_old: self.saves_old,
            partial_suffix: self.partial_suffix.clone(),
            ..FileRules::default()
        }
    }
}
