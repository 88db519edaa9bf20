// What a photo says about itself, carried from the file into the restored one. A canvas writes
// pixels alone: EXIF, profile, XMP, IPTC and text are put back; what is no longer true is left out.

const JPEG = {exif: 0xe1, app2: 0xe2, iptc: 0xed, comment: 0xfe};
const PNG_BEFORE = ['iCCP', 'sRGB', 'gAMA', 'cHRM', 'cICP', 'pHYs', 'eXIf', 'tEXt', 'zTXt', 'iTXt'];
const text = (bytes, from, count) =>
  String.fromCharCode(...bytes.subarray(from, from + count));

/** The type of a file by its first bytes: jpeg, png, webp, or another. */
export function kindOf(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return 'jpeg';
  if (text(bytes, 1, 3) === 'PNG') return 'png';
  if (text(bytes, 0, 4) === 'RIFF' && text(bytes, 8, 4) === 'WEBP') return 'webp';
  return 'other';
}

/** `written` (a Blob of the same kind) with the metadata of `original`; {blob, lost: [words]}. */
export async function carried(original, written) {
  const old = new Uint8Array(original), kind = kindOf(old);
  const made = new Uint8Array(await written.arrayBuffer());
  if (kind !== kindOf(made)) return {blob: written, lost: ['metadata']};
  if (kind === 'jpeg') return jpeg(old, made);
  if (kind === 'png') return png(old, made);
  return {blob: written, lost: ['metadata']};
}

function jpeg(old, made) {
  const kept = [], lost = new Set(), foreign = hasForeignProfile(old);
  for (const {marker, bytes} of segments(old)) {
    const name = text(bytes, 4, 29);
    if (marker === JPEG.exif && name.startsWith('Exif\0')) kept.push(withoutThumbnail(bytes));
    else if (marker === JPEG.exif && name.startsWith('http://ns.adobe.com/xmp/ext')) lost.add('extended XMP');
    else if (marker === JPEG.exif && name.startsWith('http://ns.adobe.com/xap')) keepXmp(bytes, kept, lost);
    else if (marker === JPEG.app2 && name.startsWith('ICC_PROFILE')) {
      if (foreign) lost.add('profile (now sRGB)');
      else kept.push(bytes);
    }
    else if (marker === JPEG.app2 && name.startsWith('MPF')) lost.add('other pictures in the file');
    else if (marker === JPEG.iptc || marker === JPEG.comment) kept.push(bytes);
  }
  const own = [...segments(made)];
  const applies = ({marker}) => marker >= 0xe0 && marker <= 0xef;
  const start = 2 + own.filter(applies).reduce((sum, {bytes}) => sum + bytes.length, 0);
  const jfif = own.filter(({marker}) => marker === 0xe0).map(({bytes}) => bytes);
  const parts = [made.subarray(0, 2), ...jfif, ...kept, made.subarray(start)];
  const blob = new Blob(parts, {type: 'image/jpeg'});
  return {blob, lost: [...lost]};
}

/** Whether a JPEG's profile is of grey or CMYK: a browser writes RGB alone. */
export function hasForeignProfile(original) {
  const bytes = new Uint8Array(original);
  if (kindOf(bytes) !== 'jpeg') return false;
  const first = [...segments(bytes)].find(({marker, bytes: segment}) =>
    marker === JPEG.app2 && text(segment, 4, 11) === 'ICC_PROFILE');
  return first !== undefined && text(first.bytes, 34, 4) !== 'RGB ';
}

/** XMP that promises a gain map or a film behind the picture is no longer true. */
function keepXmp(bytes, kept, lost) {
  const words = new TextDecoder('latin1').decode(bytes);
  if (/hdrgm:|GContainer|Container:Directory|MotionPhoto|MicroVideo/.test(words)) {
    lost.add(/Motion|MicroVideo/.test(words) ? 'motion video' : 'gain map');
  } else {
    kept.push(bytes);
  }
}

function* segments(bytes) {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1];
    if (marker === 0xda) return;
    const length = bytes[at + 2] * 256 + bytes[at + 3];
    if (length < 2 || at + 2 + length > bytes.length) return;
    yield {marker, bytes: bytes.subarray(at, at + 2 + length)};
    at += 2 + length;
  }
}

/** An EXIF segment whose first directory leads to no second one, which holds the thumbnail. */
function withoutThumbnail(segment) {
  const copy = segment.slice();
  const view = new DataView(copy.buffer, 10);
  const little = text(copy, 10, 2) === 'II';
  try {
    const first = view.getUint32(4, little);
    const entries = view.getUint16(first, little);
    view.setUint32(first + 2 + 12 * entries, 0, little);
  } catch {
    return segment;
  }
  return copy;
}

function png(old, made) {
  const chunks = [...pngChunks(old)];
  const kept = chunks.filter(({name}) => PNG_BEFORE.includes(name)).map(({bytes}) => bytes);
  const head = made.subarray(0, 33);
  const rest = [...pngChunks(made)].filter(({name}) => !PNG_BEFORE.includes(name) && name !== 'IHDR');
  const lost = [];
  if (old[24] === 16) lost.push('8 of 16 bits');
  if (chunks.some(({name}) => name === 'acTL')) lost.push('animation');
  const parts = [head, ...kept, ...rest.map(({bytes}) => bytes)];
  return {blob: new Blob(parts, {type: 'image/png'}), lost};
}

function* pngChunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) return;
    yield {name: text(bytes, at + 4, 4), bytes: bytes.subarray(at, at + 12 + length)};
    at += 12 + length;
  }
}

/**
 * {turn, bytes}: the orientation that EXIF tells, 1 to 8, and the file as if it told none, because
 * browsers turn what they decode. Of other files than JPEG and PNG no metadata is carried: 1.
 */
export function unturned(original) {
  const bytes = new Uint8Array(original.slice(0));
  let turn = 1;
  for (const table of exifTables(bytes)) {
    try {
      const [view, at, little] = orientationEntry(table);
      const value = view.getUint16(at, little);
      if (turn === 1 && value >= 1 && value <= 8) turn = value;
      view.setUint16(at, 1, little);
    } catch {
      // Damaged EXIF tells nothing.
    }
  }
  return {turn, bytes};
}

/** What a PNG's pixels are: {transparent, grey}; of other files neither. */
export function channelsOf(original) {
  const bytes = new Uint8Array(original);
  if (kindOf(bytes) !== 'png') return {transparent: false, grey: false};
  const keyed = [...pngChunks(bytes)].some(({name}) => name === 'tRNS');
  return {transparent: keyed || bytes[25] >= 4, grey: bytes[25] === 0 || bytes[25] === 4};
}

function exifTables(bytes) {
  if (kindOf(bytes) === 'jpeg') {
    return [...segments(bytes)].filter(({marker, bytes: segment}) =>
      marker === JPEG.exif && text(segment, 4, 4) === 'Exif').map(({bytes: s}) => s.subarray(10));
  }
  if (kindOf(bytes) !== 'png') return [];
  return [...pngChunks(bytes)].filter(({name}) => name === 'eXIf')
    .map(({bytes: chunk}) => chunk.subarray(8, -4));
}

/** Where the orientation stands in a TIFF structure: [view, offset, little-endian]. */
function orientationEntry(table) {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const little = text(table, 0, 2) === 'II';
  const first = view.getUint32(4, little);
  for (let i = 0; i < view.getUint16(first, little); i++) {
    const entry = first + 2 + 12 * i;
    if (view.getUint16(entry, little) === 0x0112) return [view, entry + 8, little];
  }
  throw new RangeError('no orientation');
}
