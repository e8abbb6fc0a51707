//! What each column of a table is.

use std::collections::HashSet;

use crate::MAX_CLASSES;

/// Titles that mark the label's column.
const LABEL_TITLES: [&str; 9] =
    ["label", "labels", "class", "classes", "target", "y", "category", "species", "digit"];

/// Titles of columns that only count or name the rows.
const INDEX_TITLES: [&str; 6] = ["", "index", "id", "unnamed: 0", "row", "rowid"];

/// The columns of a table, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    pub header: bool,
    /// Cells in a row.
    pub count: usize,
    pub label: usize,
    /// The one that counts the rows, if there is one.
    pub index: Option<usize>,
    /// Height and width, where the titles say it.
    pub titled_size: Option<[usize; 2]>,
    /// The titles speak of pixels.
    pub titled_pixels: bool,
    /// What was found out, for a person.
    pub note: Option<String>,
}

impl Columns {
    /// Finds out from the first rows; `wanted` is the label's column by title, by number from 1, or
    /// `first` or `last`.
    ///
    /// # Errors
    ///
    /// One line if there is no label, or more than one column could be.
    pub fn find(rows: &[csv::StringRecord], wanted: Option<&str>) -> Result<Self, String> {
        let count = rows[0].len();
        if count < 2 {
            return Err("has one column; expected rows of label,value,value,…".into());
        }
        let header = has_header(rows);
        let titles: Vec<String> = match header {
            true => rows[0].iter().map(|title| title.to_ascii_lowercase()).collect(),
            false => Vec::new(),
        };
        let body: Vec<&csv::StringRecord> =
            rows[usize::from(header)..].iter().filter(|row| row.len() == count).collect();
        let titled = |column: usize, among: &[&str]| {
            titles.get(column).is_some_and(|title| among.contains(&title.as_str()))
        };
        let mut note = None;
        let wanted = wanted.map(|wanted| by_name(wanted, &titles, count)).transpose()?;
        let counts = |column: &usize| {
            Some(*column) != wanted
                && (!header || titled(*column, &INDEX_TITLES))
                && counts_rows(&body, *column)
        };
        // Without a title, only a first column that counts is taken for an index.
        let index = if header { (0..count).find(counts) } else { Some(0).filter(counts) };
        let label = match wanted {
            Some(column) => column,
            None => {
                let titled = (0..count).find(|&column| titled(column, &LABEL_TITLES));
                let words: Vec<usize> = (0..count)
                    .filter(|&column| Some(column) != index && has_words(&body, column))
                    .collect();
                match (titled, &words[..]) {
                    (Some(column), _) => column,
                    (None, &[column]) => column,
                    (None, [first, second, ..]) => {
                        return Err(format!(
                            "columns {} and {} both hold words; --label-column says which is the label",
                            first + 1,
                            second + 1
                        ));
                    }
                    (None, []) if header => {
                        return Err(format!(
                            "its header has no label column (one of {}); --label-column NAME says \
                             which it is, if the file has labels at all",
                            LABEL_TITLES.join(", ")
                        ));
                    }
                    (None, []) => {
                        let column = first_or_last(&body, index, count)?;
                        note = Some(format!("column {} is taken for the label", column + 1));
                        column
                    }
                }
            }
        };
        if let Some(index) = index {
            note = Some(format!("column {} counts the rows and is left out", index + 1));
        }
        let titled_size = titles.last().and_then(|title| {
            let (height, width) = title.split_once('x')?;
            Some([height.parse().ok()?, width.parse().ok()?])
        });
        let of_pixel = |title: &&String| title.starts_with("pixel") || title.starts_with("px");
        let pixels = titles.iter().filter(of_pixel).count();
        let titled_pixels = titled_size.is_some() || 2 * pixels > count;
        Ok(Self { header, count, label, index, titled_size, titled_pixels, note })
    }

    /// The columns that hold numbers.
    pub fn values(&self) -> usize {
        self.count - 1 - usize::from(self.index.is_some())
    }
}

/// Whether a cell stands for a number that is not known, as tables of statistics write it.
pub(super) fn is_missing(cell: &str) -> bool {
    matches!(cell, "" | "NA" | "N/A" | "null" | "NULL" | "?")
}

/// A number or nothing.
fn is_number(cell: &str) -> bool {
    is_missing(cell) || cell.parse::<f32>().is_ok()
}

/// The first row holds titles if a column under it holds numbers where it has a word, or if it only
/// counts the columns.
fn has_header(rows: &[csv::StringRecord]) -> bool {
    let Some(second) = rows.get(1) else {
        return rows[0].iter().filter(|cell| !is_number(cell)).count() > 1;
    };
    let first = &rows[0];
    let names = |(a, b): (&str, &str)| !is_number(a) && is_number(b) && !b.is_empty();
    let names_numbers = first.iter().zip(second).any(names);
    // As pandas writes columns that have no name, behind those of its own index.
    let counted = first.iter().skip(1).enumerate();
    let counts = |from: usize| {
        counted.clone().all(|(place, cell)| cell.parse::<usize>() == Ok(place + from))
    };
    let counts = first.len() > 3 && (counts(0) || counts(1)) && first[0].is_empty();
    let named = |cell: &str| LABEL_TITLES.contains(&cell.to_ascii_lowercase().as_str());
    names_numbers || counts || first.iter().any(named)
}

