//! What a session does with files that are there already, and how it calls those on their way.

use std::sync::Arc;

use fasp_core::control::choices::OverwriteRule;

use super::stored_attributes::KeptAttributes;
use crate::envelope::Opener;

/// The rules for one session's files.
#[derive(Clone, Debug, Default)]
pub struct FileRules {
    /// When a file is replaced.
    pub overwrite: OverwriteRule,
    /// A file that is replaced is kept under another name.
    pub saves_old: bool,
    /// What a file is called while it is received: its name and this; without it as PROTOCOL.md §10.1 says.
    pub partial_suffix: Option<Vec<u8>>,
    /// What the note beside it has behind its name instead of `.aspx`.
    pub resume_suffix: Option<Vec<u8>>,
    /// Where extended attributes and access lists go.
    pub stored: KeptAttributes,
    /// Files that arrive encrypted are opened.
    pub opener: Option<Arc<Opener>>,
}
