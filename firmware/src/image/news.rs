//! What happens, as log lines.

use defmt::Display2Format;
use fasp_core::time::Instant;
use fasp_firmware::addresses::Changed;
use fasp_firmware::host::{Event, Host};

use super::randomness;

/// The host of the appliance: its log and its randomness.
#[derive(Debug)]
pub(super) struct News;

impl Host for News {
    fn random(&mut self, out: &mut [u8]) {
        randomness::fill(out);
    }

    fn observe(&mut self, event: &Event<'_>) {
        defmt::info!("{}", Display2Format(event));
    }
}

/// Says what became of the address.
pub(super) fn tell(now: Instant, changed: Changed) {
    let at = now.as_micros();
    match changed {
        Changed::Leased(address) => {
            defmt::info!(
                "ready at {} by DHCP after {=u64} us",
                Display2Format(&address),
                at
            );
        }
        Changed::Fixed(address) => {
            defmt::info!(
                "ready at {} as configured after {=u64} us",
                Display2Format(&address),
                at
            );
        }
        Changed::Lost => defmt::warn!("the address is lost after {=u64} us", at),
    }
}
