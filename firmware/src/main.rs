//! The image of the appliance for the board; an empty program on any machine with an operating system.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(all(target_os = "none", target_arch = "arm"))]
mod board;
#[cfg(all(target_os = "none", target_arch = "arm"))]
mod image;

#[cfg(not(target_os = "none"))]
fn main() {}

/// On other bare machines there is no image: the library is what is built for them.
#[cfg(all(target_os = "none", not(target_arch = "arm")))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
