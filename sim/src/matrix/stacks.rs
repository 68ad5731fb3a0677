//! The same transfer over bare hosts and over hosts with a stack: goodput differs by the headers and nothing else.
//!
//! Goodput is that of the steady part, relative to what the headers leave; each row runs the bare host too.

use super::{
    Cell, Goal, Matrix, Plan, Verdict, farthest, least, nothing_overall, percent, rate_name,
};
use crate::datagram::WIRE_OVERHEAD;
use crate::marks::TransferMarks;
use crate::paths::Path;
use crate::scenario::{Outcome, Scenario};
use crate::smoltcp_host::Stack;

/// Rate, round trip in ms, loss per million.
const PATHS: [(u64, u64, u64); 2] = [(100_000_000, 50, 10_000), (20_000_000, 200, 0)];
const STACKS: [(Stack, &str); 2] = [(Stack::Ipv4, "IPv4"), (Stack::Ipv6, "IPv6")];
const SECONDS: f64 = 20.0;
/// Bytes of a datagram that are not of the file.
const OWN_HEADERS: u16 = 40;
/// How much the goodputs may differ.
const MOST_APART: f64 = 0.01;

pub(super) const MATRIX: Matrix = Matrix {
    name: "stacks",
    about: "hosts with a real stack against bare ones",
    notes: "The same transfer over smoltcp and over bare hosts: goodput differs by the headers and nothing else.",
    labels: &["stack", "rate", "RTT ms", "loss %"],
    columns: &[
        least("steady", 4),
        least("bare", 4),
        farthest("ratio", 4, 1.0),
    ],
    misses_only: false,
    cells,
    overall: nothing_overall,
};

fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (rate_bps, round_trip_ms, loss_ppm) in PATHS {
        if plan.is_smoke() && rate_bps > 20_000_000 {
            continue;
        }
        for (stack, name) in STACKS {
            let path = Path::plain(rate_bps, round_trip_ms * 1_000, loss_ppm);
            let mut scenario = Scenario::transfer(path, SECONDS);
            scenario.flows[0].put_on(stack);
            cells.push(Cell::new(
                [
                    name.to_owned(),
                    rate_name(rate_bps),
                    round_trip_ms.to_string(),
                    percent(loss_ppm),
                ],
                scenario,
                judge,
            ));
        }
    }
    cells
}

/// Goodput of the steady part to what the headers of its stack leave.
fn steady(scenario: &Scenario, outcome: &Outcome) -> f64 {
    let path = &scenario.path;
    let datagram = scenario.flows[0].datagram;
    let share = |datagram: u16, headers: u64| {
        f64::from(datagram - OWN_HEADERS) / (u64::from(datagram) + headers) as f64
    };
    // Ethernet has the same overhead whatever it carries.
    let headers = WIRE_OVERHEAD + u64::from(scenario.flows[0].stack.header_bytes())
        - u64::from(Stack::Bare.header_bytes());
    let marks = TransferMarks::of(scenario, outcome);
    marks.efficiency * share(path.datagram, WIRE_OVERHEAD) / share(datagram, headers)
}

fn judge(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let mut bare = scenario.clone();
    bare.flows[0].put_on(Stack::Bare);
    let bare_outcome = bare.run_here(outcome.seed);
    let (own, bare) = (steady(scenario, outcome), steady(&bare, &bare_outcome));
    let ratio = own / bare;
    let apart = (ratio - 1.0).abs();
    Verdict::new([own, bare, ratio]).check(
        Goal::Stacks,
        apart <= MOST_APART,
        format!("more than {MOST_APART} apart"),
    )
}
