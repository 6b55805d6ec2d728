// Options of one uPlot: colours from the tokens, axes by unit, reference lines and marks drawn over the plot.
import uPlot from 'uplot';

import { clockText, dateText, type Zone } from '../../composables/moment';
import { axisTexts, type Unit } from '../../composables/quantity';
import { colourName, N_COLOURS, tokenOf } from '../../composables/token';

export interface ReferenceLine { text: string; value: number; tone: 'request' | 'limit' }
export type MarkKind = 'rollout' | 'restart' | 'incident';
export interface ChartMark { time: number; kind: MarkKind; text: string }
export interface PlotLine { key: string; index: number; isOthers: boolean }

/** What may change while the plot lives; the plot reads it at each draw. */
export interface PlotView {
  from: number;
  to: number;
  unit: Unit;
  zone: Zone;
  isFromZero: boolean;
  references: readonly ReferenceLine[];
  marks: readonly ChartMark[];
}

export interface PlotEvents {
  zoom: (from: number, to: number) => void;
  unzoom: () => void;
  cursor: (index: number | null, left: number, top: number) => void;
}

const DASHES = [[], [6, 4], [2, 3], [8, 3, 2, 3]];
export const dashOf = (i: number): number[] => DASHES[Math.floor(i / N_COLOURS) % DASHES.length] ?? [];

const POWERS = Array.from({ length: 60 }, (_, i) => 2 ** (i - 4));
const DECIMALS = Array.from({ length: 22 }, (_, i) => [1, 2, 2.5, 5].map((digit) => digit * 10 ** (i - 9))).flat();
const SECONDS = [...DECIMALS.filter((value) => value < 10), 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, ...Array.from({ length: 12 }, (_, i) => 86_400 * 2 ** i)];
/** Steps between ticks that give round numbers in the unit they are written in. */
const stepsOf = ({ kind }: Unit): number[] => (kind === 'bytes' ? POWERS : kind === 'seconds' ? SECONDS : DECIMALS);
const FONT = "11px 'Inter Variable', sans-serif";

function timeTexts(splits: number[], increment: number, zone: Zone): string[] {
  return splits.map((second, i) => {
    const time = second * 1000;
    const text = increment < 60 ? clockText(time, zone) : clockText(time, zone).slice(0, 5);
    const before = splits[i - 1];
    if (increment >= 86_400) return dateText(time, zone).slice(5);
    if (before !== undefined && dateText(before * 1000, zone) !== dateText(time, zone)) return `${dateText(time, zone).slice(5)} ${text}`;
    return text;
  });
}

function drawReference(u: uPlot, line: ReferenceLine): void {
  const { ctx, bbox } = u;
  const y = u.valToPos(line.value, 'y', true);
  if (!Number.isFinite(y) || y < bbox.top || y > bbox.top + bbox.height) return;
  const colour = tokenOf(line.tone === 'limit' ? 'critical' : 'text-3');
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.fillStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.font = `${11 * devicePixelRatio}px 'Inter Variable', sans-serif`;
  // Request and limit are often close: their names stand at opposite ends.
  const isLimit = line.tone === 'limit';
  ctx.textAlign = isLimit ? 'right' : 'left';
  ctx.textBaseline = y - bbox.top < 16 * devicePixelRatio ? 'top' : 'bottom';
  ctx.fillText(line.text, isLimit ? bbox.left + bbox.width - 4 * devicePixelRatio : bbox.left + 4 * devicePixelRatio, y + (ctx.textBaseline === 'top' ? 3 : -2) * devicePixelRatio);
  ctx.restore();
}

