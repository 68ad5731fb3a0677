//! Options about attributes that copies get.

use clap::Arg;

use super::{flag, rare, under, value};

pub(super) fn args() -> Vec<Arg> {
    let switch = |name: &'static str, help: &'static str| rare(flag(name).long(name).help(help));
    let store =
        |name: &'static str, help: &'static str| rare(value(name, "WHERE").long(name).help(help));
    under(
        "Attributes",
        vec![
            switch("preserve-modification-time", "Keep modification times"),
            switch("preserve-access-time", "Keep access times"),
            switch(
                "preserve-source-access-time",
                "Leave the access times of the sources alone",
            ),
            switch("preserve-creation-time", "Changes nothing on this system"),
            switch(
                "preserve-file-owner-uid",
                "Keep owners, by number; the receiver must\nbe root",
            ),
            switch("preserve-file-owner-gid", "Keep groups, the same way"),
            store(
                "preserve-xattrs",
                "Extended attributes: native, metafile (in\nFILE.aspera-meta) or none (default)",
            ),
            store(
                "remote-preserve-xattrs",
                "How the other side has them (default: same)",
            ),
            store("preserve-acls", "Access lists, the same way"),
            store("remote-preserve-acls", "How the other side has them"),
        ],
    )
}
