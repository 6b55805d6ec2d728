// Numbers that look random and are the same every time.

export function hash(text: string): number {
  let h = 2166136261;
  for (let i = 0; i < text.length; i += 1) {
    h ^= text.charCodeAt(i);
    h = Math.imul(h, 16777619);
  }
  h ^= h >>> 15;
  h = Math.imul(h, 2246822507);
  h ^= h >>> 13;
  return h >>> 0;
}

/** In [0, 1), by name. */
export const unit = (text: string): number => hash(text) / 4294967296;

/** Smooth noise in [-1, 1] over time, with a new value every `period` seconds. */
export function noise(seed: string, seconds: number, period: number): number {
  const i = Math.floor(seconds / period);
  const t = seconds / period - i;
  const a = unit(`${seed}:${i}`) * 2 - 1;
  const b = unit(`${seed}:${i + 1}`) * 2 - 1;
  return a + (b - a) * t * t * (3 - 2 * t);
}

export const letters = (seed: string, n: number): string =>
  Array.from({ length: n }, (_, i) => 'bcdfghjklmnpqrstvwxz2456789'[hash(`${seed}.${i}`) % 27]).join('');
