// The tab that restores what the camera sees, as it comes.
import {download} from './restore-view.js';
import {digits, say} from './text.js';

const get = (id) => document.getElementById(id);
// Longer sides of a frame (px), and the least rate that a larger one must keep.
const SIDES = [128, 192, 256, 320, 480, 640, 960, 1280, 1920];
const LEAST_RATE = 15;
const TRIED = 12;

export class LiveView {
  constructor(site, engine) {
    this.site = site;
    this.engine = engine;
    for (const {name, halo_px: halo} of site.networks) {
      if (halo !== null) get('live-network').add(new Option(name, name));
    }
    const fast = site.networks.find(({name}) => name === 'denoise-phone-s' || name === 'denoise-s');
    if (fast) get('live-network').value = fast.name;
    get('live-start').onclick = () => (this.stream ? this.stop() : this.start());
    get('live-still').onclick = () => this.still();
    get('live-network').onchange = () => { this.times = []; };
  }

  async start() {
    try {
      const video = {facingMode: 'environment', width: {ideal: 1920}, height: {ideal: 1080}};
      this.stream = await navigator.mediaDevices.getUserMedia({video, audio: false});
    } catch (error) {
      get('live-status').textContent = say('noCamera', {why: error.message});
      return;
    }
    const video = get('live-video');
    video.srcObject = this.stream;
    await video.play();
    this.step = 2;
    this.ceiling = SIDES.length - 1;
    this.times = [];
    this.shown = 0;
    this.dropped = 0;
    this.began = performance.now();
    this.running(true);
    await this.loop(video).catch((error) => {
      get('live-status').textContent = error.message;
      this.stop();
    });
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.running(false);
  }

  running(on) {
    get('live-start').textContent = say(on ? 'stop' : 'start');
    get('live-start').dataset.text = on ? 'stop' : 'start';
    get('live-still').disabled = !on;
    get('live-numbers').hidden = !on;
    get('live-canvas').hidden = !on;
    get('live-empty').hidden = on;
  }

  async loop(video) {
    const stream = this.stream;
    let frames = 0;
    const counted = () => {
      frames += 1;
      if (this.stream === stream) video.requestVideoFrameCallback?.(counted);
    };
    video.requestVideoFrameCallback?.(counted);
    while (this.stream === stream) {
      const {pixels, width, height} = this.frame(video);
      const original = new ImageData(pixels.slice(), width, height);
      const network = this.site.networks.find(({name}) => name === get('live-network').value);
      const start = performance.now();
      const result = await this.engine.ask(
        {kind: 'frame', pixels, width, height, network, accelerator: 'auto'},
        {transfer: [pixels.buffer]});
      if (this.stream !== stream) return;
      this.show(original, new ImageData(result.pixels, width, height));
      this.shown += 1;
      this.dropped = Math.max(0, frames - this.shown);
      this.tell(result, width, height, performance.now() - start);
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  }

  /** The camera's frame at the present size. */
  frame(video) {
    const scale = Math.min(1, SIDES[this.step] / Math.max(video.videoWidth, video.videoHeight));
    const width = Math.max(16, Math.round(video.videoWidth * scale));
    const height = Math.max(16, Math.round(video.videoHeight * scale));
    this.grabbed ??= document.createElement('canvas');
    Object.assign(this.grabbed, {width, height});
    const pen = this.grabbed.getContext('2d', {willReadFrequently: true});
    pen.drawImage(video, 0, 0, width, height);
    return {pixels: pen.getImageData(0, 0, width, height).data, width, height};
  }

  /** The left half as the camera saw it, the right half restored. */
  show(before, after) {
    const canvas = get('live-canvas');
    Object.assign(canvas, {width: before.width, height: before.height});
    const pen = canvas.getContext('2d');
    pen.putImageData(after, 0, 0);
    this.restored = after;
    const half = Math.floor(before.width / 2);
    pen.putImageData(before, 0, 0, 0, 0, half, before.height);
    pen.fillStyle = '#fff';
    pen.fillRect(half, 0, Math.max(1, before.width / 400), before.height);
  }

  tell(result, width, height, ms) {
    this.times.push(ms);
    get('live-size').textContent = `${width}x${height}`;
    get('live-frame').textContent = `${digits(ms)} ms`;
    get('live-dropped').textContent = String(this.dropped);
    get('live-status').textContent =
      result.accelerator === 'webgpu' ? '' : say(result.reason || 'wasm');
    if (this.times.length < TRIED) return;
    const ordered = this.times.slice(2).sort((a, b) => a - b);
    const rate = 1e3 / ordered[ordered.length >> 1];
    get('live-rate').textContent = digits(rate);
    this.times = [];
    if (rate < LEAST_RATE && this.step > 0) {
      this.ceiling = this.step - 1;
      this.step -= 1;
    } else if (rate > LEAST_RATE * 1.6 && this.step < this.ceiling) {
      this.step += 1;
    } else if (rate < 2) {
      get('live-status').textContent = say('isTooSlow');
    }
  }

  still() {
    const canvas = document.createElement('canvas');
    Object.assign(canvas, {width: this.restored.width, height: this.restored.height});
    canvas.getContext('2d').putImageData(this.restored, 0, 0);
    canvas.toBlob((blob) => download(blob, 'lpie_still.jpg'), 'image/jpeg', 0.95);
  }
}
