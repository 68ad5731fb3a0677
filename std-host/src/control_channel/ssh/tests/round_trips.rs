//! How many round trips the client takes, on a wire that is slow.

use russh::keys::ssh_key::private::RsaKeypair;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::*;

const ONE_WAY: Duration = Duration::from_millis(50);

/// What the client's end of the wire saw, in order: true for bytes that arrived.
type Sightings = Arc<Mutex<Vec<bool>>>;

/// A TCP relay that delivers every byte 50 ms late.
async fn slow_path_to(port: u16) -> (u16, Sightings) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = listener.local_addr().unwrap().port();
    let sightings = Sightings::default();
    let seen = Arc::clone(&sightings);
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (client_in, client_out) = client.into_split();
        let (server_in, server_out) = server.into_split();
        let (left, arrived) = (Arc::clone(&seen), seen);
        tokio::spawn(delay(client_in, server_out, left, false));
        tokio::spawn(delay(server_in, client_out, arrived, true));
    });
    (near, sightings)
}

async fn delay(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    sightings: Sightings,
    arrives: bool,
) {
    to.as_ref().set_nodelay(true).unwrap();
    let (queue, mut late) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let at_arrival = arrives.then(|| Arc::clone(&sightings));
    tokio::spawn(async move {
        while let Some((due, bytes)) = late.recv().await {
            tokio::time::sleep_until(due).await;
            if let Some(sightings) = &at_arrival {
                sightings.lock().unwrap().push(true);
            }
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
    });
    let mut buffer = vec![0; 65536];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        if !arrives {
            sightings.lock().unwrap().push(false);
        }
        let bytes = buffer.get(..count).unwrap().to_vec();
        queue.send((Instant::now() + ONE_WAY, bytes)).unwrap();
    }
}

/// Round trips from the first SYN to the first byte of the answer to our first message.
///
/// Counts how often the client fell silent and waited, which does not depend on how busy the
/// machine is; the relay answers the SYN at once, so one is added for it. Also gives the time
/// over a round trip of 100 ms.
async fn round_trips(target: &mut SshTarget) -> (usize, Duration) {
    let (port, sightings) = slow_path_to(target.port).await;
    target.port = port;
    let start = Instant::now();
    let mut channel = connect(target).await.unwrap();
    channel.writer.write_all(b"HELLO").await.unwrap();
    channel.writer.flush().await.unwrap();
    let mut first = [0];
    channel.reader.read_exact(&mut first).await.unwrap();
    let elapsed = start.elapsed() + 2 * ONE_WAY;
    let seen = sightings.lock().unwrap();
    let waits = seen
        .windows(2)
        .filter(|pair| matches!(pair, [false, true]))
        .count();
    (1 + waits, elapsed)
}

#[tokio::test]
async fn sshd_is_reached_within_six_round_trips() {
    let Some(server) = Sshd::start().await else {
        return;
    };
    let mut target = server.target("id", &["-t", "ed25519", "-N", ""]);
    let (trips, time) = round_trips(&mut target).await;
    // It opens the window only after the command was asked for: one more than ascpd needs.
    assert!(trips <= 6, "{trips} round trips, {time:?}");
}

#[tokio::test]
async fn ascpd_is_reached_within_four_round_trips() {
    let key = ed25519();
    let fixture = Fixture::listening_first(&[&key]).await;
    let by_key = fixture.target_with_key("bob", &key);
    let mut by_password = fixture.target("bob");
    by_password.password = Some(Zeroizing::new("open sesame".to_owned()));
    for mut target in [by_key, by_password] {
        let (trips, time) = round_trips(&mut target).await;
        assert!(trips <= 4, "{trips} round trips, {time:?}");
    }
}

#[tokio::test]
async fn a_wrong_guess_of_the_key_exchange_costs_one_round_trip_and_nothing_else() {
    let key = ed25519();
    let fixture = Fixture::listening_first(&[&key]).await;
    let mut target = fixture.target_with_key("bob", &key);
    // A host known by another kind of key as well makes us ask for that kind first.
    let other = PrivateKey::from(RsaKeypair::random(&mut safe_rng(), 2048).unwrap());
    let host = russh::keys::load_secret_key(fixture.folder.path().join("host_key"), None).unwrap();
    let lines: Vec<String> = [&other, &host]
        .map(|key| format!("127.0.0.1 {}\n", key.public_key().to_openssh().unwrap()))
        .to_vec();
    std::fs::create_dir(target.known_hosts.parent().unwrap()).unwrap();
    std::fs::write(&target.known_hosts, lines.concat()).unwrap();
    let (trips, time) = round_trips(&mut target).await;
    assert!(trips <= 5, "{trips} round trips, {time:?}");
}
