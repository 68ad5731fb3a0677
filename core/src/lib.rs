//! FASP-style file transfer as a sans-IO state machine: no I/O, no clock, no allocation.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod control;
pub mod crypto;
pub mod destination;
pub mod fault;
pub mod lane;
#[cfg(test)]
mod long_sessions;
pub mod loss;
pub mod metadata;
pub mod negotiation;
pub mod overwrite;
pub mod path;
pub mod rate_control;
pub mod receiver;
pub mod selection;
pub mod sender;
pub mod silence;
pub mod statistics;
pub mod stream;
pub mod time;
pub mod trains;
pub mod units;
pub mod wire;
