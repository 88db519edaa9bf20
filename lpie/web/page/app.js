// The page: its tabs, its language, its worker and what its views share.
import {LiveView} from './live-view.js';
import {MeasureView} from './measure-view.js';
import {RestoreView} from './restore-view.js';
import {firstLanguage, say, speak} from './text.js';

const get = (id) => document.getElementById(id);

/** The worker, asked by messages: ask({kind, ...}) -> its result. */
class Engine {
  constructor(runtime) {
    this.runtime = runtime;
    this.asked = new Map();
    this.worker = new Worker(new URL('worker.js', import.meta.url));
    this.worker.onmessage = ({data}) => this.answered(data);
    this.worker.onerror = (event) => trouble(say('worker', {why: event.message ?? ''}));
  }

  ask(task, {transfer = [], progress = () => {}} = {}) {
    const id = crypto.randomUUID?.() ?? String(Math.random());
    return new Promise((resolve, reject) => {
      this.asked.set(id, {resolve, reject, progress});
      this.worker.postMessage({...task, id, runtime: this.runtime}, transfer);
    });
  }

  cancel() {
    this.worker.postMessage({kind: 'cancel'});
  }

  answered({id, result, error, progress}) {
    const waiting = this.asked.get(id);
    if (!waiting) return;
    if (progress !== undefined) return waiting.progress(progress);
    this.asked.delete(id);
    if (error) waiting.reject(new Error(error));
    else waiting.resolve(result);
  }
}

function trouble(words) {
  get('trouble').textContent = words;
  get('trouble').hidden = !words;
}

function tabs(onOpen) {
  const all = [...document.querySelectorAll('[role=tab]')];
  const open = (tab) => {
    for (const each of all) {
      const chosen = each === tab;
      each.setAttribute('aria-selected', chosen);
      each.tabIndex = chosen ? 0 : -1;
      get(each.getAttribute('aria-controls')).hidden = !chosen;
    }
    onOpen(tab.getAttribute('aria-controls'));
  };
  all.forEach((tab, i) => {
    tab.onclick = () => open(tab);
    tab.onkeydown = (event) => {
      const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
      if (!step) return;
      const next = all[(i + step + all.length) % all.length];
      next.focus();
      open(next);
    };
  });
  const wanted = location.hash.slice(1).split('?')[0];
  open(all.find((tab) => tab.getAttribute('aria-controls') === wanted) ?? all[0]);
}

async function start() {
  speak(firstLanguage());
  get('language').value = document.documentElement.lang;
  const site = await (await fetch('site.json')).json();
  for (const network of site.networks) network.url = new URL(network.url, location.href).href;
  const engine = new Engine(new URL(site.runtime, location.href).href);
  if (!window.isSecureContext) trouble(say('insecure'));
  const views = {
    restore: new RestoreView(site, engine),
    live: new LiveView(site, engine),
    measure: new MeasureView(site, engine),
  };
  tabs((name) => {
    if (name !== 'live') views.live.stop();
  });
  get('language').onchange = ({target}) => {
    speak(target.value);
    for (const view of Object.values(views)) view.spoken?.();
  };
  if (window.isSecureContext) navigator.serviceWorker?.register('sw.js').catch(() => {});
  await views.measure.automatic(new URLSearchParams(location.hash.split('?')[1] ?? ''));
}

start().catch((error) => trouble(say('worker', {why: error.message})));
