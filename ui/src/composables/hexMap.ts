// Where the cells of the map stand: groups of hexagons, side by side and row by row. No DOM here.
import type { PodRow } from '../api/types';
import { podTone, type Tone } from './status';

export type MapColour = 'status' | 'cpu' | 'memory' | 'restarts';
export type MapGroup = 'namespace' | 'node';
export interface Cell { pod: PodRow; x: number; y: number }
export interface MapLabel { text: string; n: number; x: number; y: number; width: number }
export interface HexMap { cells: Cell[]; labels: MapLabel[]; height: number; radius: number }

const LABEL = 20;
const GAP = 20;
const LEAST_WIDTH = 96;

/** Fewer pods are drawn larger; ten thousand still fit on a screen. */
export const radiusFor = (n: number): number => (n <= 80 ? 24 : n <= 200 ? 17 : n <= 600 ? 12 : n <= 2500 ? 8 : 5.5);

export function hexMap(groups: readonly [name: string, pods: readonly PodRow[]][], width: number): HexMap {
  const radius = radiusFor(groups.reduce((sum, [, pods]) => sum + pods.length, 0));
  const stepX = radius * Math.sqrt(3) + 1.5;
  const stepY = radius * 1.5 + 1.5;
  const most = Math.max(1, Math.floor((width - stepX / 2) / stepX));
  const map: HexMap = { cells: [], labels: [], height: 0, radius };
  let [left, top, tallest] = [0, 0, 0];
  for (const [name, pods] of groups) {
    const columns = Math.min(most, Math.max(3, Math.ceil(Math.sqrt(pods.length * 2))));
    const own = Math.min(width, Math.max(LEAST_WIDTH, (columns + 0.5) * stepX));
    if (left > 0 && left + own > width) {
      top += tallest + GAP;
      [left, tallest] = [0, 0];
    }
    map.labels.push({ text: name, n: pods.length, x: left, y: top, width: own });
    pods.forEach((pod, i) => {
      const row = Math.floor(i / columns);
      map.cells.push({ pod, x: left + radius + (i % columns) * stepX + (row % 2) * (stepX / 2), y: top + LABEL + radius + row * stepY });
    });
    tallest = Math.max(tallest, LABEL + Math.ceil(pods.length / columns) * stepY + radius / 2);
    left += own + GAP;
  }
  map.height = Math.ceil(top + tallest);
  return map;
}

/** Pods by namespace or node, names in order; within a group by name, so that a cell stays where it is. */
export function grouped(pods: readonly PodRow[], by: MapGroup): [string, PodRow[]][] {
  const groups = new Map<string, PodRow[]>();
  for (const pod of pods) {
    const name = (by === 'node' ? pod.node : pod.namespace) || 'not scheduled';
    const group = groups.get(name);
    if (group) group.push(pod);
    else groups.set(name, [pod]);
  }
  for (const group of groups.values()) group.sort((a, b) => (a.name < b.name ? -1 : 1));
  return [...groups].sort((a, b) => a[0].localeCompare(b[0], 'en', { numeric: true }));
}

/** How full a cell is, 0 to 1; `null`: not measured or nothing to measure it by. */
export function shareOf(pod: PodRow, colour: MapColour): number | null {
  if (colour === 'status') return null;
  if (colour === 'restarts') return Math.min(1, pod.n_restarts / 10);
  const amounts = pod.usage[colour];
  const whole = amounts.limit ?? amounts.requested;
  return amounts.used === null || !whole ? null : Math.min(1, amounts.used / whole);
}

/** The tone of a cell; with a measure as colour, only what is nearly full is loud. */
export function cellTone(pod: PodRow, colour: MapColour): Tone {
  if (colour === 'status') return podTone(pod);
  const share = shareOf(pod, colour);
  if (share === null) return 'unknown';
  return share >= 0.95 ? 'critical' : share >= 0.85 ? 'warn' : 'info';
}

/** The nearest cell under a point. */
export function cellAt({ cells, radius }: HexMap, x: number, y: number): number {
  return cells.findIndex((cell) => (cell.x - x) ** 2 + (cell.y - y) ** 2 <= radius ** 2);
}

/** The cell that an arrow key leads to: the nearest one in that direction. */
export function neighbour({ cells }: HexMap, from: number, dx: number, dy: number): number {
  const here = cells[from];
  if (!here) return cells.length > 0 ? 0 : -1;
  let best = from;
  let least = Infinity;
  cells.forEach((cell, i) => {
    const [along, aside] = dx !== 0 ? [(cell.x - here.x) * dx, Math.abs(cell.y - here.y)] : [(cell.y - here.y) * dy, Math.abs(cell.x - here.x)];
    if (along <= 0.5) return;
    const far = along + aside * 3;
    if (far < least) [least, best] = [far, i];
  });
  return best;
}
