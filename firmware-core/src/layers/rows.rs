//! Layers that compute some rows of their output from some rows of their input: the same kernels,
//! on a strip of the image. The padding at the top belongs to the first rows only, and the padding
//! at the bottom begins behind the last row of the input that is at hand.

use super::conv2d::with_sums;
use super::geometry::padding_value_fits;
use super::{
    Add, AveragePool2d, Conv2d, DepthwiseConv2d, Elementwise, Geometry, GroupedConv2d, LeakyRelu,
    Lookup, MaxPool2d, MeanPool2d, PRelu,
};
use crate::arch::{
    Chosen, Convolution, ConvolutionStorage, DepthwiseStorage, Storage, Target, Whole,
};
use crate::channels;
use crate::kernels::{self, Combine, Conv2dShape, Pool2dShape, requantized};
use crate::window::Interior;
use crate::{Activation, InputRows, OutputRows, Requantize, Window};

/// Columns of windows on an input of `width` columns.
const fn columns(window: Window, width: usize) -> usize {
    let [rows, _] = window.extent();
    window.output_size([rows, width])[1]
}

/// The input row at which the window of output row `first` begins, and the window with the padding
/// that is still above it.
#[inline(always)]
fn from_row(window: &Window, first: usize) -> (usize, Window) {
    let [top, left, bottom, right] = window.padding;
    let start = first.wrapping_mul(window.stride[0]);
    let padding = [top.saturating_sub(start), left, bottom, right];
    (start.saturating_sub(top), Window { padding, ..*window })
}

/// The rows of `outputs` rows of windows, from row `first` of the whole on, that lie on the strip's
/// `height` rows of input. `padded` rows of windows of the whole reach above the input.
#[inline(always)]
fn interior_rows(
    window: &Window,
    padded: usize,
    [first, outputs]: [usize; 2],
    height: usize,
) -> [usize; 2] {
    let start = padded.saturating_sub(first);
    // Where the last window ends, as if there were no padding above.
    let reach = height.wrapping_add(window.padding[0]);
    let extent = window.extent()[0];
    let mut end = outputs;
    while end > start && (end - 1).wrapping_mul(window.stride[0]).wrapping_add(extent) > reach {
        end -= 1;
    }
    [start, end.saturating_sub(start)]
}

/// How many rows of windows reach above the input.
const fn rows_above(window: &Window) -> usize {
    window.padding[0].div_ceil(window.stride[0])
}

impl<
    const OC: usize,
    const KH: usize,
    const KW: usize,
    const IC: usize,
    G: Geometry,
    R: Requantize,
    S: Storage,
