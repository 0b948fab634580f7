//! What a measurement gave, and what several together say.

use serde::{Deserialize, Serialize};

use super::{Row, Stack};

/// One measurement of one row of one stack.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Which of several.
    pub round: u32,
    /// Who.
    pub stack: Stack,
    /// What.
    pub row: Row,
    /// In the row's unit; nothing where it failed.
    pub value: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Seconds of a processor that the stack's process had in the window.
    pub processor_s: f64,
    /// Seconds that the window was long.
    pub window_s: f64,
    /// The same for a gigabyte, or for a million turns.
    pub processor_s_per_giga: Option<f64>,
    /// The most memory that the stack's process had, in KiB.
    pub peak_kib: u64,
    /// Half of the turns took no longer, in microseconds.
    pub p50_us: Option<f64>,
    /// 99 of 100 turns took no longer.
    pub p99_us: Option<f64>,
    /// What others had of one processor; a share of the window.
    pub others: f64,
    /// What the machine's host took of one processor.
    pub steal: f64,
    /// Whether that was too much for the value to be trusted.
    pub noisy: bool,
}

impl Sample {
    /// One that failed.
    pub(super) fn failed(round: u32, stack: Stack, row: Row, error: String) -> Sample {
        Sample {
            round,
            stack,
            row,
            value: None,
            error: Some(error),
            processor_s: 0.0,
            window_s: 0.0,
            processor_s_per_giga: None,
            peak_kib: 0,
            p50_us: None,
            p99_us: None,
            others: 0.0,
            steal: 0.0,
            noisy: false,
        }
    }
}

/// Several measurements of one row of one stack.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Summary {
    /// Who.
    pub stack: Stack,
    /// What.
    pub row: Row,
    /// The median of the values, in the row's unit.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many there were.
    pub count: usize,
    /// How many of them were noisy.
    pub noisy: usize,
    /// The median of the stack's processor time for a gigabyte, or for a million turns.
    pub processor_s_per_giga: Option<f64>,
    /// The median of the 99th percentile in microseconds.
    pub p99_us: Option<f64>,
    /// The most memory that the stack's process ever had, in KiB.
    pub peak_kib: u64,
}

/// The middle value, or the mean of the two in the middle; `None` where there is none.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[half]),
        _ => Some((values[half - 1] + values[half]) / 2.0),
    }
}

/// What the samples of one row of one stack say; `None` where none has a value.
pub fn summarize(samples: &[Sample], stack: Stack, row: Row) -> Option<Summary> {
    let ours: Vec<&Sample> = samples
        .iter()
        .filter(|sample| sample.stack == stack && sample.row == row && sample.value.is_some())
        .collect();
    let values = || ours.iter().filter_map(|sample| sample.value);
    Some(Summary {
        stack,
        row,
        median: median(values())?,
        min: values().fold(f64::INFINITY, f64::min),
        max: values().fold(f64::NEG_INFINITY, f64::max),
        count: ours.len(),
        noisy: ours.iter().filter(|sample| sample.noisy).count(),
        processor_s_per_giga: median(ours.iter().filter_map(|sample| sample.processor_s_per_giga)),
        p99_us: median(ours.iter().filter_map(|sample| sample.p99_us)),
        peak_kib: ours.iter().map(|sample| sample.peak_kib).max().unwrap_or(0),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::bench) fn sample(stack: Stack, row: Row, value: f64) -> Sample {
        let mut sample = Sample::failed(1, stack, row, String::new());
        sample.value = Some(value);
        sample.error = None;
        sample
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([5.0]), Some(5.0));
        assert_eq!(median([9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median([9.0, 1.0, 5.0, 6.0]), Some(5.5));
    }

    #[test]
    fn a_summary_is_of_its_own_samples_that_came_to_an_end() {
        let (stack, row) = (Stack::Tapip, Row::Out);
        let mut samples: Vec<Sample> = [3.0, 1.0, 2.0].map(|v| sample(stack, row, v)).into();
        samples[1].noisy = true;
        samples[1].peak_kib = 100;
        samples[0].processor_s_per_giga = Some(0.5);
        samples[2].processor_s_per_giga = Some(0.3);
        samples.push(sample(Stack::Ideal, row, 50.0));
        samples.push(sample(stack, Row::In, 60.0));
        samples.push(Sample::failed(4, stack, row, "it broke".into()));
        let summary = summarize(&samples, stack, row).unwrap();
        assert_eq!((summary.median, summary.min, summary.max), (2.0, 1.0, 3.0));
        assert_eq!((summary.count, summary.noisy, summary.peak_kib), (3, 1, 100));
        assert_eq!((summary.processor_s_per_giga, summary.p99_us), (Some(0.4), None));
        assert_eq!(summarize(&samples, Stack::Smoltcp, row), None);
    }

    #[test]
    fn a_sample_survives_its_json() {
        let mut sample = sample(Stack::TapipPlain, Row::RrBusy, 1.25);
        sample.p99_us = Some(3.5);
        let text = serde_json::to_string(&sample).unwrap();
        assert_eq!(serde_json::from_str::<Sample>(&text).unwrap(), sample);
    }
}
