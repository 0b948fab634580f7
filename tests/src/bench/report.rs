//! What all the measurements say together: tables for people, JSON for programs.

use anyhow::Result;
use clap::ValueEnum as _;
use serde::Serialize;

use super::{Row, Sample, Stack, Summary, summarize};

/// Everything that was measured in one run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// How long a row was measured, in seconds.
    pub seconds: f64,
    /// How often.
    pub rounds: u32,
    /// What the samples say: one a row and stack.
    pub summaries: Vec<Summary>,
    /// Each measurement, in the order in which they were made.
    pub samples: Vec<Sample>,
}

/// The machine that it was measured on.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Machine {
    /// Of which kind its processors are.
    pub model: String,
    /// How many of them this program may use.
    pub processors: usize,
    /// The kernel's version.
    pub kernel: String,
}

impl Machine {
    fn this() -> Machine {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model =
            cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Machine {
            model: model.map_or("unknown", |(_, model)| model.trim()).into(),
            processors: std::thread::available_parallelism().map_or(1, |count| count.get()),
            kernel: read("/proc/sys/kernel/osrelease").trim().into(),
        }
    }
}

impl Report {
    /// Of these samples, from this machine.
    pub(super) fn new(seconds: f64, rounds: u32, samples: Vec<Sample>) -> Report {
        let pairs = Row::value_variants()
            .iter()
            .flat_map(|row| Stack::value_variants().iter().map(move |stack| (*stack, *row)));
        let summaries = pairs.filter_map(|(stack, row)| summarize(&samples, stack, row)).collect();
        Report { machine: Machine::this(), seconds, rounds, summaries, samples }
    }

    /// As JSON, with a final line break.
    ///
    /// # Errors
    /// None that the types allow.
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// What one row of one stack came to.
    pub fn of(&self, stack: Stack, row: Row) -> Option<&Summary> {
        self.summaries.iter().find(|summary| summary.stack == stack && summary.row == row)
    }

    /// The stacks that have at least one value, or failed at least once.
    pub fn stacks(&self) -> Vec<Stack> {
        let seen = |stack: &Stack| self.samples.iter().any(|sample| sample.stack == *stack);
        Stack::value_variants().iter().copied().filter(seen).collect()
    }

    /// The rows of the same kind.
    pub fn rows(&self) -> Vec<Row> {
        let seen = |row: &Row| self.samples.iter().any(|sample| sample.row == *row);
        Row::value_variants().iter().copied().filter(seen).collect()
    }

    /// The tables, in Markdown that is aligned for reading as it is.
    pub fn text(&self) -> String {
        let Machine { model, processors, kernel } = &self.machine;
        let mut text = format!(
            "{model}, {processors} processors, Linux {kernel}; {} rounds of {} s a row.\n",
            self.rounds, self.seconds
        );
        text += "\nMedians:\n\n";
        text += &self.table(Row::title, |summary| {
            let star = if summary.noisy > 0 { "*" } else { "" };
            format!("{}{star}", short(summary.median))
        });
        let noisy = self.samples.iter().filter(|sample| sample.noisy).count();
        if noisy > 0 {
            text += &format!(
                "\n\\* The machine had other work to do: in {noisy} of {} measurements.\n",
                self.samples.len()
            );
        }
        if self.rounds > 1 {
            text += "\nSmallest to largest:\n\n";
            text += &self.table(Row::title, |summary| {
                format!("{}..{}", short(summary.min), short(summary.max))
            });
        }
        text += "\nProcessor time of the stack's process: seconds for a GB, microseconds for a turn:\n\n";
        text += &self.table(Row::title, |summary| {
            summary.processor_s_per_giga.map(short).unwrap_or_default()
        });
        text += "\nMost memory of the stack's process, MiB:\n\n";
        text += &self.table(Row::title, |summary| short(summary.peak_kib as f64 / 1024.0));
        for ours in [Stack::Tapip, Stack::TapipPlain, Stack::TapipLib] {
            if self.stacks().contains(&ours) {
                text += &format!("\n{} against each of the others, as a factor:\n\n", ours.id());
                text += &self.table(Row::title, |summary| {
                    let factor = self.factor(ours, summary);
                    factor.map(|factor| format!("{factor:.2}")).unwrap_or_default()
                });
            }
        }
        let failures: Vec<&Sample> =
            self.samples.iter().filter(|sample| sample.error.is_some()).collect();
        if !failures.is_empty() {
            text += "\nFailed:\n\n";
            for sample in failures {
                let error = sample.error.as_deref().unwrap_or_default();
                text += &format!("- {} {}: {error}\n", sample.row.id(), sample.stack.id());
            }
        }
        text
    }

    /// How many times better `ours` is: above 1 is better, whichever way the row counts.
    fn factor(&self, ours: Stack, than: &Summary) -> Option<f64> {
        if than.stack.is_ours() {
            return None;
        }
        let ours = self.of(ours, than.row)?.median;
        let factor =
            if than.row.more_is_better() { ours / than.median } else { than.median / ours };
        factor.is_finite().then_some(factor)
    }

