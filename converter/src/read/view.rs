//! How the file sees a value: which elements of its storage each dimension counts.
//!
//! A value is stored as height × width × channels. Reshape, Transpose and the like move nothing;
//! they only look at the same elements under other dimensions. So a view gives each of the file's
//! dimensions as steps through the storage, and a node asks the view whether what it sees is an
//! image, a vector or something that no kernel can read. Where no steps lead through the storage in the
//! file's order, as in a vector that flattened images were joined to, the view has that order as a list.

use std::sync::Arc;

use crate::graph::{Shape, ValueId};
use crate::interpreter::{axis, places, strides};

/// `size` elements of the storage, `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Steps {
    size: usize,
    stride: usize,
}

/// One dimension as nested steps, the outermost first; none for a single element.
type Dimension = Vec<Steps>;

/// A value under the dimensions that the file gives it; the batch counts as 1.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub value: ValueId,
    dims: Vec<Dimension>,
    /// The dimension that counts images.
    batch: usize,
    /// Where the element lies to which the steps lead, if that is not its number in the storage.
    scattered: Option<Arc<[usize]>>,
    /// The file computes with integers here.
    pub integer: bool,
}

/// An image with its channels as dimension 1 or as the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[N, C, H, W]`, or `[N, C, W]`
    ChannelsFirst,
    /// `[N, H, W, C]`, or `[N, W, C]`
    ChannelsLast,
}

impl View {
    /// `[N, C, H, W]`, or without the height for a `rank` of 3.
    pub fn channels_first(value: ValueId, shape: Shape, rank: usize) -> Self {
        let [height, width, channels] = axes(shape);
        let dims = match rank {
            3 => vec![None, Some(channels), Some(width)],
            _ => vec![None, Some(channels), Some(height), Some(width)],
        };
        Self::of(value, dims)
    }

    /// `[N, H, W, C]`, or without the height for a `rank` of 3.
    pub fn channels_last(value: ValueId, shape: Shape, rank: usize) -> Self {
        let [height, width, channels] = axes(shape);
        let dims = match rank {
            3 => vec![None, Some(width), Some(channels)],
            _ => vec![None, Some(height), Some(width), Some(channels)],
        };
        Self::of(value, dims)
    }

    /// An image as `layout` says.
    pub fn image(value: ValueId, shape: Shape, layout: Layout, rank: usize) -> Self {
        match layout {
            Layout::ChannelsFirst => Self::channels_first(value, shape, rank),
            Layout::ChannelsLast => Self::channels_last(value, shape, rank),
        }
    }

    /// `[N, K]`, in the order of the storage.
    pub fn flat(value: ValueId, size: usize) -> Self {
        Self::of(value, vec![None, Some(Steps { size, stride: 1 })])
    }

    /// `[N, K]`, whose elements lie at the places `order` of the storage.
    pub fn scattered(value: ValueId, order: &[usize]) -> Self {
        let ordered = order.iter().copied().eq(0..order.len());
        let scattered = (!ordered).then(|| order.into());
        Self { scattered, ..Self::flat(value, order.len()) }
    }

    /// `[N, H, W]` of an image with one channel.
    pub fn rows(value: ValueId, shape: Shape) -> Self {
        let [height, width, _] = axes(shape);
        Self::of(value, vec![None, Some(height), Some(width)])
    }

    /// An image whose dimensions are the axes of its storage in any order: 0 for the height, 1 for
    /// the width, 2 for the channels, `None` for a dimension of a single element.
    pub fn along(value: ValueId, shape: Shape, names: &[Option<usize>]) -> Self {
        let axes = axes(shape);
        Self::of(value, names.iter().map(|name| name.map(|axis| axes[axis])).collect())
    }

    /// What [`View::along`] was given, if the view of a value of this shape is such a one, with the
    /// batch first.
    pub fn names(&self, shape: Shape) -> Option<Vec<Option<usize>>> {
        let axes = axes(shape).map(|steps| plain(vec![steps]));
        let name = |dim: &Dimension| match dim.is_empty() {
            true => Some(None),
            false => axes.iter().position(|axis| axis == dim).map(Some),
        };
        let names = self.dims.iter().map(name).collect::<Option<Vec<_>>>()?;
        (self.batch() == Some(0) && self.scattered.is_none()).then_some(names)
    }

