//! The public destination table, row by row, and paths that must never pass.

use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const INTO: Result<Plan, Fault> = Ok(Plan {
    placement: Placement::Into,
    creates_destination: false,
});
const INTO_CREATED: Result<Plan, Fault> = Ok(Plan {
    placement: Placement::Into,
    creates_destination: true,
});
const RENAME: Result<Plan, Fault> = Ok(Plan {
    placement: Placement::Rename,
    creates_destination: false,
});

/// One source, nothing exists at the destination but its parent, no `-d`.
const FRESH: Facts = Facts {
    sources: 1,
    create: false,
    destination_is_dir: false,
    destination_exists: false,
    parent_exists: true,
    ends_with_dot: false,
};
const FOLDER: Facts = Facts {
    destination_is_dir: true,
    destination_exists: true,
    ..FRESH
};
const FILE: Facts = Facts {
    destination_exists: true,
    ..FRESH
};

#[test]
fn a_file_to_a_new_name_in_a_missing_folder_is_an_error() {
    let facts = Facts {
        parent_exists: false,
        ..FRESH
    };
    assert_eq!(plan(facts), Err(Fault::NoSuchFile));
}

#[test]
fn a_file_to_a_new_name_in_an_existing_folder_is_renamed() {
    assert_eq!(plan(FRESH), RENAME);
}

#[test]
fn a_file_to_a_new_name_followed_by_a_dot_is_renamed() {
    let facts = Facts {
        ends_with_dot: true,
        ..FRESH
    };
    assert_eq!(plan(facts), RENAME);
}

#[test]
fn a_file_to_an_existing_folder_goes_inside() {
    assert_eq!(plan(FOLDER), INTO);
}

#[test]
fn two_files_to_an_existing_folder_go_inside() {
    let facts = Facts {
        sources: 2,
        ..FOLDER
    };
    assert_eq!(plan(facts), INTO);
}

#[test]
fn a_folder_to_a_new_name_is_renamed() {
    assert_eq!(plan(FRESH), RENAME);
}

#[test]
fn with_create_one_or_many_sources_go_into_a_folder_that_is_made() {
    for sources in [1, 2, 7] {
        for parent_exists in [true, false] {
            let facts = Facts {
                sources,
                create: true,
                parent_exists,
                ..FRESH
            };
            assert_eq!(plan(facts), INTO_CREATED);
        }
    }
}

#[test]
fn with_create_an_existing_folder_is_used_and_not_made() {
    let facts = Facts {
        create: true,
        ..FOLDER
    };
    assert_eq!(plan(facts), INTO);
}

#[test]
fn one_source_replaces_an_existing_file() {
    assert_eq!(plan(FILE), RENAME);
}

#[test]
fn an_existing_file_cannot_serve_as_a_folder() {
    let several = Facts { sources: 2, ..FILE };
    let create = Facts {
        create: true,
        ..FILE
    };
    let dot = Facts {
        ends_with_dot: true,
        ..FILE
    };
    for facts in [several, create, dot] {
        assert_eq!(plan(facts), Err(Fault::NotADirectory), "{facts:?}");
    }
}

#[test]
fn several_sources_need_a_folder_that_exists() {
    for parent_exists in [true, false] {
        let facts = Facts {
            sources: 2,
            parent_exists,
            ..FRESH
        };
        assert_eq!(plan(facts), Err(Fault::NotADirectory));
    }
}

#[test]
fn a_path_splits_into_its_components() {
    let mut components = split_relative(b"d3/d4/f \xFF\n2").unwrap();
    assert_eq!(components.next(), Some(&b"d3"[..]));
    assert_eq!(components.as_path(), Some(&b"d4/f \xFF\n2"[..]));
    assert_eq!(components.next(), Some(&b"d4"[..]));
    assert_eq!(components.next(), Some(&b"f \xFF\n2"[..]));
    assert_eq!(components.as_path(), None);
    assert_eq!(components.next(), None);
}

#[test]
fn a_path_that_could_leave_the_destination_is_refused() {
    for (path, error) in [
        (&b""[..], PathError::Empty),
        (b"/etc/passwd", PathError::Absolute),
        (b"/", PathError::Absolute),
        (b"a//b", PathError::EmptyComponent),
        (b"a/", PathError::EmptyComponent),
        (b".", PathError::DotComponent),
        (b"..", PathError::DotComponent),
        (b"a/../b", PathError::DotComponent),
        (b"a/./b", PathError::DotComponent),
        (b"a/..", PathError::DotComponent),
        (b"a\0b", PathError::Nul),
        (&[b'x'; 256], PathError::ComponentTooLong),
    ] {
        assert_eq!(split_relative(path).err(), Some(error), "{path:?}");
    }
}

#[test]
fn names_that_only_look_dangerous_pass() {
    for path in [&b"..."[..], b".hidden", b"a..b", b"..a/b..", b"~", b"a\\..\\b"] {
        assert!(split_relative(path).is_ok(), "{path:?}");
    }
    assert!(split_relative(&[b'x'; 255]).is_ok());
}

#[test]
fn a_path_has_at_most_4096_bytes() {
    let mut path = b"ab/".repeat(1_366);
    path.truncate(4_096);
    assert!(split_relative(&path).is_ok());
    path.push(b'c');
    assert_eq!(split_relative(&path).err(), Some(PathError::TooLong));
}

proptest! {
    #[test]
    fn accepted_components_joined_are_the_path(path in "[a./\\x00]{0,12}") {
        if let Ok(components) = split_relative(path.as_bytes()) {
            let parts: Vec<_> = components.collect();
            prop_assert!(parts.iter().all(|part| !matches!(*part, b"" | b"." | b"..")));
            prop_assert_eq!(parts.join(&b'/'), path.as_bytes());
        }
    }
}
