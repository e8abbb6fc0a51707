//! What the page of `trainer play` calls: the preparation of `inkling-data` and the kernels of
//! `firmware-core`, compiled to WebAssembly.
//!
//! The page writes bytes to [`buffer`], calls a function, and reads what it left: numbers behind
//! [`values`], words behind [`text`]. A function that can fail returns 0 if it did, and the text then is
//! one line that says why.

mod behind;
mod json;

use std::cell::RefCell;

use firmware_core::blob::{Element, Model, Values, Watch};
use inkling_data::prepare::{Layout, Picture, Polarity, Preparation};

/// Two models side by side.
const SLOTS: usize = 2;

/// Everything that a call leaves for the next one.
#[derive(Default)]
struct State {
    /// Words, so that a blob in it is aligned.
    buffer: Vec<u32>,
    text: String,
    slots: [Slot; SLOTS],
}

/// A model, and what it computed last.
#[derive(Default)]
struct Slot {
    blob: Vec<u32>,
    arena: Vec<u32>,
    /// The input, then what each layer computed: `[height][width][channel]`.
    values: Vec<Vec<i32>>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

fn with<T>(call: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(call)
}

/// Keeps what a call says, and whether it succeeded.
fn told(state: &mut State, result: Result<String, String>) -> u32 {
    let succeeded = result.is_ok();
    state.text = result.unwrap_or_else(|error| error);
    succeeded.into()
}

/// Keeps what every layer computed.
struct Kept(Vec<Vec<i32>>);

impl Watch for Kept {
    fn end(&mut self, _: usize, values: Values) {
        self.0.push(values.iter().collect());
    }
}

impl Slot {
    fn model(&self) -> Result<Model<'_>, String> {
        if self.blob.is_empty() {
            return Err("no model is loaded".into());
        }
        Model::load(firmware_bytes(&self.blob)).map_err(|error| error.to_string())
    }

    fn load(&mut self, blob: &[u8]) -> Result<String, String> {
        let mut words = Vec::with_capacity(blob.len().div_ceil(4));
        words.extend(blob.chunks(4).map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(word)
        }));
        let model: Model =
            Model::load(firmware_bytes(&words)).map_err(|error| error.to_string())?;
        let input = model.input();
        if input.element != Element::U8 || !matches!(input.shape[2], 1 | 3) {
            return Err("the model takes no picture of bytes from 0 to 255".into());
        }
        let described = json::model(&model);
        let arena = vec![0; model.arena_words()];
        *self = Self { blob: words, arena, values: Vec::new() };
        Ok(described)
    }

    fn infer(&mut self, image: &[u8]) -> Result<String, String> {
        let mut values = Kept(vec![image.iter().map(|&pixel| pixel.into()).collect()]);
        let mut arena = std::mem::take(&mut self.arena);
        let answer = self.model().and_then(|model| {
            let run = model.infer(image, &mut arena, &mut values);
            run.map(|_| String::new()).map_err(|error| error.to_string())
        });
        (self.arena, self.values) = (arena, values.0);
        answer
    }
}

fn firmware_bytes(words: &[u32]) -> &[u8] {
    bytemuck::must_cast_slice(words)
}

/// Room for `bytes` bytes, at a multiple of four.
#[unsafe(no_mangle)]
pub extern "C" fn buffer(bytes: usize) -> *mut u32 {
    with(|state| {
        state.buffer.clear();
        state.buffer.resize(bytes.div_ceil(4), 0);
        state.buffer.as_mut_ptr()
    })
}

/// Where the text of the last call lies, in UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn text() -> *const u8 {
    with(|state| state.text.as_ptr())
}

/// The text's bytes.
#[unsafe(no_mangle)]
pub extern "C" fn text_len() -> usize {
    with(|state| state.text.len())
}

/// Takes the blob in the buffer, `bytes` long, as the model of `slot`; the text describes it as JSON.
#[unsafe(no_mangle)]
pub extern "C" fn load(slot: usize, bytes: usize) -> u32 {
    with(|state| {
        let blob = firmware_bytes(&state.buffer).get(..bytes).unwrap_or_default();
        let result = match state.slots.get_mut(slot) {
            Some(slot) => slot.load(blob),
            None => Err("there are two models at most".into()),
        };
        told(state, result)
    })
}

/// Prepares the picture in the buffer, `[height][width]` of red, green, blue and opacity, and computes
/// the answer. `layout`: 0 one character, 1 the whole picture, 2 its middle. `polarity`: 0 find out, 1 light ink, 2
/// dark ink. The text tells the steps as JSON.
#[unsafe(no_mangle)]
pub extern "C" fn answer(
    slot: usize,
    height: usize,
    width: usize,
    layout: u32,
    polarity: u32,
) -> u32 {
    with(|state| {
        let result = prepared(state, slot, [height, width], layout, polarity);
        told(state, result)
    })
}

fn prepared(
    state: &mut State,
    slot: usize,
    [height, width]: [usize; 2],
    layout: u32,
    polarity: u32,
) -> Result<String, String> {
    let slot = state.slots.get_mut(slot).ok_or("there are two models at most")?;
    slot.values.clear();
    let [rows, columns, channels] = slot.model()?.input().shape;
    let bytes = height.saturating_mul(width).saturating_mul(4);
    let pixels = firmware_bytes(&state.buffer).get(..bytes);
    let pixels = pixels.filter(|pixels| !pixels.is_empty()).ok_or("the picture is incomplete")?;
    let preparation = Preparation {
        size: [rows, columns],
        channels,
        layout: [Layout::Glyph, Layout::Whole, Layout::Crop][layout.min(2) as usize],
        polarity: [Polarity::Auto, Polarity::Light, Polarity::Dark][polarity.min(2) as usize],
    };
    let prepared = preparation.apply(&Picture::from_rgba(height, width, pixels))?;
    slot.infer(&prepared.pixels)?;
    Ok(json::steps(&prepared))
}

/// Computes the answer for the prepared image of `bytes` bytes in the buffer.
#[unsafe(no_mangle)]
pub extern "C" fn infer(slot: usize, bytes: usize) -> u32 {
    with(|state| {
        let image = firmware_bytes(&state.buffer).get(..bytes).unwrap_or_default();
        let result = match state.slots.get_mut(slot) {
            Some(slot) => slot.infer(image),
            None => Err("there are two models at most".into()),
        };
        told(state, result)
    })
}

/// Where the integers of a value lie: 0 the input, `layer + 1` what a layer computed.
#[unsafe(no_mangle)]
pub extern "C" fn values(slot: usize, value: usize) -> *const i32 {
    with(|state| {
        let values = state.slots.get(slot).and_then(|slot| slot.values.get(value));
        values.map_or(std::ptr::null(), |values| values.as_ptr())
    })
}

/// The sum behind element number `index` of what `layer` computed, as JSON in the text.
#[unsafe(no_mangle)]
pub extern "C" fn behind(slot: usize, layer: usize, index: usize) -> u32 {
    with(|state| {
        let result = match state.slots.get(slot) {
            Some(slot) => slot.model().and_then(|model| {
                behind::sum(&model, &slot.values, layer, index).map(|sum| json::sum(&sum))
            }),
            None => Err("there are two models at most".into()),
        };
        told(state, result)
    })
}
