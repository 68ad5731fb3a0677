//! What becomes of symbolic links: the client's method against the server's setting.
//!
//! Two tables and nothing else. Whether a link leads out of a tree, and the making of links, is the host's work.
//!
//! Source: the public tables of `--symbolic-links` and of the server's `symbolic_links`.

/// How the client wants links handled (`--symbolic-links`).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LinkMethod {
    /// Send what a link leads to.
    #[default]
    Follow,
    /// Send the link itself; what has its name at the destination stays.
    Copy,
    /// Send the link itself, in the place of what has its name.
    CopyForce,
    /// Pass links over.
    Skip,
}

impl LinkMethod {
    /// Every method, by number.
    pub const ALL: [Self; 4] = [Self::Follow, Self::Copy, Self::CopyForce, Self::Skip];

    /// Its number in RULES.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Follow => 0,
            Self::Copy => 1,
            Self::CopyForce => 2,
            Self::Skip => 3,
        }
    }

    /// The method with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Follow),
            1 => Some(Self::Copy),
            2 => Some(Self::CopyForce),
            3 => Some(Self::Skip),
            _ => None,
        }
    }

    /// The word that `--symbolic-links` takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Follow => "follow",
            Self::Copy => "copy",
            Self::CopyForce => "copy+force",
            Self::Skip => "skip",
        }
    }
}

/// What a server allows (`symbolic_links`); nothing of it is `none`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LinkSetting {
    /// Clients may make links.
    pub create: bool,
    /// Links of sources are followed inside the document root.
    pub follow: bool,
    /// Links of sources are followed wherever they lead.
    pub follow_wide: bool,
}

impl Default for LinkSetting {
    /// `create,follow`.
    fn default() -> Self {
        Self {
            create: true,
            follow: true,
            follow_wide: false,
        }
    }
}

/// What happens to a link.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LinkTreatment {
    /// What it leads to is sent, if that is inside the document root.
    #[default]
    Follow,
    /// What it leads to is sent, wherever that is.
    FollowAnywhere,
    /// The link itself is sent, and made where nothing has its name.
    Copy,
    /// The link itself is sent, and takes the place of what has its name.
    CopyForce,
    /// Nothing.
    Skip,
}

/// What happens to links of an upload at a server with `setting`. Following them is the client's own affair.
#[must_use]
pub const fn uploaded(method: LinkMethod, setting: LinkSetting) -> LinkTreatment {
    match method {
        LinkMethod::Follow => LinkTreatment::Follow,
        LinkMethod::Copy if setting.create => LinkTreatment::Copy,
        LinkMethod::CopyForce if setting.create => LinkTreatment::CopyForce,
        LinkMethod::Copy | LinkMethod::CopyForce | LinkMethod::Skip => LinkTreatment::Skip,
    }
}

/// What happens to links of a download from a server with `setting`. Making them is the client's own affair.
#[must_use]
pub const fn downloaded(method: LinkMethod, setting: LinkSetting) -> LinkTreatment {
    match method {
        LinkMethod::Follow if setting.follow_wide => LinkTreatment::FollowAnywhere,
        LinkMethod::Follow if setting.follow => LinkTreatment::Follow,
        LinkMethod::Copy => LinkTreatment::Copy,
        LinkMethod::CopyForce => LinkTreatment::CopyForce,
        LinkMethod::Follow | LinkMethod::Skip => LinkTreatment::Skip,
    }
}

#[cfg(test)]
mod tests {
    use super::LinkTreatment::{Copy, CopyForce, Follow, FollowAnywhere, Skip};
    use super::*;

    const fn setting(create: bool, follow: bool, follow_wide: bool) -> LinkSetting {
        LinkSetting {
            create,
            follow,
            follow_wide,
        }
    }

    /// The columns of both tables: `create,follow`, `create`, `follow`, `follow_wide`, `none`.
    const COLUMNS: [LinkSetting; 5] = [
        setting(true, true, false),
        setting(true, false, false),
        setting(false, true, false),
        setting(false, false, true),
        setting(false, false, false),
    ];

    #[test]
    fn both_public_tables_hold_cell_by_cell() {
        let upload = [
            (LinkMethod::Follow, [Follow; 5]),
            (LinkMethod::Copy, [Copy, Copy, Skip, Skip, Skip]),
            (
                LinkMethod::CopyForce,
                [CopyForce, CopyForce, Skip, Skip, Skip],
            ),
            (LinkMethod::Skip, [Skip; 5]),
        ];
        let download = [
            (
                LinkMethod::Follow,
                [Follow, Skip, Follow, FollowAnywhere, Skip],
            ),
            (LinkMethod::Copy, [Copy; 5]),
            (LinkMethod::CopyForce, [CopyForce; 5]),
            (LinkMethod::Skip, [Skip; 5]),
        ];
        for (column, setting) in COLUMNS.into_iter().enumerate() {
            for (method, row) in upload {
                assert_eq!(
                    uploaded(method, setting),
                    row[column],
                    "{method:?} {setting:?}"
                );
            }
            for (method, row) in download {
                assert_eq!(
                    downloaded(method, setting),
                    row[column],
                    "{method:?} {setting:?}"
                );
            }
        }
        assert_eq!(LinkSetting::default(), COLUMNS[0]);
    }

    #[test]
    fn every_method_has_a_number_and_no_number_two_methods() {
        for (number, method) in (0..).zip(LinkMethod::ALL) {
            assert_eq!(method.number(), number);
            assert_eq!(LinkMethod::from_number(number), Some(method));
        }
        assert_eq!(LinkMethod::from_number(4), None);
        assert_eq!(LinkMethod::CopyForce.name(), "copy+force");
    }
}
