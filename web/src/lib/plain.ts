// Makes what people typed safe to read: marks that steer a line instead of standing in it (direction overrides, control and
// invisible characters) are shown by their number. It never changes what is stored or signed.

// Line breaks and tabs stay; so do the joiners (200C, 200D), which some scripts need.
const STEERING =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

export function plain(text: string): string {
  return text.replace(
    STEERING,
    (mark) => `[U+${(mark.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
  );
}
