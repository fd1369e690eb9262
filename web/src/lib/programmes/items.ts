// The items of a programme as the builder holds them, and back to the text that the center keeps. Pure.
import type { Schema } from '../api.ts';

export type ItemText = Schema<'ItemText'>;
export const SOUNDS = ['bulletin', 'tune', 'opening', 'closing', 'filler', 'bed'] as const;
export type Sound = (typeof SOUNDS)[number];
export type Kind = Sound | 'pause' | 'relay';

export interface Item {
  /** Stays the same while it is moved about. */
  key: number;
  kind: Kind;
  /** A bulletin's name, or the relay's source. */
  name: string;
  /** Seconds of a pause, minutes of a relay. */
  amount: number;
}

export function toItem(text: ItemText, key: number): Item {
  if (typeof text === 'string') return { key, kind: 'bulletin', name: text, amount: 0 };
  if ('pause_s' in text) return { key, kind: 'pause', name: '', amount: text.pause_s };
  if ('relay' in text) return { key, kind: 'relay', name: text.relay, amount: text.minutes };
  const [[kind, name] = ['bulletin', ''] as [Sound, string]] = Object.entries(text) as [Sound, string][];
  return { key, kind, name, amount: 0 };
}

export function toText({ kind, name, amount }: Item): ItemText {
  const whole = Math.max(0, Math.round(Number(amount) || 0));
  switch (kind) {
    case 'bulletin':
      return name;
    case 'pause':
      return { pause_s: whole };
    case 'relay':
      return { relay: name, minutes: whole };
    case 'tune':
      return { tune: name };
    case 'opening':
      return { opening: name };
    case 'closing':
      return { closing: name };
    case 'filler':
      return { filler: name };
    case 'bed':
      return { bed: name };
  }
}

/** The list with the one at `from` standing at `to`. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const rest = list.filter((_, index) => index !== from);
  const one = list[from];
  return one === undefined ? [...list] : [...rest.slice(0, to), one, ...rest.slice(to)];
}
