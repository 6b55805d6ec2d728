// Times and time ranges: how they are written, and how a range stands in the address.

export interface Interval { from: number; to: number }
/** `span` is set for a range that follows now. */
export interface TimeRange { span: number | null; from: number | null; to: number | null }

export type Zone = 'local' | 'utc';

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
export const SPANS = ['5m', '15m', '1h', '3h', '6h', '12h', '1d', '2d', '7d', '14d', '30d'];
export const DEFAULT_SPAN = '15m';

/** `15m` → milliseconds; `null` for anything else. */
export function parseSpan(text: string | null | undefined): number | null {
  const match = /^(\d{1,5})([smhd])$/.exec(text ?? '');
  if (!match) return null;
  const span = Number(match[1]) * (UNITS[match[2] ?? ''] ?? 0);
  return span > 0 ? span : null;
}

export function spanText(span: number): string {
  for (const unit of ['d', 'h', 'm'] as const) {
    const size = UNITS[unit] ?? 1;
    if (span >= size && span % size === 0) return `${span / size}${unit}`;
  }
  return `${Math.round(span / 1000)}s`;
}

export function parseMoment(text: string | null | undefined): number | null {
  if (!text) return null;
  const value = /^\d{10,16}$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isFinite(value) ? value : null;
}

export function parseRange(query: { range?: string | null; from?: string | null; to?: string | null }): TimeRange {
  const from = parseMoment(query.from);
  const to = parseMoment(query.to);
  if (from !== null && to !== null && to > from) return { span: null, from, to };
  return { span: parseSpan(query.range) ?? parseSpan(DEFAULT_SPAN), from: null, to: null };
}

export function intervalOf(range: TimeRange, now: number): Interval {
  if (range.span !== null) return { from: now - range.span, to: now };
  return { from: range.from ?? now, to: range.to ?? now };
}

/** The range one half of itself earlier or later; stepping past now returns to following it. */
export function steppedRange(range: TimeRange, direction: -1 | 1, now: number): TimeRange {
  const { from, to } = intervalOf(range, now);
  const width = to - from;
  const shift = (width / 2) * direction;
  if (direction > 0 && to + shift >= now) return { span: width, from: null, to: null };
  return { span: null, from: Math.round(from + shift), to: Math.round(to + shift) };
}

const two = (value: number): string => String(value).padStart(2, '0');

interface Parts { year: number; month: number; day: number; hour: number; minute: number; second: number; ms: number }

function parts(time: number, zone: Zone): Parts {
  const d = new Date(time);
  return zone === 'utc'
    ? { year: d.getUTCFullYear(), month: d.getUTCMonth() + 1, day: d.getUTCDate(), hour: d.getUTCHours(), minute: d.getUTCMinutes(), second: d.getUTCSeconds(), ms: d.getUTCMilliseconds() }
    : { year: d.getFullYear(), month: d.getMonth() + 1, day: d.getDate(), hour: d.getHours(), minute: d.getMinutes(), second: d.getSeconds(), ms: d.getMilliseconds() };
}

export function dateText(time: number, zone: Zone): string {
  const p = parts(time, zone);
  return `${p.year}-${two(p.month)}-${two(p.day)}`;
}

export function clockText(time: number, zone: Zone, withMillis = false): string {
  const p = parts(time, zone);
  const text = `${two(p.hour)}:${two(p.minute)}:${two(p.second)}`;
  return withMillis ? `${text}.${String(p.ms).padStart(3, '0')}` : text;
}

export function exactText(time: number, zone: Zone): string {
  return `${dateText(time, zone)} ${clockText(time, zone)}${zone === 'utc' ? ' UTC' : ''}`;
}

export function rangeText(range: TimeRange, zone: Zone): string {
  if (range.span !== null) return `Last ${spanText(range.span)}`;
  const from = range.from ?? 0;
  const to = range.to ?? 0;
  const sameDay = dateText(from, zone) === dateText(to, zone);
  const end = sameDay ? clockText(to, zone) : `${dateText(to, zone).slice(5)} ${clockText(to, zone)}`;
  return `${dateText(from, zone).slice(5)} ${clockText(from, zone)} – ${end}`;
}

/** An age in one unit, as short as a table cell needs: `42 s`, `7 min`, `3 h`, `12 d`. */
export function ageText(age: number): string {
  const seconds = Math.max(0, Math.floor(age / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}

const MINUTE = 60_000;
const TICK_STEPS = [1000, 2000, 5000, 10_000, 15_000, 30_000, ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7 * 1440].map((minutes) => minutes * MINUTE)];

/** Round times within an interval, at most `most` of them; hours and days are round in the zone. */
export function timeTicks({ from, to }: Interval, most: number, zone: Zone): { time: number; text: string }[] {
  const step = TICK_STEPS.find((size) => (to - from) / size <= most) ?? 30 * 1440 * MINUTE;
  const offset = zone === 'utc' ? 0 : -new Date(to).getTimezoneOffset() * MINUTE;
  const ticks: { time: number; text: string }[] = [];
  for (let time = Math.ceil((from + offset) / step) * step - offset; time <= to; time += step) {
    ticks.push({ time, text: step >= 1440 * MINUTE ? dateText(time, zone).slice(5) : clockText(time, zone).slice(0, step < MINUTE ? 8 : 5) });
  }
  return ticks;
}
