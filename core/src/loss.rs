//! What is missing: gaps in the bytes of objects, kept in one bounded list.
//!
//! Not packet numbers: those are in `crypto::replay` and travel in reports. A gap here is a range
//! of file bytes behind the furthest byte that arrived.

mod gap_list;

pub use gap_list::{Gap, GapList, NoRoom};
