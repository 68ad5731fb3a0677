//! Wakes a thread that sleeps in `ppoll` when a disk thread has something for it.
//!
//! One eventfd behind a flag: any number of wakes between two drains cost one system call.
//! It carries no data; whoever wakes puts the data into a queue first.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fasp_core::fault::Fault;
use rustix::event::{EventfdFlags, eventfd};

use crate::failure::{Failure, Outcome};

/// A doorbell between threads; clones ring the same bell.
#[derive(Clone, Debug)]
pub struct Waker {
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct Bell {
    event: OwnedFd,
    rung: AtomicBool,
}

impl Waker {
    /// A bell that has not rung.
    ///
    /// # Errors
    ///
    /// [`Fault::TooManyFiles`] when no descriptor is left.
    pub fn new() -> Outcome<Self> {
        let event =
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|error| {
                Failure::new(
                    Fault::TooManyFiles,
                    format!("cannot create an event descriptor ({error})"),
                )
            })?;
        let rung = AtomicBool::new(false);
        Ok(Self {
            bell: Arc::new(Bell { event, rung }),
        })
    }

    /// Makes [`Waker::fd`] readable until the next [`Waker::drain`].
    pub fn wake(&self) {
        if !self.bell.rung.swap(true, Ordering::AcqRel) {
            // The counter cannot overflow: the flag lets one write through per drain.
            let _ = rustix::io::write(&self.bell.event, &1_u64.to_ne_bytes());
        }
    }

    /// What to poll for readability.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.bell.event.as_fd()
    }

    /// Silences the bell. Look into the queues only after this, or a wake is lost.
    pub fn drain(&self) {
        let mut count = [0_u8; 8];
        let _ = rustix::io::read(&self.bell.event, &mut count);
        self.bell.rung.swap(false, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn rings(waker: &Waker) -> bool {
        let fd = waker.fd();
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&now)).unwrap() == 1
    }

    #[test]
    fn a_wake_is_seen_once_and_a_later_one_again() {
        let waker = Waker::new().unwrap();
        assert!(!rings(&waker));
        waker.clone().wake();
        waker.wake();
        assert!(rings(&waker));
        waker.drain();
        assert!(!rings(&waker));
        waker.wake();
        assert!(rings(&waker));
    }
}
