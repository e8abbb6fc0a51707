//! Moving whole rows of a matrix by tables that are known when the graph is built.

use super::{Graph, Value};

/// For every row of a result, the source rows that add up to it.
///
/// This is the transpose of a gather: where the forward pass copied one row to several places, the
/// backward pass sums those places back.
pub struct RowSums {
    terms: Vec<Vec<usize>>,
}

impl RowSums {
    /// The transpose of gathering rows of a matrix of `rows` rows by `table`; `None` entries of the
    /// table took a row of zeros and get nothing back.
    pub fn transpose(rows: usize, table: &[Option<usize>]) -> Self {
        let mut terms = vec![Vec::new(); rows];
        for (place, source) in table.iter().enumerate() {
            if let Some(source) = source {
                terms[*source].push(place);
            }
        }
        Self { terms }
    }

    /// Places counted from 0 again after every `rows`: for tables of several runs of which all were
    /// copied to the same places.
    pub fn modulo(mut self, rows: usize) -> Self {
        self.terms.iter_mut().flatten().for_each(|place| *place %= rows);
        self
    }

    /// Whether every sum has the same number of terms, and at least one.
    pub fn is_even(&self) -> bool {
        let terms = self.terms.first().map_or(0, Vec::len);
        terms > 0 && self.terms.iter().all(|other| other.len() == terms)
    }

    /// Appends one row to the result that nothing adds to.
    pub fn with_zero_row(mut self) -> Self {
        self.terms.push(Vec::new());
        self
    }
}

impl Graph {
    /// Rows of the matrix `x` in the order of `table`; `None` gives a row of zeros.
    pub fn gather_rows(&mut self, x: &Value, table: &[Option<usize>]) -> Value {
        if !table.contains(&None) {
            return self.gather_rows_or(x, table, 0);
        }
        let padded = self.with_zero_row(x);
        self.gather_rows_or(&padded, table, x.shape()[0])
    }

    /// Rows of the matrix `x` in the order of `table`, with row `zero` where the table has `None`.
    pub fn gather_rows_or(&mut self, x: &Value, table: &[Option<usize>], zero: usize) -> Value {
        let indices: Vec<i64> = table.iter().map(|row| row.unwrap_or(zero) as i64).collect();
        let indices = self.constant(&[table.len()], &indices);
        let shape = vec![table.len(), x.shape()[1]];
        self.node("Gather", &[x, &indices], &[("axis", super::Attribute::Int(0))], shape)
    }

    /// The sums of rows of the matrix `x` that `sums` describes, added in the order of the rows.
    /// Row `zero` of `x` must be all zeros: it stands in where a sum has fewer terms than others. It
    /// is not used if the sums are even.
    pub fn sum_rows(&mut self, x: &Value, sums: &RowSums, zero: usize) -> Value {
        let longest = sums.terms.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let mut total: Option<Value> = None;
        for term in 0..longest {
            let table: Vec<Option<usize>> =
                sums.terms.iter().map(|terms| terms.get(term).copied()).collect();
            let rows = self.gather_rows_or(x, &table, zero);
            total = Some(match total {
                Some(sum) => self.add(&sum, &rows),
                None => rows,
            });
        }
        total.expect("there is at least one term")
    }

    /// `x: [rows, columns]` with a row of zeros behind it.
    pub fn with_zero_row(&mut self, x: &Value) -> Value {
        let zeros = self.zero_row(x.shape()[1]);
        self.concat(&[x.clone(), zeros])
    }

    /// A row of zeros, `[1, columns]`.
    pub fn zero_row(&mut self, columns: usize) -> Value {
        self.constant(&[1, columns], &vec![0f32; columns])
    }
}
