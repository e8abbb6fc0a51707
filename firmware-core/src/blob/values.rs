//! The integers of a value, and who looks at them.

/// The integers of a value, `[height][width][channel]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values<'a> {
    /// Never negative.
    U8(&'a [u8]),
    /// Eight bits.
    I8(&'a [i8]),
    /// Accumulators: the logits.
    I32(&'a [i32]),
}

impl<'a> Values<'a> {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::I8(values) => values.len(),
            Self::I32(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements.
    pub fn iter(&self) -> impl Iterator<Item = i32> + use<'a> {
        let values = *self;
        (0..values.len()).map(move |index| values.get(index))
    }

    /// Element number `index`; 0 behind the last one.
    pub fn get(&self, index: usize) -> i32 {
        match self {
            Self::U8(values) => values.get(index).map_or(0, |value| i32::from(*value)),
            Self::I8(values) => values.get(index).map_or(0, |value| i32::from(*value)),
            Self::I32(values) => values.get(index).copied().unwrap_or(0),
        }
    }

    /// The index of the first largest element.
    pub fn argmax(&self) -> usize {
        let mut best = 0;
        for (index, value) in self.iter().enumerate() {
            if value > self.get(best) {
                best = index;
            }
        }
        best
    }
}

/// Is told when each layer of a blob starts and ends, and may look at what it computed: for pictures of
/// a network at work, cycle counters, and watchdogs that want to be fed.
pub trait Watch {
    /// Layer number `layer` is about to run.
    #[inline(always)]
    fn start(&mut self, layer: usize) {
        let _ = layer;
    }

    /// Layer number `layer` has computed `values`.
    #[inline(always)]
    fn end(&mut self, layer: usize, values: Values) {
        let _ = (layer, values);
    }
}

impl Watch for () {}
