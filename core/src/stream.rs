//! The two ordered byte streams inside a session: META towards the receiver, DECIDE back.
//!
//! Only bytes and offsets; what they mean is `metadata`. Both ends are bounded buffers: a
//! writer that finds no room waits, a reader refuses what does not fit and it is sent again.
//! Source: PROTOCOL.md chapter 6.

mod incoming;
mod outgoing;
mod range_list;

pub use incoming::{Incoming, Refused};
pub use outgoing::{NoRoom, Outgoing};
pub use range_list::{RangeList, TooManyRanges};
