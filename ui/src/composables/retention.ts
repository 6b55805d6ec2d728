// How long things are kept, as the settings screen edits it: spans as the API writes them, what a change would do, what to send.
import type { RetentionAnswer, RetentionRequest, RetentionSpan } from '../api/types';

/** What the API keeps apart; its bounds are the API's. */
export interface Kept { title: string; least: string }
export type KeptName = keyof RetentionRequest;

export const MOST = '3650d';
export const KEPT: Readonly<Record<KeptName, Kept>> = {
  metrics_10s: { title: 'Metrics in 10 s windows', least: '1h' },
  metrics_1m: { title: 'Metrics in 1 min windows', least: '1h' },
  metrics_5m: { title: 'Metrics in 5 min windows', least: '1h' },
  metrics_1h: { title: 'Metrics in 1 h windows', least: '6h' },
  logs: { title: 'Logs', least: '1d' },
  events: { title: 'Events', least: '1d' },
};

const UNIT_MS: Readonly<Record<string, bigint>> = { ms: 1n, s: 1000n, m: 60_000n, h: 3_600_000n, d: 86_400_000n };
/** Longer texts are not spans but mistakes. */
const LONGEST_TEXT = 40;

/** `1d12h` in milliseconds, the way the server reads it; `null` for what it would refuse. */
export function spanMs(text: string): number | null {
  const plain = text.trim();
  if (plain.length > LONGEST_TEXT || !/^(\d+(ms|d|h|m|s))+$/.test(plain)) return null;
  let total = 0n;
  for (const [, number = '', unit = ''] of plain.matchAll(/(\d+)(ms|d|h|m|s)/g)) total += BigInt(number) * (UNIT_MS[unit] ?? 0n);
  return total <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(total) : null;
}

/** Texts that people have typed, by name; an empty one goes back to the configuration. */
export type Drafts = Readonly<Partial<Record<string, string>>>;

export const titleOf = (name: string): string => KEPT[name as KeptName]?.title ?? name;

/** What holds; `null` where it is set by nobody and not known here. */
export const effective = (span: RetentionSpan): string | null => span.set ?? span.configured;

/** Why the server would refuse a text; `null` when it would not. */
export function problemOf(name: string, text: string): string | null {
  if (text.trim() === '') return null;
  const span = spanMs(text);
  if (span === null) return 'Write a span such as 12h, 30d or 1d12h.';
  const least = KEPT[name as KeptName]?.least;
  if (least !== undefined && span < (spanMs(least) ?? 0)) return `At least ${least}.`;
  return span > (spanMs(MOST) ?? 0) ? `At most ${MOST}.` : null;
}

const isSame = (a: string | null, b: string | null): boolean => a === b || (a !== null && b !== null && spanMs(a) !== null && spanMs(a) === spanMs(b));

/** What is to be set for a span: `null` as configured. What only looks different, such as 48h for 2d, is no change. */
function wanted(span: RetentionSpan, drafts: Drafts): string | null {
  const draft = drafts[span.name]?.trim();
  if (draft === undefined) return span.set;
  if (draft === '') return null;
  return isSame(draft, effective(span)) ? span.set : draft;
}

export interface RetentionChange { name: string; title: string; from: string | null; to: string | null; isConfigured: boolean; deletes: boolean }

/** What the drafts would change. `deletes` wherever it cannot be ruled out. */
export function changesOf(answer: RetentionAnswer, drafts: Drafts): RetentionChange[] {
  return answer.spans.flatMap((span) => {
    const set = wanted(span, drafts);
    if (set === span.set) return [];
    const from = effective(span);
    const to = set ?? span.configured;
    const [before, after] = [from === null ? null : spanMs(from), to === null ? null : spanMs(to)];
    // A server may hold more than its configuration asks for, and an entry that cannot be read may have asked for more.
    const isUnknown = answer.is_unreadable || (span.set === null && span.may_be_longer) || before === null || after === null;
    return [{ name: span.name, title: titleOf(span.name), from, to, isConfigured: set === null, deletes: isUnknown || after < before }];
  });
}

/** All spans, as the API replaces them as a whole; `null` when nothing is to be set any more. */
export function requestOf(answer: RetentionAnswer, drafts: Drafts): Partial<RetentionRequest> | null {
  const spans = answer.spans.flatMap((span) => {
    const set = wanted(span, drafts);
    return set === null ? [] : [[span.name, set]];
  });
  return spans.length === 0 ? null : (Object.fromEntries(spans) as Partial<RetentionRequest>);
}
