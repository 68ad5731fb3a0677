//! One side is stopped (SIGSTOP) and goes on later, as a laptop with a closed lid does.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{BOTH, Way, Wire};

fn signal_server(wire: &Wire, signal: Signal) {
    let pid = i32::try_from(wire.server.process_id()).ok();
    let pid = pid.and_then(Pid::from_raw).expect("the server's id");
    kill_process(pid, signal).expect("a signal to the server");
}

fn suspend(way: Way, server: bool, seconds: u64) {
    let wire = Wire::open();
    wire.make(way, super::SIZE);
    let running = wire.start(way, &[]);
    if server {
        signal_server(&wire, Signal::STOP);
    } else {
        running.signal(Signal::STOP);
    }
    std::thread::sleep(Duration::from_secs(seconds));
    if server {
        signal_server(&wire, Signal::CONT);
    } else {
        running.signal(Signal::CONT);
    }
    wire.survived(way, running, 90);
}

#[test]
fn a_client_that_stops_for_three_seconds_goes_on() {
    for way in BOTH {
        suspend(way, false, 3);
    }
}

#[test]
fn a_server_that_stops_for_three_seconds_goes_on() {
    for way in BOTH {
        suspend(way, true, 3);
    }
}

#[test]
#[ignore = "takes more than a minute"]
fn a_client_that_stops_for_thirty_seconds_goes_on() {
    for way in BOTH {
        suspend(way, false, 30);
    }
}

#[test]
#[ignore = "takes more than a minute"]
fn a_server_that_stops_for_thirty_seconds_goes_on() {
    for way in BOTH {
        suspend(way, true, 30);
    }
}
