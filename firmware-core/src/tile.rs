//! Convolution four output pixels at a time, over the patches in `arch`.
//!
//! What the windows of four pixels cover is packed once into a patch and multiplied with the
//! weights of every output channel. Without pooling the four are neighbours in memory, so that
//! no pixel is computed twice, whatever the output's size; with pooling they are a tile of 2 x 2,
//! of whose sums the largest counts, and the largest of several tiles' where a window has more.
//! Windows that reach beyond the input are first copied, row by row, with what lies on the
//! padding. Shapes are known at run time here, so that all layers of a model share this code.

#[cfg(not(host))]
use crate::arch::{Chosen, Part, Target};
use crate::arch::{
    Convolution, ConvolutionFilters, Cursor, Finish, Patch, Place, begin, interleave, room,
};
use crate::kernels::Pool2dShape;
use crate::window::{Axis, Window};
use crate::{Activation, Requantize};

/// A patch and the copies of what it covers of four windows, with weights of eight bits: beside the sums all that
/// a layer here takes of a microcontroller's stack for values.
#[cfg(not(host))]
const _: () = assert!(size_of::<Patch>() + 4 * room(Chosen::TAPS) <= 768);

/// The place of an output pixel: its row and column, and where its window begins on the input,
/// which wraps around in front of it.
#[derive(Clone, Copy)]
struct Pixel {
    row: usize,
    column: usize,
    start: usize,
}

/// Walks over the output's pixels in the order of memory.
#[derive(Clone, Copy)]
struct Walk {
    next: Pixel,
    /// Where the window of the row's first pixel begins.
    row_start: usize,
}

