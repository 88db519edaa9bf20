// The tab that measures: networks x sizes x accelerators, as records of `lpie bench`.
import {browserName, deviceOf, recordOf} from './record.js';
import {download} from './restore-view.js';
import {digits, say} from './text.js';

const get = (id) => document.getElementById(id);
const SIZES = [[256, 256], [1920, 1080], [3840, 2160]];

export class MeasureView {
  constructor(site, engine) {
    this.site = site;
    this.engine = engine;
    this.records = [];
    const names = site.networks.map(({name}) => [name, name]);
    boxes('measure-networks', names, names.slice(0, 2).map(([name]) => name));
    const sizes = SIZES.map(([w, h]) => [`${w}x${h}`, `${w}x${h}`]);
    boxes('measure-sizes', sizes, ['256x256']);
    const places = [['wasm', 'WebAssembly (CPU)']];
    if (navigator.gpu) places.push(['webgpu', 'WebGPU']);
    if (navigator.ml) places.push(['webnn', 'WebNN']);
    boxes('measure-accelerators', places, places.map(([key]) => key));
    get('measure-start').onclick = () => (this.busy ? engine.cancel() : this.run(this.chosen()));
    get('measure-save').onclick = () => this.save();
    this.others();
  }

  spoken() {
    this.show();
  }

  chosen() {
    return {
      networks: checked('measure-networks').map((name) =>
        this.site.networks.find((network) => network.name === name)),
      sizes: checked('measure-sizes').map(sizeOf),
      accelerators: checked('measure-accelerators'),
      rounds: number('rounds'), seconds: number('seconds'), threads: number('threads'),
      precision: 'fp32', mostPx: Number(get('tile').value),
    };
  }

  /** A measurement that the address asks for, as `lpie bench --device browser` does. */
  async automatic(wanted) {
    if (!wanted.has('start')) return;
    for (const [id, key] of [['measure-networks', 'networks'], ['measure-accelerators', 'on']]) {
      if (wanted.has(key)) check(id, wanted.get(key).split(','));
    }
    const task = this.chosen();
    if (wanted.has('sizes')) task.sizes = wanted.get('sizes').split(',').map(sizeOf);
    for (const key of ['rounds', 'seconds', 'threads', 'mostPx']) {
      if (wanted.has(key)) task[key] = Number(wanted.get(key));
    }
    if (wanted.has('precision')) task.precision = wanted.get('precision');
    await this.run(task);
    document.documentElement.dataset.measured = String(this.records.length);
  }

  async run(task) {
    if (!task.networks.length || !task.sizes.length || !task.accelerators.length) {
      return this.say(say('nothing'));
    }
    this.working(true);
    const started = `${new Date().toISOString().slice(0, 19)}+00:00`;
    try {
      const jobs = await this.engine.ask({kind: 'measure', ...task},
        {progress: (event) => this.progress(event)});
      const device = await deviceOf();
      const about = {task, device, version: this.site.lpie, started, browser: browserName()};
      this.records = jobs.map((job) => recordOf(job, about));
      this.say(say(jobs.length ? 'measured' : 'cancelled'));
      await this.send();
    } catch (error) {
      this.say(error.message);
    }
    this.working(false);
    this.show();
  }

  progress(event) {
    const key = event.phase === 'setup' ? 'phaseSetup' : 'phaseRound';
    this.say(say(key, event));
  }

  /** To `lpie serve`, which judges again and keeps them; a static site has nobody to send to. */
  async send() {
    if (!this.site.records || !this.records.length) return;
    const answer = await fetch(this.site.records, {
      method: 'POST', headers: {'Content-Type': 'application/json'},
      body: JSON.stringify({records: this.records}),
    });
    const told = await answer.json().catch(() => ({error: answer.statusText}));
    if (!answer.ok) return this.say(say('notSent', {why: told.error}));
    this.records = told.records;
    this.say(say('sent', {file: told.file}));
    await this.others();
  }

  async others() {
    if (!this.site.records) return;
    const answer = await fetch(this.site.records).catch(() => null);
    if (!answer?.ok) return;
    const {records} = await answer.json();
    const own = new Set(this.records.map((record) => record.run));
    const before = records.filter((record) => !own.has(record.run));
    get('others').replaceChildren();
    if (!before.length) return;
    const head = document.createElement('h2');
    head.textContent = say('others');
    get('others').append(head, table(before, true));
  }

