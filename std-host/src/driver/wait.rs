//! Waiting for a socket, a bell or a deadline, precisely.

use std::num::NonZeroU64;

use fasp_core::time::{Duration, Instant};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::storage::waker::Waker;
use crate::udp::UdpPort;

/// Shorter waits are not worth a sleep.
const SPIN: Duration = Duration::from_micros(15);
/// The longest sleep, whatever the deadline.
const LONGEST: Duration = Duration::from_secs(1);

/// Asks the kernel to wake this thread without rounding its timers up.
pub(super) fn precise_timers() {
    // A coarse timer only makes bursts larger.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}

/// Sleeps until the socket has something (or, with `for_room`, takes something), the bell rings or `deadline` passes.
pub(super) fn wait(
    udp: &UdpPort,
    waker: &Waker,
    for_room: bool,
    now: Instant,
    deadline: Option<Instant>,
) {
    let span = deadline
        .map_or(LONGEST, |deadline| deadline.since(now))
        .min(LONGEST);
    if span <= SPIN && !for_room {
        return;
    }
    let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    let timeout = Timespec {
        tv_sec: micros / 1_000_000,
        tv_nsec: micros % 1_000_000 * 1_000,
    };
    let interest = if for_room {
        PollFlags::IN | PollFlags::OUT
    } else {
        PollFlags::IN
    };
    let (socket, bell) = (udp.fd(), waker.fd());
    let mut fds = [
        PollFd::new(&socket, interest),
        PollFd::new(&bell, PollFlags::IN),
    ];
    // An interrupted wait is a short one.
    let _ = poll(&mut fds, Some(&timeout));
}