impl<X: Activation, R: Copy, W: ConvolutionFilters, P: Place> Convolution<'_, X, R, W, P> {
    /// Values from one row of the input to the next.
    fn pitch(&self) -> usize {
        self.shape.input[1] * self.shape.input[2]
    }

    /// Values of a kernel row.
    fn row(&self) -> usize {
        self.shape.window.kernel[1] * self.shape.input[2]
    }

    /// Where the window of pixel (0, 0) begins.
    fn origin(&self) -> usize {
        let [top, left, ..] = self.shape.window.padding;
        0usize.wrapping_sub(top * self.pitch() + left * self.shape.input[2])
    }

    fn walk(&self) -> Walk {
        let start = self.origin();
        Walk { next: Pixel { row: 0, column: 0, start }, row_start: start }
    }

    /// The next pixel.
    #[inline(always)]
    fn step(&self, walk: &mut Walk) -> Pixel {
        let pixel = walk.next;
        let [down, right] = self.shape.window.stride;
        walk.next.column += 1;
        walk.next.start = pixel.start.wrapping_add(right * self.shape.input[2]);
        if walk.next.column == self.shape.output[1] {
            walk.row_start = walk.row_start.wrapping_add(down * self.pitch());
            walk.next = Pixel { row: pixel.row + 1, column: 0, start: walk.row_start };
        }
        pixel
    }

    /// The pixels at two rows and two columns of the output, row by row.
    #[inline(always)]
    fn tile(&self, rows: [usize; 2], columns: [usize; 2]) -> [Pixel; 4] {
        let Window { stride: [down, right], .. } = self.shape.window;
        let (origin, down, right) =
            (self.origin(), down * self.pitch(), right * self.shape.input[2]);
        let starts = rows.map(|row| origin.wrapping_add(row * down));
        let pixel = |row: usize, column: usize| Pixel {
            row: rows[row],
            column: columns[column],
            start: starts[row].wrapping_add(columns[column] * right),
        };
        [pixel(0, 0), pixel(0, 1), pixel(1, 0), pixel(1, 1)]
    }

    /// Sums of products of the windows of four pixels: one quadruple per channel. With `STAGED`
    /// some windows may reach beyond the input, or have gaps between the pixels of a row.
    #[inline(always)]
    fn sums<const STAGED: bool>(
        &self,
        (patch, staged): (&mut Patch, &mut [X]),
        pixels: [Pixel; 4],
        sums: &mut [[i32; 4]],
    ) {
        let inside = |pixel: &Pixel| self.interior.contains(pixel.row, pixel.column);
        if STAGED && (self.shape.window.dilation[1] != 1 || !pixels.iter().all(inside)) {
            return self.staged_sums(patch, staged, &pixels, sums);
        }
        self.inside_sums(patch, pixels.map(|pixel| pixel.start), sums);
    }

    /// The same for windows on the input that begin at `starts`, in the order of the pixels.
    #[inline(never)]
    fn inside_sums(&self, patch: &mut Patch, starts: [usize; 4], sums: &mut [[i32; 4]]) {
        let Window { kernel, dilation, .. } = self.shape.window;
        let (row, pitch) = (self.row(), self.pitch() * dilation[0]);
        let Some(mut cursor) = Cursor::new(self.x, starts, kernel[0], row, pitch) else { return };
        let taps = kernel[0] * row;
        begin(W::BEGIN, self.bias, sums);
        let mut done = 0;
        while done < taps {
            let chunk = (taps - done).min(W::TAPS);
            W::gather(patch, &mut cursor, chunk);
            let place = [done, chunk, taps];
            if W::ONE && starts[0] == starts[3] {
                self.weights.accumulate_one(patch, place, sums);
            } else {
                self.weights.accumulate(patch, place, sums);
            }
            done += chunk;
        }
    }

    /// The same over copies of what the windows cover.
    #[inline(never)]
    fn staged_sums(
        &self,
        patch: &mut Patch,
        staged: &mut [X],
        pixels: &[Pixel; 4],
        sums: &mut [[i32; 4]],
    ) {
        let row = self.row();
        let taps = self.shape.window.kernel[0] * row;
        begin(W::BEGIN, self.bias, sums);
        // Whole rows at a time where the patch has no use for the rest.
        let mut most = row;
        while row % W::GROUP == 0 && most + row <= W::TAPS {
            most += row;
        }
        if row % W::GROUP != 0 || row > W::TAPS {
            most = W::TAPS;
        }
        let room = const { room(W::TAPS) };
        let (mut done, mut kernel_row, mut first) = (0, 0, 0);
        while done < taps {
            let chunk = (taps - done).min(most);
            let mut at = 0;
            while at < chunk {
                let len = (row - first).min(chunk - at);
                for (pixel, staged) in pixels.iter().zip(staged.chunks_exact_mut(room)) {
                    let staged = staged.get_mut(at..at + len).unwrap_or_default();
                    self.stage(pixel, kernel_row, first, staged);
                }
                at += len;
                first += len;
                if first == row {
                    (kernel_row, first) = (kernel_row + 1, 0);
                }
            }
            let starts = [0, 1, 2, 3].map(|pixel| pixel * room);
            let cursor = Cursor::new(staged, starts, 1, chunk, chunk);
            let Some(mut cursor) = cursor else { return };
            W::gather(patch, &mut cursor, chunk);
            self.weights.accumulate(patch, [done, chunk, taps], sums);
            done += chunk;
        }
    }

    /// Copies the values from number `first` on of a kernel row of a pixel's window.
    #[inline(never)]
    fn stage(&self, pixel: &Pixel, kernel_row: usize, mut first: usize, mut staged: &mut [X]) {
        let [height, width, depth] = self.shape.input;
        let Window { stride, dilation, padding: [top, left, ..], .. } = self.shape.window;
        let padding = X::saturate(self.shape.padding_value);
        let iy = (pixel.row * stride[0] + kernel_row * dilation[0]).wrapping_sub(top);
        if iy >= height {
            return staged.fill(padding);
        }
        let line = self.x.get(iy * width * depth..).unwrap_or_default();
        let line = line.get(..width * depth).unwrap_or_default();
        let mut begin = (pixel.column * stride[1]).wrapping_sub(left).wrapping_mul(depth);
        // Most lie on it where some other pixel's do not.
        let inside = line.get(begin.wrapping_add(first)..);
        if let (1, Some(x)) = (dilation[1], inside.and_then(|x| x.get(..staged.len()))) {
            return staged.iter_mut().zip(x).for_each(|(staged, x)| *staged = *x);
        }
        // Whole kernel rows where pixels lie side by side, else one pixel after the other.
        let (run, gap) = match dilation[1] {
            1 => (self.row(), 0),
            dilation => (depth, (dilation - 1) * depth),
        };
        while first >= run {
            first -= run;
            begin = begin.wrapping_add(run + gap);
        }
        while !staged.is_empty() {
            let len = (run - first).min(staged.len());
            let (part, rest) = staged.split_at_mut_checked(len).unwrap_or_default();
            copy_row(line, begin.wrapping_add(first), padding, part);
            (staged, first) = (rest, 0);
            begin = begin.wrapping_add(run + gap);
        }
    }

    /// At least four pixels.
    #[inline(never)]
    fn conv2d_of<Y, const STAGED: bool>(
        &self,
        sums: &mut [[i32; 4]],
        finish: impl Finish<R, Y>,
        y: &mut [Y],
    ) {
        let [height, width, depth] = self.shape.output;
        let mut patch = Patch::new();
        let mut copies;
        let staged: &mut [_] = if STAGED {
            copies = W::Copies::<X>::default();
            copies.as_mut()
        } else {
            &mut []
        };
        let mut walk = self.walk();
        let (mut done, pixels) = (0, height * width);
        loop {
            let mut following = walk;
            let tile = [(); 4].map(|()| self.step(&mut following));
            self.sums::<STAGED>((&mut patch, &mut *staged), tile, sums);
            self.store(sums, finish, y.get_mut(done * depth..).unwrap_or_default());
            if done + 4 >= pixels {
                return;
            }
            // The last four repeat some of the ones before if they are no multiple of four; one that is
            // left over may take less by itself.
            if W::ONE && done + 5 == pixels {
                let pixel = self.step(&mut following);
                self.sums::<STAGED>((&mut patch, &mut *staged), [pixel; 4], sums);
                let at = (done + 4) * depth + self.place.first();
                return self.store_one(0, sums, finish, y.get_mut(at..));
            }
            if done + 8 <= pixels {
                (walk, done) = (following, done + 4);
            } else {
                while done + 4 < pixels {
                    self.step(&mut walk);
                    done += 1;
                }
            }
        }
    }

    /// Finishes the sums of four pixels that lie side by side in `y`.
    #[inline(always)]
    fn store<Y>(&self, sums: &[[i32; 4]], finish: impl Finish<R, Y>, y: &mut [Y]) {
        if finish.four(self.requantize, sums, self.place, y) {
            return;
        }
        let channels =
            sums.iter().zip(self.bias).zip(self.weights.sums().iter().zip(self.requantize));
        let pixels = channels.map(|((sums, bias), (weights, requantize))| {
            let requantize = *requantize;
            let bias = W::BEGIN.missing(*bias).wrapping_add(W::correction::<X>(weights));
            W::finish(*sums).map(|sum| move || finish.one(requantize, bias.wrapping_add(sum)))
        });
        interleave(pixels, [self.place.first(), self.shape.output[2]], y);
    }

    /// Less than four pixels: the last one is repeated.
    #[inline(never)]
    fn few_pixels<Y>(&self, sums: &mut [[i32; 4]], finish: impl Finish<R, Y>, y: &mut [Y]) {
        let [height, width, depth] = self.shape.output;
        let mut walk = self.walk();
        let mut pixel = self.step(&mut walk);
        let tile = [0, 1, 2, 3].map(|n| {
            if n > 0 && n < height * width {
                pixel = self.step(&mut walk);
            }
            pixel
        });
        let mut copies = W::Copies::<X>::default();
        self.sums::<true>((&mut Patch::new(), copies.as_mut()), tile, sums);
        for (n, y) in y.chunks_exact_mut(depth.max(1)).enumerate() {
            self.store_one(n, sums, finish, y.get_mut(self.place.first()..));
        }
    }

    /// Finishes the sums of pixel `n` of four.
    #[inline(always)]
    fn store_one<Y>(
        &self,
        n: usize,
        sums: &[[i32; 4]],
        finish: impl Finish<R, Y>,
        y: Option<&mut [Y]>,
    ) {
        let channels =
            sums.iter().zip(self.bias).zip(self.weights.sums().iter().zip(self.requantize));
        for (y, ((sums, bias), (weights, requantize))) in
            y.unwrap_or_default().iter_mut().zip(channels)
        {
            let bias = W::BEGIN.missing(*bias).wrapping_add(W::correction::<X>(weights));
            let sum = W::finish(*sums).get(n).copied().unwrap_or_default();
            *y = finish.one(*requantize, bias.wrapping_add(sum));
        }
    }
}

