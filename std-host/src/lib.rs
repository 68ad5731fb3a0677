//! The `ascp` command line and the `ascpd` server: a tokio host that drives `fasp-core`.

#![deny(unsafe_code)]

pub mod aws_gcm;
pub mod cli;
pub mod client;
pub mod configuration;
pub mod control_channel;
pub mod daemon;
pub mod driver;
pub mod envelope;
pub mod failure;
#[cfg(fuzzing)]
pub mod fuzzing;
mod link_speed;
pub mod logging;
pub mod server;
pub mod session;
pub mod storage;
pub mod token;
pub mod trunk;
pub mod udp;
