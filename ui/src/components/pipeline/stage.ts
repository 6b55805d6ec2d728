// How the details of a stage are named and written: the last word of a key says its unit.
import { ageText } from '../../composables/moment';
import { ABSENT, bytesText, countText, secondsText, significant } from '../../composables/quantity';

export function detailTitle(key: string): string {
  const words = key.replace(/^n_/, '').replace(/_(bytes|seconds|total)$/, '').replace(/_per_s$/, '').split('_').join(' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function detailText(key: string, value: number): string {
  if (key.endsWith('_bytes')) return bytesText(value);
  if (key.endsWith('_seconds') || key.endsWith('_s') && !key.endsWith('_per_s')) return secondsText(value);
  if (key.endsWith('_per_s')) return `${significant(value)}/s`;
  return Number.isInteger(value) ? countText(value) : significant(value);
}

/** Rate and total of the same thing stand in one row. */
export function detailRows(details: Record<string, number>): [title: string, text: string][] {
  const rows = new Map<string, string[]>();
  for (const [key, value] of Object.entries(details)) rows.set(detailTitle(key), [...(rows.get(detailTitle(key)) ?? []), detailText(key, value)]);
  return [...rows].map(([title, texts]) => [title, texts.join(' · ')]);
}

/** Ages below ten seconds move by tenths: that is how one sees that the data is alive. */
export const newestText = (seconds: number): string => (seconds < 10 ? `${seconds.toFixed(1)} s` : ageText(seconds * 1000));

/** What waits to be read. */
export const lagText = (nMessages: number | null): string =>
  nMessages === null ? ABSENT : `${countText(nMessages)} ${nMessages === 1 ? 'message' : 'messages'}`;
