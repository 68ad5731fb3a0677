//! What the tests that cross crates stand on: real binaries, real sockets, a throw-away world.
//!
//! A test opens a [`world::World`], starts a [`server::Server`] in it (our `ascpd`, or the
//! system's `sshd`), puts an [`relay::Relay`] on the path if the path shall be bad, runs
//! [`client::Ascp`] and looks at the trees with [`tree`]. Nothing here knows how the protocol
//! works; everything here is seen as a user sees it: command lines, files, exit statuses.
//!
//! A failure in here panics with a sentence: the only callers are tests and the quick start.

#![forbid(unsafe_code)]

pub mod appliance;
pub mod binaries;
pub mod client;
pub mod command_docs;
pub mod far_tcp;
pub mod keys;
pub mod measure;
pub mod process;
pub mod random;
pub mod relay;
pub mod server;
pub mod skip;
pub mod tcp_relay;
pub mod terminal;
pub mod tree;
pub mod world;
