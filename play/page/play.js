'use strict';
// The page of `trainer play`. All arithmetic is the wasm's: see play/src/lib.rs for what it exports.
const element = id => document.getElementById(id);
const make = (name, parent, properties = {}) => parent.appendChild(Object.assign(document.createElement(name), properties));
const bytesOf = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const number = value => value.toLocaleString('en');
const inkling = {
  wasm: null,
  text() {
    const { memory, text, text_len } = this.wasm;
    return new TextDecoder().decode(new Uint8Array(memory.buffer, text(), text_len()));
  },
  give(bytes) {
    // First the call: it may move the memory.
    const at = this.wasm.buffer(bytes.length);
    new Uint8Array(this.wasm.memory.buffer, at, bytes.length).set(bytes);
  },
  told(succeeded) {
    const text = this.text();
    if (!succeeded) throw new Error(text);
    return text && JSON.parse(text);
  },
  load(slot, bytes) { this.give(bytes); return this.told(this.wasm.load(slot, bytes.length)); },
  infer(slot, bytes) { this.give(bytes); this.told(this.wasm.infer(slot, bytes.length)); },
  answer(slot, { data, height, width }, { layout, polarity }) {
    this.give(data);
    return this.told(this.wasm.answer(slot, height, width, layout, polarity));
  },
  values(slot, value, count) {
    const at = this.wasm.values(slot, value);
    return at ? new Int32Array(this.wasm.memory.buffer, at, count) : new Int32Array(count);
  },
  behind(slot, layer, index) { return this.told(this.wasm.behind(slot, layer, index)); },
};
const models = [];
const size = ([height, width, channels]) => height * width * channels;

let quietly;
function say(text) {
  element('message').textContent = text;
  element('message').hidden = false;
  clearTimeout(quietly);
  quietly = setTimeout(() => { element('message').hidden = true; }, 6000);
}

// --- what a model computes ---------------------------------------------------------------------

function show(slot, bytes, options) {
  const model = { ...inkling.load(slot, bytes), options, maps: [] };
  model.labels = model.labels.length ? model.labels : [...Array(size(model.layers.at(-1).shape)).keys()].map(String);
  models[slot] = model;
  const old = element('models').children[slot];
  const section = document.createElement('section');
  section.className = 'model';
  if (old) old.replaceWith(section); else element('models').append(section);
  element('models').classList.toggle('two', models.length > 1);
  const title = make('h2', section, { textContent: model.name + ' ' });
  make('small', title, { textContent: `${number(model.macs)} multiplications, ${number(model.arena)} bytes of memory` });
  const top = make('div', section, { className: 'top' });
  const left = make('div', top);
  model.maps.push(map(left, slot, -1, 0, model.input, 140));
  left.firstChild.classList.add('prepared');
  make('p', left, { className: 'what', textContent: `the input: ${model.input[0]} × ${model.input[1]}` });
  model.answer = make('div', top);
  model.logits = make('div', top, { className: 'logits' });
  model.steps = make('p', section, { className: 'what' });
  model.layers.forEach((layer, index) => {
    const heading = make('h3', section, { textContent: `${index + 1}. ${layer.kind.replace(/([a-z])([A-Z])/g, '$1 $2')} ` });
    layer.about = make('small', heading);
    const maps = make('div', section, { className: 'maps' });
    const [height, width, channels] = layer.shape;
    if (height * width === 1) model.maps.push(map(maps, slot, index, null, [Math.ceil(channels / 25), Math.min(25, channels), channels], Math.min(600, 24 * channels)));
    else for (let channel = 0; channel < Math.min(channels, 64); channel++) model.maps.push(map(maps, slot, index, channel, layer.shape, 66));
    if (channels > 64 && height * width > 1) make('p', maps, { className: 'what', textContent: `and ${channels - 64} more channels` });
    layer.behind = make('div', section, { className: 'behind', hidden: true });
  });
}

function map(parent, slot, layer, channel, [height, width, channels], side) {
  const canvas = make('canvas', parent, { className: 'map', width, height, title: 'click: the sum behind a pixel' });
  canvas.style.width = side + 'px';
  const [depth, base] = channel === null ? [1, 0] : [channels, channel];
  if (layer >= 0) canvas.onclick = event => {
    const box = canvas.getBoundingClientRect();
    const at = (value, least, length, count) => Math.max(0, Math.min(count - 1, Math.floor((value - least) / length * count)));
    const place = at(event.clientY, box.top, box.height, height) * width + at(event.clientX, box.left, box.width, width);
    explain(slot, layer, place * depth + base);
  };
  return { canvas, layer, depth, base };
}

