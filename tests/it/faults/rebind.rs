//! The client's address changes in mid-transfer, as behind a NAT that forgets or when a laptop changes networks.

use std::net::Ipv4Addr;

use super::{BOTH, Wire};

#[test]
fn a_client_that_comes_from_another_port_is_followed() {
    for way in BOTH {
        let wire = Wire::open();
        wire.make(way, super::SIZE);
        let running = wire.start(way, &[]);
        wire.udp.come_from(Ipv4Addr::LOCALHOST);
        let run = wire.survived(way, running, 60);
        assert!(run.took.as_secs() < 30, "{way:?}: {}", run.words());
        assert_eq!(wire.ssh.accepted(), 1, "the same session");
        let words = wire.server.words();
        assert!(words.contains("address changed from"), "{way:?}: {words}");
    }
}

#[test]
fn a_client_that_comes_from_other_networks_is_followed() {
    for way in BOTH {
        let wire = Wire::open();
        wire.make(way, 2 * super::SIZE);
        let mut running = wire.start(way, &[]);
        for last in [2, 3] {
            wire.udp.come_from(Ipv4Addr::new(127, 0, 0, last));
            let before = wire.passed(way);
            wire.wait_for_more(way, before, &mut running);
        }
        wire.survived(way, running, 60);
        let words = wire.server.words();
        assert!(words.contains("127.0.0.3"), "{way:?}: {words}");
        assert_eq!(wire.ssh.accepted(), 1, "the same session");
    }
}
