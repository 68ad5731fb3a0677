//! A control connection that can be cut: passes TCP connections to a server until a test breaks them.
//!
//! Cutting resets both ends, as a router that restarts does. Freezing passes nothing on and tells nobody, as a
//! firewall that forgets does. It knows nothing of what the bytes mean.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How often a frozen connection looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A relay for TCP; its listener lasts as long as the process.
#[derive(Debug)]
pub struct TcpRelay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    connections: Mutex<Vec<TcpStream>>,
    refuses: AtomicBool,
    frozen: AtomicBool,
    accepted: AtomicU64,
}

impl TcpRelay {
    /// Listens on the loopback and passes connections to TCP port `server_port`.
    ///
    /// # Panics
    ///
    /// When nothing can be listened on.
    #[must_use]
    pub fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for the TCP relay");
        let address = listener.local_addr().expect("the relay's address");
        let shared = Arc::new(Shared {
            server: SocketAddr::from(([127, 0, 0, 1], server_port)),
            connections: Mutex::new(Vec::new()),
            refuses: AtomicBool::new(false),
            frozen: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !accepting.refuses.load(Ordering::Relaxed) {
                    // A server that is not there closes the client's connection.
                    let _ = accepting.pass_on(&client);
                }
            }
        });
        Self { address, shared }
    }

    /// The port clients connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections that were passed on so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Breaks every connection at once.
    ///
    /// # Panics
    ///
    /// When a relay thread has panicked.
    pub fn cut(&self) {
        let mut connections = self.shared.connections.lock().expect("the connections");
        for connection in connections.drain(..) {
            // An end that is gone already is cut.
            let _ = socket2::SockRef::from(&connection).set_linger(Some(Duration::ZERO));
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// From now on closes new connections at once (`true`) or passes them on again (`false`).
    pub fn refuse(&self, on: bool) {
        self.shared.refuses.store(on, Ordering::Relaxed);
    }

    /// From now on passes no byte on (`true`) or goes on (`false`).
    pub fn freeze(&self, on: bool) {
        self.shared.frozen.store(on, Ordering::Relaxed);
    }
}

impl Shared {
    fn pass_on(self: &Arc<Self>, client: &TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(self.server)?;
        server.set_nodelay(true)?;
        client.set_nodelay(true)?;
        self.accepted.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut connections) = self.connections.lock() {
            connections.push(client.try_clone()?);
            connections.push(server.try_clone()?);
        }
        for (from, to) in [
            (client.try_clone()?, server.try_clone()?),
            (server, client.try_clone()?),
        ] {
            let shared = Arc::clone(self);
            thread::spawn(move || shared.copy(from, to));
        }
        Ok(())
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0_u8; 65_536];
        loop {
            let count = from.read(&mut buffer).unwrap_or(0);
            while self.frozen.load(Ordering::Relaxed) {
                thread::sleep(LOOK_EVERY);
            }
            let piece = buffer.get(..count).unwrap_or_default();
            if piece.is_empty() || to.write_all(piece).is_err() {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> u16 {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut connection in server.incoming().flatten() {
                thread::spawn(move || {
                    let mut byte = [0_u8; 1];
                    while connection.read_exact(&mut byte).is_ok() {
                        let _ = connection.write_all(&byte);
                    }
                });
            }
        });
        port
    }

    #[test]
    fn a_cut_connection_ends_and_the_next_one_works() {
        let relay = TcpRelay::start(echo());
        let ask = |connection: &mut TcpStream| {
            let mut byte = [0_u8; 1];
            connection
                .write_all(b"x")
                .and_then(|()| connection.read_exact(&mut byte))
        };
        let mut first = TcpStream::connect(("127.0.0.1", relay.port())).unwrap();
        ask(&mut first).unwrap();
        relay.cut();
        assert!(ask(&mut first).is_err());
        let mut second = TcpStream::connect(("127.0.0.1", relay.port())).unwrap();
        ask(&mut second).unwrap();
        assert_eq!(relay.accepted(), 2);
    }
}
