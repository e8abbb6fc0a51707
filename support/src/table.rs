//! Tables and numbers as a terminal shows them.

use std::fmt::Display;

/// Rows of cells in columns as wide as their widest cell; those from column `numbers` on are set to
/// the right. Each row ends its line.
///
/// # Panics
///
/// When a row has fewer cells than the first.
pub fn columns(rows: &[Vec<String>], numbers: usize) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = (0..count)
            .map(|column| {
                let (cell, width) = (&row[column], widths[column]);
                if column < numbers { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A whole number with a comma between thousands.
pub fn thousands(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{columns, thousands};

    #[test]
    fn columns_are_aligned() {
        let rows = [["ä", "1"], ["bcd", "20"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(columns(&rows, 1), "ä     1\nbcd  20\n");
        assert_eq!(columns(&[], 1), "");
    }

    #[test]
    fn thousands_are_apart() {
        let texts = [0, 999, 1000, 1_234_567].map(|number: u32| thousands(number));
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
