// The range on which a recording opens.
import { DEFAULT_SPAN, type Interval, parseSpan } from './moment';

/** Steps in which the range moves on, so that charts are not read anew for every sample. */
const STEP_MS = 30_000;

/** The last minutes up to the newest sample, which is inside. */
export function recordedRange(newest: number): Interval {
  const to = (Math.floor(newest / STEP_MS) + 1) * STEP_MS;
  return { from: to - (parseSpan(DEFAULT_SPAN) ?? 0), to };
}
