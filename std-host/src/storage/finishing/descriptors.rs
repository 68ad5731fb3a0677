//! A bound for what complete files keep open.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::super::write_behind::lock;

/// Complete files of one session that are open, at most: many systems give a process 1,024 descriptors.
const MOST: usize = 256;

/// Counts descriptors; whoever wants one more than there may be waits.
#[derive(Debug, Default)]
pub(in super::super) struct Descriptors {
    taken: Mutex<usize>,
    freed: Condvar,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    of: Arc<Descriptors>,
}

impl Descriptors {
    /// Takes one, when there is one.
    pub(super) fn take(self: &Arc<Self>) -> Taken {
        let mut taken = self
            .freed
            .wait_while(lock(&self.taken), |taken| *taken >= MOST)
            .unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        Taken {
            of: Arc::clone(self),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut taken = lock(&self.of.taken);
        *taken = taken.saturating_sub(1);
        self.of.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_too_many_waits_until_one_is_given_back() {
        let descriptors = Arc::<Descriptors>::default();
        let mut all: Vec<Taken> = (0..MOST).map(|_| descriptors.take()).collect();
        let (tell, told) = channel();
        let other = Arc::clone(&descriptors);
        let thread = std::thread::spawn(move || {
            let taken = other.take();
            tell.send(()).unwrap();
            taken
        });
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
        all.pop();
        told.recv_timeout(Duration::from_secs(60)).unwrap();
        all.push(thread.join().unwrap());
        assert_eq!(*lock(&descriptors.taken), MOST);
        drop(all);
        assert_eq!(*lock(&descriptors.taken), 0);
    }
}
