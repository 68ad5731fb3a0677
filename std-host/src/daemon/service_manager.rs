//! What the service manager is told: ready, reloading, stopping.
//!
//! Source: sd_notify(3): one datagram with lines of `NAME=VALUE` to the socket that `NOTIFY_SOCKET` names.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

/// The service takes clients.
pub(super) fn ready() {
    tell("READY=1\n");
}

/// The configuration is being read again; [`ready`] ends that.
pub(super) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = now
        .tv_sec
        .saturating_mul(1_000_000)
        .saturating_add(now.tv_nsec / 1_000);
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n"));
}

/// The service takes no more clients.
pub(super) fn stopping() {
    tell("STOPPING=1\n");
}

/// Nobody may be listening: the service goes on.
fn tell(words: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let _ = address(&name)
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(words.as_bytes(), &address));
}

fn address(name: &OsStr) -> std::io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}
