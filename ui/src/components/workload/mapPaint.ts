// How the map of pods is painted: one canvas, colours from the tokens.
import { type Cell, cellTone, type HexMap, type MapColour, shareOf } from '../../composables/hexMap';
import type { Tone } from '../../composables/status';
import { tokenOf } from '../../composables/token';

const TONES: Tone[] = ['ok', 'info', 'warn', 'serious', 'critical', 'unknown'];
const FILLS: Record<Tone, string> = { ok: 'ok-fill', info: 'bar', warn: 'warn-fill', serious: 'serious-fill', critical: 'critical-fill', unknown: 'line-2' };
const isLoud = (tone: Tone): boolean => tone === 'warn' || tone === 'serious' || tone === 'critical';

function hexagon(context: CanvasRenderingContext2D, { x, y }: { x: number; y: number }, radius: number): void {
  for (let i = 0; i < 6; i += 1) {
    const angle = (Math.PI / 3) * i - Math.PI / 2;
    const [px, py] = [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
    if (i === 0) context.moveTo(px, py);
    else context.lineTo(px, py);
  }
  context.closePath();
}

/** A mark inside of what is loud, so that colour is not all that tells it. */
function mark(context: CanvasRenderingContext2D, { x, y }: Cell, tone: Tone, radius: number): void {
  const r = radius * 0.36;
  context.beginPath();
  if (tone === 'critical') context.rect(x - r, y - r, r * 2, r * 2);
  else if (tone === 'serious') { context.moveTo(x, y - r * 1.3); context.lineTo(x + r * 1.3, y); context.lineTo(x, y + r * 1.3); context.lineTo(x - r * 1.3, y); }
  else { context.moveTo(x, y - r * 1.1); context.lineTo(x + r * 1.2, y + r); context.lineTo(x - r * 1.2, y + r); }
  context.fill();
}

export function paintMap(canvas: HTMLCanvasElement, map: HexMap, look: { width: number; colour: MapColour; active: number; selected: string | null }): void {
  const scale = devicePixelRatio;
  canvas.width = Math.round(look.width * scale);
  canvas.height = Math.round(map.height * scale);
  const context = canvas.getContext('2d');
  if (!context) return;
  context.scale(scale, scale);
  const fill = Object.fromEntries(TONES.map((tone) => [tone, tokenOf(FILLS[tone])])) as Record<Tone, string>;
  const [empty, ink, accent] = [tokenOf('surface-3'), tokenOf('surface-0'), tokenOf('text-1')];
  map.cells.forEach((cell, i) => {
    const tone = cellTone(cell.pod, look.colour);
    const share = shareOf(cell.pod, look.colour);
    context.beginPath();
    hexagon(context, cell, map.radius);
    context.fillStyle = tone === 'unknown' ? empty : fill[tone];
    // Quiet cells tell how full they are by how dense they are; what is healthy steps back behind what is not.
    context.globalAlpha = isLoud(tone) ? 1 : share !== null ? 0.15 + share * 0.85 : tone === 'ok' ? 0.55 : 0.9;
    context.fill();
    context.globalAlpha = 1;
    if (isLoud(tone)) {
      context.fillStyle = ink;
      mark(context, cell, tone, map.radius);
    }
    if (i === look.active || cell.pod.uid === look.selected) {
      context.strokeStyle = accent;
      context.lineWidth = 2;
      context.beginPath();
      hexagon(context, cell, map.radius);
      context.stroke();
    }
  });
}
