//! The one source of randomness of the image; what the crate `getrandom` asks for comes from here too.

use core::cell::RefCell;

use critical_section::Mutex;
use fasp_firmware::entropy::Entropy;

static ENTROPY: Mutex<RefCell<Option<Entropy>>> = Mutex::new(RefCell::new(None));

/// From now on there is randomness.
pub(super) fn start(entropy: Entropy) {
    critical_section::with(|section| ENTROPY.borrow(section).replace(Some(entropy)));
}

/// Fills `out`.
///
/// # Panics
///
/// Before [`start`]: predictable secrets would be worse than none.
pub(super) fn fill(out: &mut [u8]) {
    let filled = critical_section::with(|section| {
        let mut entropy = ENTROPY.borrow(section).borrow_mut();
        entropy.as_mut().map(|entropy| entropy.fill(out)).is_some()
    });
    assert!(filled, "randomness was asked for before it was there");
}

/// A number, not for secrets.
pub(super) fn number() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// What `getrandom` calls on this machine.
#[allow(
    unsafe_code,
    reason = "the symbol and its raw pointer are given by the crate getrandom"
)]
// SAFETY: nothing else defines this name, which getrandom declares with the same signature.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(
    start: *mut u8,
    length: usize,
) -> Result<(), getrandom::Error> {
    // SAFETY: getrandom gives memory of this length that it has for writing; zeros make it initialised first.
    let out = unsafe {
        start.write_bytes(0, length);
        core::slice::from_raw_parts_mut(start, length)
    };
    fill(out);
    Ok(())
}
