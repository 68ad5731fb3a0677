//! A TCP service far away: passes connections on, each way taking a given time.
//!
//! Only the way is slow, not the rate. The three-way handshake with the client itself is local
//! and costs nothing: who counts round trips adds the one that a real path would need.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A piece of a stream and when it may arrive; no bytes at the end of the stream.
type Piece = (Instant, Vec<u8>);

/// Listens on the loopback and passes connections to `server`, `delay` each way. The service
/// lasts as long as the process.
///
/// # Errors
///
/// When nothing can be listened on.
pub fn start(server: SocketAddr, delay: Duration) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || pass_on(&client, server, delay));
        }
    });
    Ok(address)
}

fn pass_on(client: &TcpStream, server: SocketAddr, delay: Duration) -> io::Result<()> {
    // The client's opening packet is on its way; what it says meanwhile waits in the socket.
    let from_client = read_in_background(client.try_clone()?, delay);
    thread::sleep(delay);
    let server = TcpStream::connect(server)?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let from_server = read_in_background(server.try_clone()?, delay);
    let to_server = server.try_clone()?;
    let upward = thread::spawn(move || write_in_time(&from_client, to_server));
    write_in_time(&from_server, client.try_clone()?)?;
    upward.join().map_err(|_| io::Error::other("the writer"))?
}

fn read_in_background(mut from: TcpStream, delay: Duration) -> Receiver<Piece> {
    let (pieces, receiver) = channel();
    thread::spawn(move || {
        let mut buffer = vec![0_u8; 65_536];
        loop {
            let count = from.read(&mut buffer).unwrap_or(0);
            let piece = buffer.get(..count).unwrap_or_default().to_vec();
            let is_last = piece.is_empty();
            if pieces.send((Instant::now() + delay, piece)).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

fn write_in_time(pieces: &Receiver<Piece>, mut to: TcpStream) -> io::Result<()> {
    let mut waiting = VecDeque::new();
    while let Some((arrives, piece)) = waiting.pop_front().or_else(|| pieces.recv().ok()) {
        thread::sleep(arrives.saturating_duration_since(Instant::now()));
        if piece.is_empty() {
            // The other side may have closed first.
            let _ = to.shutdown(Shutdown::Write);
            return Ok(());
        }
        to.write_all(&piece)?;
        waiting.extend(pieces.try_iter());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_takes_both_ways_and_arrives_whole() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        thread::spawn(move || {
            let (mut connection, _) = server.accept().unwrap();
            let mut question = [0_u8; 4];
            connection.read_exact(&mut question).unwrap();
            connection.write_all(&question).unwrap();
        });
        let far = start(address, Duration::from_millis(40)).unwrap();
        let started = Instant::now();
        let mut client = TcpStream::connect(far).unwrap();
        client.write_all(b"ping").unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        let took = started.elapsed();
        assert_eq!(answer, b"ping");
        assert!(took >= Duration::from_millis(80), "{took:?}");
        assert!(took < Duration::from_millis(300), "{took:?}");
    }
}
