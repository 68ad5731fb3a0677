//! Who may move a session, and what an address gets before it has proven itself.

use super::*;

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

/// A server's guard whose client was heard at port 1.
fn guard() -> PathGuard {
    let mut guard = PathGuard::proven();
    let trusted = address(1).ip();
    guard.follow(ChallengeSecret::new([7; 32]), Some(trusted));
    take(&mut guard, 0, 1, 1);
    guard
}

/// Datagram `number` comes from `port`, newer than all before.
fn take(guard: &mut PathGuard, millis: u64, port: u16, number: u64) {
    guard.on_taken(&Taken {
        now: at(millis),
        from: address(port),
        number: PacketNumber(number),
        newest: true,
        length: 100,
    });
}

/// What `port` is asked at `millis`.
fn asked(guard: &mut PathGuard, millis: u64, port: u16) -> Option<u64> {
    let mut found = None;
    while let Some((to, bits)) = guard.next_question(at(millis)) {
        if to == address(port) {
            found.get_or_insert(bits);
        }
    }
    found
}

#[test]
fn a_client_that_answers_from_its_new_address_is_followed() {
    let mut guard = guard();
    take(&mut guard, 100, 2, 10);
    let bits = asked(&mut guard, 100, 2).unwrap();
    guard.on_response(at(140), address(2), bits);
    assert_eq!(
        guard.on_time(at(140)),
        None,
        "the old address gets its time"
    );
    let moved = guard.on_time(at(160)).unwrap();
    assert_eq!((moved.from, moved.to), (address(1), address(2)));
    assert!(!moved.is_to_another_network());
    assert_eq!(guard.address(), Some(address(2)));
    assert!(guard.is_proven());
}

#[test]
fn an_address_that_does_not_answer_moves_nothing() {
    let mut guard = guard();
    take(&mut guard, 100, 2, 10);
    for millis in (100..7_000).step_by(50) {
        let _ = asked(&mut guard, millis, 2);
        assert_eq!(guard.on_time(at(millis)), None);
    }
    assert_eq!(guard.address(), Some(address(1)));
    assert!(guard.candidate.is_none());
}

#[test]
fn an_answer_from_elsewhere_proves_nothing() {
    let mut guard = guard();
    take(&mut guard, 100, 2, 10);
    let bits = asked(&mut guard, 100, 2).unwrap();
    guard.on_response(at(120), address(1), bits);
    guard.on_response(at(120), address(3), bits);
    guard.on_response(at(120), address(2), bits ^ 1);
    assert_eq!(guard.on_time(at(1_000)), None);
}

#[test]
fn an_old_address_that_still_hears_us_wins() {
    let mut guard = guard();
    take(&mut guard, 100, 2, 10);
    let bits = guard.next_question(at(100)).unwrap().1;
    let old = guard.next_question(at(100)).unwrap().1;
    // Somebody sends on copies faster than the originals: both answers come from his address.
    guard.on_response(at(140), address(2), bits);
    guard.on_response(at(141), address(2), old);
    assert_eq!(guard.on_time(at(2_000)), None);
    assert_eq!(guard.address(), Some(address(1)));
}

#[test]
fn newer_datagrams_by_the_old_way_turn_a_candidate_down_and_older_ones_do_not() {
    let mut guard = guard();
    take(&mut guard, 100, 2, 10);
    let bits = asked(&mut guard, 100, 2).unwrap();
    take(&mut guard, 101, 1, 9);
    assert!(guard.candidate.is_some(), "it was on its way");
    take(&mut guard, 102, 1, 11);
    guard.on_response(at(140), address(2), bits);
    assert_eq!(guard.on_time(at(1_000)), None);
    take(&mut guard, 500, 2, 12);
    assert!(guard.candidate.is_none(), "not so soon again");
    take(&mut guard, 1_200, 2, 13);
    assert!(guard.candidate.is_some());
}

#[test]
fn what_is_not_the_newest_is_no_reason_to_look_elsewhere() {
    let mut guard = guard();
    guard.on_taken(&Taken {
        now: at(100),
        from: address(2),
        number: PacketNumber(0),
        newest: false,
        length: 100,
    });
    assert!(guard.candidate.is_none());
}

#[test]
fn an_unproven_address_gets_three_times_what_it_sent() {
    let mut guard = guard();
    guard.on_taken(&Taken {
        now: at(100),
        from: address(2),
        number: PacketNumber(10),
        newest: true,
        length: 28,
    });
    let mut bytes = 0;
    for millis in (100..5_000).step_by(10) {
        bytes += asked(&mut guard, millis, 2).map_or(0, |_| CHALLENGE_BYTES);
    }
    assert!((1..=3 * 28).contains(&bytes), "{bytes}");
}

#[test]
fn a_first_address_that_is_not_the_control_channels_must_answer() {
    let mut guard = PathGuard::proven();
    let elsewhere = IpAddr::from([198, 51, 100, 1]);
    guard.follow(ChallengeSecret::new([7; 32]), Some(elsewhere));
    take(&mut guard, 0, 1, 0);
    assert!(!guard.is_proven());
    assert_eq!(guard.allowance(), 300);
    guard.on_sent(200);
    assert_eq!(guard.allowance(), 100);
    let bits = guard.present_challenge(at(0)).unwrap();
    assert_eq!(guard.present_challenge(at(10)), None, "asked a moment ago");
    guard.on_response(at(20), address(2), bits);
    assert!(!guard.is_proven(), "from elsewhere");
    guard.on_response(at(20), address(1), bits);
    assert!(guard.is_proven());
}

#[test]
fn a_client_never_follows_its_server_anywhere() {
    let mut guard = PathGuard::proven();
    take(&mut guard, 0, 1, 1);
    take(&mut guard, 100, 2, 10);
    assert!(guard.candidate.is_none());
    assert_eq!(guard.next_at(), None);
}

#[test]
fn challenges_differ_and_show_no_secret() {
    let mut guard = guard();
    let made: std::collections::BTreeSet<u64> = (0..100).map(|_| guard.fresh_challenge()).collect();
    assert_eq!(made.len(), 100);
    let shown = std::format!("{:?}", ChallengeSecret::new([77; 32]));
    assert!(!shown.contains("77"), "{shown}");
}
