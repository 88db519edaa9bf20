// What the page says, in English and German.
const EN = {
  restore: 'Restore', live: 'Live', measure: 'Measure', language: 'Language',
  network: 'Network', networks: 'Networks', strength: 'Strength', more: 'More settings',
  accelerator: 'Runs on', accelerators: 'Runs on', automatic: 'Automatic', tile: 'Largest tile',
  choose: 'Choose photos', example: 'Try an example', again: 'Restore again', save: 'Save photo',
  cancel: 'Cancel', start: 'Start', stop: 'Stop', still: 'Save a still',
  empty: 'Choose a photo, drop it here, or paste it. It stays on this device.',
  before: 'Before', after: 'After', slider: 'Border between before and after, in percent',
  zoomIn: 'Enlarge', zoomOut: 'Reduce', fit: 'Whole photo',
  liveHint: 'The camera, restored as it comes, at the largest size that keeps 15 frames a second.',
  liveEmpty: 'Nothing is recorded or sent.', size: 'Size', frame: 'Time of a frame',
  rate: 'Frames a second', dropped: 'Dropped',
  sizes: 'Sizes', rounds: 'Rounds', seconds: 'Seconds of a round', threads: 'Threads (0: all)',
  saveRecords: 'Save records', private: 'Photos never leave this device. Networks run by',
  working: 'Restoring…', waiting: 'One moment…',
  done: '{name}: {width}x{height} px in {s} s on {where}.',
  'denoise-phone': 'For the noise of phone cameras.', denoise: 'For even noise of any strength.',
  lowlight: 'For photos that are much too dark.', deblur: 'For photos blurred by motion.',
  small: 'The small network: about half the time.', own: 'Your own network.',
  webgpu: 'the GPU', wasm: 'the CPU', webnn: 'WebNN',
  noGpu: 'This browser has no WebGPU, so the CPU ran it.',
  gpuPartly: 'The GPU takes only a part of this network, so the CPU ran it.',
  gpuWrong: 'The GPU computes this network wrongly, so the CPU ran it.',
  gpuFailed: 'The GPU could not run this network, so the CPU ran it.',
  cancelled: 'Cancelled. The photo is as it was.',
  unreadable: '{name} cannot be read as a photo by this browser.',
  lost: 'Not kept: {what}.', next: '{left} more photos wait.',
  noCamera: 'The camera cannot be used: {why}', isTooSlow: 'This device is too slow for live images.',
  phaseSetup: '{job}: setting up', phaseRound: '{job}: round {round} of {of}',
  measured: 'Measured.', sent: 'Sent to lpie: {file}', notSent: 'Not sent to lpie: {why}',
  nothing: 'Choose a network, a size and where it runs.',
  model: 'Network', where: 'Runs on', time: 'Time', verdict: 'Verdict', device: 'Device',
  others: 'Measured before', answer: '{name} takes {ms} ms at {size} on {where}.',
  answerFaster: '{fast} is {times} times as fast as {slow} at {size} on {where}.',
  worker: 'The page could not start: {why}',
  insecure: 'This address is not secure, so the browser lends neither GPU, camera nor threads. ' +
    'Open it by https or as localhost.',
};
const DE = {
  restore: 'Restaurieren', live: 'Live', measure: 'Messen', language: 'Sprache',
  network: 'Netz', networks: 'Netze', strength: 'Stärke', more: 'Weitere Einstellungen',
  accelerator: 'Läuft auf', accelerators: 'Läuft auf', automatic: 'Automatisch',
  tile: 'Größte Kachel', choose: 'Fotos wählen', example: 'Beispiel zeigen',
  again: 'Noch einmal', save: 'Foto sichern', cancel: 'Abbrechen', start: 'Start', stop: 'Halt',
  still: 'Standbild sichern',
  empty: 'Foto wählen, hierher ziehen oder einfügen. Es bleibt auf diesem Gerät.',
  before: 'Vorher', after: 'Nachher', slider: 'Grenze zwischen vorher und nachher, in Prozent',
  zoomIn: 'Vergrößern', zoomOut: 'Verkleinern', fit: 'Ganzes Foto',
  liveHint: 'Das Bild der Kamera, sofort restauriert, so groß, wie es 15 Bilder je Sekunde erlauben.',
  liveEmpty: 'Nichts wird aufgezeichnet oder gesendet.', size: 'Größe', frame: 'Zeit je Bild',
  rate: 'Bilder je Sekunde', dropped: 'Ausgelassen',
  sizes: 'Größen', rounds: 'Runden', seconds: 'Sekunden je Runde', threads: 'Threads (0: alle)',
  saveRecords: 'Messungen sichern',
  private: 'Fotos verlassen dieses Gerät nicht. Die Netze laufen mit',
  working: 'Wird restauriert…', waiting: 'Einen Moment…',
  done: '{name}: {width}x{height} px in {s} s auf {where}.',
  'denoise-phone': 'Gegen das Rauschen von Handykameras.',
  denoise: 'Gegen gleichmäßiges Rauschen jeder Stärke.', lowlight: 'Für viel zu dunkle Fotos.',
  deblur: 'Für verwackelte Fotos.', small: 'Das kleine Netz: etwa halbe Zeit.',
  own: 'Ihr eigenes Netz.',
  webgpu: 'der GPU', wasm: 'der CPU', webnn: 'WebNN',
  noGpu: 'Dieser Browser hat kein WebGPU; die CPU hat gerechnet.',
  gpuPartly: 'Die GPU übernimmt nur einen Teil dieses Netzes; die CPU hat gerechnet.',
  gpuWrong: 'Die GPU rechnet dieses Netz falsch; die CPU hat gerechnet.',
  gpuFailed: 'Die GPU konnte dieses Netz nicht ausführen; die CPU hat gerechnet.',
  cancelled: 'Abgebrochen. Das Foto ist unverändert.',
  unreadable: '{name} kann dieser Browser nicht als Foto lesen.',
  lost: 'Nicht erhalten: {what}.', next: '{left} weitere Fotos warten.',
  noCamera: 'Die Kamera ist nicht verfügbar: {why}',
  isTooSlow: 'Dieses Gerät ist zu langsam für Livebilder.',
  phaseSetup: '{job}: wird vorbereitet', phaseRound: '{job}: Runde {round} von {of}',
  measured: 'Gemessen.', sent: 'An lpie gesendet: {file}', notSent: 'Nicht an lpie gesendet: {why}',
  nothing: 'Bitte ein Netz, eine Größe und den Ort der Rechnung wählen.',
  model: 'Netz', where: 'Läuft auf', time: 'Zeit', verdict: 'Urteil', device: 'Gerät',
  others: 'Zuvor gemessen', answer: '{name} braucht {ms} ms bei {size} auf {where}.',
  answerFaster: '{fast} ist {times}-mal so schnell wie {slow} bei {size} auf {where}.',
  worker: 'Die Seite konnte nicht starten: {why}',
  insecure: 'Diese Adresse ist nicht sicher; der Browser gibt weder GPU noch Kamera noch Threads ' +
    'frei. Bitte mit https oder als localhost öffnen.',
};
const TEXTS = {en: EN, de: DE};
let language = 'en';

/** The language that the visitor chose before, else the browser's, else English. */
export function firstLanguage() {
  const own = localStorage.getItem('language') ?? navigator.language.slice(0, 2);
  return own in TEXTS ? own : 'en';
}

/** What `key` says, with `{name}` filled in. */
export function say(key, values = {}) {
  const words = TEXTS[language][key] ?? key;
  return words.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

/** Writes all texts of the page in `chosen`. */
export function speak(chosen) {
  language = chosen;
  localStorage.setItem('language', chosen);
  document.documentElement.lang = chosen;
  for (const element of document.querySelectorAll('[data-text]')) {
    element.textContent = say(element.dataset.text);
  }
  for (const element of document.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', say(element.dataset.label));
  }
}

/** What a network is for. */
export function purpose(name) {
  const task = name.replace(/-s$/, '');
  if (!(task in EN)) return say('own');
  return task === name ? say(task) : `${say(task)} ${say('small')}`;
}

/** A number with so many significant digits, as the language writes it. */
export function digits(value, count = 3) {
  return Number(value.toPrecision(count)).toLocaleString(language, {useGrouping: false});
}
