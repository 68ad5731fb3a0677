//! A test bench: an appliance on a thread of its own, a cable, and the gateway that brings `ascp` there.
//!
//! ```text
//! ascp --loopback--> gateway --Ethernet frames--> appliance
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant as HostInstant};

use fasp_core::time::Instant;
use fasp_core::units::BitRate;
use fasp_firmware::appliance::{Configuration, Next, SmallAppliance, SshMemory};
use fasp_firmware::control_channel::parse_authorized_key;
use fasp_firmware::host::{Event, Host};
use fasp_firmware::sockets::{SocketMemory, Sockets};
use fasp_firmware::storage::ram_disk::RamDisk;
use fasp_firmware::storage::{LONGEST_PATH, Storage};
use fasp_firmware::udp_bridge::stack_time;
use fasp_tests::client::Ascp;
use fasp_tests::world::World;
use smoltcp::iface::SocketSet;
use smoltcp::wire::IpAddress;

use super::cable::{Cable, Card, Quality};
use super::gateway::{APPLIANCE, CONTROL_PORT, DATA_PORT, Gateway, interface};

/// Bytes of the disk.
pub(crate) const DISK_BYTES: u64 = 4 << 20;
/// Who may log in.
pub(crate) const USER: &str = "appliance";
/// The password of an appliance that has one.
pub(crate) const PASSWORD: &str = "correct horse";

type Disk<'m> = RamDisk<'m, 1_024, 64>;

/// What a test changes while the appliance runs.
#[derive(Debug, Default)]
struct Controls {
    quality: Mutex<Quality>,
    cut_power: AtomicBool,
    stop: AtomicBool,
    events: Mutex<Vec<String>>,
}

/// What is on the disk: path to content; `None` for a folder.
pub(crate) type Content = BTreeMap<String, Option<Vec<u8>>>;

/// An appliance within reach of `ascp`.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) ssh_port: u16,
    pub(crate) udp_port: u16,
    controls: Arc<Controls>,
    thread: RefCell<Option<JoinHandle<Content>>>,
}

/// Randomness of the system; news for the test.
#[derive(Debug)]
struct TestHost(Arc<Controls>);

impl Host for TestHost {
    fn random(&mut self, out: &mut [u8]) {
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(out))
            .expect("random bytes");
    }

    fn observe(&mut self, event: &Event<'_>) {
        let mut events = self.0.events.lock().expect("no test panics with it");
        events.push(event.to_string());
    }
}

impl Bench {
    /// An appliance with an empty disk that knows the world's key.
    pub(crate) fn new() -> Self {
        Self::start(None)
    }

    /// The same with [`PASSWORD`].
    pub(crate) fn with_password() -> Self {
        Self::start(Some(PASSWORD))
    }

    fn start(password: Option<&'static str>) -> Self {
        let world = World::new();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a TCP port");
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a UDP port");
        let port = |address: std::io::Result<std::net::SocketAddr>| address.expect("bound").port();
        let (ssh_port, udp_port) = (port(listener.local_addr()), port(udp.local_addr()));
        let controls = Arc::new(Controls::default());
        let authorized = parse_authorized_key(world.authorized_key()).expect("an Ed25519 key");
        let running = Running {
            controls: Arc::clone(&controls),
            authorized: [authorized],
            password,
            udp_port,
            started: HostInstant::now(),
            cables: [Cable::new(1), Cable::new(2)],
        };
        let thread = std::thread::Builder::new()
            .name("appliance".to_owned())
            .stack_size(64 << 20)
            .spawn(move || running.run(Gateway::new(listener, udp)))
            .expect("a thread");
        Self {
            world,
            ssh_port,
            udp_port,
            controls,
            thread: RefCell::new(Some(thread)),
        }
    }

    /// `ascp` with ports and key, at a rate that suits an appliance.
    pub(crate) fn ascp(&self) -> Ascp {
        self.ascp_without_key()
            .arg("-i")
            .arg(self.world.client_key())
    }

    /// The same without a key.
    pub(crate) fn ascp_without_key(&self) -> Ascp {
        Ascp::new(&self.world)
            .arg("-P")
            .arg(self.ssh_port.to_string())
            .arg("-O")
            .arg(self.udp_port.to_string())
            .args(["-l", "20M"])
    }

