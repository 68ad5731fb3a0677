//! When a progress line is drawn.
//!
//! Time is an argument, so tests need no clock. Output that fails is not tried again: a reader
//! that went away is no reason to stop a transfer.

use std::io::{self, IsTerminal, Stdout, Write};
use std::time::{Duration, Instant};

use super::{
    Completion, DEFAULT_WIDTH, FileState, ProgressFacts, completion_text, cut, progress_line,
};
use crate::cli::terminal::session_stop_text;
use crate::failure::Failure;

const BETWEEN_REDRAWS: Duration = Duration::from_millis(250);
const BETWEEN_FINAL_LINES: Duration = Duration::from_millis(100);

/// Where the lines go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Display {
    /// Nowhere (`-q`, or the output is closed).
    Quiet,
    /// To a terminal of this many columns, where a line can be rewritten.
    Terminal(usize),
    /// To a file or a program.
    Stream,
}

/// Draws progress and the end of a session.
#[derive(Debug)]
pub struct ProgressPrinter<W: Write> {
    output: W,
    display: Display,
    /// When the line that is on the screen was drawn.
    drawn_at: Option<Instant>,
    /// When a finished file last got a line of its own.
    line_kept_at: Option<Instant>,
    /// The cursor stands behind a line that may be rewritten.
    line_is_open: bool,
    /// A finished file that waits for its line.
    waiting: Option<String>,
}

impl ProgressPrinter<Stdout> {
    /// Draws on standard output, in the way that fits what it is.
    #[must_use]
    pub fn on_stdout(quiet: bool) -> Self {
        let output = io::stdout();
        let display = if quiet {
            Display::Quiet
        } else if output.is_terminal() {
            Display::Terminal(width_of(&output))
        } else {
            Display::Stream
        };
        Self::new(output, display)
    }

    /// Takes over the width that the terminal has now.
    pub fn follow_terminal(&mut self) {
        if matches!(self.display, Display::Terminal(_)) {
            self.display = Display::Terminal(width_of(&self.output));
        }
    }
}

fn width_of(terminal: &Stdout) -> usize {
    let columns = rustix::termios::tcgetwinsize(terminal).map(|size| size.ws_col);
    let columns = columns.ok().filter(|columns| *columns > 0);
    columns.map_or(DEFAULT_WIDTH, usize::from)
}

impl<W: Write> ProgressPrinter<W> {
    /// Draws on `output`.
    pub const fn new(output: W, display: Display) -> Self {
        Self {
            output,
            display,
            drawn_at: None,
            line_kept_at: None,
            line_is_open: false,
            waiting: None,
        }
    }

    /// Shows where a file stands at `now`.
    ///
    /// A file in flight may be left out. A finished file always ends up with a line, except on
    /// a terminal when more than ten a second finish: then the latest of them is shown. A failed
    /// file always has its lines.
    pub fn show(&mut self, facts: &ProgressFacts<'_>, now: Instant) {
        match (self.display, facts.state) {
            (Display::Quiet, _) | (Display::Stream, FileState::InFlight(_)) => {}
            (Display::Stream, _) => {
                let line = progress_line(facts, DEFAULT_WIDTH);
                self.write(&format!("\r{line}\n"));
            }
            (Display::Terminal(width), FileState::InFlight(_)) => {
                if is_due(self.drawn_at, BETWEEN_REDRAWS, now) {
                    self.flush_waiting();
                    // A line that wraps could not be rewritten: every redraw would scroll.
                    let line = progress_line(facts, width);
                    self.draw_open(&cut(&line, width.saturating_sub(1)), now);
                }
            }
            (Display::Terminal(width), FileState::Complete(_)) => {
                let line = progress_line(facts, width);
                if is_due(self.line_kept_at, BETWEEN_FINAL_LINES, now) {
                    self.waiting = None;
                    self.keep(&line);
                    self.line_kept_at = Some(now);
                } else {
                    self.waiting = Some(line);
                }
            }
            (Display::Terminal(width), FileState::Failed(..)) => {
                self.flush_waiting();
                self.keep(&progress_line(facts, width));
            }
        }
    }

    /// Ends a session that transferred what it could.
    pub fn complete(&mut self, completion: &Completion) {
        self.close_line();
        self.write(&completion_text(completion));
    }

    /// Ends a session that failed. The line on standard error is the caller's.
    pub fn stop(&mut self, failure: &Failure) {
        self.flush_waiting();
        self.line_is_open = false;
        self.write(&session_stop_text(failure));
    }

    /// Leaves the cursor at the start of an empty line.
    pub fn close_line(&mut self) {
        self.flush_waiting();
        if self.line_is_open {
            self.line_is_open = false;
            self.write("\n");
        }
    }

    fn flush_waiting(&mut self) {
        if let Some(line) = self.waiting.take() {
            self.keep(&line);
        }
    }

