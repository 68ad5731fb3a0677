//! A sender and a receiver over an unreliable link in virtual time: everything that is delivered is right.
//!
//! The clock jumps exactly to the earliest deadline or arrival, so a machine that needs to be called
//! earlier than its `poll_timeout` says stands still here.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test harness may panic, and prints what a failing seed stands for"
)]

mod checks;
mod link;
mod rebind;
mod source;
mod swarm;
mod world;

use fasp_core::control::choices::RatePolicy;
use fasp_core::crypto::CipherSuite;
use fasp_core::fault::Fault;
use link::Link;
use world::{Options, World};

fn files(sizes: &[usize]) -> Vec<Vec<u8>> {
    sizes
        .iter()
        .enumerate()
        .map(|(index, &size)| {
            (0..size)
                .map(|at| (at.wrapping_mul(31) ^ (at >> 8) ^ (index * 7)) as u8)
                .collect()
        })
        .collect()
}

fn clean() -> Link {
    Link {
        delay_us: 10_000,
        ..Link::default()
    }
}

fn bad(seed: u64) -> Link {
    Link {
        seed,
        delay_us: 20_000,
        loss: 50,
        duplicate: 20,
        reorder: 50,
        flip: 20,
        ..Link::default()
    }
}

fn deliver(options: Options, link: Link, sizes: &[usize]) -> World {
    let mut world = World::new(options, link, files(sizes));
    world.run(300);
    world.assert_all_delivered();
    world
}

#[test]
fn one_file_crosses_a_clean_link_without_a_byte_sent_twice() {
    let world = deliver(Options::default(), clean(), &[3_000_000]);
    assert_eq!(world.sender.statistics().file_bytes_repeated, 0);
    assert_eq!(world.sender.statistics().file_bytes_sent, 3_000_000);
}

#[test]
fn files_of_every_size_cross_a_clean_link() {
    deliver(
        Options::default(),
        clean(),
        &[
            0, 1, 100, 1_000, 1_100, 1_200, 1_432, 1_433, 5_000, 70_000, 0,
        ],
    );
}

#[test]
fn many_small_files_share_datagrams() {
    let sizes = vec![200; 2_000];
    let world = deliver(Options::default(), clean(), &sizes);
    assert!(
        world.sender.statistics().packets_sent < 1_000,
        "{}",
        world.sender.statistics().packets_sent
    );
}

#[test]
fn files_cross_a_bad_link_in_both_directions_with_any_seed() {
    for seed in 0..12 {
        deliver(
            Options::default(),
            bad(seed),
            &[400_000, 0, 12, 10_000, 1_500, 90_000, 700],
        );
    }
}

#[test]
fn every_suite_carries_files() {
    for suite in CipherSuite::ALL {
        deliver(
            Options {
                suite,
                ..Options::default()
            },
            bad(3),
            &[100_000, 500],
        );
    }
}

#[test]
fn a_fixed_session_on_a_losing_link_repeats_no_more_than_was_lost() {
    let options = Options {
        policy: RatePolicy::Fixed,
        target: 50_000_000,
        ..Options::default()
    };
    let link = Link {
        seed: 9,
        delay_us: 50_000,
        loss: 20,
        ..Link::default()
    };
    let world = deliver(options, link, &[10_000_000]);
    let statistics = world.sender.statistics();
    let repeated = statistics.file_bytes_repeated * 1_000 / statistics.file_bytes_sent;
    assert!(
        (15..30).contains(&repeated),
        "{repeated} per mille for 20 per mille lost"
    );
    assert!(
        world.receiver.statistics().file_bytes_repeated * 200 < 10_000_000,
        "{:?}",
        world.receiver.statistics()
    );
}

#[test]
fn a_receiver_that_decides_skips_and_resumes() {
    let options = Options {
        decides: true,
        ..Options::default()
    };
    let mut world = World::new(options, bad(5), files(&[50_000, 60_000, 70_000, 80_000]));
    world.skip(2);
    world.resume(3, &[(10_000, 20_000), (50_000, 70_000)]);
    world.run(120);
    world.assert_all_delivered();
    assert!(world.sender.statistics().file_bytes_sent == 50_000 + 30_000 + 80_000);
}

