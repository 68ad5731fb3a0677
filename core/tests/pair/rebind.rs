//! A client that comes to another address, and what strangers make of that: the session follows the client and
//! nobody else.

use fasp_core::control::choices::RatePolicy;

use crate::link::Link;
use crate::world::{Options, Server, THIEF, World};
use crate::{bad, clean, files};

const MEGABYTE: usize = 1_000_000;
const BOTH: [Server; 2] = [Server::Sender, Server::Receiver];

/// 16 Mbit/s at a fixed rate: 2 MB take a second.
fn options(server: Server) -> Options {
    Options {
        policy: RatePolicy::Fixed,
        target: 16_000_000,
        server,
        ..Options::default()
    }
}

fn run(options: Options, link: Link, megabytes: usize) -> World {
    let mut world = World::new(options, link, files(&[megabytes * MEGABYTE, 100]));
    world.run(300);
    world.assert_all_delivered();
    world
}

#[test]
fn a_client_behind_a_nat_that_forgets_is_followed_in_both_directions() {
    for server in BOTH {
        let options = Options {
            moves_at_us: vec![500_000],
            ..options(server)
        };
        let world = run(options, clean(), 4);
        assert_eq!(world.moves.len(), 1, "{server:?}");
        assert_eq!(world.moves[0].to.port(), 1_001);
        assert!(!world.moves[0].is_to_another_network());
        let took = world.now_us();
        assert!(took < 4_500_000, "{server:?}: {took} µs for 2 s of data");
    }
}

#[test]
fn an_adaptive_session_finds_its_rate_again_after_a_move() {
    for server in BOTH {
        let options = Options {
            policy: RatePolicy::Fair,
            target: 80_000_000,
            moves_at_us: vec![500_000],
            to_another_network: true,
            server,
            ..Options::default()
        };
        let world = run(options, clean(), 20);
        assert_eq!(world.moves.len(), 1, "{server:?}");
        assert!(world.moves[0].is_to_another_network());
        let took = world.now_us();
        assert!(took < 6_000_000, "{server:?}: {took} µs for 2 s of data");
    }
}

#[test]
fn a_client_that_moves_again_and_again_over_a_bad_link_is_followed() {
    for (seed, server) in [(1, BOTH[0]), (2, BOTH[1]), (3, BOTH[0]), (4, BOTH[1])] {
        let options = Options {
            moves_at_us: (1..=4).map(|number| number * 1_700_000).collect(),
            to_another_network: seed > 2,
            ..options(server)
        };
        let world = run(options, bad(seed), 20);
        assert!(world.moves.len() >= 4, "{server:?}: {:?}", world.moves);
        assert_eq!(world.moves.last().unwrap().to.port(), 1_004);
    }
}

#[test]
fn whoever_sends_on_copies_from_elsewhere_gets_no_session_and_no_flood() {
    for server in BOTH {
        let options = Options {
            thief: true,
            // The first address is that of whoever comes first; the client's is the trusted one.
            ..options(server)
        };
        // The thief is there from the second moment on: the client's first datagram must come by itself.
        let link = Link {
            rate_bps: 1_000_000_000,
            ..clean()
        };
        let mut world = World::new(options, link, files(&[4 * MEGABYTE]));
        world.thief_waits_us = 200_000;
        world.run(300);
        world.assert_all_delivered();
        assert_eq!(world.moves, [], "{server:?}");
        let (came, went) = world.traffic[&THIEF];
        assert!(came > 1_000, "{server:?}: the thief did nothing");
        assert!(
            went <= 3 * came && went < 2_000,
            "{server:?}: {went} B for {came} B"
        );
        let took = world.now_us();
        assert!(took < 3_000_000, "{server:?}: {took} µs for 2 s of data");
    }
}

#[test]
fn an_address_that_never_answers_gets_three_times_what_it_sent_at_most() {
    for server in BOTH {
        let options = Options {
            distrusted: true,
            ..options(server)
        };
        // Nothing from the server arrives, so no question is ever answered.
        let mut world = World::new(options, clean(), files(&[MEGABYTE]));
        world.server_is_mute = true;
        world.run(100);
        let (came, went) = world.traffic[&1_000];
        assert!(
            came > 0 && went > 0,
            "{server:?}: {came} B came, {went} B went"
        );
        assert!(went <= 3 * came, "{server:?}: {went} B for {came} B");
        assert!(world.sender_failure.is_some() && world.receiver_failure.is_some());
    }
}

#[test]
fn a_client_that_is_not_where_its_control_channel_is_proves_itself_and_is_served() {
    for server in BOTH {
        let options = Options {
            distrusted: true,
            ..options(server)
        };
        run(options, bad(11), 2);
    }
}