    fn of(value: ValueId, dims: Vec<Option<Steps>>) -> Self {
        let dims = dims.into_iter().map(|steps| plain(steps.into_iter().collect())).collect();
        Self { value, dims, batch: 0, scattered: None, integer: false }
    }

    /// The same dimensions over the value of another node.
    pub fn at(&self, value: ValueId) -> Self {
        Self { value, ..self.clone() }
    }

    /// The sizes of the dimensions.
    pub fn dims(&self) -> Vec<usize> {
        self.dims.iter().map(|steps| size(steps)).collect()
    }

    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// Elements of one image.
    pub fn size(&self) -> usize {
        self.dims.iter().map(|steps| size(steps)).product()
    }

    /// The dimension that counts images, where it counts nothing else.
    pub fn batch(&self) -> Option<usize> {
        self.dims.get(self.batch).is_some_and(Vec::is_empty).then_some(self.batch)
    }

    /// The image that this is, if it is one as `layout` says, with 3 or 4 dimensions.
    pub fn as_image(&self, layout: Layout) -> Option<Shape> {
        let dims = self.dims();
        let shape = match (layout, &dims[..]) {
            (Layout::ChannelsFirst, &[_, c, h, w]) | (Layout::ChannelsLast, &[_, h, w, c]) => {
                Shape::new(h, w, c)
            }
            (Layout::ChannelsFirst, &[_, c, w]) | (Layout::ChannelsLast, &[_, w, c]) => {
                Shape::new(1, w, c)
            }
            _ => return None,
        };
        let image = Self::image(self.value, shape, layout, self.rank());
        let plain = self.batch() == Some(0) && self.scattered.is_none();
        (plain && self.dims == image.dims).then_some(shape)
    }

    /// For each element, in the file's order, where it lies in the storage.
    pub fn order(&self) -> Vec<usize> {
        let steps: Vec<Steps> = self.dims.iter().flatten().copied().collect();
        let sizes: Vec<usize> = steps.iter().map(|steps| steps.size).collect();
        let strides: Vec<usize> = steps.iter().map(|steps| steps.stride).collect();
        let steps = places(&sizes, &strides);
        match &self.scattered {
            None => steps.collect(),
            Some(scattered) => steps.map(|at| scattered[at]).collect(),
        }
    }

    /// The vectors that these are, joined, over the value of a node that joins them as they are stored;
    /// `None` if one is no vector along its dimension `along`.
    pub fn joined(views: &[View], along: usize, value: ValueId) -> Option<View> {
        let rank = views.first()?.rank();
        let is_vector = |view: &View| {
            let mut others = (0..rank).filter(|&axis| axis != along);
            view.rank() == rank
                && view.batch() == Some(0)
                && others.all(|axis| view.dims[axis].is_empty())
        };
        if along == 0 || !views.iter().all(is_vector) {
            return None;
        }
        let mut order = Vec::new();
        for view in views {
            let first = order.len();
            order.extend(view.order().into_iter().map(|place| first + place));
        }
        let new: Vec<usize> = (1..rank).filter(|&axis| axis != along).collect();
        Self::scattered(value, &order).unsqueezed(&new).ok()
    }