/// Computes a whole, or every part of its output channels for which there are sums.
macro_rules! in_parts {
    ($whole:ident, |$part:ident, $sums:ident| $compute:expr) => {{
        #[cfg(not(host))]
        if $sums.len() < $whole.bias.len() {
            return $whole.for_each_part($sums, |$part, $sums| $compute);
        }
        let $part = $whole;
        $compute
    }};
}

impl<X: Activation, R: Copy, W: ConvolutionFilters> Convolution<'_, X, R, W> {
    /// Does something with every part of the output channels for which there are `sums`.
    #[cfg(not(host))]
    #[inline(never)]
    fn for_each_part(
        &self,
        sums: &mut [[i32; 4]],
        mut compute: impl FnMut(&Convolution<X, R, W, Part>, &mut [[i32; 4]]),
    ) {
        let Convolution { shape, interior, x, weights, bias, requantize, .. } = *self;
        let (taps, most) = (shape.window.kernel[0] * self.row(), sums.len().max(1));
        let mut first = 0;
        for (bias, requantize) in bias.chunks(most).zip(requantize.chunks(most)) {
            let weights = weights.part(first, bias.len(), taps);
            let place = Part { first, depth: shape.output[2] };
            let part = Convolution { shape, interior, x, weights, bias, requantize, place };
            compute(&part, sums.get_mut(..bias.len()).unwrap_or_default());
            first += bias.len();
        }
    }

    /// Convolution into `y`, `[height][width][channel]`. `sums` has one element per output channel, or as
    /// many as are to be computed at a time: see [`Target::IN_PARTS`](crate::arch::Target::IN_PARTS).
    ///
    /// `staged` says whether some window may reach beyond the input or have gaps.
    #[inline(always)]
    pub(crate) fn conv2d<Y>(
        &self,
        staged: bool,
        sums: &mut [[i32; 4]],
        finish: impl Finish<R, Y>,
        y: &mut [Y],
    ) {
        // Known at compile time where this is inlined: only what the layer needs is linked.
        let [height, width, _] = self.shape.output;
        match (staged, height * width >= 4) {
            (false, true) => {
                in_parts!(self, |part, sums| part.conv2d_of::<Y, false>(sums, finish, y));
            }
            (true, true) => {
                in_parts!(self, |part, sums| part.conv2d_of::<Y, true>(sums, finish, y));
            }
            (_, false) => in_parts!(self, |part, sums| part.few_pixels(sums, finish, y)),
        }
    }
}

