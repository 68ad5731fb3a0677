//! The real `ascp` and the appliance's real image on its board in QEMU.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fasp_tests::appliance::flash_image::FlashImage;
use fasp_tests::appliance::{Board, Ports, image, missing};
use fasp_tests::client::Ascp;
use fasp_tests::skip;
use fasp_tests::world::World;

mod transfers;

/// A world with a board in it.
#[derive(Debug)]
struct Bench {
    world: World,
    flash: FlashImage,
    ports: Ports,
    board: Board,
    /// Boards are slow, and two at once slower: one after the other.
    _alone: MutexGuard<'static, ()>,
}

impl Bench {
    /// Sets up a board and waits until it serves; `None` when something is missing and that was said.
    fn open() -> Option<Self> {
        if let Some(reason) = missing() {
            skip::say(reason);
            return None;
        }
        static ONE: Mutex<()> = Mutex::new(());
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let world = World::new();
        let ports = Ports::free();
        let path = world.server_folder().join("flash");
        let flash = FlashImage::set_up(path, world.authorized_key()).advertising(ports.data);
        let mut board = Board::start(image::with_test_port(), flash.path(), ports);
        board.wait_until_ready();
        Some(Self {
            world,
            flash,
            ports,
            board,
            _alone: alone,
        })
    }

    /// `ascp` with the options that reach the board.
    fn ascp(&self) -> Ascp {
        Ascp::new(&self.world)
            .arg("-i")
            .arg(self.world.client_key())
            .args(["-P", &self.ports.ssh.to_string()])
            .args(["-O", &self.ports.data.to_string()])
            .args(["-l", "8M"])
    }
}
