//! From power-on to the main loop.

use core::mem;

use cortex_m_rt::entry;
use fasp_core::time::{Duration, Instant};
use fasp_core::units::BitRate;
use fasp_firmware::addresses::{self, Addresses};
use fasp_firmware::appliance::{Configuration, Next, SmallAppliance, SmallSession, SshMemory};
use fasp_firmware::entropy::Entropy;
use fasp_firmware::flash::file_system::FileSystem;
use fasp_firmware::flash::memory_flash::MemoryFlash;
use fasp_firmware::flash::settings::{self, AuthorizedKeys, Secret};
use fasp_firmware::flash::{self, FlashError};
use fasp_firmware::phy::lan9118::Lan9118;
use fasp_firmware::sockets::{SocketMemory, Sockets};
use smoltcp::iface::{SocketSet, SocketStorage};
use smoltcp::wire::IpAddress;
use static_cell::{ConstStaticCell, StaticCell};

use crate::board::{self, Clock, Crashes, Sleep, Watchdog, Window};

mod news;
mod randomness;
#[cfg(feature = "test-port")]
mod test_port;
mod upkeep;

use news::News;
use upkeep::Upkeep;

/// The port of SSH, and that of the data.
const CONTROL_PORT: u16 = 22;
const DATA_PORT: u16 = 33_001;
/// What fits an Ethernet frame over IPv6.
const LARGEST_DATAGRAM: u16 = 1_452;
/// The Ethernet controller's own rate.
const RATE_CAP: BitRate = BitRate::from_kbps(100_000);
/// Files, partial files and folders in the flash.
const ENTRIES: usize = 64;

type Ethernet = Lan9118<Window>;
type Files = FileSystem<MemoryFlash<'static>, ENTRIES>;
type Server = SmallAppliance<'static, &'static mut Files, News>;
type Memory = SocketMemory<2_048, 8, 12_288>;

/// What the flash says about this appliance.
struct Identity {
    host_key: &'static Secret,
    authorized_keys: &'static AuthorizedKeys,
}

#[entry]
fn main() -> ! {
    board::start_log();
    let crashes = Crashes;
    defmt::info!("start, crashes in a row: {=u32}", crashes.in_a_row());
    let Some(core) = cortex_m::Peripherals::take() else {
        panic!("the core's peripherals are taken once");
    };
    static DEVICE: StaticCell<Ethernet> = StaticCell::new();
    let device = match Lan9118::start(Window::at(board::ETHERNET)) {
        Ok(device) => DEVICE.init(device),
        Err(_) => panic!("the Ethernet controller does not answer"),
    };
    // The controller's reset sets the counter that the clock stands on to 0.
    let clock = Clock::start();
    let sleep = Sleep::start(core.SYST);
    let mut upkeep = Upkeep::new(clock, sleep, Watchdog::start(), crashes);
    let Some(memory) = board::take_flash_memory() else {
        panic!("the flash is taken once");
    };
    let mut flash = MemoryFlash::new(memory);
    match identify(&mut flash, device, &mut upkeep) {
        Ok(Some(identity)) => serve(flash, identity, device, upkeep),
        Ok(None) => upkeep.stay("the flash holds no seed: this appliance was not set up"),
        Err(FlashError::Foreign) => {
            upkeep.stay("the flash holds something else; nothing is changed")
        }
        Err(_) => upkeep.stay("the flash is damaged"),
    }
}

/// Lays out the flash if it is blank, starts the randomness and finds or makes the host key. `None` without a seed.
fn identify(
    flash: &mut MemoryFlash<'static>,
    device: &Ethernet,
    upkeep: &mut Upkeep,
) -> Result<Option<Identity>, FlashError> {
    if flash::prepare(flash)? {
        defmt::info!("the flash was blank and is laid out");
    }
    let Some(seed) = settings::seed(flash)? else {
        return Ok(None);
    };
    let mut circumstances = [0; 14];
    let (address, time) = circumstances.split_at_mut(6);
    address.copy_from_slice(device.address().as_bytes());
    time.copy_from_slice(&upkeep.now().as_micros().to_le_bytes());
    let (mut entropy, next_seed) = Entropy::start(&seed, &circumstances);
    settings::set_seed(flash, &next_seed)?;
    let host_key = if let Some(key) = settings::host_key(flash)? {
        key
    } else {
        let mut key = Secret::default();
        entropy.fill(&mut key[..]);
        settings::set_host_key(flash, &key)?;
        defmt::info!("made a host key");
        key
    };
    randomness::start(entropy);
    static HOST_KEY: StaticCell<Secret> = StaticCell::new();
    static KEYS: StaticCell<AuthorizedKeys> = StaticCell::new();
    Ok(Some(Identity {
        host_key: HOST_KEY.init(host_key),
        authorized_keys: KEYS.init(settings::authorized_keys(flash)?),
    }))
}

