//! How the file sees a value, and how that maps to height, width and channels.

use crate::pb;

use super::ReadError;
use crate::graph::{FlattenOrder, Shape, ValueId};

/// Which dimension is what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[1, C, H, W]`
    Nchw,
    /// `[1, H, W, C]`
    Nhwc,
    /// `[1, K]`
    Flat,
}

/// A value under the dimensions that the file gives it; the batch is 1.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub value: ValueId,
    pub dims: Vec<usize>,
    pub layout: Layout,
}

impl View {
    pub fn nchw(value: ValueId, shape: Shape) -> Self {
        let dims = vec![1, shape.channels, shape.height, shape.width];
        Self { value, dims, layout: Layout::Nchw }
    }

    pub fn flat(value: ValueId, size: usize) -> Self {
        Self { value, dims: vec![1, size], layout: Layout::Flat }
    }

    /// The same dimensions over the value of another node.
    pub fn at(&self, value: ValueId) -> Self {
        Self { value, ..self.clone() }
    }

    /// The graph's input: a batch of images, or of vectors.
    pub fn of_input(input: &pb::ValueInfoProto) -> Result<Self, ReadError> {
        use pb::tensor_shape_proto::dimension::Value;
        let wrong = |what: String| ReadError::Graph(format!("input '{}': {what}", input.name));
        let shape = match input.r#type.as_ref().and_then(|t| t.value.as_ref()) {
            Some(pb::type_proto::Value::TensorType(tensor)) => tensor.shape.as_ref(),
            _ => None,
        };
        let shape = shape.ok_or_else(|| wrong("has no shape; export it with one".into()))?;
        let mut dims = vec![1];
        for dim in shape.dim.iter().skip(1) {
            match dim.value {
                Some(Value::DimValue(size)) if (1..=1 << 20).contains(&size) => {
                    dims.push(size as usize)
                }
                _ => {
                    return Err(wrong(
                        "only the first dimension (the batch) may be dynamic; export with a fixed \
                         image size"
                            .into(),
                    ));
                }
            }
        }
        // A grey image may come as [N, H, W]; where channels are last, they are few.
        let layout = match dims[..] {
            [_, _] => Layout::Flat,
            [_, height, width] => {
                dims = vec![1, 1, height, width];
                Layout::Nchw
            }
            [_, first, _, last] if last <= 4 && first > 4 => Layout::Nhwc,
            [_, _, _, _] => Layout::Nchw,
            _ => {
                return Err(wrong(format!(
                    "{} dimensions; expected [N, C, H, W], [N, H, W, C], [N, H, W] or [N, pixels]",
                    shape.dim.len()
                )));
            }
        };
        Ok(Self { value: 0, dims, layout })
    }

    /// The value's shape without its batch.
    pub fn shape(&self) -> Result<Shape, ReadError> {
        match (self.layout, &self.dims[..]) {
            (Layout::Nchw, &[_, c, h, w]) => Ok(Shape::new(h, w, c)),
            (Layout::Nhwc, &[_, h, w, c]) => Ok(Shape::new(h, w, c)),
            (Layout::Flat, &[_, size]) => Ok(Shape::flat(size)),
            _ => Err(ReadError::Graph(format!("a value has the unexpected shape {:?}", self.dims))),
        }
    }

    /// The order of the elements when this view is read out as a vector.
    pub fn flatten_order(&self) -> FlattenOrder {
        match self.layout {
            Layout::Nchw => FlattenOrder::Chw,
            Layout::Nhwc | Layout::Flat => FlattenOrder::Hwc,
        }
    }

    /// The view after a Transpose, or `None` where the result is no image layout.
    pub fn transposed(&self, perm: &[i64]) -> Option<View> {
        let dims = perm.iter().map(|&p| self.dims.get(usize::try_from(p).ok()?).copied());
        let dims = dims.collect::<Option<Vec<_>>>()?;
        let layout = match (self.layout, perm) {
            (layout, perm) if perm.iter().enumerate().all(|(i, &p)| i as i64 == p) => layout,
            (Layout::Nchw, [0, 2, 3, 1]) => Layout::Nhwc,
            (Layout::Nhwc, [0, 3, 1, 2]) => Layout::Nchw,
            _ => return None,
        };
        Some(View { value: self.value, dims, layout })
    }

    /// The view under other dimensions with the same elements in the same order, where that
    /// needs no work: only dimensions of size 1 come and go.
    pub fn relabelled(&self, dims: &[usize]) -> Option<View> {
        let significant =
            |dims: &[usize]| dims.iter().copied().filter(|&d| d != 1).collect::<Vec<_>>();
        if dims == self.dims {
            return Some(self.clone());
        }
        let same = significant(&self.dims) == significant(dims);
        match (self.layout, dims) {
            // A pixel column of one pixel is a vector.
            (_, &[1, size]) if self.dims.iter().product::<usize>() == size && same => {
                Some(View::flat(self.value, size))
            }
            (Layout::Flat, &[1, size, 1, 1]) if same => {
                Some(View::nchw(self.value, Shape::flat(size)))
            }
            (Layout::Nchw | Layout::Nhwc, &[1, 1, _, _]) if same => {
                Some(View { value: self.value, dims: dims.to_vec(), layout: Layout::Nchw })
            }
            (Layout::Nchw | Layout::Nhwc, &[1, _, _, 1]) if same => {
                Some(View { value: self.value, dims: dims.to_vec(), layout: Layout::Nhwc })
            }
            _ => None,
        }
    }
}
