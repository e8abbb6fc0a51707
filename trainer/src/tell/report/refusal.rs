//! How well "none of these" is told, as a plot.

use super::{Axis, Chart, Page, percent};
use crate::ask::metrics::Refusal;

/// Shares of images of the classes that are refused, from left to right.
const SHARES: [f64; 10] = [0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];

/// Adds to a page the curve of each refusal, all of the same images `known`, and what the threshold
/// comes to.
pub fn refusal(page: &mut Page, known: &str, refusals: &[(String, &Refusal)], threshold: i32) {
    page.paragraph(&format!(
        "How many samples of something else are refused (up) when so many of the {known} are refused \
         (right), by the threshold. The area under the curve is 1 where all samples of something else \
         have lower scores, and one half where scores say nothing."
    ));
    let ticks: Vec<String> = SHARES.map(|share| format!("{} %", 100.0 * share)).into();
    let series: Vec<(String, Vec<f64>)> =
        refusals.iter().map(|(name, refusal)| (name.clone(), refusal.curve(&SHARES))).collect();
    let title = &format!("Something else refused, over {known} refused");
    let label = &|share| format!("{:.0} %", 100.0 * share);
    let axis = Axis::Linear([0.0, 1.0]);
    let chart = Chart { title, ticks: &ticks, series: &series, axis, mark: None, label };
    page.plots(&[chart.svg()]);
    let rows: Vec<Vec<String>> = refusals
        .iter()
        .map(|(name, refusal)| {
            vec![
                name.clone(),
                percent(refusal.strange_refused(threshold)),
                percent(refusal.known_refused(threshold)),
                format!("{:.4}", refusal.area()),
            ]
        })
        .collect();
    let refused = format!("{known} refused");
    page.table(&["", "refused", &refused, "area under the curve"], &rows);
}
