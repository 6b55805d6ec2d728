// Numbers as the page writes them: three significant digits, SI or IEC prefixes by kind of unit.
import type { UnitName } from '../api/types';
import { exactText } from './moment';

/** What stands for a value that was not measured. */
export const ABSENT = '–';

// Made once: making a formatter for every cell is what costs.
const GROUPED = new Intl.NumberFormat('en-US');
const SI = ['', 'k', 'M', 'G', 'T', 'P'];
const IEC = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Three significant digits without an exponent; whole numbers stay whole up to 9,999. */
export function significant(value: number, decimals = 3): string {
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (Number.isInteger(value) && size < 10_000) return String(value);
  if (size >= 100) return GROUPED.format(Math.round(value));
  if (size >= 10) return value.toFixed(Math.min(1, decimals));
  if (size >= 0.9995) return value.toFixed(Math.min(2, decimals));
  const needed = Math.min(decimals, 2 - Math.floor(Math.log10(size)));
  const text = value.toFixed(needed);
  return Number(text) === 0 ? `<${(10 ** -needed).toFixed(needed)}` : text;
}

function scaled(value: number, base: number): [number, number] {
  let power = 0;
  let rest = value;
  while (Math.abs(rest) >= base * 0.9995 && power < 5) {
    rest /= base;
    power += 1;
  }
  return [rest, power];
}

export function siText(value: number): string {
  if (Math.abs(value) < 1) return significant(value, 6);
  const [rest, power] = scaled(value, 1000);
  return power === 0 ? significant(rest) : `${significant(rest)} ${SI[power] ?? ''}`;
}

export function bytesText(value: number): string {
  const [rest, power] = scaled(value, 1024);
  return `${power === 0 ? Math.round(rest).toString() : significant(rest)} ${IEC[power] ?? ''}`;
}

export function secondsText(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0 s';
  if (size < 0.001) return `${significant(value * 1e6)} µs`;
  if (size < 1) return `${significant(value * 1000)} ms`;
  if (size < 120) return `${significant(value)} s`;
  if (size < 7200) return `${significant(value / 60)} min`;
  if (size < 172_800) return `${significant(value / 3600)} h`;
  return `${significant(value / 86_400)} d`;
}

/** How a unit of the API is written behind a number, and which prefixes it takes. */
type Kind = 'bytes' | 'seconds' | 'ratio' | 'cores' | 'timestamp' | 'plain';
export interface Unit { kind: Kind; suffix: string }

const UNITS: Partial<Record<UnitName, Unit>> = {
  bytes: { kind: 'bytes', suffix: '' },
  'bytes/s': { kind: 'bytes', suffix: '/s' },
  seconds: { kind: 'seconds', suffix: '' },
  cores: { kind: 'cores', suffix: '' },
  ratio: { kind: 'ratio', suffix: '' },
  celsius: { kind: 'plain', suffix: ' °C' },
  timestamp: { kind: 'timestamp', suffix: '' },
  '1/s': { kind: 'plain', suffix: '/s' },
};

export const unitOf = (unit: UnitName | null | undefined): Unit => UNITS[unit ?? 'none'] ?? { kind: 'plain', suffix: '' };

/** A value with its unit; `null` is "not measured" and never zero. */
export function quantityText(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return ABSENT;
  switch (unit.kind) {
    case 'bytes': return bytesText(value) + unit.suffix;
    case 'seconds': return secondsText(value);
    case 'ratio': return `${significant(value * 100)} %${unit.suffix}`;
    case 'cores': return significant(value);
    case 'timestamp': return exactText(value * 1000, 'utc');
    case 'plain': return siText(value) + unit.suffix;
  }
}

const SECOND_SCALES: [size: number, text: string][] = [[86_400, 'd'], [3600, 'h'], [60, 'min'], [1, 's'], [1e-3, 'ms'], [1e-6, 'µs']];

/** What ticks are divided by and what stands behind them: one prefix for the whole axis, that of its largest tick. */
function axisScale(largest: number, { kind, suffix }: Unit): [divisor: number, text: string] {
  switch (kind) {
    case 'bytes': {
      const [, power] = scaled(largest, 1024);
      return [1024 ** power, ` ${IEC[power] ?? ''}${suffix}`];
    }
    case 'seconds': {
      const [size, text] = SECOND_SCALES.find(([least], i) => largest >= least * (i < 3 ? 2 : 1)) ?? [1, 's'];
      return [size, ` ${text}`];
    }
    case 'ratio': return [0.01, ` %${suffix}`];
    case 'cores': return [1, ''];
    default: {
      const [, power] = scaled(largest, 1000);
      return [1000 ** power, power === 0 ? suffix : ` ${SI[power] ?? ''}${suffix}`];
    }
  }
}

/** Ticks of an axis, all with as many decimals as the step between them needs. */
export function axisTexts(ticks: readonly number[], unit: Unit): string[] {
  if (unit.kind === 'timestamp') return ticks.map((value) => quantityText(value, unit));
  const largest = Math.max(...ticks.map(Math.abs));
  const [divisor, text] = axisScale(largest, unit);
  const step = Math.abs((ticks[1] ?? 0) - (ticks[0] ?? 0)) / divisor;
  let decimals = 0;
  while (decimals < 6 && Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) > 1e-6 * 10 ** decimals) decimals += 1;
  return ticks.map((value) => (value === 0 ? '0' : `${(value / divisor).toFixed(decimals)}${text}`));
}

/** What to write once, in a heading or on an axis. */
export function unitTitle(unit: Unit): string {
  const names: Record<Kind, string> = { bytes: 'bytes', seconds: 'time', ratio: '%', cores: 'cores', timestamp: 'UTC', plain: '' };
  return (names[unit.kind] + unit.suffix).trim();
}

export const countText = (value: number | null | undefined): string =>
  value === null || value === undefined ? ABSENT : GROUPED.format(value);

export const coresText = (value: number | null | undefined): string =>
  value === null || value === undefined ? ABSENT : significant(value);

const MIB = 1024 * 1024;
export const mebibytesText = (value: number | null | undefined): string =>
  value === null || value === undefined ? ABSENT : significant(value / MIB, value < MIB ? 2 : 1);

export const gibibytesText = (value: number | null | undefined): string =>
  value === null || value === undefined ? ABSENT : significant(value / MIB / 1024, 2);

export const rateText = (value: number | null | undefined): string =>
  value === null || value === undefined ? ABSENT : `${siText(value)}/s`;

export const bytesOrAbsent = (value: number | null | undefined): string =>
  value === null || value === undefined ? ABSENT : bytesText(value);

export const percentText = (part: number | null | undefined, whole: number | null | undefined): string =>
  part === null || part === undefined || !whole ? ABSENT : `${significant((part / whole) * 100, 1)} %`;
