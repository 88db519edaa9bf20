// Before and after in one place, with a border that can be moved and a zoom.
import {say} from './text.js';

export class Compare {
  constructor(host) {
    this.host = host;
    host.className = 'compare';
    host.innerHTML = `<canvas class="before"></canvas><canvas class="after"></canvas>
      <input type="range" min="0" max="100" step="0.5" value="50">
      <div class="line"><span class="grip" aria-hidden="true">⇄</span></div>
      <span class="tag" style="left:.6rem"></span><span class="tag" style="right:.6rem"></span>
      <div class="zoom"><button class="out">−</button><button class="fit">⤢</button><button class="in">+</button></div>`;
    [this.before, this.after] = host.querySelectorAll('canvas');
    this.range = host.querySelector('input');
    this.line = host.querySelector('.line');
    this.pointers = new Map();
    this.spoken();
    this.range.oninput = () => this.draw();
    host.querySelector('.in').onclick = () => this.zoomBy(1.5);
    host.querySelector('.out').onclick = () => this.zoomBy(1 / 1.5);
    host.querySelector('.fit').onclick = () => this.fit();
    host.onpointerdown = (event) => this.down(event);
    host.onpointermove = (event) => this.move(event);
    host.onpointerup = host.onpointercancel = (event) => this.pointers.delete(event.pointerId);
    host.addEventListener('wheel', (event) => this.wheel(event), {passive: false});
    new ResizeObserver(() => this.fit()).observe(host);
  }

  spoken() {
    this.range.setAttribute('aria-label', say('slider'));
    const [before, after] = this.host.querySelectorAll('.tag');
    before.textContent = say('before');
    after.textContent = say('after');
    for (const [name, key] of [['in', 'zoomIn'], ['out', 'zoomOut'], ['fit', 'fit']]) {
      this.host.querySelector(`.${name}`).setAttribute('aria-label', say(key));
    }
  }

  /** Shows two pictures of one size, upright by `turn` (an EXIF orientation, 1 to 8). */
  show(before, after, turn = 1) {
    for (const [canvas, picture] of [[this.before, before], [this.after, after]]) {
      const swap = turn > 4;
      canvas.width = swap ? picture.height : picture.width;
      canvas.height = swap ? picture.width : picture.height;
      const pen = canvas.getContext('2d');
      pen.setTransform(...turned(turn, picture.width, picture.height));
      pen.drawImage(picture, 0, 0);
    }
    this.fit();
  }

  fit() {
    const {clientWidth, clientHeight} = this.host;
    if (!clientWidth || !this.before.width) return;
    this.scale = Math.min(clientWidth / this.before.width, clientHeight / this.before.height);
    this.least = this.scale;
    this.x = (clientWidth - this.before.width * this.scale) / 2;
    this.y = (clientHeight - this.before.height * this.scale) / 2;
    this.draw();
  }

  zoomBy(factor, x = this.host.clientWidth / 2, y = this.host.clientHeight / 2) {
    const next = Math.min(Math.max(this.scale * factor, this.least), Math.max(this.least, 8));
    this.x = x - ((x - this.x) * next) / this.scale;
    this.y = y - ((y - this.y) * next) / this.scale;
    this.scale = next;
    this.draw();
  }

  draw() {
    const {clientWidth: w, clientHeight: h} = this.host;
    const width = this.before.width * this.scale, height = this.before.height * this.scale;
    const inside = (at, span, all) =>
      span <= all ? (all - span) / 2 : Math.min(0, Math.max(all - span, at));
    this.x = inside(this.x, width, w);
    this.y = inside(this.y, height, h);
    const border = (this.range.value / 100) * w;
    for (const canvas of [this.before, this.after]) {
      canvas.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
      canvas.style.imageRendering = this.scale > 2 ? 'pixelated' : 'auto';
    }
    const cut = Math.max(0, (border - this.x) / this.scale);
    this.after.style.clipPath = `inset(0 0 0 ${cut}px)`;
    this.line.style.left = `${border}px`;
  }

  down(event) {
    if (event.target.closest('.zoom')) return;
    this.host.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    const border = (this.range.value / 100) * this.host.clientWidth;
    const {left} = this.host.getBoundingClientRect();
    this.drags = Math.abs(event.clientX - left - border) < 40 || this.scale <= this.least * 1.01;
    if (this.drags && this.pointers.size === 1) this.slide(event);
  }

  move(event) {
    const old = this.pointers.get(event.pointerId);
    if (!old) return;
    const others = [...this.pointers.values()].filter((other) => other !== old);
    this.pointers.set(event.pointerId, event);
    if (others.length) return this.pinch(old, event, others[0]);
    if (this.drags) return this.slide(event);
    this.x += event.clientX - old.clientX;
    this.y += event.clientY - old.clientY;
    this.draw();
  }

  pinch(old, now, other) {
    const far = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY);
    const {left, top} = this.host.getBoundingClientRect();
    const middle = [(now.clientX + other.clientX) / 2 - left, (now.clientY + other.clientY) / 2 - top];
    this.zoomBy(far(now) / Math.max(far(old), 1), ...middle);
  }

  slide(event) {
    const {left, width} = this.host.getBoundingClientRect();
    this.range.value = Math.min(100, Math.max(0, ((event.clientX - left) / width) * 100));
    this.draw();
  }

  wheel(event) {
    event.preventDefault();
    const {left, top} = this.host.getBoundingClientRect();
    this.zoomBy(Math.exp(-event.deltaY / 400), event.clientX - left, event.clientY - top);
  }
}

/** The transform that turns a picture upright, by its EXIF orientation. */
function turned(turn, w, h) {
  return {
    2: [-1, 0, 0, 1, w, 0], 3: [-1, 0, 0, -1, w, h], 4: [1, 0, 0, -1, 0, h], 5: [0, 1, 1, 0, 0, 0],
    6: [0, 1, -1, 0, h, 0], 7: [0, -1, -1, 0, h, w], 8: [0, -1, 1, 0, 0, w],
  }[turn] ?? [1, 0, 0, 1, 0, 0];
}
