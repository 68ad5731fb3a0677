//! The rows of a matrix as text: one line per cell with the worst number of all seeds, and CSV with everything.

use super::{Check, Column, Matrix, Row, Tally, Worst};

/// What a matrix measured.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    labels: &'static [&'static str],
    columns: &'static [Column],
    misses_only: bool,
    rows: Vec<Row>,
    overall: Vec<Check>,
}

impl Column {
    fn write(&self, value: f64) -> String {
        if value.is_nan() {
            "-".to_owned()
        } else {
            format!("{value:.0$}", self.decimals)
        }
    }

    fn worst(&self, values: impl Iterator<Item = f64>) -> f64 {
        let values = values.filter(|value| !value.is_nan());
        match self.worst {
            Worst::Least => values.reduce(f64::min),
            Worst::Most => values.reduce(f64::max),
            Worst::Farthest(from) => values.reduce(|a, b| {
                if (a - from).abs() >= (b - from).abs() {
                    a
                } else {
                    b
                }
            }),
        }
        .unwrap_or(f64::NAN)
    }
}

impl Row {
    fn misses(&self) -> impl Iterator<Item = &str> {
        let missed = self.checks.iter().filter(|check| !check.reached);
        missed.map(|check| check.text.as_str())
    }

    fn is_good(&self) -> bool {
        self.misses().next().is_none() && self.breaches.is_empty()
    }
}

impl Table {
    pub(super) fn new(matrix: &Matrix, rows: Vec<Row>, overall: Vec<Check>) -> Self {
        Self {
            name: matrix.name,
            labels: matrix.labels,
            columns: matrix.columns,
            misses_only: matrix.misses_only,
            rows,
            overall,
        }
    }

    /// Runs in which something happened that must never happen.
    pub(crate) fn breached(&self) -> usize {
        let breached = self.rows.iter().filter(|row| !row.breaches.is_empty());
        breached.count()
    }

    pub(crate) fn packets(&self) -> u64 {
        self.rows.iter().map(|row| row.packets).sum()
    }

    /// How many runs reached which goal.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::of(&self.rows);
        for check in &self.overall {
            tally.count(check.goal, check.reached);
        }
        tally
    }

    /// Rows of the same cell, one for each seed, in the order of the matrix; those that are shown.
    fn groups(&self) -> Vec<&[Row]> {
        let groups = self.rows.chunk_by(|a, b| a.labels == b.labels);
        groups
            .filter(|group| !self.misses_only || !group.iter().all(Row::is_good))
            .collect()
    }

    /// One line per cell as Markdown, aligned for reading as it stands: of each column the worst of all seeds.
    pub(crate) fn to_markdown(&self) -> String {
        let groups = self.groups();
        if groups.is_empty() {
            return "Every run reaches every goal.\n".to_owned();
        }
        let mut lines: Vec<Vec<String>> = vec![
            self.labels
                .iter()
                .copied()
                .chain(self.columns.iter().map(|column| column.name))
                .chain(["missed"])
                .map(str::to_owned)
                .collect(),
        ];
        lines.extend(groups.into_iter().map(|group| self.line(group)));
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate() {
            let padded = line.iter().zip(&widths).enumerate();
            let padded = padded.map(|(column, (cell, &width))| {
                if column + 1 == widths.len() {
                    format!(" {cell} ")
                } else {
                    format!(" {cell:>width$} ")
                }
            });
            text += &format!("|{}|\n", padded.collect::<Vec<_>>().join("|"));
            if index == 0 {
                let rule = widths.iter().map(|&width| "-".repeat(width + 1) + ":");
                text += &format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
            }
        }
        text
    }

    fn line(&self, group: &[Row]) -> Vec<String> {
        let mut line = group[0].labels.clone();
        for (index, column) in self.columns.iter().enumerate() {
            let values = group
                .iter()
                .filter_map(|row| row.values.get(index).copied());
            line.push(column.write(column.worst(values)));
        }
        let mut missed: Vec<(&str, usize)> = Vec::new();
        let texts = group.iter().flat_map(|row| {
            let breached = (!row.breaches.is_empty()).then_some("BREACH");
            row.misses().chain(breached)
        });
        for text in texts {
            match missed.iter_mut().find(|(known, _)| *known == text) {
                Some((_, count)) => *count += 1,
                None => missed.push((text, 1)),
            }
        }
        let missed = missed.into_iter().map(|(text, count)| {
            if count < group.len() {
                format!("{text} ({count} of {})", group.len())
            } else {
                text.to_owned()
            }
        });
        line.push(missed.collect::<Vec<_>>().join("; "));
        line
    }

    /// How much was reached, what never must happen and did, and which pictures to look at.
    pub(crate) fn summary(&self) -> String {
        let good = self.rows.iter().filter(|row| row.is_good()).count();
        let mut text = format!(
            "{}: {good} of {} runs reach every goal; {} runs with breaches\n",
            self.name,
            self.rows.len(),
            self.breached()
        );
        for check in &self.overall {
            let result = if check.reached { "reached" } else { "MISSED" };
            text += &format!("{}: {result}: {}\n", check.goal.text(), check.text);
        }
        for row in &self.rows {
            for breach in &row.breaches {
                text += &format!(
                    "BREACH in {} {} with seed {}: {breach}\n",
                    self.name,
                    row.labels.join(" "),
                    row.seed
                );
            }
        }
        text
    }

    /// The pictures of a run with the least and one with a middle value of the first column.
    pub(crate) fn worst_and_typical(&self) -> Option<(&str, &str)> {
        let mut rows: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| row.picture.is_some())
            .collect();
        let key = |row: &Row| row.values.first().copied().unwrap_or(f64::NAN);
        rows.sort_by(|a, b| key(a).total_cmp(&key(b)));
        let worst = rows.first()?.picture.as_deref()?;
        let typical = rows.get(rows.len() / 2)?.picture.as_deref()?;
        Some((worst, typical))
    }

    /// Every run as comma-separated values.
    pub(crate) fn to_csv(&self) -> String {
        let names = self.columns.iter().map(|column| column.name);
        let header = self.labels.iter().copied().chain(names);
        let header: Vec<&str> = header
            .chain(["seed", "packets", "missed", "breaches"])
            .collect();
        let mut text = header.join(",") + "\n";
        let quoted = |cell: String| {
            if cell.contains([',', '"', ';']) {
                format!("\"{}\"", cell.replace('"', "'"))
            } else {
                cell
            }
        };
        for row in &self.rows {
            let mut cells = row.labels.clone();
            cells.extend(row.values.iter().map(f64::to_string));
            cells.extend([row.seed.to_string(), row.packets.to_string()]);
            cells.push(row.misses().collect::<Vec<_>>().join("; "));
            cells.push(row.breaches.join("; "));
            let cells: Vec<String> = cells.into_iter().map(quoted).collect();
            text += &(cells.join(",") + "\n");
        }
        text
    }
}
