//! Protocol versions: which this program speaks and what is said when the peer speaks none of them.
//!
//! Source: PROTOCOL.md §7.1.

/// Versions this program speaks, best first.
pub const SUPPORTED: &[u16] = &[1];
/// The version that is named to a peer of another one.
const OURS: u16 = 1;

/// The two sides have no version in common.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("the peer speaks protocol version {theirs}, this program speaks {ours}")]
pub struct VersionMismatch {
    /// The best version of the peer.
    pub theirs: u16,
    /// The best version of this program.
    pub ours: u16,
}

/// The client's best version that this program speaks.
///
/// # Errors
///
/// [`VersionMismatch`] if there is none; an empty list counts as version 0.
pub fn choose(offered: &[u16]) -> Result<u16, VersionMismatch> {
    offered
        .iter()
        .copied()
        .find(|version| SUPPORTED.contains(version))
        .ok_or_else(|| VersionMismatch {
            theirs: offered.first().copied().unwrap_or(0),
            ours: OURS,
        })
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_peer_of_another_version_is_named_in_a_sentence() {
        let mismatch = choose(&[7, 6]).unwrap_err();
        assert_eq!(
            mismatch.to_string(),
            "the peer speaks protocol version 7, this program speaks 1"
        );
    }

    #[test]
    fn a_newer_peer_that_also_speaks_ours_is_served() {
        assert_eq!(choose(&[7, 1]), Ok(1));
    }

    #[test]
    fn a_peer_without_versions_is_refused() {
        assert_eq!(choose(&[]), Err(VersionMismatch { theirs: 0, ours: 1 }));
    }
}
