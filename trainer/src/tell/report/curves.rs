//! Line plots as inline SVG, as wide as a phone: values over the epochs of a run, or over strengths.

use std::fmt::Write;

use super::escape;
use super::plot::COLOURS;

const LEFT: f64 = 52.0;
const TOP: f64 = 12.0;
const WIDTH: f64 = 290.0;
const HEIGHT: f64 = 180.0;

/// The values' axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Axis {
    /// From one value to another.
    Linear([f64; 2]),
    /// In decades. What is below `floor`, zero among it, is drawn there.
    Logarithmic { floor: f64 },
}

/// Lines over numbered steps.
pub struct Chart<'c> {
    pub title: &'c str,
    /// What stands below each step; empty for nothing.
    pub ticks: &'c [String],
    /// The lines with their names; they may be of different lengths.
    pub series: &'c [(String, Vec<f64>)],
    pub axis: Axis,
    /// From this step on, counted from 0, the ground has another colour, with a word.
    pub mark: Option<(usize, &'c str)>,
    /// How a value of the axis is written.
    pub label: &'c dyn Fn(f64) -> String,
}

impl Chart<'_> {
    /// A figure with the lines and their names.
    pub fn svg(&self) -> String {
        let steps = self.ticks.len().saturating_sub(1).max(1) as f64;
        let x = |index: f64| LEFT + WIDTH * index / steps;
        let (bounds, marks) = self.scale();
        let place = |value: f64| match self.axis {
            Axis::Linear(_) => value,
            Axis::Logarithmic { floor } => value.max(floor).log10(),
        };
        let [low, high] = bounds.map(place);
        let y = |value: f64| {
            TOP + HEIGHT * (1.0 - (place(value) - low) / (high - low).max(f64::MIN_POSITIVE))
        };
        let mut svg = format!(
            "<figure><figcaption><b>{}</b></figcaption>\
             <svg viewBox=\"0 0 350 218\" width=\"350\" height=\"218\" role=\"img\" aria-label=\"{0}\">",
            escape(self.title)
        );
        if let Some((step, word)) = self.mark {
            let from = x((step as f64 - 0.5).max(0.0));
            let _ = write!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{HEIGHT}\" fill=\"{}\" \
                 fill-opacity=\"0.12\"/><text x=\"{:.1}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                LEFT + WIDTH - from,
                COLOURS[2],
                LEFT + WIDTH - 3.0,
                TOP + 12.0,
                escape(word)
            );
        }
        for value in marks {
            let at = y(value);
            let _ = write!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" class=\"grid\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT + WIDTH,
                LEFT - 6.0,
                at + 4.0,
                escape(&(self.label)(value))
            );
        }
        for (index, tick) in self.ticks.iter().enumerate().filter(|(_, tick)| !tick.is_empty()) {
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"210\" text-anchor=\"middle\">{}</text>",
                x(index as f64),
                escape(tick)
            );
        }
        let mut legend = String::new();
        for (number, (name, values)) in self.series.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let dashed = number % 2 == 1;
            self.line(&mut svg, values, colour, dashed, &|index| x(index as f64), &y);
            let _ = write!(
                legend,
                "<span class=\"key\"><i style=\"border-color:{colour}{}\"></i>{}</span>",
                if dashed { ";border-top-style:dashed" } else { "" },
                escape(name)
            );
        }
        format!("{svg}</svg><figcaption>{legend}</figcaption></figure>")
    }

    /// One line; a single value, which a line does not show, is a dot.
    fn line(
        &self,
        svg: &mut String,
        values: &[f64],
        colour: &str,
        dashed: bool,
        x: &dyn Fn(usize) -> f64,
        y: &dyn Fn(f64) -> f64,
    ) {
        if let [value] = values {
            let _ = write!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                x(0),
                y(*value)
            );
            return;
        }
        let points: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(index, &value)| format!("{:.1},{:.1}", x(index), y(value)))
            .collect();
        let dash = if dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let _ = write!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>",
            points.join(" ")
        );
    }

    /// The ends of the axis and the values that have a line of their own.
    fn scale(&self) -> ([f64; 2], Vec<f64>) {
        match self.axis {
            Axis::Linear([low, high]) => {
                let part = |part: i32| low + (high - low) * f64::from(part) / 4.0;
                ([low, high], (0..=4).map(part).collect())
            }
            Axis::Logarithmic { floor } => {
                let [low, high] = bounds(self.series);
                logarithmic(low.max(floor), high.max(floor))
            }
        }
    }
}

/// Round values of the form 1, 2, 5 · 10^n around `low` and `high`, both positive: the outermost are
/// the ends of the axis.
fn logarithmic(low: f64, high: f64) -> ([f64; 2], Vec<f64>) {
    let decades = low.log10().floor() as i32 - 1..=high.log10().ceil() as i32 + 1;
    let round: Vec<f64> =
        decades.flat_map(|n| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(n))).collect();
    // A value that is round itself is an end.
    let first = round.iter().rposition(|&value| value <= low * (1.0 + 1e-9)).unwrap_or(0);
    let last = round.iter().position(|&value| value >= high * (1.0 - 1e-9));
    let last = last.unwrap_or(round.len() - 1).max(first + 1);
    let ends = [round[first], round[last]];
    // Over many decades only their first values have a line.
    let marks = match last - first {
        0..=7 => round[first..=last].to_vec(),
        _ => (first..=last).filter(|index| index % 3 == 0).map(|index| round[index]).collect(),
    };
    (ends, marks)
}

/// The least and the greatest value of some lines.
pub fn bounds(series: &[(String, Vec<f64>)]) -> [f64; 2] {
    let values = series.iter().flat_map(|(_, values)| values.iter().copied());
    values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
        [low.min(value), high.max(value)]
    })
}

/// Numbers under a plot of `count` epochs, at most about ten of them.
pub fn epochs(count: usize) -> Vec<String> {
    let every = count.div_ceil(10).max(1);
    let tick = |epoch: usize| {
        if epoch.is_multiple_of(every) { (epoch + 1).to_string() } else { String::new() }
    };
    (0..count).map(tick).collect()
}

#[cfg(test)]
mod tests {
    use super::logarithmic;

    #[test]
    fn a_logarithmic_axis_ends_in_round_values_around_the_lines() {
        let (ends, marks) = logarithmic(0.003, 0.4);
        let near = |found: f64, wanted: f64| (found / wanted - 1.0).abs() < 1e-9;
        assert!(near(ends[0], 0.002) && near(ends[1], 0.5), "{ends:?}");
        assert_eq!(marks.len(), 8);
        let (ends, marks) = logarithmic(1e-6, 0.9);
        assert!(near(ends[0], 1e-6) && near(ends[1], 1.0), "{ends:?}");
        assert_eq!(marks.len(), 7, "{marks:?}");
        let (ends, _) = logarithmic(0.1, 0.1);
        assert!(ends[0] < ends[1], "a flat line has an axis: {ends:?}");
    }
}
