//! Live rates: what a peer asks for reaches the transfer, bounded; what is impossible ends the session.

use std::sync::mpsc;

use fasp_core::control::Rate;
use fasp_core::control::choices::RatePolicy;
use fasp_core::control::framing::PREAMBLE;
use fasp_core::units::BitRate;
use tokio::io::{AsyncWriteExt, duplex, split};

use super::*;
use crate::driver::{KeptReport, Progress};
use crate::storage::waker::Waker;

struct Nobody;

impl Observer for Nobody {
    fn connected(&mut self, _: std::net::SocketAddr) {}
    fn trouble(&mut self, _failure: &Failure) {}

    fn started(&mut self, _: &[u8], _: u64) {}
    fn kept(&mut self, _: &KeptReport) {}

    fn file(&mut self, _: &FileReport) {}
    fn progress(&mut self, _: &Progress) {}
}

/// The limits that reach the transfer of a session whose peer sends `rates`, and how the session ends.
fn limits_of(is_client: bool, rates: &[(u64, u64)]) -> (Vec<(u64, u64)>, Failure) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (told, limits) = mpsc::channel();
        let transfer = Transfer::start(Waker::new().unwrap(), move |ends| {
            loop {
                match ends.commands.recv().unwrap() {
                    Command::Limits(rate) => told.send((rate.target.0, rate.minimum.0)).unwrap(),
                    Command::Allow(_) => {}
                    Command::Stop(_) | Command::Finish => return TransferReport::default(),
                }
            }
        });
        let (ours, mut theirs) = duplex(1 << 16);
        theirs.write_all(&PREAMBLE).await.unwrap();
        for (target, minimum) in rates {
            let rate = ControlMessage::Rate(Rate {
                target: BitRate(*target),
                minimum: BitRate(*minimum),
                policy: RatePolicy::Fair,
            });
            let mut bytes = [0; 100];
            let length = rate.encode(&mut bytes).unwrap();
            theirs.write_all(&bytes[..length]).await.unwrap();
        }
        theirs.shutdown().await.unwrap();
        let (reader, writer) = split(ours);
        let mut nobody = Nobody;
        let side = Side {
            sends: true,
            is_client,
        };
        let session = Session::new(
            side,
            RateBounds::up_to(BitRate(50_000_000), RatePolicy::Fair),
            transfer.unwrap(),
            Messages::read(Box::new(reader)),
            MessageWriter::new(Box::new(writer)),
            &mut nobody,
        );
        let mut never = std::pin::pin!(std::future::pending());
        let (outcome, _) = session.run(never.as_mut()).await;
        (limits.iter().collect(), outcome.failure.unwrap())
    })
}

#[test]
fn a_rate_of_the_peer_is_held_at_the_cap_on_either_side() {
    for is_client in [true, false] {
        let asked = [(20_000_000, 1_000_000), (80_000_000, 60_000_000), (1, 0)];
        let (limits, ended) = limits_of(is_client, &asked);
        assert_eq!(
            limits,
            [(20_000_000, 1_000_000), (50_000_000, 50_000_000), (1, 0)]
        );
        assert_eq!(ended.fault, Fault::ConnectionLost);
    }
}

#[test]
fn an_impossible_rate_reaches_nothing_and_ends_the_session() {
    for impossible in [(0, 0), (u64::MAX, 0), (5, 6)] {
        let (limits, ended) = limits_of(false, &[impossible]);
        assert_eq!(limits, []);
        assert_eq!(ended.fault, Fault::Protocol);
        assert!(ended.text.contains("impossible rates"), "{ended}");
    }
}
