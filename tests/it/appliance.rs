//! The real `ascp` and the appliance's real image on its board in QEMU.

use std::ffi::OsString;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fasp_tests::appliance::flash_image::FlashImage;
use fasp_tests::appliance::{Board, Cable, Ports, image, missing, router};
use fasp_tests::client::Ascp;
use fasp_tests::process::Running;
use fasp_tests::skip;
use fasp_tests::world::World;

mod board;
mod faults;
mod transfers;

/// A world with a board in it.
#[derive(Debug)]
struct Bench {
    world: World,
    flash: FlashImage,
    ports: Ports,
    board: Board,
    _router: Option<Running>,
    _alone: MutexGuard<'static, ()>,
}

/// Held by every test with a board: boards are slow, and two at once slower.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether something is missing, which was then said.
fn is_missing() -> bool {
    let reason = missing();
    reason.inspect(|reason| skip::say(reason)).is_some()
}

impl Bench {
    /// Sets up a board and waits until it serves; `None` when something is missing and that was said.
    fn open() -> Option<Self> {
        Self::with(|flash, ports| (Board::start(image::with_test_port(), flash, ports), None))
    }

    /// The same with the board at one end of a cable and QEMU's network at the other.
    fn open_on_cable(near: Cable, far: Cable) -> Option<Self> {
        Self::with(|flash, ports| {
            let router = router(far, ports);
            let board = Board::start_on_cable(image::with_test_port(), flash, near);
            (board, Some(router))
        })
    }

    fn with(start: impl FnOnce(&Path, Ports) -> (Board, Option<Running>)) -> Option<Self> {
        if is_missing() {
            return None;
        }
        let alone = alone();
        let world = World::new();
        let ports = Ports::free();
        let path = world.server_folder().join("flash");
        let flash = FlashImage::set_up(path, world.authorized_key()).advertising(ports.data);
        let (mut board, router) = start(flash.path(), ports);
        board.wait_until_ready();
        Some(Self {
            world,
            flash,
            ports,
            board,
            _router: router,
            _alone: alone,
        })
    }

    /// `ascp` with the options that reach the board, at a rate that QEMU carries on a busy machine.
    fn ascp(&self) -> Ascp {
        self.ascp_with(&self.world.client_key())
    }

    /// The same with another key.
    fn ascp_with(&self, key: &Path) -> Ascp {
        Ascp::new(&self.world)
            .arg("-i")
            .arg(key)
            .args(["-P", &self.ports.ssh.to_string()])
            .args(["-O", &self.ports.data.to_string()])
            .args(["-l", "8M"])
    }

    /// A path on the appliance as an operand.
    fn at(&self, path: &str) -> OsString {
        format!("appliance@127.0.0.1:{path}").into()
    }

    /// How many log lines since the last start contain `text`.
    fn lines_with(&self, text: &str) -> usize {
        let log = self.board.log();
        log.iter().filter(|line| line.contains(text)).count()
    }

    /// Takes the power away and gives it back; returns when the appliance serves again.
    fn cut_power_and_start(&mut self) {
        self.board.cut_power();
        self.board = Board::start(image::with_test_port(), self.flash.path(), self.ports);
        self.board.wait_until_ready();
    }

    /// Takes the power away for good, to look into the flash.
    fn cut_power(&mut self) -> &FlashImage {
        self.board.cut_power();
        &self.flash
    }
}