impl<X: Activation, R: Requantize, W: ConvolutionFilters> Convolution<'_, X, R, W> {
    /// Convolution and max pooling into `y`, `[height][width][channel]`. `sums` and `staged` as in
    /// [`Convolution::conv2d`].
    #[inline(always)]
    pub(crate) fn max_pool2d<Y: Activation>(
        &self,
        staged: bool,
        pool: &Pool2dShape,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        let [height, width] = pool.window.kernel;
        let Window { dilation, .. } = pool.window;
        let plain = !pool.window.is_padded() && dilation[0] == 1 && dilation[1] == 1;
        match (staged, plain && height <= 2 && width <= 2) {
            (false, true) => {
                in_parts!(self, |part, sums| part.max_pool2d_of::<Y, false, true>(pool, sums, y));
            }
            (false, false) => {
                in_parts!(self, |part, sums| part.max_pool2d_of::<Y, false, false>(pool, sums, y));
            }
            (true, true) => {
                in_parts!(self, |part, sums| part.max_pool2d_of::<Y, true, true>(pool, sums, y));
            }
            (true, false) => {
                in_parts!(self, |part, sums| part.max_pool2d_of::<Y, true, false>(pool, sums, y));
            }
        }
    }
}

/// Copies what lies from `begin` on on a line of the input, which wraps around in front of it; what
/// does not lie on it is padding.
#[inline(always)]
fn copy_row<X: Activation>(line: &[X], begin: usize, padding: X, y: &mut [X]) {
    // As far as a window reaches in front of the input.
    let before = if (begin as isize) < 0 { begin.wrapping_neg().min(y.len()) } else { 0 };
    let (front, rest) = y.split_at_mut_checked(before).unwrap_or_default();
    front.fill(padding);
    let x = line.get(begin.wrapping_add(before)..).unwrap_or_default();
    let (on, behind) = rest.split_at_mut_checked(x.len().min(rest.len())).unwrap_or_default();
    on.iter_mut().zip(x).for_each(|(y, x)| *y = *x);
    behind.fill(padding);
}

