// Series as a chart needs them: one time axis, gaps as gaps, a provisional tail apart.
import type { LabelSet, Point, RangeAnswer, RangeSeries } from '../api/types';

/** `null` breaks the line, `undefined` is bridged: a window between two scrapes is no gap. */
export type Column = (number | null | undefined)[];
export interface Aligned { times: number[]; columns: Column[] }

/** A series' identity within one chart. */
export function seriesKey(labels: LabelSet): string {
  return Object.keys(labels).sort().map((label) => `${label}=${labels[label] ?? ''}`).join(',');
}

/** Sources are scraped every 10 to 15 s, and a kubelet repeats its last reading: shorter holes say nothing. */
const BRIDGED_MS = 30_000;

function bridge(column: Column, most: number): void {
  let last = -1;
  for (let i = 0; i < column.length; i += 1) {
    if (column[i] === null) continue;
    if (last >= 0 && i - last - 1 > 0 && i - last - 1 <= most) column.fill(undefined, last + 1, i);
    last = i;
  }
}

/** All points on one axis of seconds; a hole wider than a step and a half breaks the line. */
export function align(lists: readonly (readonly Point[])[], stepMs: number): Aligned {
  const seen = new Set<number>();
  for (const list of lists) for (const point of list) seen.add(point[0]);
  const sorted = [...seen].sort((a, b) => a - b);
  const axis: number[] = [];
  for (const time of sorted) {
    const previous = axis.at(-1);
    if (previous !== undefined && time - previous > stepMs * 1.5) axis.push(previous + stepMs);
    axis.push(time);
  }
  const row = new Map(axis.map((time, i) => [time, i]));
  const columns = lists.map((list) => {
    const column: Column = new Array<number | null>(axis.length).fill(null);
    for (const [time, value] of list) {
      const i = row.get(time);
      if (i !== undefined) column[i] = value;
    }
    return column;
  });
  for (const column of columns) bridge(column, Math.floor(BRIDGED_MS / stepMs));
  return { times: axis.map((time) => time / 1000), columns };
}

/** Old points before the first new one, then the new ones; nothing before `from`. */
export function mergePoints(old: readonly Point[], fresh: readonly Point[], from: number): Point[] {
  const start = fresh[0]?.[0] ?? Infinity;
  const kept = old.filter((point) => point[0] >= from && point[0] < start);
  return kept.concat(fresh as Point[]);
}

export function statsOf(points: readonly Point[]): RangeSeries['stats'] {
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  let n = 0;
  let last: number | null = null;
  for (const [, value] of points) {
    if (value === null) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
    n += 1;
    last = value;
  }
  return n === 0 ? { last: null, min: null, max: null, avg: null } : { last, min, max, avg: sum / n };
}

/**
 * The answer for the tail laid over the whole; series that are only in one of the two are kept. `null` when one of
 * them has only the largest: others are the largest of the tail, and what is summed is not the same in both.
 */
export function mergeAnswers(whole: RangeAnswer, tail: RangeAnswer, from: number): RangeAnswer | null {
  if (whole.others || tail.others) return null;
  const fresh = new Map(tail.series.map((series) => [seriesKey(series.labels), series]));
  const series: RangeSeries[] = [];
  for (const old of whole.series) {
    const key = seriesKey(old.labels);
    const points = mergePoints(old.points, fresh.get(key)?.points ?? [], from);
    fresh.delete(key);
    if (points.some((point) => point[1] !== null)) series.push({ labels: old.labels, points, stats: statsOf(points) });
  }
  for (const added of fresh.values()) series.push(added);
  return { ...tail, from_ms: from, series, total_series: series.length, others: null };
}

/** The shortest text that tells series of one chart apart: labels on which all agree are left out. */
export function seriesNames(all: readonly LabelSet[]): string[] {
  const labels = [...new Set(all.flatMap((set) => Object.keys(set)))].sort();
  const telling = labels.filter((label) => all.some((set) => set[label] !== all[0]?.[label]));
  const used = telling.length > 0 ? telling : labels.filter((label) => label !== '__name__').slice(0, 1);
  return all.map((set) => {
    const texts = used.filter((label) => (set[label] ?? '') !== '').map((label) => (/^\d+$/.test(set[label] ?? '') ? `${label} ${set[label] ?? ''}` : (set[label] ?? '')));
    return texts.length > 0 ? texts.join(' · ') : '(no label)';
  });
}

/** Table text of an answer, one row a time. */
export function answerCsv(answer: RangeAnswer): string {
  const cell = (text: string): string => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const { times, columns } = align(answer.series.map((series) => series.points), answer.step_ms);
  const head = ['time', ...answer.series.map((series) => cell(seriesKey(series.labels) || answer.metric))];
  const rows = times.map((time, i) => [new Date(time * 1000).toISOString(), ...columns.map((column) => String(column[i] ?? ''))]);
  return [head, ...rows].map((row) => row.join(',')).join('\n').concat('\n');
}
