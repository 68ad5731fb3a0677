//! The appliance on its board: QEMU runs the real image, with a flash that outlives it.
//!
//! The board's network is QEMU's own small one (the appliance has 10.0.2.15 there), from which ports of the loopback
//! lead to the appliance; or a pair of UDP sockets that carry raw Ethernet frames, for a path that a test spoils.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::Running;
use crate::world::is_installed;

pub mod flash_image;
pub mod image;
pub mod log;

use log::Log;

/// The program that is the board.
pub const QEMU: &str = "qemu-system-arm";
/// The UDP port of the image for measurements and provoked faults.
const TEST_PORT: u16 = 7777;
/// How long anything that the log tells may take; a busy machine runs QEMU slowly.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ports of the loopback that lead to the appliance.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// TCP, to SSH.
    pub ssh: u16,
    /// UDP, to the data.
    pub data: u16,
    /// UDP, to the test port.
    pub test: u16,
}

impl Ports {
    /// Ports that were free a moment ago.
    #[must_use]
    pub fn free() -> Self {
        Self {
            ssh: crate::server::free_tcp_port(),
            data: crate::server::free_udp_port(),
            test: crate::server::free_udp_port(),
        }
    }

    /// QEMU's network with these ports in it.
    fn user_network(self) -> String {
        format!(
            "user,id=net,hostfwd=tcp:127.0.0.1:{}-:22,hostfwd=udp:127.0.0.1:{}-:33001,\
             hostfwd=udp:127.0.0.1:{}-:{TEST_PORT}",
            self.ssh, self.data, self.test
        )
    }
}

/// Two ends of a cable: UDP addresses between which Ethernet frames go.
#[derive(Clone, Copy, Debug)]
pub struct Cable {
    /// This end.
    pub local: SocketAddr,
    /// The other.
    pub remote: SocketAddr,
}

impl Cable {
    fn netdev(self) -> String {
        format!("socket,udp={},localaddr={}", self.remote, self.local)
    }
}

/// A board with power.
#[derive(Debug)]
pub struct Board {
    process: Running,
    log: Log,
    monitor: PathBuf,
}

/// What is missing to run a board; `None` if nothing is.
#[must_use]
pub fn missing() -> Option<&'static str> {
    if !is_installed(QEMU) {
        return Some("qemu-system-arm is not installed");
    }
    (!image::target_is_installed())
        .then_some("the Rust target thumbv7em-none-eabihf is not installed")
}

impl Board {
    /// Gives power to a board with this image and flash, on QEMU's network.
    ///
    /// # Panics
    ///
    /// When QEMU does not start.
    #[must_use]
    pub fn start(image: &Path, flash: &Path, ports: Ports) -> Self {
        let mut command = command(image, flash);
        command
            .arg("-nic")
            .arg(format!("{},model=lan9118", ports.user_network()));
        Self::run(command, image, flash)
    }

    /// The same at the end of a cable.
    ///
    /// # Panics
    ///
    /// When QEMU does not start.
    #[must_use]
    pub fn start_on_cable(image: &Path, flash: &Path, cable: Cable) -> Self {
        let mut command = command(image, flash);
        command
            .arg("-nic")
            .arg(format!("{},model=lan9118", cable.netdev()));
        Self::run(command, image, flash)
    }

    /// As [`Self::start`], but each instruction takes a nanosecond of the board's time.
    ///
    /// # Panics
    ///
    /// When QEMU does not start.
    #[must_use]
    pub fn start_counting(image: &Path, flash: &Path, ports: Ports) -> Self {
        let mut command = command(image, flash);
        command
            .args(["-icount", "shift=0,sleep=on", "-nic"])
            .arg(format!("{},model=lan9118", ports.user_network()));
        Self::run(command, image, flash)
    }

    /// Runs a command that [`command`] began.
    fn run(mut command: Command, image: &Path, flash: &Path) -> Self {
        let monitor = flash.with_extension("monitor");
        let _ = std::fs::remove_file(&monitor);
        command
            .arg("-monitor")
            .arg(format!("unix:{},server,nowait", monitor.display()));
        Self {
            process: Running::start(command),
            log: Log::of(image),
            monitor,
        }
    }