> Conv2d<OC, KH, KW, IC, G, R, S>
{
    /// The rows of [`Conv2d::forward`] for which `y` has room.
    ///
    /// ```
    /// use firmware_core::{Conv2d, InputRows, OutputRows, Shift, Strided};
    /// type Geometry = Strided<1, 1, 1, 0, 1, 0>;
    /// static CONV: Conv2d<1, 3, 1, 1, Geometry> =
    ///     Conv2d::new([[[[1]], [[0]], [[2]]]], [0], [Shift::new(0)]);
    /// let x = [[[1u8]], [[2]], [[3]]];
    /// let (mut whole, mut row) = ([[[0u8]]; 3], [[[0u8]]]);
    /// CONV.forward(&x, &mut whole);
    /// CONV.forward_rows(InputRows::new(&x[1..], 1), OutputRows { rows: &mut row, first: 2 });
    /// assert_eq!(row[0], whole[2]); // 2 + 2 * 0
    /// ```
    ///
    /// ```compile_fail
    /// use firmware_core::{Conv2d, InputRows, OutputRows, Shift};
    /// static CONV: Conv2d<1, 1, 2, 1> = Conv2d::new([[[[1], [-1]]]], [3], [Shift::new(1)]);
    /// let mut y = [[[0u8]; 3]]; // three columns, but only two windows fit on three pixels
    /// let y = OutputRows { rows: &mut y, first: 0 };
    /// CONV.forward_rows(InputRows::new(&[[[9u8], [2], [8]]], 0), y);
    /// ```
    // A function of its own, so that the sums of all layers take one place on the stack.
    #[inline(never)]
    pub fn forward_rows<X: Activation, Y: Activation, const IW: usize, const OW: usize>(
        &self,
        x: InputRows<[[X; IC]; IW]>,
        y: OutputRows<[[Y; OC]; OW]>,
    ) {
        const {
            assert!(
                padding_value_fits::<G, X>(),
                "an activation must be able to be what is padded"
            );
            assert!(
                columns(Self::WINDOW, IW) == OW,
                "the output's width must match the convolution's"
            )
        };
        let (start, window) = from_row(&Self::WINDOW, y.first);
        let (x, count) = (x.from(start), y.rows.len());
        let inside = const { Self::WINDOW.interior([1, IW], [1, OW]).columns };
        let input = [x.len(), IW, IC];
        let (shape, interior) = Self::strip(input, [count, OW], (y.first, window), inside);
        let convolution = Convolution {
            shape: &shape,
            interior: &interior,
            x: x.as_flattened().as_flattened(),
            weights: self.weights.get(),
            bias: &self.bias,
            requantize: &self.requantize,
            place: Whole,
        };
        let y = y.rows.as_flattened_mut().as_flattened_mut();
        with_sums::<OC>(|sums| Chosen::convolve(&convolution, Self::STAGED, sums, y));
    }

    /// The rows of [`Conv2d::forward_max_pool2d`] for which `y` has room; `convolved` is the height
    /// of the whole convolution before the pooling.
    #[inline(never)]
    pub fn forward_max_pool2d_rows<
        X: Activation,
        Y: Activation,
        PG: Geometry,
        const PH: usize,
        const PW: usize,
        const IW: usize,
        const OW: usize,
    >(
        &self,
        _pool: &MaxPool2d<PH, PW, PG>,
        convolved: usize,
        x: InputRows<[[X; IC]; IW]>,
        y: OutputRows<[[Y; OC]; OW]>,
    ) {
        const {
            assert!(
                padding_value_fits::<G, X>(),
                "an activation must be able to be what is padded"
            );
            assert!(
                columns(MaxPool2d::<PH, PW, PG>::WINDOW, columns(Self::WINDOW, IW)) == OW,
                "the output's width must match the pooling's"
            )
        };
        let pooling = const { &MaxPool2d::<PH, PW, PG>::WINDOW };
        let (first, pool_window) = from_row(pooling, y.first);
        // As many rows of the convolution as the poolings' windows cover.
        let last = y.rows.len().saturating_sub(1);
        let reach = last.wrapping_mul(pooling.stride[0]).wrapping_add(pooling.extent()[0]);
        let rows = reach.saturating_sub(pool_window.padding[0]);
        let rows = rows.min(convolved.saturating_sub(first));
        let (start, window) = from_row(&Self::WINDOW, first);
        let x = x.from(start);
        let width = const { columns(Self::WINDOW, IW) };
        let inside =
            const { Self::WINDOW.interior([1, IW], [1, columns(Self::WINDOW, IW)]).columns };
        let input = [x.len(), IW, IC];
        let (shape, interior) = Self::strip(input, [rows, width], (first, window), inside);
        let convolution = Convolution {
            shape: &shape,
            interior: &interior,
            x: x.as_flattened().as_flattened(),
            weights: self.weights.get(),
            bias: &self.bias,
            requantize: &self.requantize,
            place: Whole,
        };
        let output = [y.rows.len(), OW, OC];
        let pool = Pool2dShape { input: shape.output, output, window: pool_window };
        let y = y.rows.as_flattened_mut().as_flattened_mut();
        with_sums::<OC>(|sums| {
            Chosen::conv2d_max_pool2d(&convolution, Self::STAGED, &pool, sums, y);
        });
    }

    /// The shape of a strip of `input` and of `output` rows and columns, and which of its windows lie
    /// on the input; given are the strip's first output row and its window, and the columns of windows
    /// that lie on the input.
    #[inline(always)]
    fn strip(
        input: [usize; 3],
        output: [usize; 2],
        (first, window): (usize, Window),
        columns: [usize; 2],
    ) -> (Conv2dShape, Interior) {
        let above = const { rows_above(&Self::WINDOW) };
        let rows = interior_rows(&window, above, [first, output[0]], input[0]);
        let output = [output[0], output[1], OC];
        let shape = Conv2dShape { input, output, window, padding_value: G::PADDING_VALUE };
        (shape, Interior { rows, columns })
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, G: Geometry, R: Requantize, S: Storage>
    DepthwiseConv2d<OC, KH, KW, G, R, S>
{
    /// The rows of [`DepthwiseConv2d::forward`] for which `y` has room.
    pub fn forward_rows<
        X: Activation,
        Y: Activation,
        const IC: usize,
        const IW: usize,
        const OW: usize,
    >(
        &self,
        x: InputRows<[[X; IC]; IW]>,
        y: OutputRows<[[Y; OC]; OW]>,
    ) {
        const {
            assert!(
                padding_value_fits::<G, X>(),
                "an activation must be able to be what is padded"
            );
            assert!(
                IC > 0 && OC % IC == 0,
                "the output channels must be a multiple of the input channels"
            );
            assert!(
                columns(Self::WINDOW, IW) == OW,
                "the output's width must match the convolution's"
            )
        };
        let (start, window) = from_row(&Self::WINDOW, y.first);
        let x = x.from(start);
        let shape = Conv2dShape {
            input: [x.len(), IW, IC],
            output: [y.rows.len(), OW, OC],
            window,
            padding_value: G::PADDING_VALUE,
        };
        let (x, y) = (x.as_flattened().as_flattened(), y.rows.as_flattened_mut());
        let (y, weights) = (y.as_flattened_mut(), self.weights.unpacked());
        let weights = weights.as_ref();
        if const { OC == IC && OC >= 4 } {
            channels::depthwise_conv2d(&shape, x, weights, &self.bias, &self.requantize, y);
        } else {
            kernels::depthwise_conv2d(&shape, x, weights, &self.bias, &self.requantize, y);
        }
    }
}

impl<const OC: usize, const KH: usize, const KW: usize, const GC: usize, G: Geometry, R: Requantize>
    GroupedConv2d<OC, KH, KW, GC, G, R>
{
    /// The rows of [`GroupedConv2d::forward`] for which `y` has room.
    pub fn forward_rows<
        X: Activation,
        Y: Activation,
        const IC: usize,
        const IW: usize,
        const OW: usize,
    >(
        &self,
        x: InputRows<[[X; IC]; IW]>,
        y: OutputRows<[[Y; OC]; OW]>,
    ) {
        const {
            assert!(
                padding_value_fits::<G, X>(),
                "an activation must be able to be what is padded"
            );
            assert!(IC > 0 && IC % GC == 0, "the input channels must fill whole groups");
            assert!(OC % (IC / GC) == 0, "every group must have as many output channels");
            assert!(
                columns(Self::WINDOW, IW) == OW,
                "the output's width must match the convolution's"
            )
        };
        let (start, window) = from_row(&Self::WINDOW, y.first);
        let x = x.from(start);
        let shape = Conv2dShape {
            input: [x.len(), IW, IC],
            output: [y.rows.len(), OW, OC],
            window,
            padding_value: G::PADDING_VALUE,
        };
        kernels::grouped_conv2d(
            &shape,
            IC / GC,
            x.as_flattened().as_flattened(),
            self.weights.as_flattened().as_flattened().as_flattened(),
            &self.bias,
            &self.requantize,
            y.rows.as_flattened_mut().as_flattened_mut(),
        );
    }
}

/// The shape of a strip of a pooling, and the input that it needs.
#[inline(always)]
fn pool_strip<'a, X, const C: usize, const IW: usize>(
    window: &Window,
    x: InputRows<'a, [[X; C]; IW]>,
    first: usize,
    [rows, columns]: [usize; 2],
) -> (Pool2dShape, &'a [X]) {
    let (start, window) = from_row(window, first);
    let x = x.from(start);
    let shape = Pool2dShape { input: [x.len(), IW, C], output: [rows, columns, C], window };
    (shape, x.as_flattened().as_flattened())
}

impl<const KH: usize, const KW: usize, G: Geometry> MaxPool2d<KH, KW, G> {
    /// The rows of [`MaxPool2d::forward`] for which `y` has room.
    pub fn forward_rows<X: Activation, const C: usize, const IW: usize, const OW: usize>(
        &self,
        x: InputRows<[[X; C]; IW]>,
        y: OutputRows<[[X; C]; OW]>,
    ) {
        const {
            assert!(C > 0, "a tensor has at least one channel");
            assert!(columns(Self::WINDOW, IW) == OW, "the output's width must match the pooling's")
        };
        let (shape, x) = pool_strip(&Self::WINDOW, x, y.first, [y.rows.len(), OW]);
        Chosen::max_pool2d(&shape, x, y.rows.as_flattened_mut().as_flattened_mut());
    }
}

impl<const KH: usize, const KW: usize, G: Geometry, R: Requantize> AveragePool2d<KH, KW, G, R> {
    /// The rows of [`AveragePool2d::forward`] for which `y` has room.
    pub fn forward_rows<
        X: Activation,
        Y: Activation,
        const C: usize,
        const IW: usize,
        const OW: usize,
    >(
        &self,
        x: InputRows<[[X; C]; IW]>,
        y: OutputRows<[[Y; C]; OW]>,
    ) {
        const {
            assert!(C > 0, "a tensor has at least one channel");
            assert!(columns(Self::WINDOW, IW) == OW, "the output's width must match the pooling's")
        };
        let (shape, x) = pool_strip(&Self::WINDOW, x, y.first, [y.rows.len(), OW]);
        let y = y.rows.as_flattened_mut().as_flattened_mut();
        if const { C >= 4 } {
            channels::average_pool2d(&shape, x, self.requantize, y);
        } else {
            kernels::average_pool2d(&shape, x, self.requantize, y);
        }
    }

    /// Adds rows of the input to the sums of a window that covers all of it.
    pub fn add_rows<X: Activation, const C: usize, const IW: usize>(
        &self,
        x: &[[[X; C]; IW]],
        sums: &mut [i32; C],
    ) {
        const { assert!(KW == IW, "the window must be as wide as the input") };
        Chosen::add_pixels(x.as_flattened().as_flattened(), sums);
    }

    /// What [`AveragePool2d::forward`] makes of all rows that were added to `sums`.
    pub fn finish<Y: Activation, const C: usize>(&self, sums: &[i32; C], y: &mut [[[Y; C]; 1]; 1]) {
        for (y, sum) in y.as_flattened_mut().as_flattened_mut().iter_mut().zip(sums) {
            *y = requantized(self.requantize, *sum);
        }
    }
}

impl<const KH: usize, const KW: usize, G: Geometry, const LOW: i32, const HIGH: i32>
    MeanPool2d<KH, KW, G, LOW, HIGH>
{
    /// The rows of [`MeanPool2d::forward`] for which `y` has room.
    pub fn forward_rows<X: Activation, const C: usize, const IW: usize, const OW: usize>(
        &self,
        x: InputRows<[[X; C]; IW]>,
        y: OutputRows<[[X; C]; OW]>,
    ) {
        const {
            assert!(C > 0, "a tensor has at least one channel");
            assert!(columns(Self::WINDOW, IW) == OW, "the output's width must match the pooling's")
        };
        let (shape, x) = pool_strip(&Self::WINDOW, x, y.first, [y.rows.len(), OW]);
        let bounds = [X::saturate(LOW), X::saturate(HIGH)];
        kernels::mean_pool2d(&shape, x, bounds, y.rows.as_flattened_mut().as_flattened_mut());
    }

    /// Adds rows of the input to the sums of a window that covers all of it.
    pub fn add_rows<X: Activation, const C: usize, const IW: usize>(
        &self,
        x: &[[[X; C]; IW]],
        sums: &mut [i32; C],
    ) {
        const { assert!(KW == IW, "the window must be as wide as the input") };
        Chosen::add_pixels(x.as_flattened().as_flattened(), sums);
    }

    /// What [`MeanPool2d::forward`] makes of all rows that were added to `sums`.
    pub fn finish<X: Activation, const C: usize>(&self, sums: &[i32; C], y: &mut [[[X; C]; 1]; 1]) {
        let bounds = [X::saturate(LOW), X::saturate(HIGH)];
        let y = y.as_flattened_mut().as_flattened_mut();
        kernels::means(sums, const { (KH * KW) as i32 }, bounds, y);
    }
}

impl<const A: u32, const B: u32, R: Requantize> Add<A, B, R> {
    /// The rows of [`Add::forward`] for which `y` has room.
    pub fn forward_rows<
        T: Activation,
        U: Activation,
        Y: Activation,
        const C: usize,
        const W: usize,
    >(
        &self,
        a: InputRows<[[T; C]; W]>,
        b: InputRows<[[U; C]; W]>,
        y: OutputRows<[[Y; C]; W]>,
    ) {
        Chosen::add(
            [A, B],
            (
                a.from(y.first).as_flattened().as_flattened(),
                b.from(y.first).as_flattened().as_flattened(),
            ),
            self.requantize,
            y.rows.as_flattened_mut().as_flattened_mut(),
        );
    }
}

impl<F: Combine> Elementwise<F> {
    /// The rows of [`Elementwise::forward`] for which `y` has room, of two tensors of one shape.
    pub fn forward_rows<
        A: Activation,
        B: Activation,
        Y: Activation,
        const C: usize,
        const W: usize,
    >(
        &self,
        a: InputRows<[[A; C]; W]>,
        b: InputRows<[[B; C]; W]>,
        y: OutputRows<[[Y; C]; W]>,
    ) {
        let count = y.rows.len();
        Chosen::elementwise(
            self.function,
            a.some(y.first, count).as_flattened().as_flattened(),
            b.some(y.first, count).as_flattened().as_flattened(),
            y.rows.as_flattened_mut().as_flattened_mut(),
        );
    }
}

impl<Y: Activation> Lookup<Y> {
    /// The rows of [`Lookup::forward`] for which `y` has room.
    pub fn forward_rows<X: Activation, const C: usize, const W: usize>(
        &self,
        x: InputRows<[[X; C]; W]>,
        y: OutputRows<[[Y; C]; W]>,
    ) {
        let x = x.from(y.first).as_flattened().as_flattened();
        kernels::lookup(&self.table, x, y.rows.as_flattened_mut().as_flattened_mut());
    }
}

impl<const SLOPE: u16, const BITS: u8> LeakyRelu<SLOPE, BITS> {
    /// The rows of [`LeakyRelu::forward`] for which `y` has room.
    pub fn forward_rows<T: Activation, const C: usize, const W: usize>(
        &self,
        x: InputRows<[[T; C]; W]>,
        y: OutputRows<[[T; C]; W]>,
    ) {
        let x = x.from(y.first).as_flattened().as_flattened();
        let y = y.rows.as_flattened_mut().as_flattened_mut();
        kernels::leaky_relu(SLOPE, const { Self::bits() }, x, y);
    }
}

impl<const C: usize> PRelu<C> {
    /// The rows of [`PRelu::forward`] for which `y` has room.
    pub fn forward_rows<T: Activation, const W: usize>(
        &self,
        x: InputRows<[[T; C]; W]>,
        y: OutputRows<[[T; C]; W]>,
    ) {
        let x = x.from(y.first).as_flattened().as_flattened();
        let y = y.rows.as_flattened_mut().as_flattened_mut();
        kernels::prelu(&self.slopes, &self.bits, x, y);
    }
}
