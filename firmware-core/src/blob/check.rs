//! What is checked when a blob is loaded, so that nothing has to be afterwards.

use core::ops::Range;

use bytemuck::must_cast_slice;

use super::data::{Parameters, Reader, terms};
use super::format::{
    HEADER, Kind, MAGIC, MOST_ARENA, MOST_LAYERS, RECORD, VERSION, halves, header, record,
};
use super::shapes::{check, is_sized, macs};
use super::{BlobError, Element, Fault, Layer, Layout, Model, SIGNED, ValueInfo, crc32};

/// Whether convolutions need scratch: four sums for each output channel.
pub(super) const SCRATCH: bool = cfg!(kernels) && !cfg!(kernels = "x86_64");

#[inline(never)]
pub(super) fn load(blob: &[u8], kinds: u32) -> Result<Model<'_>, BlobError> {
    if cfg!(target_endian = "big") {
        return Err(BlobError::Endianness);
    }
    let head = blob.get(..4 * HEADER).ok_or(BlobError::Truncated)?;
    let head: &[u32] = bytemuck::try_cast_slice(head).map_err(|_| BlobError::Alignment)?;
    if head.get(..2) != Some(&MAGIC) {
        return Err(BlobError::Magic);
    }
    let word = |at: usize| head.get(at).copied().unwrap_or(0);
    if word(header::VERSION) != VERSION {
        return Err(BlobError::Version(word(header::VERSION)));
    }
    let bytes = blob.get(..word(header::LENGTH) as usize).ok_or(BlobError::Truncated)?;
    let words: &[u32] = bytemuck::try_cast_slice(bytes).map_err(|_| BlobError::Truncated)?;
    if words.len() <= HEADER {
        return Err(BlobError::Truncated);
    }
    if !checksum_holds(words) {
        return Err(BlobError::Checksum);
    }
    if word(header::LAYOUT) != Layout::NATIVE.to_word() {
        return Err(BlobError::Layout);
    }
    let (arena, [layers, labels]) = (word(header::ARENA) as usize, halves(word(header::COUNTS)));
    if arena > MOST_ARENA || arena % 4 != 0 || layers == 0 || layers > MOST_LAYERS {
        return Err(BlobError::Header);
    }
    let records = words.get(HEADER..HEADER + layers * RECORD).ok_or(BlobError::Header)?;
    let records = bytemuck::try_cast_slice(records).map_err(|_| BlobError::Header)?;
    let mut model = Model { words, records, arena: [arena / 4, 0], macs: 0 };
    let input = model.input();
    let element = word(header::INPUT + 1) >> 16;
    let names = names(words).ok_or(BlobError::Header)?;
    let ends = names.bytes().filter(|byte| *byte == 0).count();
    if !is_sized(input)
        || element > Element::I8 as u32
        || !(names.ends_with('\0') && ends == 1 + labels)
        || (labels != 0 && labels != model.output().len())
    {
        return Err(BlobError::Header);
    }
    for index in 0..layers {
        check_layer(&mut model, index, kinds).map_err(|fault| BlobError::Layer(index, fault))?;
    }
    Ok(model)
}

pub(super) fn checksum_holds(words: &[u32]) -> bool {
    let Some((last, words)) = words.split_last() else { return false };
    crc32(must_cast_slice(words)) == *last
}

/// The names of network and classes.
pub(super) fn names(words: &[u32]) -> Option<&str> {
    let start = *words.get(header::NAMES)? as usize;
    let bytes = *words.get(header::NAMES + 1)? as usize;
    let words = words.get(start..words.len().checked_sub(1)?)?;
    let bytes: &[u8] = must_cast_slice::<u32, u8>(words).get(..bytes)?;
    core::str::from_utf8(bytes).ok()
}