    fn table(&self, title: fn(Row) -> &'static str, cell: impl Fn(&Summary) -> String) -> String {
        let stacks = self.stacks();
        let mut lines = vec![vec![String::new()]];
        lines[0].extend(stacks.iter().map(|stack| stack.id().to_string()));
        for row in self.rows() {
            let mut line = vec![title(row).to_string()];
            line.extend(stacks.iter().map(|stack| match self.of(*stack, row) {
                Some(summary) => cell(summary),
                None if stack.has(row) => "-".into(),
                None => String::new(),
            }));
            lines.push(line);
        }
        aligned(&lines)
    }
}

/// A Markdown table: a heading and lines, the first column to the left, the others to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0).max(3)).collect();
    let line = |cells: &[String]| {
        let mut text = String::from("|");
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            text += &match column {
                0 => format!(" {cell:<width$} |"),
                _ => format!(" {cell:>width$} |"),
            };
        }
        text + "\n"
    };
    let rule = |column: usize| match column {
        0 => "-".repeat(widths[0]),
        column => "-".repeat(widths[column] - 1) + ":",
    };
    let rules: Vec<String> = (0..columns).map(rule).collect();
    let mut text = String::new();
    for (number, cells) in lines.iter().enumerate() {
        text += &line(cells);
        if number == 0 {
            text += &line(&rules);
        }
    }
    text
}

/// Three significant digits, and a comma between thousands.
pub(super) fn short(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        0.0 => 0,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if value.abs() < 1000.0 || !value.is_finite() {
        return text;
    }
    let mut out = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && digit.is_ascii_digit() && (text.len() - at) % 3 == 0 && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    /// Two rows of three stacks, with something of everything.
    pub(in crate::bench) fn report() -> Report {
        let mut samples = Vec::new();
        for (stack, row, values) in [
            (Stack::Tapip, Row::Out, [40.0, 42.0, 41.0]),
            (Stack::Ideal, Row::Out, [50.0, 51.0, 49.0]),
            (Stack::Tapip, Row::Rr, [34_000.0, 33_000.0, 35_000.0]),
            (Stack::Smoltcp, Row::Rr, [17_000.0, 17_000.0, 17_001.0]),
            (Stack::Tapip, Row::Fair, [2.0, 3.0, 4.0]),
            (Stack::Ideal, Row::Fair, [1.5, 1.5, 1.5]),
        ] {
            samples.extend(values.map(|value| sample(stack, row, value)));
        }
        samples[0].noisy = true;
        samples[0].peak_kib = 2048;
        samples.push(Sample::failed(2, Stack::Smoltcp, Row::Out, "it fell over".into()));
        Report::new(0.5, 3, samples)
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.0123, "0.012"),
            (1.234, "1.23"),
            (23.45, "23.4"),
            (291.4, "291"),
            (999.6, "1000"),
            (34_000.4, "34,000"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn a_table_is_aligned_and_is_markdown() {
        let cells = |words: [&str; 2]| words.map(String::from).to_vec();
        let table = aligned(&[cells(["", "tapip"]), cells(["a row", "1"]), cells(["b", "12"])]);
        assert_eq!(
            table,
            "|       | tapip |\n| ----- | ----: |\n| a row |     1 |\n| b     |    12 |\n"
        );
    }

    #[test]
    fn the_text_has_medians_spread_factors_and_failures() {
        let text = report().text();
        let line = |start: &str, number: usize| {
            let mut lines = text.lines().filter(|line| line.starts_with(&format!("| {start}")));
            lines.nth(number).unwrap_or_else(|| panic!("no {start} in\n{text}")).to_string()
        };
        let cells = |line: String| {
            line.split('|').map(|cell| cell.trim().to_string()).collect::<Vec<_>>()[2..5].to_vec()
        };
        assert_eq!(cells(line("stack -> kernel", 0)), ["41.0*", "-", "50.0"]);
        assert_eq!(cells(line("stack -> kernel", 1)), ["40.0..42.0", "-", "49.0..51.0"]);
        assert_eq!(cells(line("stack -> kernel", 3)), ["2.00", "-", "0"]);
        assert_eq!(cells(line("stack -> kernel", 4)), ["", "-", "0.82"]);
        assert_eq!(cells(line("TCP request", 4)), ["", "2.00", "-"]);
        // Of these less is better: twice as long is half as good.
        assert_eq!(cells(line("p99", 4)), ["", "-", "0.50"]);
        assert!(text.contains("in 1 of 19 measurements"), "{text}");
        assert!(text.contains("- out smoltcp: it fell over"), "{text}");
    }

    #[test]
    fn the_json_has_every_sample_and_every_summary() {
        let report = report();
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!(json["samples"].as_array().unwrap().len(), 19);
        assert_eq!(json["summaries"].as_array().unwrap().len(), 6);
        assert_eq!(json["summaries"][0]["median"], 41.0);
        assert_eq!(json["samples"][18]["value"], serde_json::Value::Null);
        assert_eq!(json["samples"][18]["error"], "it fell over");
        assert!(json["machine"]["processors"].as_u64().unwrap() >= 1);
    }
}
