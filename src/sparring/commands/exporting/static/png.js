// A PNG file whose metadata says that it was generated.

// Return the PNG of a canvas with a description (a chunk iTXt) before its pixels.
export async function describedPng(canvas, description) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const header = 8 + 25; // signature and IHDR
  return new Blob([bytes.subarray(0, header), textChunk("Description", description), bytes.subarray(header)], { type: "image/png" });
}

// Return the chunk of a text (PNG specification, section 11.3.3.4).
export function textChunk(keyword, text) {
  const content = new TextEncoder().encode(`iTXt${keyword}\0\0\0\0\0${text}`);
  const chunk = new Uint8Array(content.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, content.length - 4);
  chunk.set(content, 4);
  view.setUint32(content.length + 4, crc32(content));
  return chunk;
}

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
