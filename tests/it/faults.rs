//! Faults with real processes: what the user sees, what is left, and that the next run completes.
//!
//! Both directions each unless said otherwise. "Survives" is status 0, every byte equal, nothing left beside the file.
//! Without `--retry-timeout` a lost session ends the run with status 1; the next run with `-k 1` completes it.
//!
//! | fault | what the user sees | what is left meanwhile | test |
//! |---|---|---|---|
//! | blackout of 4, 10 s | the rate falls, then goes on | part and control file | `blackout` |
//! | blackout of 60 s, 5 min, `--retry-timeout` | "Data transfer stalled ...; trying again in 3 s (try 1, ...)", a line for each try, then goes on | part and control file | `blackout`, ignored |
//! | the client's port or address changes | nothing; the server's log tells | part and control file | `rebind` |
//! | SSH cut, UDP alive, `--retry-timeout` | "Connection lost ...; trying again in 1 s (try 1, ...)", then goes on | part and control file | `lost_channel` |
//! | SSH cut, no option | "Connection lost", status 1 | part and control file | `lost_channel` |
//! | SSH cut, login refused afterwards | the line above, then "failed to authenticate", status 1 | part and control file | `lost_channel` |
//! | SSH frozen, UDP alive | nothing; the end takes 10 s longer | nothing | `lost_channel` |
//! | UDP cut for good, SSH alive | "Data transfer stalled, timed out" after 60 s, then tries until the time is over | part and control file | `blackout`, ignored |
//! | no space, quota, read error of the disk, read-only | the words of the disk, status 1, no further try | no file under its name | `disk` |
//! | clock of one side jumps by an hour, either way | nothing | nothing | `clock` |
//! | either side stopped for 3, 30 s | nothing | part and control file | `suspended` |
//! | half of all datagrams twice, half late | nothing | nothing | `bad_paths` |
//! | 30 % loss | nothing; slower | nothing | `bad_paths` |
//! | the path carries less in mid-transfer | nothing | nothing | `bad_paths` |
//!
//! The long ones: `cargo test -p fasp-tests --test it faults -- --ignored --test-threads 4` (6 minutes).

mod bad_paths;
mod blackout;
mod clock;
mod disk;
mod lost_channel;
mod rebind;
mod suspended;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::process::Running;
use fasp_tests::relay::{Badness, Relay, Toward};
use fasp_tests::server::{Ascpd, Server};
use fasp_tests::tcp_relay::TcpRelay;
use fasp_tests::tree;
use fasp_tests::world::World;

/// Bytes of the file that is under way when something happens: 2.4 s at [`RATE`].
const SIZE: u64 = 12_000_000;
const RATE: [&str; 3] = ["-l", "40M", "--policy=fixed"];

/// Which way the file goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    Up,
    Down,
}

pub(crate) const BOTH: [Way; 2] = [Way::Up, Way::Down];

/// A world whose server is reached through two relays, one for each plane.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) world: World,
    pub(crate) server: Server,
    pub(crate) udp: Relay,
    pub(crate) ssh: TcpRelay,
}

impl Wire {
    fn open() -> Self {
        Self::with(Badness::default(), |daemon| daemon)
    }

    fn with(badness: Badness, change: impl FnOnce(Ascpd) -> Ascpd) -> Self {
        Self::in_world(World::new(), badness, change)
    }

    /// A fresh server and fresh relays on what another wire left.
    fn on_the_world_of(other: Self) -> Self {
        let Self { world, server, .. } = other;
        drop(server);
        Self::in_world(world, Badness::default(), |daemon| daemon)
    }

    fn in_world(world: World, badness: Badness, change: impl FnOnce(Ascpd) -> Ascpd) -> Self {
        let daemon = Ascpd::new(&world);
        let udp = Relay::start(daemon.udp_port(), 7, badness);
        let server = change(daemon.advertising(udp.address())).start();
        let ssh = TcpRelay::start(server.ssh_port);
        Self {
            world,
            server,
            udp,
            ssh,
        }
    }

    /// `ascp` through both relays.
    fn ascp(&self) -> Ascp {
        Ascp::to(&self.world, &self.server)
            .args(RATE)
            .args(["-P", &self.ssh.port().to_string()])
    }

    /// Makes the source of `way` with `size` bytes and gives its path.
    fn make(&self, way: Way, size: u64) -> PathBuf {
        let source = self.source(way);
        tree::write_file(&source, 5, size);
        source
    }

    fn source(&self, way: Way) -> PathBuf {
        match way {
            Way::Up => self.world.local("big"),
            Way::Down => self.world.remote("big"),
        }
    }

    fn copy(&self, way: Way) -> PathBuf {
        match way {
            Way::Up => self.world.remote("big"),
            Way::Down => self.world.local("big"),
        }
    }

    /// The command that copies the source of `way`.
    fn command(&self, way: Way, options: &[&str]) -> Ascp {
        let ascp = self.ascp().args(options);
        match way {
            Way::Up => ascp.arg("big").arg(self.server.at("")),
            Way::Down => ascp.arg(self.server.at("big")).arg("."),
        }
    }

    /// Starts the command and waits until a part of the file has passed.
    fn start(&self, way: Way, options: &[&str]) -> Running {
        let before = self.passed(way);
        let mut running = self.command(way, options).start();
        self.wait_for_more(way, before, &mut running);
        running
    }

    fn passed(&self, way: Way) -> u64 {
        self.udp.count(toward(way)).seen
    }

    fn wait_for_more(&self, way: Way, before: u64, running: &mut Running) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.passed(way) < before + 600 {
            assert!(
                running.is_running() && Instant::now() < deadline,
                "over before anything happened: {}",
                String::from_utf8_lossy(&running.stderr_so_far())
            );
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// The run went well, the copy is right and nothing lies beside it.
    #[track_caller]
    fn survived(&self, way: Way, running: Running, seconds: u64) -> Outcome {
        let run = Outcome(running.wait(Duration::from_secs(seconds)));
        run.succeeded();
        self.assert_delivered(way);
        run
    }

    #[track_caller]
    fn assert_delivered(&self, way: Way) {
        let copy = self.copy(way);
        tree::assert_same(&self.source(way), &copy);
        let folder = copy.parent().expect("its folder");
        assert_eq!(tree::names_in(folder), ["big"], "nothing lies beside it");
    }

    /// The run failed, nothing looks whole; the next run completes and sends less than everything.
    #[track_caller]
    fn fails_and_the_next_run_completes(&self, way: Way, running: Running, words: &str) {
        let run = Outcome(running.wait(Duration::from_secs(200)));
        run.failed_with(&[words]);
        assert!(!self.copy(way).exists(), "a part must not look whole");
        let folder = self.copy(way);
        let left = tree::names_in(folder.parent().expect("its folder"));
        assert!(!left.is_empty(), "a part must be kept");
        let again = self.command(way, &["-k1", "-L-"]).run();
        again.succeeded();
        self.assert_delivered(way);
    }
}

const fn toward(way: Way) -> Toward {
    match way {
        Way::Up => Toward::Server,
        Way::Down => Toward::Client,
    }
}

/// Lines that tell of another try.
fn tries(text: &str) -> usize {
    text.matches("; trying again in ").count()
}
