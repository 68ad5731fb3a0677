//! Which attributes of the sources the copies get.

pub use fasp_core::control::choices::Preserve;
pub use fasp_core::control::{Store, StoredAttributes, Stores};

use super::Direction;

/// Options about attributes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AttributeWishes {
    /// Times and owners (`-p` and its parts).
    pub kept: Preserve,
    /// Where this computer has extended attributes, and the other one (`--preserve-xattrs`, `--remote-preserve-xattrs`).
    pub xattrs: (Store, Store),
    /// The same for access lists.
    pub acls: (Store, Store),
}

impl AttributeWishes {
    /// From where to where extended attributes and access lists go.
    #[must_use]
    pub const fn stored(&self, direction: Direction) -> StoredAttributes {
        StoredAttributes {
            xattrs: directed(self.xattrs, direction),
            acls: directed(self.acls, direction),
        }
    }
}

const fn directed((here, there): (Store, Store), direction: Direction) -> Stores {
    match direction {
        Direction::Send => Stores {
            from: here,
            to: there,
        },
        Direction::Receive => Stores {
            from: there,
            to: here,
        },
    }
}
