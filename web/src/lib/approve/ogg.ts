// Reads from an Ogg Opus file how long it is, so that the length an approver signs for is that of the bytes at hand. It decodes
// nothing.

// RFC 7845: granule positions count 48 kHz samples, and the identification header says how many to skip at the start.
const RATE_HZ = 48_000;
const PAGE_HEAD_BYTES = 27;

/** Milliseconds of sound, or null where this is not an Ogg Opus file. */
export function oggOpusLength(bytes: Uint8Array): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = PAGE_HEAD_BYTES + (bytes[26] ?? 0);
  if (!spells(bytes, 0, 'OggS') || !spells(bytes, head, 'OpusHead') || head + 12 > bytes.length) return null;
  const skipped = view.getUint16(head + 10, true);
  for (let at = bytes.length - PAGE_HEAD_BYTES; at > 0; at -= 1) {
    if (!spells(bytes, at, 'OggS')) continue;
    const granule = view.getBigUint64(at + 6, true);
    // All ones: no packet ends on this page.
    if (granule === 0xffff_ffff_ffff_ffffn) continue;
    return Math.max(0, Math.round(((Number(granule) - skipped) * 1000) / RATE_HZ));
  }
  return null;
}

function spells(bytes: Uint8Array, at: number, word: string): boolean {
  return [...word].every((char, i) => bytes[at + i] === char.charCodeAt(0));
}
