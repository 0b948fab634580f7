//! The medians as a picture: a panel a row, a bar a stack, a thin line from the smallest to the
//! largest.

use svg::Document;
use svg::node::element::{Line, Rectangle, Text};

use super::report::short;
use super::{Report, Row, Stack, Summary};

/// All lengths in pixels.
const COLUMNS: usize = 2;
const PANEL: usize = 420;
const NAMES: usize = 100;
const NUMBERS: usize = 60;
const BAR: usize = 14;
const STEP: usize = 20;
const HEAD: usize = 34;
const MARGIN: usize = 12;

/// The picture of a report.
pub(super) fn svg(report: &Report) -> String {
    let stacks = report.stacks();
    let panels: Vec<(Row, Vec<&Summary>)> = report
        .rows()
        .into_iter()
        .map(|row| (row, stacks.iter().filter_map(|stack| report.of(*stack, row)).collect()))
        .collect();
    let mut document = Document::new();
    let mut top = MARGIN;
    for line in panels.chunks(COLUMNS) {
        for (column, (row, bars)) in line.iter().enumerate() {
            document = panel(document, (MARGIN + column * PANEL, top), *row, bars);
        }
        let most = line.iter().map(|(_, bars)| bars.len()).max().unwrap_or(0);
        top += HEAD + most * STEP + MARGIN;
    }
    let width = 2 * MARGIN + COLUMNS * PANEL;
    let paper = Rectangle::new().set("width", "100%").set("height", "100%").set("fill", "white");
    let mut whole = Document::new()
        .set("viewBox", (0, 0, width, top))
        .set("font-family", "sans-serif")
        .set("font-size", 12)
        .add(paper);
    for node in document.get_children() {
        whole = whole.add(node.clone());
    }
    whole.to_string() + "\n"
}

fn panel(document: Document, (left, top): (usize, usize), row: Row, bars: &[&Summary]) -> Document {
    let text = |words: String, x: usize, y: usize| Text::new(words).set("x", x).set("y", y);
    let title = text(row.title().into(), left, top + 18).set("font-weight", "bold");
    let mut document = document.add(title);
    let most = bars.iter().map(|bar| bar.max).fold(f64::MIN_POSITIVE, f64::max);
    let room = (PANEL - NAMES - NUMBERS - MARGIN) as f64;
    let from = left + NAMES;
    let at = |value: f64| from as f64 + (value / most * room).clamp(0.0, room);
    for (number, bar) in bars.iter().enumerate() {
        let y = top + HEAD + number * STEP;
        let name = text(bar.stack.id().into(), from - 6, y + BAR - 3).set("text-anchor", "end");
        let box_ = Rectangle::new()
            .set("x", from)
            .set("y", y)
            .set("width", at(bar.median) - from as f64)
            .set("height", BAR)
            .set("fill", colour(bar.stack));
        let middle = y + BAR / 2;
        let spread = Line::new()
            .set("x1", at(bar.min))
            .set("x2", at(bar.max))
            .set("y1", middle)
            .set("y2", middle)
            .set("stroke", "black");
        let end = at(bar.max).max(at(bar.median)) as usize + 6;
        let value = text(short(bar.median), end, y + BAR - 3);
        document = document.add(name).add(box_).add(spread).add(value);
    }
    document
}

fn colour(stack: Stack) -> &'static str {
    match stack {
        Stack::Tapip => "#1f6feb",
        Stack::TapipLib => "#4a90f5",
        Stack::TapipPlain => "#79b0ff",
        Stack::Ideal | Stack::IdealPlain => "#c8c8c8",
        Stack::Kernel | Stack::KernelPlain => "#e0b050",
        Stack::Smoltcp | Stack::Lwip | Stack::Gvisor => "#9a9ab0",
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;
    use svg::parser::Event;

    /// The attributes of each element of one kind.
    fn all(picture: &str, kind: &str) -> Vec<svg::node::Attributes> {
        let events = svg::read(picture).expect("an SVG");
        events
            .filter_map(|event| match event {
                Event::Tag(name, _, attributes) if name == kind && !attributes.is_empty() => {
                    Some(attributes)
                }
                Event::Error(error) => panic!("{error}"),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn every_summary_is_a_bar_as_long_as_its_median() {
        let picture = svg(&report());
        let bars = all(&picture, "rect");
        assert_eq!(bars.len(), 1 + 6, "the paper, and two bars in each of three rows");
        let width = |at: usize| bars[at]["width"].parse::<f64>().unwrap();
        // In order: out of tapip and of the ideal, whose largest is 51.
        assert!((width(1) / width(2) - 41.0 / 50.0).abs() < 1e-3, "{picture}");
        let full = (PANEL - NAMES - NUMBERS - MARGIN) as f64;
        assert!((width(2) - full * 50.0 / 51.0).abs() < 0.1, "{picture}");
    }

    #[test]
    fn names_and_numbers_are_there_and_escaped() {
        let picture = svg(&report());
        assert_eq!(all(&picture, "text").len(), 3 + 2 * 6);
        for words in ["stack -&gt; kernel, Gbit/s", "tapip", "ideal", "41.0", "34,000"] {
            assert!(picture.contains(words), "no {words} in {picture}");
        }
    }

    #[test]
    fn everything_is_within_the_picture() {
        let picture = svg(&report());
        let view = &all(&picture, "svg")[0]["viewBox"];
        let view: Vec<f64> = view.split(' ').map(|word| word.parse().unwrap()).collect();
        for kind in ["rect", "line", "text"] {
            for attributes in all(&picture, kind).iter().filter(|found| found.contains_key("y")) {
                let number = |name: &str| attributes[name].parse::<f64>().unwrap();
                assert!(number("x") >= 0.0 && number("x") < view[2], "{attributes:?}");
                assert!(number("y") > 0.0 && number("y") < view[3], "{attributes:?}");
            }
        }
    }
}
