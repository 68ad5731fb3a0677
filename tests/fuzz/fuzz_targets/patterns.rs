//! Any pattern of `-E` and `-N` against any path, a NUL byte between them: a verdict, in time.

#![no_main]

use fasp_core::selection::{Action, EntryKind, Pattern, Rule, decide};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    let (text, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(pattern) = Pattern::parse(text) else {
        return;
    };
    let plain = !text.iter().any(|byte| b"*?[\\".contains(byte));
    if plain && !text.starts_with(b"/") && !text.ends_with(b"/") {
        assert!(pattern.matches(text, EntryKind::File), "a plain name matches itself");
    }
    for kind in [EntryKind::File, EntryKind::Directory] {
        let matches = pattern.matches(path, kind);
        let rule = Rule { action: Action::Exclude, pattern };
        let (action, _) = decide([rule], path, kind);
        assert_eq!(action == Action::Exclude, matches);
        let _ = pattern.leads_through(path);
    }
});