/// A layer's record and data, taken apart.
pub(super) fn layer<'a>(words: &'a [u32], record: &'a [u32; RECORD]) -> Result<Layer<'a>, Fault> {
    let [kind, _, _, inputs] = record[record::KIND].to_le_bytes();
    let kind = Kind::of(kind).ok_or(Fault::Kind)?;
    let [start, len] = [record[record::DATA], record[record::DATA + 1]].map(|at| at as usize);
    // Behind it the checksum is left.
    let end = start.checked_add(len).filter(|end| *end < words.len()).ok_or(Fault::Data)?;
    let mut data = Reader(words.get(start..end).ok_or(Fault::Data)?);
    let inputs = data.u16s(inputs.into()).ok_or(Fault::Data)?;
    Ok(Layer { kind, record, inputs, data: data.0 })
}

/// Where a value lies in the arena, in bytes; nowhere for the input.
fn region(model: &Model, value: usize) -> Range<usize> {
    let Some(record) = value.checked_sub(1).and_then(|layer| model.records.get(layer)) else {
        return 0..0;
    };
    let start = record[record::OFFSET] as usize;
    start..start.saturating_add(model.value(value).bytes())
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

fn check_layer(model: &mut Model, index: usize, kinds: u32) -> Result<(), Fault> {
    let record = model.records.get(index).ok_or(Fault::Data)?;
    let layer = layer(model.words, record)?;
    let [_, element, place, _] = record[record::KIND].to_le_bytes();
    let output = model.of_record(record);
    let element = Element::of(element).ok_or(Fault::Element)?;
    if kinds & layer.kind.bit() == 0 {
        return Err(Fault::Kind);
    }
    let signed = element == Element::I8 || model.input().element == Element::I8;
    if signed && kinds & SIGNED == 0 {
        return Err(Fault::Element);
    }
    let gives_accumulators = matches!(layer.kind, Kind::Conv2d | Kind::FullyConnected);
    let is_last = index + 1 == model.records.len();
    if element == Element::I32 && !(gives_accumulators && is_last) {
        return Err(Fault::Element);
    }
    if !is_sized(output) {
        return Err(Fault::Shape);
    }
    if place > 1 {
        return Err(Fault::Number);
    }
    let count = layer.inputs.len();
    let right = match layer.kind {
        Kind::Concat => count > 0,
        kind if kind.reads_two() => count == 2,
        _ => count == 1,
    };
    if !right || layer.inputs().any(|value| value > index) {
        return Err(Fault::Inputs);
    }
    check_places(model, index, &layer)?;
    let input = |n: usize| model.value(layer.inputs().nth(n).unwrap_or(0));
    match layer.kind {
        Kind::Concat => {
            // To a vector all elements of an image are joined.
            let flat = output.shape[..2] == [1, 1];
            let (mut fit, mut channels) = (true, 0);
            for value in layer.inputs().map(|value| model.value(value)) {
                fit &= value.element == element && (flat || value.shape[..2] == output.shape[..2]);
                channels += if flat { value.len() } else { value.shape[2] };
            }
            if !fit || channels != output.shape[2] {
                return Err(Fault::Shape);
            }
        }
        Kind::Add if [input(0).len(), input(1).len()] != [output.len(); 2] => {
            return Err(Fault::Shape);
        }
        kind if kind.reads_two() => {
            let repeated = [output.len(), output.shape[2]].contains(&input(1).len());
            if input(0).len() != output.len() || !repeated {
                return Err(Fault::Shape);
            }
        }
        _ => check(&layer, input(0), output)?,
    }
    check_numbers(&layer, input(0), output)?;
    if let Some(parameters) = Parameters::of(&layer, input(0).shape, output) {
        model.macs += macs(&layer, input(0), output, parameters.taps());
        if SCRATCH && matches!(layer.kind, Kind::Conv2d | Kind::Conv2dMaxPool2d) {
            let [_, scratch] = &mut model.arena;
            *scratch = (*scratch).max(4 * output.shape[2]);
        }
    }
    Ok(())
}

/// Whether the result lies in the arena and on nothing that is still needed, and all inputs still
/// are there.
fn check_places(model: &Model, index: usize, layer: &Layer) -> Result<(), Fault> {
    let result = region(model, index + 1);
    if result.end > 4 * model.arena[0] || result.start % 4 != 0 {
        return Err(Fault::Arena);
    }
    let place = match layer.in_place() {
        true => Some(layer.kind.place().ok_or(Fault::Arena)?),
        false => None,
    };
    for (n, value) in layer.inputs().enumerate() {
        let at = region(model, value);
        if place == Some(n) {
            let same_type = model.value(value).element == model.value(index + 1).element;
            if value == 0 || at != result || !same_type {
                return Err(Fault::Arena);
            }
        } else if value > 0 && overlap(&at, &result) {
            return Err(Fault::Arena);
        }
        // Layer number `value` is the first behind the one that computed it.
        if value > 0 && (value..index).any(|other| overlap(&at, &region(model, other + 1))) {
            return Err(Fault::Arena);
        }
    }
    Ok(())
}

/// Whether the data is as long as it must be, and all numbers are in their ranges.
fn check_numbers(layer: &Layer, input: ValueInfo, output: ValueInfo) -> Result<(), Fault> {
    let unsigned = output.element == Element::U8;
    let mut data = Reader(layer.data);
    let [first, second] = layer.extra();
    let (mut stored, mut fine) = (&[][..], true);
    match layer.kind {
        Kind::Conv2d
        | Kind::Conv2dMaxPool2d
        | Kind::DepthwiseConv2d
        | Kind::GroupedConv2d
        | Kind::FullyConnected => {
            let parameters = Parameters::of(layer, input.shape, output).ok_or(Fault::Data)?;
            (stored, data) = (parameters.requantize, Reader(&[]));
        }
        Kind::MaxPool2d | Kind::Concat | Kind::Pad2d => fine = input.element == output.element,
        Kind::MeanPool2d => {
            let range = if unsigned { 0..=255 } else { -128..=127 };
            fine = input.element == output.element
                && range.contains(&first)
                && range.contains(&second)
                && first <= second;
        }
        Kind::AveragePool2d | Kind::Mul => stored = data.stored(1).ok_or(Fault::Data)?,
        Kind::AveragePool2dInside => {
            stored = data.stored(1).ok_or(Fault::Data)?;
            let [height, width] = layer.window().kernel;
            let area = height.checked_mul(width).ok_or(Fault::Data)?;
            data.i32s(area).ok_or(Fault::Data)?;
        }
        Kind::Add => {
            stored = data.stored(1).ok_or(Fault::Data)?;
            fine = (0..=15).contains(&first) && (0..=15).contains(&second);
        }
        Kind::AffineAdd => {
            let terms = terms(data.i32s(4).ok_or(Fault::Data)?);
            stored = data.stored(1).ok_or(Fault::Data)?;
            fine = terms.iter().all(|(multiplier, exponent, zero)| {
                *multiplier >= 0 && (-31..=0).contains(exponent) && (-128..=255).contains(zero)
            });
        }
        Kind::AffineMul => {
            stored = data.stored(1).ok_or(Fault::Data)?;
            fine = (-128..=255).contains(&first) && (-128..=255).contains(&second);
        }
        Kind::LeakyRelu => {
            fine = input.element == output.element
                && (0..=0xffff).contains(&first)
                && (0..=31).contains(&second);
        }
        Kind::PRelu => {
            fine = input.element == output.element;
            stored = data.stored(output.shape[2]).ok_or(Fault::Data)?;
            data.i16s(output.shape[2]).ok_or(Fault::Data)?;
        }
        Kind::Lookup => {
            data.u8s(256).ok_or(Fault::Data)?;
        }
        Kind::Gather => {
            fine = input.element == output.element;
            let [height, width, channels] = output.shape;
            let mut places = data.u16s(height + width + channels).ok_or(Fault::Data)?;
            for (count, size) in output.shape.iter().zip(input.shape) {
                let (axis, rest) = places.split_at_checked(*count).ok_or(Fault::Data)?;
                fine &= axis.iter().all(|place| usize::from(*place) < size);
                places = rest;
            }
        }
    }
    if !data.is_at_end() {
        return Err(Fault::Data);
    }
    if !fine || !stored.iter().all(|stored| stored.is_valid(unsigned)) {
        return Err(Fault::Number);
    }
    Ok(())
}
