//! Sessions that one user may have at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Counts = Arc<Mutex<HashMap<String, usize>>>;

/// The running sessions of all users.
#[derive(Debug)]
pub(super) struct UserLimits {
    most: usize,
    counts: Counts,
}

/// One session of a user, until dropped.
#[derive(Debug)]
pub(super) struct UserPlace {
    user: String,
    counts: Counts,
}

impl UserLimits {
    /// At most so many for each.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            counts: Counts::default(),
        }
    }

    /// A place for a session of `user`, if one is left.
    pub(super) fn take(&self, user: &str) -> Option<UserPlace> {
        let mut counts = locked(&self.counts);
        let count = counts.get(user).copied().unwrap_or(0);
        if count >= self.most {
            return None;
        }
        counts.insert(user.to_owned(), count.saturating_add(1));
        Some(UserPlace {
            user: user.to_owned(),
            counts: Arc::clone(&self.counts),
        })
    }
}

impl Drop for UserPlace {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) =
            locked(&self.counts).entry(std::mem::take(&mut self.user))
        {
            let left = entry.get().saturating_sub(1);
            if left == 0 {
                entry.remove();
            } else {
                entry.insert(left);
            }
        }
    }
}

/// Numbers are whole at any time, so a panic elsewhere did not break them.
fn locked(counts: &Counts) -> MutexGuard<'_, HashMap<String, usize>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_cannot_take_the_places_of_others() {
        let limits = UserLimits::new(2);
        let first = limits.take("ann").unwrap();
        let _second = limits.take("ann").unwrap();
        assert!(limits.take("ann").is_none());
        assert!(limits.take("bob").is_some());
        drop(first);
        assert!(limits.take("ann").is_some());
        drop(limits.take("bob"));
        assert_eq!(locked(&limits.counts).len(), 1);
    }
}
