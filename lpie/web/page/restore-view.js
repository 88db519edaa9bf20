// The tab that restores photos: choose, drop, paste; compare; save with all that the photo said.
import {Compare} from './compare.js';
import {carried, channelsOf, hasForeignProfile, kindOf, unturned} from './metadata.js';
import {opaquePng} from './png.js';
import {digits, purpose, say} from './text.js';

const get = (id) => document.getElementById(id);

export class RestoreView {
  constructor(site, engine) {
    this.site = site;
    this.engine = engine;
    this.queue = [];
    this.compare = new Compare(get('compare'));
    for (const {name} of site.networks) get('network').add(new Option(name, name));
    get('tile').value = (navigator.deviceMemory ?? 8) <= 2 ? '256' : '512';
    get('network').onchange = () => this.spoken();
    get('strength').oninput = ({target}) => { get('strength-value').value = `${target.value} %`; };
    for (const id of ['choose', 'first']) get(id).onclick = () => get('file').click();
    get('file').onchange = ({target}) => this.add([...target.files]);
    get('example').onclick = () => this.example();
    get('again').onclick = () => this.run();
    get('save').onclick = () => this.save();
    get('cancel').onclick = () => engine.cancel();
    this.receive();
    this.spoken();
  }

  spoken() {
    get('card').textContent = purpose(get('network').value);
    this.compare.spoken();
  }

  network() {
    return this.site.networks.find(({name}) => name === get('network').value);
  }

  receive() {
    const stage = get('stage');
    const photos = (items) => [...(items ?? [])].filter((file) => file.type.startsWith('image/') ||
      /\.(heic|avif|jxl|tiff?)$/i.test(file.name));
    window.ondragover = (event) => {
      event.preventDefault();
      stage.classList.add('drop');
    };
    window.ondragleave = () => stage.classList.remove('drop');
    window.ondrop = (event) => {
      event.preventDefault();
      stage.classList.remove('drop');
      this.add(photos(event.dataTransfer.files));
    };
    window.onpaste = (event) => this.add(photos(event.clipboardData?.files));
  }

  async example() {
    const answer = await fetch('example.jpg');
    await this.add([new File([await answer.blob()], 'example.jpg', {type: 'image/jpeg'})]);
  }

  async add(files) {
    if (!files.length) return;
    this.queue.push(...files);
    if (!this.busy) await this.next();
  }

  async next() {
    const file = this.queue.shift();
    if (!file) return;
    this.file = file;
    this.bytes = await file.arrayBuffer();
    await this.run();
  }

  async run() {
    if (this.busy || !this.file) return;
    this.working(true);
    try {
      await this.restored();
    } catch (error) {
      this.say(error.message);
    }
    this.working(false);
  }

  async restored() {
    const {turn, bytes} = unturned(this.bytes);
    const bitmap = await decoded(bytes, this.file.type).catch(() => null);
    if (!bitmap) return this.say(say('unreadable', {name: this.file.name}));
    const before = await createImageBitmap(bitmap);
    const start = performance.now();
    const result = await this.engine.ask({
      kind: 'photo', bitmap, network: this.network(), strength: get('strength').value / 100,
      accelerator: get('accelerator').value, mostPx: Number(get('tile').value),
    }, {transfer: [bitmap], progress: (share) => { get('progress').value = share; }});
    if (result.cancelled) return this.say(say('cancelled'));
    this.result = result.image;
    get('compare').hidden = false;
    document.querySelector('#stage .welcome').hidden = true;
    this.compare.show(before, result.image, turn);
    document.querySelector('.after').hidden = false;
    const seconds = digits((performance.now() - start) / 1e3);
    const done = say('done', {
      name: this.file.name, width: before.width, height: before.height, s: seconds,
      where: say(result.accelerator),
    });
    const why = result.accelerator === 'webgpu' ? '' : say(result.reason);
    const left = this.queue.length ? say('next', {left: this.queue.length}) : '';
    this.say([done, why, left].filter(Boolean).join(' '));
  }

  working(busy) {
    this.busy = busy;
    get('progress').value = 0;
    document.querySelector('.working').hidden = !busy;
    for (const id of ['again', 'save', 'example']) get(id).disabled = busy;
    if (busy) this.say(say('working'));
  }

  async save() {
    const kind = kindOf(new Uint8Array(this.bytes));
    const written = await encoded(this.result, kind === 'png' ? channelsOf(this.bytes) : null);
    const {blob, lost} = await carried(this.bytes, written);
    const stem = this.file.name.replace(/\.[^.]*$/, '');
    download(blob, `${stem}_restored.${kind === 'png' ? 'png' : 'jpg'}`);
    this.say(lost.length ? say('lost', {what: lost.join(', ')}) : get('status').textContent);
    await this.next();
  }

  say(words) {
    get('status').textContent = words;
  }
}

/** The pixels as they are stored; converted only from a profile that no browser writes. */
function decoded(bytes, type) {
  const colorSpaceConversion = hasForeignProfile(bytes) ? 'default' : 'none';
  return createImageBitmap(new Blob([bytes], {type}),
    {colorSpaceConversion, premultiplyAlpha: 'none'});
}

/** A restored photo as a file: PNG with the channels `png` names, or JPEG without it. */
async function encoded(image, png) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const pen = canvas.getContext('2d');
  pen.drawImage(image, 0, 0);
  if (!png) return canvas.convertToBlob({type: 'image/jpeg', quality: 0.95});
  if (png.transparent) return canvas.convertToBlob({type: 'image/png'});
  const {data} = pen.getImageData(0, 0, image.width, image.height);
  return opaquePng(data, image.width, image.height, png);
}

/** Lets the browser save `blob` as a file. */
export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