    /// The view after a Transpose.
    pub fn transposed(&self, perm: &[i64]) -> Result<View, String> {
        let rank = self.rank();
        let perm: Vec<usize> = perm.iter().map(|&p| axis(p, rank)).collect::<Result<_, _>>()?;
        let mut sorted = perm.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..rank) {
            return Err(format!("perm {perm:?} of {rank} dimensions"));
        }
        let batch = perm.iter().position(|&p| p == self.batch).unwrap_or(0);
        let dims = perm.iter().map(|&p| self.dims[p].clone()).collect();
        Ok(Self { dims, batch, ..self.clone() })
    }

    /// The view without some dimensions, each of a single element.
    pub fn squeezed(&self, gone: &[usize]) -> Result<View, String> {
        if let Some(&wrong) = gone.iter().find(|&&axis| !self.dims[axis].is_empty()) {
            return Err(format!("takes axis {wrong} away, which has {}", size(&self.dims[wrong])));
        }
        if gone.contains(&self.batch) {
            return Err("takes the batch's dimension away, which holds for one image only; keep \
                        the first dimension as the batch"
                .into());
        }
        let kept = (0..self.rank()).filter(|axis| !gone.contains(axis));
        let batch = self.batch - gone.iter().filter(|&&axis| axis < self.batch).count();
        Ok(Self { dims: kept.map(|axis| self.dims[axis].clone()).collect(), batch, ..self.clone() })
    }

    /// The view with additional dimensions of a single element, at these places of the result.
    pub fn unsqueezed(&self, new: &[usize]) -> Result<View, String> {
        let rank = self.rank() + new.len();
        let mut old = self.dims.iter().enumerate();
        let (mut dims, mut batch) = (Vec::new(), 0);
        for axis in 0..rank {
            if new.contains(&axis) {
                dims.push(Vec::new());
            } else if let Some((index, steps)) = old.next() {
                if index == self.batch {
                    batch = axis;
                }
                dims.push(steps.clone());
            }
        }
        match dims.len() == rank && old.next().is_none() {
            true => Ok(Self { dims, batch, ..self.clone() }),
            false => Err(format!("axes {new:?} name one twice")),
        }
    }

    /// The same elements in the same order under other dimensions, where steps can tell them.
    pub fn reshaped(&self, dims: &[usize]) -> Option<View> {
        // What is still to be shared out, and behind how much of it the batch's dimension stands.
        let mut left: Vec<Steps> = self.dims.iter().flatten().rev().copied().collect();
        let mut before_batch: usize = self.dims[..self.batch].iter().map(|d| size(d)).product();
        let mut batch = None;
        let mut result = Vec::new();
        for (index, &dim) in dims.iter().enumerate() {
            if before_batch == 1 && batch.is_none() {
                batch = Some(index);
            }
            let mut steps = Vec::new();
            let mut needed = dim;
            while needed > 1 {
                let next = left.pop()?;
                let (taken, rest) = match next.size {
                    size if needed.is_multiple_of(size) => (size, 1),
                    size if size.is_multiple_of(needed) => (needed, size / needed),
                    _ => return None,
                };
                steps.push(Steps { size: taken, stride: next.stride * rest });
                if rest > 1 {
                    left.push(Steps { size: rest, stride: next.stride });
                }
                needed /= taken;
                if batch.is_none() {
                    before_batch =
                        before_batch.is_multiple_of(taken).then(|| before_batch / taken)?;
                }
            }
            result.push(plain(steps));
        }
        let batch = batch.or_else(|| (before_batch == 1).then(|| dims.len().saturating_sub(1)))?;
        left.is_empty().then_some(Self { dims: result, batch, ..self.clone() })
    }
}

/// Height, width and channels as steps through the storage.
fn axes(shape: Shape) -> [Steps; 3] {
    let strides = strides(&shape.hwc());
    let steps = |axis: usize| Steps { size: shape.hwc()[axis], stride: strides[axis] };
    [steps(0), steps(1), steps(2)]
}

fn size(steps: &[Steps]) -> usize {
    steps.iter().map(|steps| steps.size).product()
}

