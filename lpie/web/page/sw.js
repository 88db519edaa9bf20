// Keeps the page and what it has loaded, so that it opens without a network.
const CACHE = 'lpie-VERSION';
const PAGE = [
  '.', 'index.html', 'style.css', 'app.js', 'compare.js', 'engine.js', 'example.jpg', 'icon.svg',
  'live-view.js', 'manifest.webmanifest', 'measure-view.js', 'measure.js', 'metadata.js',
  'network.js', 'png.js', 'record.js', 'restoration.js', 'restore-view.js', 'site.json', 'statistics.js',
  'text.js', 'tiles.js', 'worker.js',
];

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(PAGE))
    .then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
    .then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const {request} = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  if (url.pathname.includes('/api/')) return;
  event.respondWith(answer(request, /\/(runtime|networks)\//.test(url.pathname)));
});

/** Large files that never change come from the cache; the page itself from the network if it can. */
async function answer(request, unchanging) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request);
  if (unchanging && kept) return kept;
  try {
    const fresh = await fetch(request);
    if (fresh.ok) await cache.put(request, fresh.clone());
    return fresh;
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
}
