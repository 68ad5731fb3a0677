//! Deterministic simulation of transfers: `core`'s machines on model paths in virtual time.
//!
//! Nothing here talks to a network or reads the clock of this machine (except to say how long a command
//! took); every number follows from the command and its seed.

#![deny(unsafe_code)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "a simulation calculates with numbers of its own; a panic ends the run and is a finding"
)]

mod allocations;
#[cfg(test)]
mod appliance;
mod cheap_seal;
mod checks;
mod clock;
mod command_line;
mod cross_traffic;
mod datagram;
mod flow;
mod frames;
mod host;
mod large_stack;
mod link;
mod marks;
mod matrix;
mod measure;
mod named_runs;
mod paths;
mod pattern;
mod plot;
mod random;
mod results;
mod scenario;
mod smoltcp_host;
mod storage;
mod swarm;
mod timeline;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    command_line::main()
}