fn by_name(wanted: &str, titles: &[String], count: usize) -> Result<usize, String> {
    let lower = wanted.to_ascii_lowercase();
    if let Some(column) = titles.iter().position(|title| *title == lower) {
        return Ok(column);
    }
    match (lower.as_str(), lower.parse::<usize>()) {
        ("first", _) => Ok(0),
        ("last", _) => Ok(count - 1),
        (_, Ok(number)) if (1..=count).contains(&number) => Ok(number - 1),
        _ => Err(format!(
            "has no column {wanted:?}; --label-column takes a title, a number from 1 to {count}, first or last"
        )),
    }
}

/// Whether a column holds 0, 1, 2, … or 1, 2, 3, …
fn counts_rows(body: &[&csv::StringRecord], column: usize) -> bool {
    let from = |first: u64| {
        let expected =
            |(row, place): (&&csv::StringRecord, u64)| row[column].parse::<u64>() == Ok(place);
        body.len() > 2 && body.iter().zip(first..).all(expected)
    };
    from(0) || from(1)
}

fn has_words(body: &[&csv::StringRecord], column: usize) -> bool {
    let words = body.iter().filter(|row| !is_number(&row[column])).count();
    2 * words > body.len()
}

/// Of numbers without titles, the outer column that holds few whole numbers.
fn first_or_last(
    body: &[&csv::StringRecord],
    index: Option<usize>,
    count: usize,
) -> Result<usize, String> {
    // How many different labels a column would hold, if it can hold labels.
    let labels = |column: usize| -> Option<usize> {
        let mut values = HashSet::new();
        for row in body.iter().filter(|row| !row[column].is_empty()) {
            let cell = &row[column];
            let whole: u64 = cell.strip_suffix(".0").unwrap_or(cell).parse().ok()?;
            values.insert(whole);
        }
        let possible = (2..=MAX_CLASSES).contains(&values.len()) && 2 * values.len() <= body.len();
        possible.then_some(values.len())
    };
    let (first, last) = (usize::from(index.is_some()), count - 1);
    match (labels(first), labels(last)) {
        (Some(_), None) | (None, None) => Ok(first),
        (None, Some(_)) => Ok(last),
        (Some(a), Some(b)) if 2 * a <= b => Ok(first),
        (Some(a), Some(b)) if 2 * b <= a => Ok(last),
        (Some(a), Some(b)) => Err(format!(
            "the first column ({a} different numbers) and the last ({b}) could both be the label; \
             --label-column first or --label-column last says which"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::Columns;

    fn find(text: &str, wanted: Option<&str>) -> Result<Columns, String> {
        let rows: Vec<csv::StringRecord> =
            text.lines().map(|line| line.split(',').collect::<Vec<_>>().into()).collect();
        Columns::find(&rows, wanted)
    }

    fn label(text: &str, wanted: Option<&str>) -> (bool, usize, Option<usize>) {
        let columns = find(text, wanted).unwrap_or_else(|what| panic!("{text}: {what}"));
        (columns.header, columns.label, columns.index)
    }

    #[test]
    fn the_label_is_found_where_people_put_it() {
        assert_eq!(label("label,a,b\n1,2,3\n", None), (true, 0, None));
        assert_eq!(label("a,b,Class\n1,2,3\n", None), (true, 2, None));
        assert_eq!(label("0.5,0.1,cat\n0.1,0.2,dog\n", None), (false, 2, None));
        assert_eq!(label("cat,1,2\ndog,1,2\n", None), (false, 0, None));
        let last = "0,9,0\n0,7,1\n0,3,0\n0,2,1\n0,1,0\n";
        assert_eq!(label(last, None), (false, 2, None));
        assert_eq!(label("a,b,c\n1,2,3\n", Some("B")), (true, 1, None));
        assert_eq!(label(last, Some("2")), (false, 1, None));
        assert!(find(last, Some("9")).is_err_and(|what| what.contains("1 to 3")));
    }

    #[test]
    fn columns_that_count_rows_are_left_out() {
        let rows = "0,cat,5\n1,dog,9\n2,cat,7\n";
        assert_eq!(label(&format!(",label,x\n{rows}"), None), (true, 1, Some(0)));
        assert_eq!(label(rows, None), (false, 1, Some(0)));
        assert_eq!(label("Id,x,y\n1,0.5,0\n2,0.25,1\n3,0.1,1\n", None), (true, 2, Some(0)));
        assert_eq!(label(",0,1,2,3\n0,a,4,5,6\n1,b,7,8,9\n2,a,1,2,3\n", None), (true, 1, Some(0)));
    }

    #[test]
    fn what_is_not_clear_is_asked() {
        let both = "0,9,0\n1,7,1\n0,3,0\n1,2,1\n0,1,0\n";
        assert!(find(both, None).is_err_and(|what| what.contains("--label-column")));
        assert!(find("a,b\n1,2\n", None).is_err_and(|what| what.contains("no label column")));
        assert!(find("p,q,1\np,r,2\n", None).is_err_and(|what| what.contains("both hold words")));
    }
}
