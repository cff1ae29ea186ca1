// Meshes of the page (see compact.py for their layout) as GLB files, which the viewer shows and a reader may keep.
const STEP_BYTES = 2, COLOR_BYTES = 1, INDEX_BYTES = 3;

async function inflated(base64) {
  const packed = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Planes of bytes as numbers: row after row, lowest bytes first. */
function numbers(raw, start, count, width) {
  const found = new Uint32Array(count);
  for (let place = 0; place < width; place++)
    for (let i = 0; i < count; i++) found[i] += raw[start + place * count + i] * 256 ** place;
  return found;
}

/** Sums along rows of `length`, modulo `size`. */
function summed(changes, length, size) {
  for (let i = 1; i < changes.length; i++) if (i % length) changes[i] = (changes[i] + changes[i - 1]) % size;
  return changes;
}

const linear = (byte) => (byte <= 10.31475 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4);

/** { vertices, faces, colors or null } of a packed mesh; colours in linear light, as glTF wants them. */
async function unpacked(base64) {
  const raw = await inflated(base64), head = new DataView(raw.buffer);
  const count = head.getUint32(0, true), faceCount = head.getUint32(4, true), colored = head.getUint32(24, true);
  const low = [8, 12, 16].map((at) => head.getFloat32(at, true)), step = head.getFloat32(20, true);
  let at = 28;
  const places = summed(numbers(raw, at, 3 * count, STEP_BYTES), count, 65536);
  at += 3 * count * STEP_BYTES;
  const vertices = new Float32Array(3 * count), colors = colored ? new Float32Array(3 * count) : null;
  const [x, y, z] = [0, 1, 2].map((axis) => (i) => low[axis] + step * places[axis * count + i]);
  for (let i = 0; i < count; i++) vertices.set([x(i), z(i), -y(i)], 3 * i); // z is up here, y in glTF
  if (colored) {
    const bytes = summed(numbers(raw, at, 3 * count, COLOR_BYTES), count, 256);
    at += 3 * count * COLOR_BYTES;
    for (let channel = 0; channel < 3; channel++) for (let i = 0; i < count; i++) colors[3 * i + channel] = linear(bytes[channel * count + i]);
  }
  const faces = numbers(raw, at, 3 * faceCount, INDEX_BYTES);
  for (let i = 0, before = 0; i < faces.length; i++) faces[i] = before += faces[i] % 2 ? -(faces[i] + 1) / 2 : faces[i] / 2;
  return { vertices, faces, colors };
}

/** The bytes of a GLB file with one mesh. */
function glbOf({ vertices, faces, colors }) {
  const parts = [faces, vertices, ...(colors ? [colors] : [])];
  const lows = [Infinity, Infinity, Infinity], highs = [-Infinity, -Infinity, -Infinity];
  vertices.forEach((v, i) => { lows[i % 3] = Math.min(lows[i % 3], v); highs[i % 3] = Math.max(highs[i % 3], v); });
  let offset = 0;
  const bufferViews = parts.map((part) => { const view = { buffer: 0, byteOffset: offset, byteLength: part.byteLength }; offset += part.byteLength; return view; });
  const accessors = [
    { bufferView: 0, componentType: 5125, count: faces.length, type: "SCALAR" },
    { bufferView: 1, componentType: 5126, count: vertices.length / 3, type: "VEC3", min: lows, max: highs },
    ...(colors ? [{ bufferView: 2, componentType: 5126, count: colors.length / 3, type: "VEC3" }] : []),
  ];
  const attributes = colors ? { POSITION: 1, COLOR_0: 2 } : { POSITION: 1 };
  const tree = {
    asset: { version: "2.0", generator: "Maquette" }, scene: 0, scenes: [{ nodes: [0] }], nodes: [{ mesh: 0 }],
    meshes: [{ primitives: [{ attributes, indices: 0, material: 0 }] }],
    materials: [{ pbrMetallicRoughness: { metallicFactor: 0, roughnessFactor: 1 }, doubleSided: true }],
    buffers: [{ byteLength: offset }], bufferViews, accessors,
  };
  const text = new TextEncoder().encode(JSON.stringify(tree)), padded = 4 * Math.ceil(text.length / 4);
  const glb = new Uint8Array(28 + padded + offset), view = new DataView(glb.buffer);
  [0x46546c67, 2, glb.length, padded, 0x4e4f534a].forEach((word, i) => view.setUint32(4 * i, word, true));
  glb.fill(32, 20, 20 + padded).set(text, 20);
  view.setUint32(20 + padded, offset, true);
  view.setUint32(24 + padded, 0x004e4942, true);
  parts.forEach((part, i) => glb.set(new Uint8Array(part.buffer), 28 + padded + bufferViews[i].byteOffset));
  return glb;
}

async function glbBase64(packed) {
  const glb = glbOf(await unpacked(packed)), pieces = [];
  for (let i = 0; i < glb.length; i += 32768) pieces.push(String.fromCharCode(...glb.subarray(i, i + 32768)));
  return btoa(pieces.join(""));
}
