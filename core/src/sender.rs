//! Stub.

pub mod object_source;

mod object_window;
mod pacer;
mod path_mtu;
mod sent_ring;