    fn keep(&mut self, line: &str) {
        self.line_is_open = false;
        self.drawn_at = None;
        self.write(&format!("\r{line}\n"));
    }

    fn draw_open(&mut self, line: &str, now: Instant) {
        self.line_is_open = true;
        self.drawn_at = Some(now);
        self.write(&format!("\r{line}"));
    }

    fn write(&mut self, text: &str) {
        if self.display == Display::Quiet {
            return;
        }
        let written = self.output.write_all(text.as_bytes());
        if written.and_then(|()| self.output.flush()).is_err() {
            self.display = Display::Quiet;
        }
    }
}

fn is_due(last: Option<Instant>, gap: Duration, now: Instant) -> bool {
    last.is_none_or(|last| now.saturating_duration_since(last) >= gap)
}

#[cfg(test)]
mod tests {
    use fasp_core::fault::Fault;

    use super::*;

    fn facts(name: &'static str, state: FileState<'static>) -> ProgressFacts<'static> {
        ProgressFacts {
            name: name.as_bytes(),
            counts: String::new(),
            bytes_done: 10,
            bytes_total: 10,
            rate_bps: None,
            state,
        }
    }

    fn shown(display: Display, steps: &[(u64, ProgressFacts<'static>)]) -> String {
        let start = Instant::now();
        let mut printer = ProgressPrinter::new(Vec::new(), display);
        for (millis, facts) in steps {
            printer.show(facts, start + Duration::from_millis(*millis));
        }
        printer.close_line();
        String::from_utf8(printer.output).unwrap()
    }

    #[test]
    fn a_terminal_redraws_four_times_a_second_at_most() {
        let steps: Vec<_> = (0..100)
            .map(|step| (step * 10, facts("f", FileState::InFlight(None))))
            .collect();
        let text = shown(Display::Terminal(80), &steps);
        assert_eq!(text.matches("\rf ").count(), 4);
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn a_line_that_is_rewritten_never_wraps_on_a_narrow_terminal() {
        for width in [1, 20, 40, 43, 44, 80] {
            let text = shown(
                Display::Terminal(width),
                &[(0, facts("a long name of a file", FileState::InFlight(None)))],
            );
            let line = text.trim_matches(['\r', '\n']);
            assert!(line.chars().count() < width, "{width} columns: {line:?}");
        }
    }

    #[test]
    fn a_pipe_gets_one_line_a_file_and_no_redraws() {
        let steps = [
            (0, facts("a", FileState::InFlight(None))),
            (1, facts("a", FileState::Complete(None))),
            (2, facts("b", FileState::InFlight(None))),
            (3, facts("b", FileState::Complete(None))),
        ];
        let text = shown(Display::Stream, &steps);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("\ra ") && lines[0].contains("100%"));
        assert!(lines[1].starts_with("\rb "));
    }

    #[test]
    fn a_thousand_small_files_a_second_scroll_ten_lines_and_end_with_the_last() {
        let mut steps: Vec<_> = (0..999)
            .map(|step| (step, facts("small", FileState::Complete(None))))
            .collect();
        steps.push((999, facts("last", FileState::Complete(None))));
        let text = shown(Display::Terminal(80), &steps);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 11);
        assert!(lines[10].starts_with("\rlast "));
    }

    #[test]
    fn every_failed_file_is_shown_even_in_a_burst() {
        let steps: Vec<_> = (0..50)
            .map(|step| (step, facts("bad", FileState::Failed(5, "No"))))
            .collect();
        assert_eq!(
            shown(Display::Terminal(80), &steps)
                .matches("- error -")
                .count(),
            50
        );
    }

    #[test]
    fn quiet_is_silent_to_the_end() {
        let mut printer = ProgressPrinter::new(Vec::new(), Display::Quiet);
        let now = Instant::now();
        printer.show(&facts("f", FileState::InFlight(None)), now);
        printer.show(&facts("f", FileState::Failed(5, "No")), now);
        printer.complete(&Completion::default());
        printer.stop(&Failure::from(Fault::ConnectionLost));
        assert!(printer.output.is_empty());
    }

    #[test]
    fn a_failed_session_stops_below_the_open_line() {
        let mut printer = ProgressPrinter::new(Vec::new(), Display::Terminal(80));
        printer.show(&facts("f", FileState::InFlight(None)), Instant::now());
        printer.stop(&Failure::from(Fault::ConnectionLost));
        let text = String::from_utf8(printer.output).unwrap();
        assert!(text.ends_with(" ETA\r\nSession Stop  (Error: Connection lost)\n"));
    }

    #[test]
    fn a_reader_that_went_away_is_not_written_to_again() {
        struct Closed(u32);
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut printer = ProgressPrinter::new(Closed(0), Display::Stream);
        printer.complete(&Completion::default());
        printer.complete(&Completion::default());
        assert_eq!(printer.output.0, 1);
    }
}
