// Targets of scrapes as their own series tell: whether they answer, how long that takes, how much they give.
import type { LabelSet, LatestRow } from '../api/types';
import { seriesKey } from './series';

export interface Target { key: string; /** Where it is. */ place: string; /** What else tells it from others. */ labels: LabelSet; isUp: boolean; seconds: number | null; nSamples: number | null; time: number }

const PLACES = ['instance', 'node', 'pod'];

const keyOf = ({ __name__: _name, ...labels }: LabelSet): string => seriesKey(labels);
const byKey = (rows: readonly LatestRow[]): Map<string, LatestRow> => new Map(rows.map((row) => [keyOf(row.labels), row]));

/** Those that are down first. */
export function targetsOf(up: readonly LatestRow[], durations: readonly LatestRow[], samples: readonly LatestRow[]): Target[] {
  const [took, gave] = [byKey(durations), byKey(samples)];
  const targets = up.map((row): Target => {
    const key = keyOf(row.labels);
    const at = PLACES.find((label) => (row.labels[label] ?? '') !== '') ?? '';
    const labels = Object.fromEntries(Object.entries(row.labels).filter(([label, value]) => label !== '__name__' && label !== at && value !== ''));
    return { key, place: row.labels[at] ?? '', labels, isUp: row.value !== 0, seconds: took.get(key)?.value ?? null, nSamples: gave.get(key)?.value ?? null, time: row.timestamp_ms };
  });
  return targets.sort((a, b) => Number(a.isUp) - Number(b.isUp) || a.place.localeCompare(b.place) || a.key.localeCompare(b.key));
}

/** The labels on which the targets differ; the others say nothing here. */
export function tellingLabels(targets: readonly Target[]): string[] {
  const names = [...new Set(targets.flatMap((target) => Object.keys(target.labels)))].sort();
  return names.filter((name) => targets.length === 1 || targets.some((target) => target.labels[name] !== targets[0]?.labels[name]));
}
