//! What a server allows, where it is not the client's choice alone.

use fasp_core::selection::links::LinkSetting;

/// A server's settings; the defaults are those of a server without a configuration.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct ServerSettings {
    /// What becomes of symbolic links.
    pub(super) symbolic_links: LinkSetting,
}