fn serve(
    mut flash: MemoryFlash<'static>,
    identity: Identity,
    device: &'static mut Ethernet,
    mut upkeep: Upkeep,
) -> ! {
    let now = upkeep.now();
    let mut interface = addresses::interface(device, device.address(), randomness::number(), now);
    static STORAGE: ConstStaticCell<[SocketStorage<'static>; 5]> =
        ConstStaticCell::new([SocketStorage::EMPTY; 5]);
    let mut set = SocketSet::new(STORAGE.take().as_mut_slice());
    let (Ok(source), Ok(advertised)) =
        (settings::ipv4(&mut flash), settings::advertised(&mut flash))
    else {
        upkeep.stay("the settings cannot be read");
    };
    let mut addresses = Addresses::start(source, &mut set, now);
    let sockets = sockets(&mut set);
    #[cfg(feature = "test-port")]
    let mut test_port = test_port::TestPort::open(&mut set);
    let configuration = Configuration {
        host_key: identity.host_key,
        user: None,
        authorized_keys: identity.authorized_keys,
        password: None,
        control_port: CONTROL_PORT,
        data_port: DATA_PORT,
        advertised_address: advertised.and_then(|a| a.address).map(IpAddress::Ipv4),
        advertised_port: advertised.map(|a| a.port),
        target_rate_cap: RATE_CAP,
        largest_datagram: LARGEST_DATAGRAM,
    };
    let Ok(files) = files(flash) else {
        upkeep.stay("the file system cannot be read");
    };
    let appliance = appliance(configuration, files, sockets);
    static SSH: ConstStaticCell<SshMemory> = ConstStaticCell::new(SshMemory::new());
    let ssh = SSH.take();
    loop {
        let mut visit = appliance.visit(ssh);
        loop {
            let now = upkeep.begin_round(device);
            if mem::take(&mut upkeep.link_came_up) {
                addresses.link_came_up(now, &mut set);
            }
            let next = visit.poll(now, &mut interface, device, &mut set);
            if let Some(changed) = addresses.poll(now, &mut interface, &mut set) {
                news::tell(now, changed);
            }
            #[cfg(feature = "test-port")]
            let busy = test_port.poll(now, &mut interface, device, &mut set);
            #[cfg(not(feature = "test-port"))]
            let busy = false;
            let Next::Wait(until) = next else { break };
            let until = if busy { Some(now) } else { until };
            upkeep.rest(device, earliest(until, addresses.poll_timeout()));
        }
        let stack = board::stack_use();
        defmt::info!("stack: {=usize} of {=usize} bytes", stack.used, stack.size);
        let awake = upkeep.awake().as_micros();
        defmt::info!("awake: {=u64} us since power-on", awake);
    }
}

// What is large is built by a function of its own that is never merged into its caller: the room it needs on the stack
// is then taken only while it runs.

#[inline(never)]
fn files(flash: MemoryFlash<'static>) -> Result<&'static mut Files, FlashError> {
    static FILES: StaticCell<Files> = StaticCell::new();
    let files = FILES.init(Files::mount(flash)?);
    defmt::info!(
        "free: {=u64} of {=u64} bytes",
        files.free_bytes(),
        files.capacity()
    );
    Ok(files)
}

#[inline(never)]
fn sockets(set: &mut SocketSet<'static>) -> Sockets {
    static MEMORY: StaticCell<Memory> = StaticCell::new();
    Sockets::add(set, MEMORY.init_with(Memory::new))
}

#[inline(never)]
fn appliance(
    configuration: Configuration<'static>,
    files: &'static mut Files,
    sockets: Sockets,
) -> &'static mut Server {
    static APPLIANCE: StaticCell<Server> = StaticCell::new();
    defmt::info!(
        "session state {=usize} bytes",
        size_of::<SmallSession<&mut Files>>()
    );
    APPLIANCE.init_with(|| SmallAppliance::new(configuration, files, News, sockets))
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

/// How often the cable is looked at.
const LINK_EVERY: Duration = Duration::from_millis(500);
/// After so long without a crash the image counts as sound.
const SOUND_AFTER: Duration = Duration::from_secs(60);
