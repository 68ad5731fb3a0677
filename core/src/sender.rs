//! Stub.

pub mod object_source;