  show() {
    get('results').replaceChildren();
    get('answer').textContent = answerOf(this.records);
    if (this.records.length) get('results').append(table(this.records, false));
    get('measure-save').disabled = !this.records.length;
  }

  save() {
    const [only] = this.records;
    const text = this.records.length === 1 ? only
      : {schema: 'lpie-bench/1', verdict: worst(this.records), records: this.records};
    const blob = new Blob([JSON.stringify(text, null, 1)], {type: 'application/json'});
    download(blob, 'lpie_browser.json');
  }

  working(busy) {
    this.busy = busy;
    get('measure-start').textContent = say(busy ? 'cancel' : 'start');
    get('measure-start').dataset.text = busy ? 'cancel' : 'start';
  }

  say(words) {
    get('measure-status').textContent = words;
  }
}

const ORDER = ['valid', 'too_few', 'unstable', 'throttled', 'fell_back', 'incomplete', 'failed'];
const MEASURED = ORDER.slice(0, 4);

function worst(records) {
  return records.map(({verdict}) => verdict)
    .reduce((a, b) => (ORDER.indexOf(b) > ORDER.indexOf(a) ? b : a), 'valid');
}

/** One sentence: how long the fastest takes, and how much faster it is than the slowest. */
function answerOf(records) {
  const sound = records.filter(({verdict}) => MEASURED.includes(verdict));
  if (!sound.length) return '';
  const {size, accelerator} = sound[0].requested;
  const place = say(accelerator);
  const same = sound.filter(({requested}) =>
    requested.size === size && requested.accelerator === accelerator);
  const ordered = [...same].sort((a, b) => a.summary.median_ms - b.summary.median_ms);
  const name = (record) => record.model.file.replace(/\.tflite$/, '');
  const fast = ordered[0], slow = ordered[ordered.length - 1];
  const ms = digits(fast.summary.median_ms);
  const first = say('answer', {name: name(fast), ms, size, where: place});
  if (fast === slow) return first;
  const times = digits(slow.summary.median_ms / fast.summary.median_ms);
  return `${first} ${say('answerFaster',
    {fast: name(fast), slow: name(slow), times, size, where: place})}`;
}

function table(records, withDevice) {
  const heads = ['model', 'size', 'where', 'time', 'verdict', ...(withDevice ? ['device'] : [])];
  const host = document.createElement('div');
  host.className = 'table';
  const body = document.createElement('table');
  const row = body.createTHead().insertRow();
  for (const key of heads) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    cell.textContent = say(key);
    row.append(cell);
  }
  const rows = body.createTBody();
  for (const record of records) line(rows.insertRow(), record, withDevice);
  host.append(body);
  return host;
}

function line(row, record, withDevice) {
  const cell = (text, name = '') => {
    const made = row.insertCell();
    made.textContent = text;
    made.className = name;
    return made;
  };
  const {summary, requested, verdict, why, device, runner} = record;
  cell((record.model.file ?? '').replace(/\.tflite$/, ''));
  cell(requested.size ?? '');
  cell(requested.accelerator ?? requested.delegate ?? '');
  const timed = MEASURED.includes(verdict) && summary.median_ms !== null;
  cell(timed ? `${digits(summary.median_ms)} ms` : '–', 'number');
  const judged = cell(verdict.replace('_', ' '), `verdict ${verdict}`);
  if (why) {
    const reason = document.createElement('span');
    reason.className = 'why';
    reason.textContent = why;
    judged.append(reason);
  }
  if (withDevice) cell([device.model, device.system, runner.version].filter(Boolean).join(', '));
}

function boxes(id, pairs, on) {
  for (const [value, words] of pairs) {
    const label = document.createElement('label');
    const box = document.createElement('input');
    Object.assign(box, {type: 'checkbox', value, checked: on.includes(value)});
    label.append(box, words);
    get(id).append(label);
  }
}

const inputs = (id) => [...get(id).querySelectorAll('input')];
const checked = (id) => inputs(id).filter((box) => box.checked).map((box) => box.value);
function sizeOf(text) {
  const [width, height] = text.split('x').map(Number);
  return {width, height};
}

const number = (id) => Number(get(id).value);

function check(id, values) {
  for (const box of inputs(id)) box.checked = values.includes(box.value);
}