function paint(slot) {
  const model = models[slot];
  const shown = [model.input, ...model.layers.map(layer => layer.shape)].map((shape, value) => inkling.values(slot, value, size(shape)));
  const largest = shown.map(values => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
  for (const { canvas, layer, depth, base } of model.maps) {
    const context = canvas.getContext('2d');
    const image = context.createImageData(canvas.width, canvas.height);
    const values = shown[layer + 1];
    const range = layer < 0 ? 255 : largest[layer + 1] || 1;
    for (let at = 0; at < canvas.width * canvas.height; at++) {
      const value = values[at * depth + base] ?? 0;
      const level = 255 * Math.min(1, Math.abs(value) / range);
      // Negative ones are orange.
      image.data.set(layer < 0 && depth === 3 ? [values[at * 3], values[at * 3 + 1], values[at * 3 + 2], 255] : value < 0 ? [level, level * .5, level * .2, 255] : [level, level, level, 255], 4 * at);
    }
    context.putImageData(image, 0, 0);
  }
  model.layers.forEach((layer, index) => {
    const peak = `${layer.shape.join(' × ')}, largest ${number(largest[index + 1])}`;
    const room = layer.element === 'I32' ? '' : ` of ${layer.element === 'U8' ? 255 : 127}`;
    const bound = layer.bound ? `; sums stay within ${number(layer.bound)}, ${(100 * layer.bound / 2 ** 24).toFixed(1)} % of 2²⁴` : '';
    layer.about.textContent = peak + room + bound;
    layer.behind.hidden = true;
  });
}

// The known class with the largest logit, and whether the model's rule for "none of these" refuses it.
function classify(logits, unknown) {
  const largest = places => places.reduce((best, at) => logits[at] > logits[best] ? at : best);
  const all = [...logits.keys()], best = largest(all.filter(at => at !== unknown?.class));
  if (!unknown) return { best, refused: false };
  const score = {
    class: () => logits[best] - logits[unknown.class],
    margin: () => logits[best] - logits[largest(all.filter(at => at !== best))],
    level: () => logits[best],
  }[unknown.rule]();
  return { best, refused: score < unknown.threshold };
}

function verdict(slot) {
  const model = models[slot], last = model.layers.at(-1);
  const values = [...inkling.values(slot, model.layers.length, size(last.shape))];
  // A single logit is that of the second of two classes; the first one's is 0.
  const logits = values.length === 1 ? [0, values[0]] : values;
  const { best, refused } = classify(logits, model.options.unknown);
  const powers = logits.map(logit => Math.exp((logit - logits[best]) * last.scale));
  const share = powers[best] / powers.reduce((sum, power) => sum + power, 0);
  const unsure = share < model.options.unsure;
  const label = refused ? 'none of these' : model.labels[best] ?? String(best);
  model.answer.replaceChildren();
  make('div', model.answer, { className: `answer${label.length > 3 ? ' long' : ''}${unsure ? ' unsure' : ''}`, textContent: label });
  make('p', model.answer, { className: 'what', textContent: `${refused ? `nearest ${model.labels[best]}, ` : unsure ? 'unsure, ' : ''}${(100 * share).toFixed(1)} %` });
  model.logits.replaceChildren();
  const low = Math.min(...logits), range = logits[best] - low || 1;
  const order = logits.length <= 12 ? logits.keys() : [...logits.keys()].sort((a, b) => logits[b] - logits[a]).slice(0, 12);
  for (const index of order) {
    const className = index === best ? 'best' : '';
    make('span', model.logits, { className, textContent: model.labels[index] });
    make('i', model.logits, { className }).style.width = 100 * (logits[index] - low) / range + '%';
    make('span', model.logits, { className, textContent: number(logits[index]) });
  }
  model.result = { label, logits };
}

function explain(slot, layer, index) {
  const place = models[slot].layers[layer].behind;
  place.hidden = false;
  place.replaceChildren();
  try {
    const { bias, accumulator, result, products } = inkling.behind(slot, layer, index);
    const used = products.filter(([, , , value, weight]) => value * weight);
    make('b', place, { textContent: `Output ${number(index)}: bias ${number(bias)} + ${number(products.length)} products = ${number(accumulator)}` });
    make('span', place, { textContent: models[slot].layers[layer].element === 'I32' ? ', the logit' : `, shifted, rounded and cut off: ${number(result)}` });
    make('p', place, { className: 'what', textContent: `${number(used.length)} products are not zero; the largest:` });
    const table = make('table', place);
    used.sort((a, b) => Math.abs(b[3] * b[4]) - Math.abs(a[3] * a[4]));
    for (const [row, column, channel, value, weight] of used.slice(0, 12)) {
      const line = table.insertRow();
      line.insertCell().textContent = `row ${row}, column ${column}, channel ${channel}`;
      line.insertCell().textContent = `${value} × ${weight} =`;
      line.insertCell().textContent = number(value * weight);
    }
  } catch (error) { place.textContent = error.message; }
}

// --- what is asked -----------------------------------------------------------------------------

const canvas = element('draw'), pen = canvas.getContext('2d', { willReadFrequently: true });
let empty = true;

function clear() {
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, canvas.width, canvas.height);
  empty = true;
  element('hint').hidden = false;
}