    /// The log lines so far.
    ///
    /// # Panics
    ///
    /// When what came is no log of this image.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.decode(&self.process.stdout_so_far())
    }

    /// Waits until a line contains `text`; gives the line.
    ///
    /// # Panics
    ///
    /// When it does not come within a minute, or QEMU ends.
    pub fn wait_for(&mut self, text: &str) -> String {
        self.wait_for_nth(text, 1)
    }

    /// Waits until `count` lines contain `text`; gives the last of them.
    ///
    /// # Panics
    ///
    /// As for [`Self::wait_for`].
    pub fn wait_for_nth(&mut self, text: &str, count: usize) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            let mut lines = log.iter().filter(|line| line.contains(text));
            if let Some(line) = lines.nth(count - 1) {
                return line.clone();
            }
            let alive = self.process.is_running();
            assert!(
                alive && Instant::now() < deadline,
                "no {text:?} in the log (QEMU runs: {alive}):\n{}\n{}",
                log.join("\n"),
                String::from_utf8_lossy(&self.process.stderr_so_far())
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the appliance has an address and serves.
    pub fn wait_until_ready(&mut self) -> String {
        self.wait_for("ready at")
    }

    /// Pulls the cable out (`false`) or puts it in.
    ///
    /// # Panics
    ///
    /// When QEMU's monitor does not answer.
    pub fn set_link(&self, up: bool) {
        let state = if up { "on" } else { "off" };
        self.order(&format!("set_link net {state}\n"));
    }

    fn order(&self, order: &str) {
        use std::io::Read as _;
        let mut stream = UnixStream::connect(&self.monitor).expect("QEMU's monitor");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a read timeout");
        stream.write_all(order.as_bytes()).expect("an order");
        let mut heard = Vec::new();
        let mut buffer = [0; 256];
        // The second prompt comes when the order has been carried out.
        while heard.windows(6).filter(|at| at == b"(qemu)").count() < 2 {
            let count = stream.read(&mut buffer).expect("QEMU's monitor answers");
            assert!(count > 0, "QEMU's monitor is gone");
            heard.extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
    }

    /// Takes the power away at once; the flash keeps what it held.
    pub fn cut_power(&mut self) {
        self.process.signal(rustix::process::Signal::KILL);
        while self.process.is_running() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether it has power.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }
}

impl Drop for Board {
    /// Of a test that failed, the log says why.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log.decode(&self.process.stdout_so_far());
            let _ = writeln!(std::io::stderr(), "--- the board\n{}\n---", log.join("\n"));
        }
    }
}

/// The board with an image and a flash, without a network; log lines on its standard output.
///
/// The flash is the board's large memory, which QEMU keeps in a file: what the image has written is in it, however
/// QEMU ends.
#[must_use]
pub fn command(image: &Path, flash: &Path) -> Command {
    let mut command = Command::new(QEMU);
    command
        .args(["-machine", "mps2-an386,memory-backend=flash"])
        .arg("-object")
        .arg(format!(
            "memory-backend-file,id=flash,size=16M,share=on,mem-path={}",
            flash.display()
        ))
        .arg("-kernel")
        .arg(image)
        .args(["-display", "none", "-serial", "stdio"])
        .stdin(std::process::Stdio::null());
    command
}

/// The router at the other end of a [`Cable`]: QEMU's network alone, without a board.
///
/// # Panics
///
/// When QEMU does not start.
#[must_use]
pub fn router(cable: Cable, ports: Ports) -> Running {
    let mut command = Command::new(QEMU);
    command
        .args(["-machine", "none", "-display", "none", "-monitor", "none"])
        .arg("-netdev")
        .arg(ports.user_network())
        .args(["-netdev", "hubport,hubid=0,id=inside,netdev=net"])
        .arg("-netdev")
        .arg(format!("{},id=cable", cable.netdev()))
        .args(["-netdev", "hubport,hubid=0,id=outside,netdev=cable"])
        .stdin(std::process::Stdio::null());
    Running::start(command)
}
