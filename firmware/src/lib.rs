//! What stands around `core` on a machine without an operating system: its network stack.
//!
//! No allocation and no unsafe code: every buffer is passed in. Runs on any host too, where it is tested.

#![no_std]
#![forbid(unsafe_code)]

pub mod addresses;
pub mod appliance;
pub mod control_channel;
pub mod entropy;
pub mod flash;
pub mod host;
pub mod phy;
pub mod session;
pub mod sockets;
pub mod storage;
pub mod udp_bridge;
