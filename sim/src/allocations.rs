//! Counts the allocations of each thread, so that calls into `core` can be held to none.
//!
//! The only unsafe code of the simulation: an allocator that counts and leaves the work to that of the system.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use crate::checks::Breaches;

thread_local! {
    // Constant and without a destructor: looking at it never allocates.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn add_one() {
    // A thread that ends may allocate after its variables are gone; nobody counts those.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe to implement, and only one can see allocations"
)]
// SAFETY: every call goes to the system's allocator with the arguments it came with, and what that returns is
// returned; counting touches a variable of this thread and neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add_one();
        // SAFETY: the caller promises what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add_one();
        // SAFETY: the caller promises what `System` asks for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add_one();
        // SAFETY: the caller promises what `System` asks for, and `pointer` came from it.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller promises what `System` asks for, and `pointer` came from it.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `call`, which must not allocate on this thread; if it does, that is a breach of `name`.
pub(crate) fn none_in<R>(name: &str, breaches: &mut Breaches, call: impl FnOnce() -> R) -> R {
    let before = COUNT.get();
    let result = call();
    let allocations = COUNT.get() - before;
    if allocations > 0 {
        breaches.add(|| format!("{name} allocates {allocations} times"));
    }
    result
}

/// Runs what a host does when a machine calls it back: its allocations are its own.
pub(crate) fn of_host<R>(call: impl FnOnce() -> R) -> R {
    let before = COUNT.get();
    let result = call();
    COUNT.set(before);
    result
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    fn breaches_of(call: impl FnOnce()) -> Vec<String> {
        let mut breaches = Breaches::default();
        none_in("the call", &mut breaches, call);
        breaches.texts().to_vec()
    }

    #[test]
    fn every_way_to_allocate_is_a_breach() {
        let once = ["the call allocates 1 times"];
        assert_eq!(breaches_of(|| drop(black_box(Box::new(7_u64)))), once);
        assert_eq!(breaches_of(|| drop(black_box(vec![0_u8; 100]))), once);
        let mut grown: Vec<u8> = Vec::with_capacity(1);
        assert_eq!(breaches_of(|| black_box(&mut grown).reserve(10_000)), once);
    }

    #[test]
    fn what_does_not_allocate_or_is_the_hosts_is_none() {
        assert!(breaches_of(|| assert_eq!(black_box([0_u8; 100])[7], 0)).is_empty());
        assert!(breaches_of(|| of_host(|| drop(black_box(Box::new(7_u64))))).is_empty());
    }

    #[test]
    fn allocations_of_other_threads_do_not_count() {
        use std::sync::mpsc::sync_channel;
        let (ask, asked) = sync_channel::<()>(1);
        let (answer, answered) = sync_channel::<()>(1);
        let other = std::thread::spawn(move || {
            while asked.recv().is_ok() {
                drop(black_box(vec![1_u8; 1_000]));
                let _ = answer.send(());
            }
        });
        // The first use makes what waiting needs.
        let rounds = || {
            ask.send(()).unwrap();
            answered.recv().unwrap();
        };
        rounds();
        let breaches = breaches_of(rounds);
        drop(ask);
        other.join().unwrap();
        assert!(breaches.is_empty(), "{breaches:?}");
    }
}