function drawMark(u: uPlot, mark: ChartMark): void {
  const { ctx, bbox } = u;
  const x = u.valToPos(mark.time / 1000, 'x', true);
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  const r = 4 * devicePixelRatio;
  const y = bbox.top + r;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = tokenOf(mark.kind === 'rollout' ? 'text-2' : 'serious');
  // Events are many and only marked; what changed the series gets a line through it.
  if (mark.kind !== 'incident') {
    ctx.globalAlpha = 0.5;
    ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.globalAlpha = mark.kind === 'incident' ? 0.8 : 1;
  ctx.beginPath();
  if (mark.kind === 'rollout') {
    ctx.moveTo(x, y - r);
    ctx.lineTo(x + r, y + r);
    ctx.lineTo(x - r, y + r);
  } else if (mark.kind === 'restart') ctx.arc(x, y, r, 0, Math.PI * 2);
  else ctx.rect(x - r * 0.75, y - r * 0.4, r * 1.5, r * 0.8);
  ctx.fill();
  ctx.restore();
}

/** The y scale: from zero for what cannot be negative, with room for the reference lines that are near. */
function yRange(view: PlotView, low: number | null, high: number | null): [number, number] {
  let min = low ?? 0;
  let max = high ?? 1;
  if (view.isFromZero && min >= 0) min = 0;
  for (const line of view.references) if (line.value > max && line.value < max * 3) max = line.value;
  if (max === min) max = min === 0 ? 1 : min + Math.abs(min) * 0.1;
  const room = (max - min) * 0.08;
  return [view.isFromZero && min === 0 ? 0 : min - room, max + room];
}

/** Round ticks without the dust of adding floats. */
function ticksOf(low: number, high: number, step: number): number[] {
  const first = Math.ceil(low / step - 1e-9);
  const n = Math.max(0, Math.floor(high / step + 1e-9) - first + 1);
  return Array.from({ length: n }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Each line twice: what is final, and the provisional tail, dashed. Colours are read anew at each draw. */
export function seriesPair({ index, isOthers }: PlotLine): [uPlot.Series, uPlot.Series] {
  const stroke = (): string => tokenOf(isOthers ? 'text-3' : colourName(index));
  const line = { stroke, width: 1.4, points: { show: false }, spanGaps: false };
  return [{ ...line, dash: isOthers ? [1, 3] : dashOf(index) }, { ...line, dash: [3, 3] }];
}

/** The part of the range before the first point: nothing was known there, which is not the same as zero. */
function shadeUnknown(u: uPlot, view: PlotView): void {
  const [times, ...columns] = u.data;
  const first = times.find((_, i) => columns.some((column) => typeof column[i] === 'number'));
  if (first !== undefined && first * 1000 < view.from + (view.to - view.from) * 0.02) return;
  const { ctx, bbox } = u;
  const width = first === undefined ? bbox.width : Math.min(bbox.width, u.valToPos(first, 'x', true) - bbox.left);
  const gap = 6 * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, width, bbox.height);
  ctx.clip();
  ctx.strokeStyle = tokenOf('line-2');
  ctx.globalAlpha = 0.4;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (let x = bbox.left - bbox.height; x < bbox.left + width; x += gap) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

/** A plot without lines yet; `view` may be changed while it lives. */
export function plotOptions(view: PlotView, size: { width: number; height: number }, events: PlotEvents, syncKey: string): uPlot.Options {
  const text = (): string => tokenOf('text-3');
  const grid = { stroke: (): string => tokenOf('line-1'), width: 1 };
  const gap = (u: uPlot): number => Math.max(38, ...((u.axes[1] as { _values?: string[] })._values ?? []).map((value) => value.length * 6.4 + 12));
  return {
    ...size,
    padding: [10, 18, 0, 0],
    legend: { show: false },
    tzDate: (second) => new Date(second * 1000),
    cursor: {
      sync: { key: syncKey, setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
      bind: { dblclick: () => () => { events.unzoom(); return null; } },
    },
    scales: {
      x: { time: true, range: () => [view.from / 1000, view.to / 1000] },
      y: { range: (_, low, high) => yRange(view, low, high) },
    },
    axes: [
      { font: FONT, stroke: text, grid: { show: false }, ticks: { ...grid, size: 4 }, size: 26, gap: 3, space: 72, values: (_, splits, __, ___, increment) => timeTexts(splits, increment, view.zone) },
      { font: FONT, stroke: text, grid, ticks: { show: false }, gap: 6, size: gap, space: 32, incrs: () => stepsOf(view.unit), splits: (_, __, low, high, step) => ticksOf(low, high, step), values: (u, splits) => (u.data[0].length === 0 ? splits.map(() => '') : axisTexts(splits, view.unit)) },
    ],
    series: [{}],
    hooks: {
      drawClear: [(u) => shadeUnknown(u, view)],
      draw: [(u) => {
        for (const line of view.references) drawReference(u, line);
        for (const mark of view.marks) drawMark(u, mark);
      }],
      setSelect: [(u) => {
        const { left, width } = u.select;
        if (width < 4) return;
        const [from, to] = [u.posToVal(left, 'x') * 1000, u.posToVal(left + width, 'x') * 1000];
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        events.zoom(from, to);
      }],
      setCursor: [(u) => events.cursor(u.cursor.idx ?? null, u.cursor.left ?? -1, u.cursor.top ?? -1)],
    },
  };
}
