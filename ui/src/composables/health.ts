// Is anything wrong? The one sentence of the overview, which must never say "nothing" of what nobody looked at.
import type { Overview, ProblemRow } from '../api/types';
import type { Tone } from './status';

export interface Place { cluster: string; namespaces: readonly string[] }
export interface Verdict { tone: Tone; text: string; /** Something was looked at, and lately. */ isJudged: boolean }

const unknown = (text: string): Verdict => ({ tone: 'unknown', text, isJudged: false });

/** Why nothing can be said of a place; `null` when it can. */
function blank({ health, counts }: Pick<Overview, 'health' | 'counts'>, { cluster, namespaces }: Place): string | null {
  const isBare = health.n_pods === 0 && health.n_nodes === 0;
  if (isBare && cluster !== '') return `Nothing is known of a cluster ${cluster}`;
  if (isBare) return 'No Kubernetes objects yet';
  if (namespaces.length === 0 || health.n_pods > 0 || health.n_workloads > 0) return null;
  const names = namespaces.join(', ');
  return counts.n_namespaces === 0 ? `Nothing is known of a namespace ${names}` : `Nothing runs in ${names}`;
}

function ofProblems(now: readonly ProblemRow[], n: string): Verdict | null {
  if (now.length === 0) return null;
  const severities = now.map((problem) => problem.severity);
  const tone = severities.includes('critical') ? 'critical' : severities.includes('error') ? 'serious' : 'warn';
  return { tone, text: n === '1' ? '1 problem' : `${n} problems`, isJudged: true };
}

/** `now` are the problems of the present, `n` their number in words; `isCurrent`: the server still answers. */
export function verdictOf(overview: Pick<Overview, 'health' | 'counts'>, place: Place, { now, n, isCurrent }: { now: readonly ProblemRow[]; n: string; isCurrent: boolean }): Verdict {
  const found = ofProblems(now, n);
  if (!isCurrent) return unknown(found ? `Not known now; last: ${found.text}` : 'Not known now: the server does not answer');
  const reason = blank(overview, place);
  return found ?? (reason === null ? { tone: 'ok', text: 'Nothing is wrong', isJudged: true } : unknown(reason));
}
