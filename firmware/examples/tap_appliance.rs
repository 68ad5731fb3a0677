//! An edge appliance without the kernel's UDP: the same adapter as on a microcontroller, on a TAP device of Linux.
//!
//! ```text
//! ip tuntap add dev tap0 mode tap && ip addr add 192.168.69.1/24 dev tap0 && ip link set tap0 up
//! cargo run --release -p fasp-firmware --example tap_appliance -- tap0 192.168.69.2/24 ~/.ssh/id_ed25519.pub
//! ascp image.bin appliance@192.168.69.2:/
//! ```
//!
//! Needs the right to open the device (root, or `ip tuntap add ... user NAME`). Files live in 64 MiB of memory and go
//! with the program. The host key is made anew at each start unless `TAP_APPLIANCE_HOST_KEY` names a file with 32 bytes.

use std::error::Error;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::time::Instant as HostInstant;

use fasp_core::time::Instant;
use fasp_core::units::BitRate;
use fasp_firmware::appliance::{Appliance, Configuration, KEY_BYTES, Next, SshMemory};
use fasp_firmware::control_channel::parse_authorized_key;
use fasp_firmware::host::{Event, Host};
use fasp_firmware::sockets::{SocketMemory, Sockets};
use fasp_firmware::storage::ram_disk::RamDisk;
use fasp_firmware::udp_bridge::stack_time;
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Medium, TunTapInterface, wait};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr};

/// Bytes of the disk.
const DISK_BYTES: usize = 64 << 20;
/// Room for the machines of the larger profile while they are put together.
const STACK_BYTES: usize = 32 << 20;

/// More memory than a microcontroller has: larger windows, by type parameters.
type EdgeAppliance<'c, S, H> = Appliance<'c, S, H, 8_192, 256, 64, 1_024, 32_768>;
type Memory = SocketMemory<16_384, 512, { 512 << 10 }>;

/// Randomness of the system; news on standard error.
#[derive(Debug)]
struct Linux {
    random: File,
}

impl Host for Linux {
    fn random(&mut self, out: &mut [u8]) {
        // Without randomness there is no security: better no appliance.
        if self.random.read_exact(out).is_err() {
            std::process::abort();
        }
    }

    fn observe(&mut self, event: &Event<'_>) {
        let _ = writeln!(std::io::stderr(), "{event}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, address, keys] = arguments.as_slice() else {
        return Err("usage: tap_appliance DEVICE ADDRESS/PREFIX PUBLIC_KEYS".into());
    };
    let address: IpCidr = address
        .parse()
        .map_err(|()| "the address is not of the form 192.168.69.2/24")?;
    let text = std::fs::read_to_string(keys)?;
    let keys: Vec<_> = text.lines().filter_map(parse_authorized_key).collect();
    if keys.is_empty() {
        return Err("the file of keys holds no ssh-ed25519 key".into());
    }
    let device = device.clone();
    let host_key = host_key()?;
    let serve = move || serve(&device, address, &keys, &host_key);
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let outcome = thread.spawn(serve)?.join();
    outcome
        .map_err(|_| "the appliance panicked")?
        .map_err(Into::into)
}

fn host_key() -> std::io::Result<[u8; KEY_BYTES]> {
    let path = std::env::var_os("TAP_APPLIANCE_HOST_KEY");
    let mut key = [0; KEY_BYTES];
    File::open(path.unwrap_or_else(|| "/dev/urandom".into()))?.read_exact(&mut key)?;
    Ok(key)
}

fn serve(
    device: &str,
    address: IpCidr,
    authorized_keys: &[[u8; KEY_BYTES]],
    host_key: &[u8; KEY_BYTES],
) -> std::io::Result<()> {
    let mut device = TunTapInterface::new(device, Medium::Ethernet)?;
    let started = HostInstant::now();
    let now = || {
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Instant::from_micros(micros)
    };
    let mut host = Linux {
        random: File::open("/dev/urandom")?,
    };
    let mut seed = [0; 8];
    host.random(&mut seed);
    let hardware = HardwareAddress::Ethernet(EthernetAddress([2, 0, 0, 0, 0, 2]));
    let mut config = Config::new(hardware);
    config.random_seed = u64::from_be_bytes(seed);
    let mut interface = Interface::new(config, &mut device, stack_time(now()));
    interface.update_ip_addrs(|addresses| {
        // There is room for the first address.
        let _ = addresses.push(address);
    });
    let mut memory = Box::new(Memory::new());
    let mut set = SocketSet::new(Vec::new());
    let sockets = Sockets::add(&mut set, &mut memory);
    let configuration = Configuration {
        host_key,
        user: None,
        authorized_keys,
        password: None,
        control_port: 22,
        data_port: 33_001,
        advertised_address: None,
        advertised_port: None,
        target_rate_cap: BitRate(1_000_000_000),
        largest_datagram: 1_472,
    };
    let mut disk_memory = vec![0; DISK_BYTES];
    let disk = RamDisk::<16_384, 1_024>::new(&mut disk_memory);
    let mut appliance = Box::new(EdgeAppliance::new(configuration, disk, host, sockets));
    let mut ssh_memory = SshMemory::new();
    let descriptor = device.as_raw_fd();
    loop {
        let mut visit = appliance.visit(&mut ssh_memory);
        while let Next::Wait(until) = visit.poll(now(), &mut interface, &mut device, &mut set) {
            let span = until.map(|until| until.since(now()).as_micros());
            let span = span.map(smoltcp::time::Duration::from_micros);
            wait(descriptor, span)?;
        }
    }
}
