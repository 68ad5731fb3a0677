//! The appliance of `firmware` as its users meet it: the real `ascp` talks to it over a cable of this process.
//!
//! Nothing needs rights of an administrator: see [`bench`] for what is between the two.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a wrong index is a failed test, also on the bench that tests share"
)]

mod bench;
mod cable;
mod faults;
mod gateway;
mod state_size;
mod tap;
mod transfers;
