//! Moving whole rows of a `[rows, batch]` matrix by tables that are known when the graph is built.

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
}

impl Graph {
    /// Rows of `x: [rows, batch]` in the order of `table`; `None` gives a row of zeros.
    pub fn gather_rows(&mut self, x: &Value, table: &[Option<usize>]) -> Value {
        let rows = x.shape()[0];
        let x = if table.contains(&None) { self.with_zero_row(x) } else { x.clone() };
        let indices: Vec<i64> = table.iter().map(|row| row.unwrap_or(rows) as i64).collect();
        let indices = self.constant(&[table.len()], &indices);
        let shape = vec![table.len(), x.shape()[1]];
        self.node("Gather", &[&x, &indices], &[], shape)
    }

    /// The sums of rows of `x: [rows, batch]` that `sums` describes, always added in the same order.
    pub fn sum_rows(&mut self, x: &Value, sums: &RowSums) -> Value {
        let longest = sums.terms.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let table = |term: usize| sums.terms.iter().map(move |terms| terms.get(term).copied());
        if longest == 1 {
            return self.gather_rows(x, &table(0).collect::<Vec<_>>());
        }
        let all: Vec<Option<usize>> = (0..longest).flat_map(table).collect();
        let terms = self.gather_rows(x, &all);
        let (rows, batch) = (sums.terms.len(), x.shape()[1]);
        let terms = self.reshape(&terms, &[longest, rows * batch]);
        let summed = self.reduce_sum(&terms, 0);
        self.reshape(&summed, &[rows, batch])
    }

    fn with_zero_row(&mut self, x: &Value) -> Value {
        let columns = x.shape()[1];
        let zeros = self.constant(&[1, columns], &vec![0f32; columns]);
        self.concat(&[x.clone(), zeros])
    }
}
