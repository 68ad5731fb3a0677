//! What the tests of control channels share: keys, servers, the rule for skipping.

use std::io::Write;

/// Set in automation, where a missing component is a failure.
const NO_SKIP: &str = "FASP_NO_SKIP";

/// Says that the machine lacks something; fails where nothing may be lacking.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os(NO_SKIP).is_none(), "skipped: {why}");
    writeln!(std::io::stderr(), "skipped: {why}").unwrap();
}
