// How a hop of the canary stands, by what it has counted.
import type { CanaryHop } from '../../api/types';
import type { Tone } from '../../composables/status';

export function hopState(hop: Pick<CanaryHop, 'missing_total' | 'doubled_total'>): { tone: Tone; label: string } {
  if (hop.missing_total > 0) return { tone: 'critical', label: 'beats are missing' };
  if (hop.doubled_total > 0) return { tone: 'warn', label: 'beats came twice' };
  return { tone: 'ok', label: 'nothing missing, nothing doubled' };
}
