//! Options about the sources after their transfer.

use super::*;
use crate::cli::settings::AfterTransferWishes;

#[test]
fn every_wish_is_taken() {
    assert_eq!(settings("f h:d").afterwards, AfterTransferWishes::default());
    let all = settings(
        "--remove-after-transfer --remove-skipped --remove-empty-directories \
         --remove-empty-source-directory f h:d",
    );
    assert_eq!(all.afterwards.removed.number(), 15);
    assert_eq!(all.afterwards.archive, None);
    let moved = settings("--move-after-transfer=old/x --remove-empty-directories f h:d");
    assert_eq!(moved.afterwards.archive.as_deref(), Some(&b"old/x"[..]));
    assert_eq!(moved.afterwards.removed.number(), 4);
}

#[test]
fn what_contradicts_itself_is_refused_with_both_names() {
    let table = [
        (
            "--move-after-transfer=old --remove-after-transfer f h:d",
            "options --move-after-transfer and --remove-after-transfer exclude each other",
        ),
        (
            "--remove-skipped f h:d",
            "option --remove-skipped needs --remove-after-transfer",
        ),
        (
            "--move-after-transfer=old --remove-skipped f h:d",
            "option --remove-skipped needs --remove-after-transfer",
        ),
        (
            "--remove-empty-source-directory --remove-after-transfer f h:d",
            "option --remove-empty-source-directory needs --remove-empty-directories",
        ),
        (
            "--move-after-transfer= f h:d",
            "option --move-after-transfer needs a folder",
        ),
        (
            "f h:d --move-after-transfer",
            "option --move-after-transfer needs a value",
        ),
        (
            "--remove-after-transfer=yes f h:d",
            "option --remove-after-transfer takes no value",
        ),
    ];
    for (line, text) in table {
        assert_eq!(refusal(line), text, "{line}");
    }
}