    /// A path of the appliance as an operand.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{USER}@127.0.0.1:{path}")
    }

    /// Changes what the cable does.
    pub(crate) fn set_quality(&self, quality: Quality) {
        *self
            .controls
            .quality
            .lock()
            .expect("no test panics with it") = quality;
    }

    /// The appliance loses its power and gets it back at once.
    pub(crate) fn cut_power(&self) {
        self.controls.cut_power.store(true, Ordering::Release);
        while self.controls.cut_power.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What the appliance has told so far.
    pub(crate) fn events(&self) -> Vec<String> {
        self.controls
            .events
            .lock()
            .expect("no test panics with it")
            .clone()
    }

    /// Waits until the appliance has told something that begins with `start`.
    #[track_caller]
    pub(crate) fn wait_for(&self, start: &str) {
        let until = HostInstant::now() + Duration::from_secs(30);
        while !self.events().iter().any(|event| event.starts_with(start)) {
            assert!(
                HostInstant::now() < until,
                "no {start:?} in {:?}",
                self.events()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Switches the appliance off and tells what is on its disk.
    pub(crate) fn stop(&self) -> Content {
        self.controls.stop.store(true, Ordering::Release);
        let thread = self.thread.take().expect("it is stopped once");
        thread.join().expect("the appliance must not panic")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.controls.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the appliance panicked");
        }
    }
}

/// What the thread has.
struct Running {
    controls: Arc<Controls>,
    authorized: [[u8; 32]; 1],
    password: Option<&'static str>,
    udp_port: u16,
    started: HostInstant,
    cables: [Cable; 2],
}

impl Running {
    fn run(mut self, mut gateway: Gateway) -> Content {
        let mut memory = vec![0; usize::try_from(DISK_BYTES).expect("a small disk")];
        let mut disk = Disk::new(&mut memory);
        while !self.controls.stop.load(Ordering::Acquire) {
            self.run_until_power_fails(&mut gateway, &mut disk);
            disk.cut_power();
            self.controls.cut_power.store(false, Ordering::Release);
        }
        let mut content = Content::new();
        read_folder(&mut disk, "", &mut content);
        content
    }

    fn now(&self) -> Instant {
        let micros = self.started.elapsed().as_micros();
        Instant::from_micros(u64::try_from(micros).expect("no test takes that long"))
    }

    fn run_until_power_fails(&mut self, gateway: &mut Gateway, disk: &mut Disk<'_>) {
        let mut card = Card::default();
        let mut interface = interface(&mut card, APPLIANCE);
        let mut memory = Box::new(SocketMemory::<4_096, 32, { 48 << 10 }>::new());
        let mut set = SocketSet::new(Vec::new());
        let sockets = Sockets::add(&mut set, &mut memory);
        let authorized = self.authorized;
        let configuration = Configuration {
            host_key: &[7; 32],
            user: Some(USER),
            authorized_keys: &authorized,
            password: self.password,
            control_port: CONTROL_PORT,
            data_port: DATA_PORT,
            advertised_address: Some(IpAddress::Ipv4(Ipv4Addr::LOCALHOST)),
            advertised_port: Some(self.udp_port),
            target_rate_cap: BitRate(100_000_000),
            largest_datagram: 1_472,
        };
        let host = TestHost(Arc::clone(&self.controls));
        let mut appliance = SmallAppliance::new(configuration, disk, host, sockets);
        let mut ssh_memory = SshMemory::new();
        loop {
            let mut visit = appliance.visit(&mut ssh_memory);
            loop {
                if self.is_interrupted() {
                    return;
                }
                let mut moved = gateway.turn(stack_time(self.now()));
                moved |= self.carry(gateway, &mut card);
                let next = visit.poll(self.now(), &mut interface, &mut card, &mut set);
                moved |= self.carry(gateway, &mut card);
                match next {
                    Next::Over => break,
                    Next::Wait(until) if !moved => self.sleep(until),
                    Next::Wait(_) => {}
                }
            }
        }
    }

    fn is_interrupted(&self) -> bool {
        let controls = &self.controls;
        controls.stop.load(Ordering::Acquire) || controls.cut_power.load(Ordering::Acquire)
    }

    /// No longer than until `until`; never long, because the gateway cannot wake anybody.
    fn sleep(&self, until: Option<Instant>) {
        let most = 200;
        let span = until.map_or(most, |until| until.since(self.now()).as_micros().min(most));
        std::thread::sleep(Duration::from_micros(span));
    }

    fn carry(&mut self, gateway: &mut Gateway, card: &mut Card) -> bool {
        let quality = *self
            .controls
            .quality
            .lock()
            .expect("no test panics with it");
        let [down, up] = &mut self.cables;
        let moved = down.carry(&mut gateway.card, card, quality);
        up.carry(card, &mut gateway.card, quality) || moved
    }
}

fn read_folder(disk: &mut Disk<'_>, folder: &str, content: &mut Content) {
    let mut name = [0; LONGEST_PATH];
    let mut after = Vec::new();
    while let Some((length, entry)) = disk
        .list(folder.as_bytes(), &after, &mut name)
        .expect("a folder that was listed")
    {
        after = name[..length].to_vec();
        let found = String::from_utf8_lossy(&after);
        let path = if folder.is_empty() {
            found.into_owned()
        } else {
            format!("{folder}/{found}")
        };
        if entry.is_folder {
            content.insert(path.clone(), None);
            read_folder(disk, &path, content);
        } else {
            let (mut file, _) = disk.open(path.as_bytes()).expect("a file that was listed");
            let mut bytes = vec![0; usize::try_from(entry.size).expect("a small disk")];
            disk.read_at(&mut file, 0, &mut bytes).expect("its bytes");
            content.insert(path, Some(bytes));
        }
    }
}
