//! From power-on to the main loop.

use cortex_m_rt::entry;
use fasp_core::time::{Duration, Instant};
use fasp_firmware::addresses::{self, Addresses, Changed, FixedIpv4, Ipv4Source};
use fasp_firmware::phy::lan9118::Lan9118;
use fasp_firmware::udp_bridge::stack_time;
use smoltcp::iface::{SocketSet, SocketStorage};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};
use static_cell::{ConstStaticCell, StaticCell};

use crate::board::{self, Clock, Crashes, Sleep, Watchdog, Window};

#[cfg(feature = "test-port")]
mod test_port;

/// How often the cable is looked at.
const LINK_EVERY: Duration = Duration::from_millis(500);
/// After so long without a crash the image counts as sound.
const SOUND_AFTER: Duration = Duration::from_secs(60);

type Ethernet = Lan9118<Window>;

#[entry]
fn main() -> ! {
    board::start_log();
    let crashes = Crashes;
    defmt::info!("start, crashes in a row: {=u32}", crashes.in_a_row());
    let Some(core) = cortex_m::Peripherals::take() else {
        panic!("the core's peripherals are taken once");
    };
    let mut clock = Clock::start();
    let mut sleep = Sleep::start(core.SYST);
    let mut watchdog = Watchdog::start();
    static DEVICE: StaticCell<Ethernet> = StaticCell::new();
    let device = match Lan9118::start(Window::at(board::ETHERNET)) {
        Ok(device) => DEVICE.init(device),
        Err(_) => panic!("the Ethernet controller does not answer"),
    };
    let now = clock.now();
    let mut interface = addresses::interface(device, device.address(), 1, now);
    static STORAGE: ConstStaticCell<[SocketStorage<'static>; 4]> =
        ConstStaticCell::new([SocketStorage::EMPTY; 4]);
    let mut sockets = SocketSet::new(STORAGE.take().as_mut_slice());
    let source = Ipv4Source::Dhcp {
        otherwise: Some(FixedIpv4 {
            address: Ipv4Cidr::new(Ipv4Address::new(192, 168, 77, 2), 24),
            router: None,
        }),
    };
    let mut addresses = Addresses::start(source, &mut sockets, now);
    #[cfg(feature = "test-port")]
    let mut test_port = test_port::TestPort::open(&mut sockets);
    let mut link = Link::default();
    let mut sound = false;
    loop {
        let now = clock.now();
        watchdog.feed();
        if link.poll(now, device) {
            addresses.link_came_up(now, &mut sockets);
        }
        interface.poll(stack_time(now), device, &mut sockets);
        if let Some(changed) = addresses.poll(now, &mut interface, &mut sockets) {
            tell(now, changed);
        }
        #[cfg(feature = "test-port")]
        test_port.poll(now, &mut interface, device, &mut sockets);
        if !sound && now.as_micros() > SOUND_AFTER.as_micros() {
            sound = true;
            crashes.forget();
        }
        let stack = interface
            .poll_at(stack_time(now), &sockets)
            .map(|at| Instant::from_micros(u64::try_from(at.total_micros()).unwrap_or(0)));
        let wake = [stack, addresses.poll_timeout(), Some(link.next_look)]
            .into_iter()
            .flatten()
            .min();
        if !device.acknowledge_interrupt() {
            let now = clock.now();
            sleep.until(wake, now);
        }
    }
}

fn tell(now: Instant, changed: Changed) {
    let at = now.as_micros();
    match changed {
        Changed::Leased(address) => {
            let [a, b, c, d] = address.address().octets();
            defmt::info!("address {=u8}.{=u8}.{=u8}.{=u8} from DHCP, {=u64} us", a, b, c, d, at);
        }
        Changed::Fixed(address) => {
            let [a, b, c, d] = address.address().octets();
            defmt::info!("address {=u8}.{=u8}.{=u8}.{=u8} as configured, {=u64} us", a, b, c, d, at);
        }
        Changed::Lost => defmt::warn!("the address is lost, {=u64} us", at),
    }
}

/// The cable.
#[derive(Debug)]
struct Link {
    up: bool,
    next_look: Instant,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            up: true,
            next_look: Instant::from_micros(0),
        }
    }
}

impl Link {
    /// Looks at the cable if it is time to; whether it was just put in.
    fn poll(&mut self, now: Instant, device: &mut Ethernet) -> bool {
        if now < self.next_look {
            return false;
        }
        self.next_look = now + LINK_EVERY;
        let up = device.link_is_up().unwrap_or(false);
        let before = core::mem::replace(&mut self.up, up);
        match (before, up) {
            (true, false) => defmt::warn!("the link is down"),
            (false, true) => defmt::info!("the link is up"),
            _ => {}
        }
        up && !before
    }
}