impl<X: Activation, R: Requantize, W: ConvolutionFilters, P: Place> Convolution<'_, X, R, W, P> {
    #[inline(never)]
    fn max_pool2d_of<Y: Activation, const STAGED: bool, const FITS_TILE: bool>(
        &self,
        pool: &Pool2dShape,
        sums: &mut [[i32; 4]],
        y: &mut [Y],
    ) {
        let [_, width, depth] = pool.output;
        let mut patch = Patch::new();
        let mut copies;
        let staged: &mut [_] = if STAGED {
            copies = W::Copies::<X>::default();
            copies.as_mut()
        } else {
            &mut []
        };
        let Window { kernel, stride, .. } = pool.window;
        for (py, y) in y.chunks_exact_mut((width * depth).max(1)).enumerate() {
            for (px, y) in y.chunks_exact_mut(depth.max(1)).enumerate() {
                if FITS_TILE {
                    let [top, left] = [py * stride[0], px * stride[1]];
                    let rows = [top, top + kernel[0] - 1];
                    let columns = [left, left + kernel[1] - 1];
                    self.sums::<STAGED>((&mut patch, &mut *staged), self.tile(rows, columns), sums);
                    self.largest::<Y, false>(sums, y);
                    continue;
                }
                let rows = pool.window.span(Axis::Rows, py, pool.input[0]);
                let columns = pool.window.span(Axis::Columns, px, pool.input[1]);
                // Several tiles; those at the bottom and at the right may repeat pixels.
                let all = y.iter_mut().skip(self.place.first()).take(sums.len());
                all.for_each(|y| *y = Y::MIN);
                let [down, across] = pool.window.dilation;
                for top in (0..rows.len).step_by(2) {
                    let bottom = (top + 1).min(rows.len - 1);
                    for left in (0..columns.len).step_by(2) {
                        let right = (left + 1).min(columns.len - 1);
                        let rows = [top, bottom].map(|row| rows.input + row * down);
                        let columns = [left, right].map(|column| columns.input + column * across);
                        self.sums::<STAGED>(
                            (&mut patch, &mut *staged),
                            self.tile(rows, columns),
                            sums,
                        );
                        self.largest::<Y, true>(sums, y);
                    }
                }
            }
        }
    }

    /// Requantizes the largest of the four sums of every channel; `MERGE` keeps what is larger in
    /// `y` already.
    #[inline(never)]
    fn largest<Y: Activation, const MERGE: bool>(&self, sums: &[[i32; 4]], y: &mut [Y]) {
        let channels = sums.iter().zip(self.bias).zip(self.weights.sums()).zip(self.requantize);
        let y = y.get_mut(self.place.first()..).unwrap_or_default();
        for (y, (((sums, bias), weights), requantize)) in y.iter_mut().zip(channels) {
            let [a, b, c, d] = W::finish(*sums);
            let largest = a.max(b).max(c.max(d)).wrapping_add(W::correction::<X>(weights));
            let bias = W::BEGIN.missing(*bias);
            let largest = Y::saturate(requantize.apply(bias.wrapping_add(largest)));
            *y = if MERGE { largest.max(*y) } else { largest };
        }
    }
}
