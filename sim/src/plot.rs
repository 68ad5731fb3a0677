//! A run as a picture (SVG): rates, queue and losses over time, one above the other.
//!
//! Rates are those at which file bytes (of others payload) arrive, in Mbit/s; a flow alone also shows the rate its
//! sender wants.

mod panel;

use std::fmt::Write as _;

use panel::{Line, Panel, Style};

use crate::measure::Sample;
use crate::scenario::{Outcome, Scenario};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 700.0;
/// Points of a curve.
const POINTS: u64 = 480;
/// Colours that people who see colours differently can tell apart (Okabe and Ito), then shades of them.
const COLOURS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f", "#555555",
];

/// Samples about a `POINTS`th of the run apart.
fn thinned<'a>(scenario: &Scenario, outcome: &'a Outcome) -> Vec<&'a Sample> {
    let step_us = (outcome.ended_us / POINTS).max(scenario.path.round_trip_us / 4);
    let mut thinned: Vec<&Sample> = Vec::new();
    for sample in &outcome.samples {
        if thinned
            .last()
            .is_none_or(|last| sample.at_us >= last.at_us + step_us)
        {
            thinned.push(sample);
        }
    }
    thinned
}

/// A value for each pair of neighbours, at the time of the later.
fn curve(samples: &[&Sample], value: impl Fn(&Sample, &Sample) -> f64) -> Vec<(f64, f64)> {
    samples
        .windows(2)
        .map(|pair| (pair[1].at_us as f64 / 1e6, value(pair[0], pair[1])))
        .collect()
}

fn megabits(before: u64, after: u64, from: &Sample, to: &Sample) -> f64 {
    (after - before) as f64 * 8.0 / (to.at_us - from.at_us).max(1) as f64
}

/// The picture of `outcome`, which ran `scenario`.
pub(crate) fn of(title: &str, scenario: &Scenario, outcome: &Outcome) -> String {
    let samples = thinned(scenario, outcome);
    let seconds = outcome.ended_us as f64 / 1e6;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"70\" y=\"26\" font-size=\"16\" font-weight=\"bold\">{}</text>\n",
        escaped(title)
    );
    let queue_peak = samples
        .iter()
        .map(|sample| sample.queue_us as f64 / 1e3)
        .fold(1.0, f64::max);
    let losses = curve(&samples, |a, b| {
        (b.lost - a.lost) as f64 * 100.0 / (b.entered - a.entered).max(1) as f64
    });
    let loss_peak = losses.iter().map(|point| point.1).fold(1.0, f64::max);
    let panels = [
        Panel {
            top: 64.0,
            height: 290.0,
            seconds,
            most: rate_peak(scenario, &samples),
            name: "rate, Mbit/s",
            lines: rate_lines(scenario, &samples),
        },
        Panel {
            top: 414.0,
            height: 110.0,
            seconds,
            most: queue_peak,
            name: "queue, ms",
            lines: queue_lines(scenario, &samples),
        },
        Panel {
            top: 578.0,
            height: 70.0,
            seconds,
            most: loss_peak.min(100.0),
            name: "lost, %",
            lines: vec![Line::new("lost on the way", "#d55e00", Style::Area, losses)],
        },
    ];
    for panel in &panels {
        panel.draw(&mut text);
    }
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">time, s</text>\n</svg>\n",
        WIDTH / 2.0,
        HEIGHT - 10.0
    );
    text
}

fn rate_peak(scenario: &Scenario, samples: &[&Sample]) -> f64 {
    let mut peak = scenario.path.ceiling_bps() / 1e6;
    for flow in 0..scenario.flows.len() {
        let rates = arriving(samples, flow);
        peak = rates.iter().map(|point| point.1).fold(peak, f64::max);
    }
    peak * 1.1
}

fn arriving(samples: &[&Sample], flow: usize) -> Vec<(f64, f64)> {
    curve(samples, |a, b| {
        megabits(a.flows[flow].received, b.flows[flow].received, a, b)
    })
}

fn rate_lines(scenario: &Scenario, samples: &[&Sample]) -> Vec<Line> {
    let mut lines = Vec::new();
    if scenario.flows.len() == 1 {
        let wanted = curve(samples, |_, b| b.flows[0].rate_bps as f64 / 1e6);
        lines.push(Line::new("sender's rate", "#aaaaaa", Style::Thin, wanted));
    }
    for (index, flow) in scenario.flows.iter().enumerate() {
        let round_trip_ms = (scenario.path.round_trip_us + 2 * flow.extra_us) / 1_000;
        let name = format!("flow {index} {:?} {round_trip_ms} ms", flow.policy).to_lowercase();
        let colour = COLOURS[index % COLOURS.len()];
        lines.push(Line::new(
            &name,
            colour,
            Style::Line,
            arriving(samples, index),
        ));
    }
    for index in 0..scenario.cross.len() {
        let name = format!("other {index}");
        let colour = COLOURS[(index + scenario.flows.len()) % COLOURS.len()];
        let rates = curve(samples, |a, b| {
            megabits(a.cross[index], b.cross[index], a, b)
        });
        lines.push(Line::new(&name, colour, Style::Dashed, rates));
    }
    let possible = scenario.path.ceiling_bps() / 1e6;
    let ends = samples.iter().map(|sample| sample.at_us as f64 / 1e6);
    let level = ends.map(|at| (at, possible)).collect();
    lines.push(Line::new("possible", "#000000", Style::Dotted, level));
    lines
}

fn queue_lines(scenario: &Scenario, samples: &[&Sample]) -> Vec<Line> {
    let queue = curve(samples, |_, b| b.queue_us as f64 / 1e3);
    let mut lines = vec![Line::new(
        "at the bottleneck",
        "#0072b2",
        Style::Area,
        queue,
    )];
    if scenario.flows.len() == 1 {
        let seen = curve(samples, |_, b| b.flows[0].seen_queue_us as f64 / 1e3);
        lines.push(Line::new(
            "as the sender sees it",
            "#d55e00",
            Style::Line,
            seen,
        ));
    }
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Path;

    #[test]
    fn a_picture_shows_every_flow_and_no_number_that_is_none() {
        let mut scenario = Scenario::transfer(Path::plain(10_000_000, 20_000, 10_000), 1.0);
        scenario.flows.push(scenario.flows[0].clone());
        let picture = of("a < b", &scenario, &scenario.run(1));
        assert!(picture.contains("a &lt; b"));
        assert!(picture.contains("flow 1 fair 20 ms"));
        assert!(!picture.contains("NaN") && !picture.contains("inf"));
        assert_eq!(
            picture.matches("<svg").count(),
            picture.matches("</svg>").count()
        );
    }
}
