// What a chart draws from an answer: named lines with steady colours, columns, statistics. No DOM here.
import type { LabelSet, RangeAnswer, SeriesStats } from '../api/types';
import { align, type Aligned, type Column, seriesKey, seriesNames, statsOf } from './series';

export interface ChartLine { key: string; name: string; labels: LabelSet; index: number; stats: SeriesStats; isOthers: boolean }
export interface ChartData { lines: ChartLine[]; aligned: Aligned }

export const OTHERS = 'others';

/** Colours stay with their series while the order changes: `colours` is kept by the chart. */
export function chartData(answer: RangeAnswer, colours: Map<string, number>): ChartData {
  const names = seriesNames(answer.series.map((series) => series.labels));
  const present = new Set(answer.series.map((series) => seriesKey(series.labels)));
  for (const key of colours.keys()) if (!present.has(key)) colours.delete(key);
  const taken = new Set(colours.values());
  const lines = answer.series.map((series, i): ChartLine => {
    const key = seriesKey(series.labels);
    let index = colours.get(key);
    if (index === undefined) {
      index = 0;
      while (taken.has(index)) index += 1;
      taken.add(index);
      colours.set(key, index);
    }
    return { key, name: names[i] ?? key, labels: series.labels, index, stats: series.stats, isOthers: false };
  });
  const points = new Map(answer.series.map((series, i) => [lines[i], series.points]));
  // In the order of their colours, whatever the order of the answer: the plot keeps its lines from answer to answer.
  lines.sort((a, b) => a.index - b.index);
  const lists = lines.map((line) => points.get(line) ?? []);
  if (answer.others) {
    lines.push({ key: OTHERS, name: `and ${answer.others.n} others, summed`, labels: {}, index: -1, stats: statsOf(answer.others.points), isOthers: true });
    lists.push(answer.others.points);
  }
  return { lines, aligned: align(lists, answer.step_ms) };
}

/** Each column as two: final up to and including the boundary, provisional from there on. */
export function withProvisional(aligned: Aligned, provisionalFrom: number | null): Column[] {
  const boundary = provisionalFrom === null ? aligned.times.length : aligned.times.findIndex((time) => time * 1000 >= provisionalFrom);
  const cut = boundary < 0 ? aligned.times.length : boundary;
  return aligned.columns.flatMap((column) => [
    column.map((value, i) => (i <= cut ? value : null)),
    column.map((value, i) => (i >= cut ? value : null)),
  ]);
}