#[test]
fn a_source_that_fails_is_reported_and_the_others_arrive() {
    let mut world = World::new(
        Options::default(),
        bad(6),
        files(&[50_000, 300_000, 70_000]),
    );
    world.source.fail_at = Some((2, 150_000));
    world.run(120);
    world.assert_delivered(1);
    world.assert_delivered(3);
    assert_eq!(world.results.get(&2), Some(&Some(Fault::DiskRead)));
}

#[test]
fn a_slow_disk_stops_the_sender_instead_of_losing_data() {
    let options = Options {
        capacity: 256 * 1024,
        write_rate: 2_000_000,
        ..Options::default()
    };
    let world = deliver(options, clean(), &[6_000_000]);
    assert!(
        world.most_outstanding <= 256 * 1024 + (1 << 20),
        "{}",
        world.most_outstanding
    );
    assert!(world.sender.statistics().file_bytes_repeated * 20 < 6_000_000);
}

#[test]
fn small_machines_carry_large_files_over_a_bad_link() {
    let options = Options {
        packet_window: 96,
        object_window: 4,
        ..Options::default()
    };
    deliver(options, bad(7), &[300_000, 10, 20, 30, 40, 50, 100_000]);
}

#[test]
fn the_path_mtu_is_found_and_used() {
    let link = Link {
        most_bytes: 1_472,
        ..clean()
    };
    let world = deliver(
        Options {
            max_datagram: 8_972,
            ..Options::default()
        },
        link,
        &[2_000_000],
    );
    assert_eq!(world.sender.statistics().datagram_size, 1_472);
}

#[test]
fn a_path_that_shrinks_on_the_way_is_survived() {
    let link = Link {
        most_bytes: 1_472,
        shrink_at_us: 700_000,
        shrink_to: 1_300,
        ..clean()
    };
    let options = Options {
        policy: RatePolicy::Fixed,
        target: 20_000_000,
        ..Options::default()
    };
    let world = deliver(options, link, &[8_000_000]);
    assert!(world.sender.statistics().datagram_size <= 1_300);
}

#[test]
fn small_files_on_a_path_that_shrinks_go_on_in_pieces() {
    for (seed, shrink_at_us) in [(1, 60_000), (2, 120_000), (3, 300_000), (4, 700_000)] {
        let link = Link {
            seed,
            loss: if seed > 2 { 50 } else { 0 },
            most_bytes: 1_472,
            shrink_at_us,
            shrink_to: 1_250,
            ..clean()
        };
        let options = Options {
            policy: RatePolicy::Fixed,
            target: 20_000_000,
            ..Options::default()
        };
        let world = deliver(options, link, &[1_350; 1_200]);
        assert!(world.sender.statistics().datagram_size <= 1_250);
    }
}

#[test]
fn a_dead_path_ends_with_the_public_error() {
    let link = Link {
        loss: 1_000,
        ..clean()
    };
    let mut world = World::new(Options::default(), link, files(&[1_000]));
    world.run(60);
    assert_eq!(world.sender_failure, Some(Fault::ConnectionTimeout));
    assert_eq!(world.receiver_failure, Some(Fault::ConnectionTimeout));
}

#[test]
fn a_path_that_dies_on_the_way_ends_with_the_public_errors() {
    let link = Link {
        dies_at_us: 500_000,
        ..clean()
    };
    let options = Options {
        policy: RatePolicy::Fixed,
        target: 10_000_000,
        ..Options::default()
    };
    let mut world = World::new(options, link, files(&[10_000_000]));
    world.run(120);
    assert_eq!(world.sender_failure, Some(Fault::DataTransferTimeout));
    assert_eq!(world.receiver_failure, Some(Fault::DataTransferTimeout));
}

