//! Threads on which machines can be made: a machine lies on the stack for a moment, and machines are large.

/// Room for a few machines.
const STACK_BYTES: usize = 256 << 20;

/// What `work` gives, done on a thread of its own.
pub(crate) fn on_one<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .expect("a thread can be started");
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Does `work` on as many threads as there are cores, but no more than `most`.
pub(crate) fn on_all_cores(most: usize, work: impl Fn() + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores.min(most) {
            std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, &work)
                .expect("a thread can be started");
        }
    });
}