/// Steps without those over a single element, and joined where one goes on from the other.
fn plain(steps: Dimension) -> Dimension {
    let mut joined: Dimension = Vec::new();
    for next in steps.into_iter().filter(|steps| steps.size != 1) {
        match joined.last_mut() {
            Some(last) if last.stride == next.stride * next.size => {
                *last = Steps { size: last.size * next.size, stride: next.stride };
            }
            _ => joined.push(next),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::{Layout, View};
    use crate::graph::Shape;

    const SHAPE: Shape = Shape { height: 2, width: 3, channels: 4 };

    #[test]
    fn an_image_is_found_again_behind_detours() {
        let view = View::channels_first(1, SHAPE, 4);
        assert_eq!(view.as_image(Layout::ChannelsFirst), Some(SHAPE));
        assert_eq!(view.as_image(Layout::ChannelsLast), None);
        let last = view.transposed(&[0, 2, 3, 1]).expect("is a permutation");
        assert_eq!(last.as_image(Layout::ChannelsLast), Some(SHAPE));
        let flat = last.reshaped(&[1, 24]).expect("the dimensions join");
        assert_eq!(flat, View::flat(1, 24));
        let split = flat.reshaped(&[1, 2, 3, 4]).expect("the dimensions split");
        assert_eq!(split.transposed(&[0, 3, 1, 2]).expect("is a permutation"), view);
    }

    #[test]
    fn a_vector_of_channel_planes_keeps_its_order() {
        let flat = View::channels_first(1, SHAPE, 4).reshaped(&[1, 24]).expect("joins");
        assert_eq!(&flat.order()[..8], &[0, 4, 8, 12, 16, 20, 1, 5]);
        let twice = View::flat(1, 24).transposed(&[1, 0]).expect("is a permutation");
        assert_eq!(twice.batch(), Some(1));
        assert_eq!(twice.transposed(&[1, 0]), Ok(View::flat(1, 24)));
    }

    #[test]
    fn what_needs_moved_elements_is_no_image() {
        let row = Shape::new(1, 26, 16);
        let turned = View::channels_first(1, row, 4).reshaped(&[1, 1, 16, 26]).expect("splits");
        assert_eq!(turned.as_image(Layout::ChannelsFirst), None);
        // Channels in groups, exchanged: a shuffle.
        let groups = View::channels_first(1, SHAPE, 4).reshaped(&[1, 2, 2, 2, 3]).expect("splits");
        let shuffled = groups.transposed(&[0, 2, 1, 3, 4]).expect("is a permutation");
        let joined = shuffled.reshaped(&[1, 4, 2, 3]).expect("joins");
        assert_eq!(joined.as_image(Layout::ChannelsFirst), None);
        assert_eq!(joined.order()[..2], [0, 4]);
        assert_eq!(joined.order()[6], 2);
    }

    #[test]
    fn joined_vectors_know_where_their_elements_lie() {
        let image = View::channels_first(1, SHAPE, 4).reshaped(&[1, 24]).expect("joins");
        let joined = View::joined(&[View::flat(2, 3), image.clone()], 1, 3).expect("are vectors");
        assert_eq!(joined.order()[..6], [0, 1, 2, 3, 7, 11]);
        assert_eq!(joined.reshaped(&[1, 27, 1, 1]).expect("joins").order(), joined.order());
        let as_image = joined.reshaped(&[1, 27, 1, 1]).expect("joins");
        assert_eq!(as_image.as_image(Layout::ChannelsFirst), None);
        // In the order of the storage it is a vector like any other.
        let plain = View::joined(&[View::flat(1, 2), View::flat(2, 3)], 1, 3);
        assert_eq!(plain, Some(View::flat(3, 5)));
        let two = View::channels_first(1, SHAPE, 4);
        assert_eq!(View::joined(&[two.clone(), two], 1, 3), None);
        assert_eq!(View::joined(&[image.clone(), image], 0, 3), None);
    }

    #[test]
    fn the_batch_goes_with_its_dimension() {
        let view = View::channels_first(0, Shape::new(28, 28, 1), 4);
        let back = view.transposed(&[3, 2, 1, 0]).expect("is a permutation");
        assert_eq!(back.batch(), Some(3));
        assert_eq!(view.reshaped(&[784]).expect("joins").batch(), None);
        assert_eq!(view.reshaped(&[1, 784]).expect("joins").batch(), Some(0));
        let rows = view.squeezed(&[1]).expect("one channel");
        assert_eq!(rows.unsqueezed(&[1]), Ok(view));
        assert!(rows.squeezed(&[0]).is_err());
    }
}
