// Matching of typed letters against names: all letters in order, best when together and at word starts.

export interface FuzzyMatch { score: number; at: number[] }

const isStart = (text: string, i: number): boolean => i === 0 || /[\s/._:-]/.test(text[i - 1] ?? '');

/** `null` when a letter is missing. */
export function fuzzyMatch(query: string, text: string): FuzzyMatch | null {
  const wanted = query.toLowerCase().replace(/\s+/g, '');
  const lower = text.toLowerCase();
  if (wanted === '') return { score: 0, at: [] };
  const whole = lower.indexOf(query.trim().toLowerCase());
  if (whole >= 0) {
    const bonus = isStart(lower, whole) ? 40 : 20;
    return { score: 100 + bonus - text.length * 0.1, at: Array.from(query.trim(), (_, i) => whole + i) };
  }
  const at: number[] = [];
  let score = 0;
  let from = 0;
  for (const letter of wanted) {
    const i = lower.indexOf(letter, from);
    if (i < 0) return null;
    score += (isStart(lower, i) ? 6 : 1) + (at.length > 0 && i === from ? 4 : 0);
    at.push(i);
    from = i + 1;
  }
  return { score: score - text.length * 0.1, at };
}

/** The best matches first; equal ones keep their order. */
export function fuzzySort<T>(query: string, items: readonly T[], textOf: (item: T) => string, limit: number): T[] {
  if (query.trim() === '') return items.slice(0, limit);
  return items
    .map((item, i) => ({ item, i, match: fuzzyMatch(query, textOf(item)) }))
    .filter((x) => x.match !== null)
    .sort((a, b) => (b.match?.score ?? 0) - (a.match?.score ?? 0) || a.i - b.i)
    .slice(0, limit)
    .map((x) => x.item);
}
