//! Plots as inline SVG and HTML tables.

use std::fmt::Write;

use super::escape;

pub(super) const COLOURS: [&str; 6] =
    ["#2f6db5", "#d9822b", "#3a9a5c", "#8a4fb0", "#b53a4a", "#5b6577"];

/// One bar of a chart.
pub struct Bar {
    pub name: String,
    pub value: f64,
    /// What stands above it; empty for nothing.
    pub caption: String,
}

/// Bars on a common zero line.
pub fn bars(bars: &[Bar]) -> String {
    let width = (340.0 / bars.len().max(1) as f64).clamp(2.5, 60.0);
    let peak = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let total = width * bars.len() as f64;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {:.0} 180\" width=\"{0:.0}\" height=\"180\" role=\"img\">",
        total + 10.0
    );
    for (index, bar) in bars.iter().enumerate() {
        let height = 130.0 * bar.value / peak;
        let (left, top) = (5.0 + width * index as f64, 155.0 - height);
        let middle = left + width / 2.0;
        let _ = write!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{}\"><title>{}: {}</title></rect>",
            width * 0.86,
            COLOURS[0],
            escape(&bar.name),
            bar.value
        );
        if width >= 20.0 {
            let _ = write!(
                svg,
                "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                top - 4.0,
                escape(&bar.caption)
            );
        }
        let every = (24.0 / width).ceil() as usize;
        if index % every.max(1) == 0 {
            let _ = write!(
                svg,
                "<text x=\"{middle:.1}\" y=\"172\" text-anchor=\"middle\">{}</text>",
                escape(&bar.name)
            );
        }
    }
    svg + "</svg>"
}

/// A table of counts, `[row][column]`, darker where more is; the diagonal has a colour of its own.
pub fn heat_table(corner: &str, names: &[String], counts: &[Vec<usize>]) -> String {
    let off_diagonal = counts.iter().enumerate().flat_map(|(row, counts)| {
        counts.iter().enumerate().filter(move |(column, _)| *column != row).map(|(_, count)| *count)
    });
    let worst = off_diagonal.max().unwrap_or(0).max(1) as f64;
    let mut html = format!("<table class=\"heat\"><tr><th>{}</th>", escape(corner));
    names.iter().for_each(|name| html.push_str(&format!("<th>{}</th>", escape(name))));
    html.push_str("</tr>");
    for (row, (name, counts)) in names.iter().zip(counts).enumerate() {
        let all = counts.iter().sum::<usize>().max(1) as f64;
        let _ = write!(html, "<tr><th>{}</th>", escape(name));
        for (column, &count) in counts.iter().enumerate() {
            let (colour, strength) = match row == column {
                true => ("47,109,181", 0.55 * count as f64 / all),
                false => {
                    ("217,80,43", if count > 0 { 0.12 + 0.7 * count as f64 / worst } else { 0.0 })
                }
            };
            let text = if count > 0 { count.to_string() } else { String::new() };
            let _ =
                write!(html, "<td style=\"background:rgba({colour},{strength:.2})\">{text}</td>");
        }
        html.push_str("</tr>");
    }
    html + "</table>"
}

/// One point of a scatter plot.
pub struct Point {
    /// Place along the axis, 0 to 1.
    pub x: f64,
    pub y: f64,
    /// Which of the legend's entries it belongs to.
    pub series: usize,
    /// What is shown under the pointer.
    pub title: String,
}

/// Points over an axis with `ticks` at places from 0 to 1; `low` and `high` bound the values, which
/// `label` writes. `legend` names the series.
pub fn scatter(
    ticks: &[(f64, String)],
    points: &[Point],
    legend: &[String],
    [low, high]: [f64; 2],
    label: impl Fn(f64) -> String,
) -> String {
    const LEFT: f64 = 70.0;
    const WIDTH: f64 = 400.0;
    const HEIGHT: f64 = 180.0;
    let x = |place: f64| LEFT + WIDTH * place;
    let y =
        |value: f64| 10.0 + HEIGHT * (1.0 - (value - low) / (high - low).max(f64::MIN_POSITIVE));
    let mut svg =
        String::from("<svg viewBox=\"0 0 620 225\" width=\"620\" height=\"225\" role=\"img\">");
    for part in 0..=4 {
        let value = low + (high - low) * f64::from(part) / 4.0;
        let at = y(value);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" class=\"grid\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT + WIDTH,
            LEFT - 10.0,
            at + 4.0,
            escape(&label(value))
        );
    }
    for (place, tick) in ticks {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"212\" text-anchor=\"middle\">{}</text>",
            x(*place),
            escape(tick)
        );
    }
    for point in points {
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"{}\" fill-opacity=\"0.7\">\
             <title>{}</title></circle>",
            x(point.x),
            y(point.y),
            COLOURS[point.series % COLOURS.len()],
            escape(&point.title)
        );
    }
    for (number, name) in legend.iter().enumerate() {
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" style=\"fill:{}\">{}</text>",
            LEFT + WIDTH + 20.0,
            24 + 18 * number,
            COLOURS[number % COLOURS.len()],
            escape(name)
        );
    }
    svg + "</svg>"
}

/// Accuracy over confidence: `(mean confidence, accuracy, images)` of each bin that has images.
pub fn reliability(bins: &[(f64, f64, usize)]) -> String {
    const SIDE: f64 = 220.0;
    let most = bins.iter().map(|bin| bin.2).max().unwrap_or(1).max(1) as f64;
    let (x, y) = (|value: f64| 40.0 + SIDE * value, |value: f64| 10.0 + SIDE * (1.0 - value));
    let mut svg =
        String::from("<svg viewBox=\"0 0 300 270\" width=\"300\" height=\"270\" role=\"img\">");
    let _ = write!(
        svg,
        "<rect x=\"40\" y=\"10\" width=\"{SIDE}\" height=\"{SIDE}\" class=\"box\"/>\
         <line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"edge\" stroke-dasharray=\"4 4\"/>",
        x(0.0),
        y(0.0),
        x(1.0),
        y(1.0)
    );
    for &(confidence, accuracy, images) in bins {
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{:.1}\" fill=\"{}\" fill-opacity=\"0.75\">\
             <title>{images} images: confidence {confidence:.3}, accuracy {accuracy:.3}</title></circle>",
            x(confidence),
            y(accuracy),
            3.0 + 7.0 * (images as f64 / most).sqrt(),
            COLOURS[0]
        );
    }
    for part in [0.0, 0.5, 1.0] {
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"246\" text-anchor=\"middle\">{part}</text>\
             <text x=\"34\" y=\"{:.0}\" text-anchor=\"end\">{part}</text>",
            x(part),
            y(part) + 4.0
        );
    }
    svg + "<text x=\"150\" y=\"264\" text-anchor=\"middle\">confidence → accuracy</text></svg>"
}
