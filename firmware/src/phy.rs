//! Drivers of Ethernet controllers, each as a device of smoltcp; registers are reached through a trait, so that a
//! driver is tested on any host.

pub mod lan9118;