#[test]
fn an_outage_of_seconds_is_survived() {
    let link = Link {
        outage_us: Some((400_000, 8_400_000)),
        ..clean()
    };
    let options = Options {
        policy: RatePolicy::Fixed,
        target: 20_000_000,
        ..Options::default()
    };
    deliver(options, link, &[5_000_000]);
}

#[test]
fn a_long_outage_with_the_smallest_window_is_survived() {
    let link = Link {
        outage_us: Some((300_000, 25_300_000)),
        outage_is_one_way: true,
        ..clean()
    };
    let options = Options {
        policy: RatePolicy::Fixed,
        target: 2_000_000,
        packet_window: 16,
        object_window: 16,
        ..Options::default()
    };
    deliver(options, link, &[500_000]);
}

#[test]
fn a_low_target_on_a_short_path_leaves_room_for_content() {
    let link = Link {
        delay_us: 50,
        ..Link::default()
    };
    let options = Options {
        policy: RatePolicy::Fixed,
        target: 100_000,
        ..Options::default()
    };
    let world = deliver(options, link, &[100_000]);
    assert!(world.now_us() < 10_000_000, "{}", world.now_us());
}

#[test]
fn a_sender_that_is_stopped_while_its_window_is_full_says_so_and_then_rests() {
    let link = Link {
        dies_at_us: 100_000,
        ..clean()
    };
    let options = Options {
        policy: RatePolicy::Fixed,
        packet_window: 16,
        ..Options::default()
    };
    let mut world = World::new(options, link, files(&[1_000_000]));
    world.run(2);
    world.sender.close(Some(Fault::UserCancelled));
    let mut out = vec![0; 2_000];
    let now = world.now();
    for _ in 0..3 {
        assert!(world.sender.poll_timeout().is_some_and(|at| at <= now));
        let sent = world
            .sender
            .poll_transmit(now, &mut out, 1, &mut world.source);
        assert!(sent.is_some());
    }
    assert_eq!(world.sender.poll_timeout(), None);
}

#[test]
fn fixed_reaches_its_target_within_a_hundredth() {
    let options = Options {
        policy: RatePolicy::Fixed,
        target: 50_000_000,
        ..Options::default()
    };
    let world = deliver(options, clean(), &[25_000_000]);
    let seconds = world.now_us() as f64 / 1e6;
    let rate = world.sender.statistics().bytes_sent as f64 * 8.0 / seconds;
    assert!((49.0e6..50.5e6).contains(&rate), "{rate}");
}

#[test]
fn an_unproven_path_gets_no_file_bytes_before_it_answers() {
    let options = Options {
        unproven: true,
        ..Options::default()
    };
    let mut world = World::new(options, clean(), files(&[100_000]));
    world.run(60);
    world.assert_all_delivered();
}

#[test]
fn thousands_of_files_cross_a_bad_link() {
    let sizes: Vec<usize> = (0..3_000)
        .map(|index| (index * 7_919) % 30_000 / (1 + index % 9))
        .collect();
    deliver(
        Options {
            target: 50_000_000,
            ..Options::default()
        },
        bad(77),
        &sizes,
    );
}

#[test]
fn links_among_files_are_made_refused_and_skipped_on_any_link() {
    for (decides, seed) in [(false, 1), (true, 2), (false, 3), (true, 4)] {
        let options = Options {
            decides,
            storage_delay_us: 40_000,
            ..Options::default()
        };
        let is_link = |object: u32| !object.is_multiple_of(4);
        let sizes = (1..=300).map(|object| if is_link(object) { 0 } else { 3_000 });
        let sizes: Vec<usize> = sizes.collect();
        let mut world = World::new(options, bad(seed), files(&sizes));
        world.source.links = (1..=300).filter(|object| is_link(*object)).collect();
        world.run(300);
        for object in 1..=300 {
            if is_link(object) {
                let refused = (object % 3 == 1).then_some(Fault::NoPermissions);
                assert_eq!(world.results.get(&object), Some(&refused), "{object}");
            } else {
                world.assert_delivered(object);
            }
        }
        assert!(world.sender.is_settled() && world.receiver.is_settled());
    }
}
