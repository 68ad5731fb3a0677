//! Where a body runs: a world, a server in it, and the path between client and server.

use std::sync::{Mutex, MutexGuard};

use fasp_tests::client::Ascp;
use fasp_tests::relay::{Badness, Relay, Toward};
use fasp_tests::server::{Ascpd, OpenSsh, Server};
use fasp_tests::world::World;

/// The servers and paths a body can meet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Arm {
    /// Our `ascpd` over a clean loopback.
    Daemon,
    /// The system's `sshd`, which starts `ascp --server`.
    OpenSsh,
    /// Our `ascpd` behind a relay that loses, reorders, repeats and damages datagrams.
    BadPath,
}

/// A world with its server running.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) server: Server,
    pub(crate) relay: Option<Relay>,
    arm: Arm,
}

impl Site {
    /// Opens a site; `None` when its real component is missing and that was said.
    pub(crate) fn open(arm: Arm) -> Option<Self> {
        let world = World::new();
        let mut relay = None;
        let server = match arm {
            Arm::Daemon => Ascpd::new(&world).start(),
            Arm::OpenSsh => OpenSsh::new().start(&world)?,
            Arm::BadPath => {
                let daemon = Ascpd::new(&world);
                let path = Relay::start(daemon.udp_port(), 0x5EED, Badness::heavy());
                let server = daemon.advertising(path.address()).start();
                relay = Some(path);
                server
            }
        };
        Some(Self {
            world,
            server,
            relay,
            arm,
        })
    }

    /// Our daemon over a clean loopback: always there.
    pub(crate) fn daemon() -> Self {
        Self::open(Arm::Daemon).expect("our own daemon is never missing")
    }

    /// `ascp` with the options that reach the server, at a rate that suits the path.
    pub(crate) fn ascp(&self) -> Ascp {
        let rate = match self.arm {
            Arm::Daemon | Arm::OpenSsh => "200M",
            Arm::BadPath => "50M",
        };
        Ascp::to(&self.world, &self.server).args(["--policy=fixed", "-l", rate])
    }

    /// Fails when a path that should be bad was not.
    fn assert_the_path_was_as_bad_as_promised(&self) {
        let Some(relay) = &self.relay else { return };
        let (up, down) = (relay.count(Toward::Server), relay.count(Toward::Client));
        assert!(
            up.seen > 0 && down.seen > 0,
            "nothing came by: {up:?} {down:?}"
        );
        assert!(
            up.seen + down.seen < 400 || up.lost + down.lost > 0,
            "nothing was lost: {up:?} {down:?}"
        );
    }
}

/// Runs `body` at a fresh site.
pub(crate) fn run(arm: Arm, body: fn(&Site)) {
    if let Some(site) = Site::open(arm) {
        body(&site);
        site.assert_the_path_was_as_bad_as_promised();
    }
}

/// Held by tests that move a gigabyte: two at once would only measure each other.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static HEAVY: Mutex<()> = Mutex::new(());
    HEAVY
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Makes one test of each body and arm: `through_ascpd::body`, `through_sshd::body`, ...
macro_rules! bodies {
    ($($module:ident = $arm:ident: $($body:ident)+;)+) => {
        $(mod $module {
            $(#[test]
            fn $body() {
                $crate::site::run($crate::site::Arm::$arm, super::$body);
            })+
        })+
    };
}
pub(crate) use bodies;