function ask(picture) {
  models.forEach((model, slot) => {
    try {
      const told = inkling.answer(slot, picture, model.options);
      model.steps.textContent = told.steps.map(step => `${step.name}: ${step.what}`).concat(told.warnings).join(' · ');
      verdict(slot);
    } catch (error) {
      model.answer.replaceChildren();
      model.logits.replaceChildren();
      model.result = null;
      model.steps.textContent = `The picture ${error.message}`;
    }
    paint(slot);
  });
}

const drawn = () => ask(pen.getImageData(0, 0, canvas.width, canvas.height));
let waiting = false;
function soon() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; drawn(); });
}

function line(from, to) {
  Object.assign(pen, { lineWidth: 20, lineCap: 'round', lineJoin: 'round', strokeStyle: '#000' });
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
  empty = false;
  element('hint').hidden = true;
}

let last = null, isPicture = false;
const place = event => {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width * 280, (event.clientY - box.top) / box.height * 280];
};
canvas.onpointerdown = event => {
  if (event.button) return;
  stop();
  if (isPicture) clear();
  isPicture = false;
  try { canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that is no device's */ }
  last = place(event);
  line(last, last);
  soon();
};
canvas.onpointermove = event => {
  if (!last) return;
  const to = place(event);
  line(last, to);
  last = to;
  soon();
};
canvas.onpointerup = canvas.onpointercancel = () => { last = null; };

const cursor = { at: [140, 140], down: true };
canvas.onkeydown = event => {
  const step = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] }[event.key];
  if (step) {
    const to = cursor.at.map((value, axis) => Math.max(12, Math.min(268, value + step[axis])));
    if (cursor.down) { line(cursor.at, to); soon(); }
    cursor.at = to;
  } else if (event.key === ' ') {
    cursor.down = !cursor.down;
    say(cursor.down ? 'pen down' : 'pen up');
  } else return;
  event.preventDefault();
};
addEventListener('keydown', event => { if (event.key === 'Escape') reset(); });

function reset() { stop(); clear(); cursor.at = [140, 140]; cursor.down = true; drawn(); }
element('clear').onclick = reset;

// A picture as `predict` takes it: at most 640 pixels, transparency on white.
function picture(source, width, height) {
  const factor = Math.min(1, 640 / Math.max(width, height));
  const scaled = document.createElement('canvas');
  [scaled.width, scaled.height] = [width, height].map(side => Math.max(1, Math.round(side * factor)));
  const context = scaled.getContext('2d');
  context.fillStyle = '#fff';
  context.fillRect(0, 0, scaled.width, scaled.height);
  context.drawImage(source, 0, 0, scaled.width, scaled.height);
  clear();
  element('hint').hidden = isPicture = true;
  const fit = Math.min(280 / scaled.width, 280 / scaled.height);
  const [w, h] = [scaled.width * fit, scaled.height * fit];
  pen.drawImage(scaled, (280 - w) / 2, (280 - h) / 2, w, h);
  ask(context.getImageData(0, 0, scaled.width, scaled.height));
}

async function open(file) {
  if (!file) return;
  stop();
  try {
    if (/\.blob$/i.test(file.name)) {
      show(models.length > 1 ? 1 : 0, new Uint8Array(await file.arrayBuffer()), models[0]?.options ?? { layout: 0, polarity: 0, unsure: .6 });
      drawn();
    } else {
      const bitmap = await createImageBitmap(file).catch(() => { throw new Error(`${file.name}: is no picture that the browser reads`); });
      picture(bitmap, bitmap.width, bitmap.height);
    }
  } catch (error) { say(error.message); }
}
element('file').onchange = event => { open(event.target.files[0]); event.target.value = ''; };
addEventListener('dragover', event => event.preventDefault());
addEventListener('drop', event => { event.preventDefault(); open(event.dataTransfer.files[0]); });
addEventListener('paste', event => open(event.clipboardData.files[0]));

let looking = null;
function stop() {
  if (!looking) return;
  clearInterval(looking.timer);
  looking.stream.getTracks().forEach(track => track.stop());
  looking = null;
  element('camera').textContent = 'Camera';
}
element('camera').onclick = async () => {
  if (looking) return stop();
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    const video = element('video');
    video.srcObject = stream;
    await video.play();
    const look = () => {
      const side = Math.min(video.videoWidth, video.videoHeight);
      if (side) createImageBitmap(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side).then(frame => { if (looking) picture(frame, side, side); });
    };
    looking = { stream, timer: setInterval(look, 300) };
    element('camera').textContent = 'Stop';
  } catch (error) { say(`The camera cannot be used: ${error.message}`); }
};

const ready = WebAssembly.instantiate(bytesOf(element('wasm').textContent)).then(({ instance }) => {
  inkling.wasm = instance.exports;
  JSON.parse(element('blobs').textContent).forEach(({ blob, ...options }, slot) => show(slot, bytesOf(blob), options));
  clear();
  drawn();
}).catch(error => say(error.message));
