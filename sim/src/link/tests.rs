//! Each part of a link does what it says, and the same seed does the same again.

use super::*;

fn datagram(bytes: usize) -> Datagram {
    Datagram::new(&vec![2; bytes])
}

/// Sends `count` datagrams of 934 bytes (1,000 on the wire), one every `gap_us`, and returns arrival times.
fn arrivals(parts: &[Part], count: u64, gap_us: u64) -> Vec<u64> {
    let mut link = Link::new(7, "test", parts, Vec::new());
    for index in 0..count {
        link.send(index * gap_us, 0, datagram(934));
    }
    let mut times = Vec::new();
    while let Some(at) = link.next_at() {
        assert!(link.receive(at).is_some());
        times.push(at);
    }
    assert!(link.entered == count && link.lost <= count);
    times
}

fn bottleneck(rate_bps: u64, buffer: Buffer) -> Part {
    Part::Bottleneck(Bottleneck::new(RateSchedule::constant(rate_bps), buffer))
}

#[test]
fn a_queue_delays_by_what_waits_and_drops_what_does_not_fit() {
    let times = arrivals(&[bottleneck(8_000_000, Buffer::Packets(3))], 5, 0);
    assert_eq!(times, [1_000, 2_000, 3_000]);
    let times = arrivals(&[bottleneck(8_000_000, Buffer::Bytes(2_999))], 5, 0);
    assert_eq!(times, [1_000, 2_000]);
}

#[test]
fn a_rate_that_changes_applies_to_what_already_waits() {
    let rate = RateSchedule::constant(8_000_000)
        .then(1_500, 0)
        .then(10_000, 4_000_000);
    let part = Part::Bottleneck(Bottleneck::new(rate, Buffer::Packets(9)));
    assert_eq!(arrivals(&[part], 3, 0), [1_000, 11_000, 13_000]);
}

#[test]
fn a_managed_queue_does_not_stand_however_much_is_sent() {
    let queue = Bottleneck::new(RateSchedule::constant(8_000_000), Buffer::Packets(500));
    // A tenth more than the rate, as if the sender took no notice.
    let wait = |queue: Bottleneck| {
        let last = 20_000 - 1;
        let times = arrivals(&[Part::Bottleneck(queue)], last + 1, 909);
        times[times.len() - 1] - last * 909
    };
    assert!(wait(queue.clone()) > 400_000);
    let managed = wait(queue.with_codel());
    assert!(managed < 50_000, "{managed}");
}

#[test]
fn a_policer_passes_its_burst_and_then_its_rate() {
    let policer = Part::Policer(Policer::new(8_000_000, 5_000));
    let passed = arrivals(&[policer], 100, 500).len();
    assert!((54..=56).contains(&passed), "{passed}");
}

#[test]
fn a_delay_changes_with_the_route() {
    let delay = Part::Delay(Delay::constant(1_000).then(2_000, 5_000));
    assert_eq!(arrivals(&[delay], 4, 1_000), [1_000, 2_000, 7_000, 8_000]);
}

#[test]
fn losses_have_their_share_alone_and_in_runs() {
    for part in [Part::Loss(100_000), Part::Bursts(Bursts::new(100_000, 8))] {
        let passed = arrivals(&[part], 100_000, 10).len();
        assert!((88_500..91_500).contains(&passed), "{passed}");
    }
}

#[test]
fn runs_of_losses_have_their_mean_length() {
    let part = [Part::Bursts(Bursts::new(50_000, 8))];
    let times = arrivals(&part, 200_000, 1);
    let runs = times
        .windows(2)
        .filter(|pair| pair[1] > pair[0] + 1)
        .count();
    let mean = (200_000 - times.len()) as f64 / runs as f64;
    assert!((7.0..9.0).contains(&mean), "{mean}");
}

#[test]
fn slow_jitter_and_stalls_keep_the_order_and_their_bounds() {
    for (jitter, most_us) in [
        (Jitter::slow(5_000, 20_000), 5_000),
        (Jitter::stalls(50_000, 8_000), 8_000),
        (Jitter::slots(4_000), 4_000),
        (Jitter::hold(300_000, 100_000), 100_000),
    ] {
        let mut link = Link::new(3, "jitter", &[Part::Jitter(jitter)], Vec::new());
        let mut latest = 0;
        for index in 0..20_000 {
            link.send(index * 100, 0, datagram(1 + index as usize % 900));
            while let Some((_, datagram)) = link.receive(index * 100) {
                assert_eq!(datagram.len(), 1 + latest % 900);
                latest += 1;
            }
            assert!(index as usize + 1 - latest <= most_us / 100, "{index}");
        }
        assert!(latest > 19_000, "{latest}");
    }
}

#[test]
fn spikes_and_disorder_change_the_order_of_few() {
    for part in [
        Part::Jitter(Jitter::spikes(50_000, 5_000)),
        Part::Reorder(Reorder {
            ppm: 50_000,
            most_us: 5_000,
        }),
    ] {
        let mut link = Link::new(3, "order", &[part], Vec::new());
        (0..5_000).for_each(|index| link.send(index * 100, 0, datagram(1 + index as usize)));
        let mut largest = 0;
        let mut late = 0;
        while let Some((_, datagram)) = link.receive(u64::MAX) {
            late += usize::from(datagram.len() < largest);
            largest = largest.max(datagram.len());
        }
        assert!((150..300).contains(&late), "{late}");
    }
}

#[test]
fn copies_come_twice_and_flips_change_one_bit() {
    assert!((1_080..1_120).contains(&arrivals(&[Part::Duplicate(100_000)], 1_000, 10).len()));
    let mut link = Link::new(1, "flip", &[Part::Flip(1_000_000)], Vec::new());
    link.send(0, 0, datagram(100));
    let (_, flipped) = link.receive(0).expect("it arrives at once");
    let mut bytes = [0; 100];
    flipped.write(&mut bytes);
    assert_eq!(
        bytes
            .iter()
            .map(|byte| (byte ^ 2).count_ones())
            .sum::<u32>(),
        1
    );
}

#[test]
fn outages_and_black_holes_swallow_what_they_should() {
    assert_eq!(
        arrivals(&[Part::Outage(Outage::once(1_000, 2_000))], 5, 1_000),
        [0, 3_000, 4_000]
    );
    let again = Part::Outage(Outage::repeated(1_000, 1_000, 2_000));
    assert_eq!(arrivals(&[again], 5, 1_000), [0, 2_000, 4_000]);
    let hole = Part::LargestDatagram(LargestDatagram::constant(934).then(2_000, 900));
    assert_eq!(arrivals(&[hole], 4, 1_000), [0, 1_000]);
}

#[test]
fn the_same_seed_gives_the_same_arrivals() {
    let lossy = [
        Part::Loss(300_000),
        Part::Jitter(Jitter::slow(2_000, 5_000)),
    ];
    assert_eq!(arrivals(&lossy, 1_000, 100), arrivals(&lossy, 1_000, 100));
}

#[test]
#[should_panic(expected = "queues stand before")]
fn a_queue_behind_disorder_is_refused() {
    let parts = [
        Part::Reorder(Reorder { ppm: 1, most_us: 1 }),
        bottleneck(1_000, Buffer::Packets(1)),
    ];
    let _ = Link::new(1, "wrong", &parts, Vec::new());
}
