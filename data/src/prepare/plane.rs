//! A grey picture of any size, in f32.

/// Brightness from 0 to 255, row-major `[height][width]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    pub height: usize,
    pub width: usize,
    pub pixels: Vec<f32>,
}

impl Plane {
    pub fn new(height: usize, width: usize) -> Self {
        Self { height, width, pixels: vec![0.0; height * width] }
    }

    /// `pixels` has `height × width` bytes.
    pub fn from_bytes(height: usize, width: usize, pixels: &[u8]) -> Self {
        Self { height, width, pixels: pixels.iter().map(|&pixel| f32::from(pixel)).collect() }
    }

    /// The plane with its longer side scaled down to at most `side`.
    pub fn resample_within(&self, side: usize) -> Plane {
        if self.height.max(self.width) <= side { self.clone() } else { self.resample_to(side) }
    }

    /// The plane with its longer side scaled to `side`.
    pub fn resample_to(&self, side: usize) -> Plane {
        let longer = self.height.max(self.width);
        let scaled = |own: usize| ((own * side + longer / 2) / longer).max(1);
        self.resample(scaled(self.height), scaled(self.width))
    }

    /// The brightness of a sample of `[height, width, channels]`: the luma of a colour picture, the
    /// first channel of others.
    pub fn from_sample([height, width, channels]: [usize; 3], sample: &[u8]) -> Self {
        let brightness = |pixel: &[u8]| match *pixel {
            [red, green, blue] | [red, green, blue, _] => luma([red, green, blue].map(f32::from)),
            [first, ..] => f32::from(first),
            [] => 0.0,
        };
        Self { height, width, pixels: sample.chunks_exact(channels).map(brightness).collect() }
    }

    pub fn at(&self, row: usize, column: usize) -> f32 {
        self.pixels[row * self.width + column]
    }

    /// The pixels rounded to bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.pixels.iter().map(|pixel| pixel.round().clamp(0.0, 255.0) as u8).collect()
    }

    /// The part of the plane from `[top, left]` on.
    pub fn crop(&self, [top, left]: [usize; 2], [height, width]: [usize; 2]) -> Plane {
        let rows = (top..top + height)
            .flat_map(|row| &self.pixels[row * self.width + left..row * self.width + left + width]);
        Plane { height, width, pixels: rows.copied().collect() }
    }

    /// The plane in another size. Where a side shrinks, a pixel is the mean of what it covers;
    /// where it grows, it lies on the line between its neighbours.
    pub fn resample(&self, height: usize, width: usize) -> Plane {
        Self::resampled([self.height, self.width], |at| self.pixels[at], [height, width])
    }

    /// As [`Plane::resample`], of a source of `from` (height, width) whose pixels, counted row by
    /// row, are asked for one by one: no copy of a large picture is made.
    pub fn resampled(
        from: [usize; 2],
        level: impl Fn(usize) -> f32,
        [height, width]: [usize; 2],
    ) -> Plane {
        if from == [height, width] {
            return Plane { height, width, pixels: (0..height * width).map(level).collect() };
        }
        let rows = taps(from[0], height);
        let columns = taps(from[1], width);
        let mut wide = Plane::new(from[0], width);
        let mut source = vec![0.0; from[1]];
        for row in 0..from[0] {
            source.iter_mut().enumerate().for_each(|(at, out)| *out = level(row * from[1] + at));
            let target = &mut wide.pixels[row * width..(row + 1) * width];
            for (out, (first, weights)) in target.iter_mut().zip(&columns) {
                *out = source[*first..].iter().zip(weights).map(|(x, w)| x * w).sum();
            }
        }
        let mut result = Plane::new(height, width);
        for (row, (first, weights)) in rows.iter().enumerate() {
            let target = &mut result.pixels[row * width..(row + 1) * width];
            for (offset, weight) in weights.iter().enumerate() {
                let source = &wide.pixels[(first + offset) * width..];
                target.iter_mut().zip(source).for_each(|(out, x)| *out += weight * x);
            }
        }
        result
    }
}

/// The brightness of a colour, as ITU-R BT.709 weighs it.
fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// For every output place along one axis the first input and the weights, which add up to 1.
fn taps(input: usize, output: usize) -> Vec<(usize, Vec<f32>)> {
    let step = input as f32 / output as f32;
    (0..output)
        .map(|place| {
            if step >= 1.0 {
                let (start, end) = (place as f32 * step, (place + 1) as f32 * step);
                let first = (start as usize).min(input - 1);
                let last = (end.ceil() as usize).clamp(first + 1, input);
                let cover = |i: usize| (end.min((i + 1) as f32) - start.max(i as f32)).max(0.0);
                normalized(first, (first..last).map(cover).collect())
            } else {
                let centre = ((place as f32 + 0.5) * step - 0.5).clamp(0.0, (input - 1) as f32);
                let first = centre as usize;
                let part = centre - first as f32;
                if first + 1 < input { (first, vec![1.0 - part, part]) } else { (first, vec![1.0]) }
            }
        })
        .collect()
}

fn normalized(first: usize, mut weights: Vec<f32>) -> (usize, Vec<f32>) {
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    (first, weights)
}

#[cfg(test)]
mod tests {
    use super::Plane;

    #[test]
    fn enlarging_by_copies_and_shrinking_back_changes_nothing() {
        let small = Plane::from_bytes(2, 3, &[0, 50, 255, 7, 200, 30]);
        let mut large = Plane::new(10, 15);
        for row in 0..10 {
            for column in 0..15 {
                large.pixels[row * 15 + column] = small.at(row / 5, column / 5);
            }
        }
        assert_eq!(large.resample(2, 3).bytes(), small.bytes());
    }

    #[test]
    fn a_constant_stays_constant_in_any_size() {
        let plane = Plane { height: 7, width: 5, pixels: vec![91.0; 35] };
        for [height, width] in [[3, 11], [20, 2], [7, 5], [1, 1]] {
            assert!(plane.resample(height, width).bytes().iter().all(|&pixel| pixel == 91));
        }
    }
}
