//! Everything that is shown across crates: the real `ascp` against real servers, and house rules.
//!
//! A body is written once and runs against every server it makes sense for (see [`site`]): our
//! daemon, the system's `sshd`, and our daemon behind a bad path.

#![expect(
    clippy::unwrap_used,
    reason = "a failed unwrap is a failed test, also in the bodies that tests share"
)]

mod adversary;
mod after_transfer;
mod appliance;
mod attributes;
mod authentication;
mod bulk;
mod client_configuration;
mod command_line;
mod configuration;
mod crashes;
mod daemon;
mod destination;
mod embedded;
mod encryption;
mod errors;
mod escapes;
mod faults;
mod hostile_peers;
mod house_rules;
mod known_command_lines;
mod live_rates;
mod logs;
mod metadata;
mod overwriting;
mod parallel_sessions;
mod rates;
mod records;
mod resume;
mod secrets;
mod selection;
mod server_load;
mod server_rules;
mod site;
mod split_files;
mod start_up;
mod streams;
mod terminal;
mod tokens;
mod transfer;
