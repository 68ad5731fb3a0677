//! One diagram of a picture: axes with round numbers, a grid, a legend, curves.

use std::fmt::Write as _;

const LEFT: f64 = 70.0;
const RIGHT: f64 = 940.0;
/// Names that fit beside each other above a diagram.
const MOST_NAMES: usize = 6;
const NAME_WIDTH: f64 = 146.0;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Style {
    Line,
    Thin,
    Dashed,
    Dotted,
    /// Filled down to nothing.
    Area,
}

#[derive(Debug)]
pub(super) struct Line {
    name: String,
    colour: &'static str,
    style: Style,
    /// Seconds and values.
    points: Vec<(f64, f64)>,
}

impl Line {
    pub(super) fn new(
        name: &str,
        colour: &'static str,
        style: Style,
        points: Vec<(f64, f64)>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            colour,
            style,
            points,
        }
    }
}

#[derive(Debug)]
pub(super) struct Panel {
    pub(super) top: f64,
    pub(super) height: f64,
    /// Length of the time axis.
    pub(super) seconds: f64,
    /// Upper end of the other axis; curves above it are cut.
    pub(super) most: f64,
    pub(super) name: &'static str,
    pub(super) lines: Vec<Line>,
}

/// A round distance between about `wanted` marks on an axis that ends at `most`.
fn step(most: f64, wanted: f64) -> f64 {
    let rough = (most / wanted).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let factor = factors.into_iter().find(|factor| factor * power >= rough);
    factor.unwrap_or(10.0) * power
}

fn label(value: f64, step: f64) -> String {
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    format!("{value:.decimals$}")
}

impl Panel {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * seconds / self.seconds.max(1e-6)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value / self.most.max(1e-9)).clamp(0.0, 1.0);
        self.top + self.height * (1.0 - share)
    }

    /// Appends the diagram to `text`.
    pub(super) fn draw(&self, text: &mut String) {
        self.grid(text);
        for line in &self.lines {
            self.curve(text, line);
        }
        self.legend(text);
    }

    fn grid(&self, text: &mut String) {
        let bottom = self.top + self.height;
        let across = step(self.seconds, 8.0);
        let mut mark = 0.0;
        // Writing to a String cannot fail.
        while mark <= self.seconds * 1.000_1 {
            let x = self.x(mark);
            let _ = writeln!(
                text,
                "<path d=\"M{x:.1} {:.1}V{bottom:.1}\" stroke=\"#e4e4e4\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#444\">{}</text>",
                self.top,
                bottom + 16.0,
                label(mark, across)
            );
            mark += across;
        }
        let up = step(self.most, (self.height / 45.0).max(2.5));
        let mut mark = 0.0;
        while mark <= self.most * 1.000_1 {
            let y = self.y(mark);
            let _ = writeln!(
                text,
                "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" stroke=\"#e4e4e4\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#444\">{}</text>",
                LEFT - 6.0,
                y + 4.0,
                label(mark, up)
            );
            mark += up;
        }
        let _ = writeln!(
            text,
            "<path d=\"M{LEFT} {:.1}V{bottom:.1}H{RIGHT}\" fill=\"none\" stroke=\"#444\"/>\
             <text transform=\"translate(18 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            self.top,
            self.top + self.height / 2.0,
            self.name
        );
    }

    fn curve(&self, text: &mut String, line: &Line) {
        if line.points.is_empty() {
            return;
        }
        let mut path = String::new();
        for (index, &(seconds, value)) in line.points.iter().enumerate() {
            let verb = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{verb}{:.1} {:.1}", self.x(seconds), self.y(value));
        }
        let colour = line.colour;
        if line.style == Style::Area {
            let first = line.points.first().map_or(LEFT, |point| self.x(point.0));
            let last = line.points.last().map_or(LEFT, |point| self.x(point.0));
            let bottom = self.top + self.height;
            let _ = writeln!(
                text,
                "<path d=\"{path}L{last:.1} {bottom:.1}L{first:.1} {bottom:.1}Z\" fill=\"{colour}\" fill-opacity=\"0.25\"/>"
            );
        }
        let look = match line.style {
            Style::Line => "stroke-width=\"1.5\"",
            Style::Thin | Style::Area => "stroke-width=\"1\"",
            Style::Dashed => "stroke-width=\"1.5\" stroke-dasharray=\"6 2\"",
            Style::Dotted => "stroke-width=\"1\" stroke-dasharray=\"2 3\"",
        };
        let _ = writeln!(
            text,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-linejoin=\"round\" {look}/>"
        );
    }

    fn legend(&self, text: &mut String) {
        let y = self.top - 10.0;
        let more = self.lines.len().saturating_sub(MOST_NAMES);
        // The last one says what is possible, so it is always named.
        let named = self.lines.iter().enumerate();
        let named = named.filter(|(index, _)| {
            more == 0 || index + 1 < MOST_NAMES || index + 1 == self.lines.len()
        });
        for (place, (index, line)) in named.enumerate() {
            let x = LEFT + NAME_WIDTH * place as f64;
            let name = if more > 0 && index + 2 == MOST_NAMES {
                format!("and {} more", more + 1)
            } else {
                line.name.clone()
            };
            let _ = writeln!(
                text,
                "<path d=\"M{x:.1} {:.1}h18\" stroke=\"{}\" stroke-width=\"3\"/>\
                 <text x=\"{:.1}\" y=\"{y:.1}\" fill=\"#444\">{name}</text>",
                y - 4.0,
                line.colour,
                x + 23.0
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_on_an_axis_are_round_and_few() {
        for (most, expected) in [(103.0, 20.0), (9.3, 2.0), (0.7, 0.1), (2_000.0, 500.0)] {
            let step = step(most, 7.0);
            assert!((step - expected).abs() < expected * 1e-6, "{most}: {step}");
        }
        assert_eq!(label(0.3, 0.1), "0.3");
        assert_eq!(label(20.0, 20.0), "20");
    }
}
