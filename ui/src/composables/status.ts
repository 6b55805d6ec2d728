// What a status word of Kubernetes means for an operator: one of six tones, each with its own shape.
import type { PodRow } from '../api/types';

export type Tone = 'ok' | 'info' | 'warn' | 'serious' | 'critical' | 'unknown';

const POD: Record<string, Tone> = {
  Running: 'ok',
  Succeeded: 'unknown',
  Completed: 'unknown',
  Pending: 'info',
  ContainerCreating: 'info',
  PodInitializing: 'info',
  Terminating: 'info',
  SchedulingGated: 'info',
  Unschedulable: 'serious',
  NotReady: 'warn',
  Unknown: 'unknown',
  NodeLost: 'critical',
  Failed: 'critical',
  Error: 'critical',
  OOMKilled: 'critical',
  CrashLoopBackOff: 'critical',
  ImagePullBackOff: 'critical',
  ErrImagePull: 'critical',
  ErrImageNeverPull: 'critical',
  InvalidImageName: 'critical',
  CreateContainerConfigError: 'critical',
  CreateContainerError: 'critical',
  RunContainerError: 'critical',
  StartError: 'critical',
  ContainerStatusUnknown: 'critical',
  DeadlineExceeded: 'critical',
  Evicted: 'serious',
};

export function podTone(pod: Pick<PodRow, 'status' | 'is_healthy'>): Tone {
  const status = pod.status.replace(/^Init:/, '');
  const tone = POD[status] ?? (/^\d+\/\d+$/.test(status) ? 'info' : undefined);
  if (tone === undefined) return pod.is_healthy ? 'ok' : /error|fail|backoff|exitcode|signal/i.test(status) ? 'critical' : 'warn';
  if (tone === 'ok' && !pod.is_healthy) return 'warn';
  return tone;
}

const WORKLOAD: Record<string, Tone> = {
  Available: 'ok',
  Progressing: 'info',
  Degraded: 'warn',
  Unavailable: 'critical',
  Complete: 'unknown',
  Failed: 'critical',
  Suspended: 'unknown',
  Scheduled: 'ok',
  ScaledToZero: 'unknown',
};
export const workloadTone = (status: string): Tone => WORKLOAD[status] ?? 'unknown';

const NODE: Record<string, Tone> = { Ready: 'ok', NotReady: 'critical', Unknown: 'serious' };
export function nodeTone(node: { status: string; pressures: string[]; is_unschedulable: boolean }): Tone {
  const tone = NODE[node.status] ?? 'unknown';
  if (tone === 'ok' && node.pressures.length > 0) return 'serious';
  return tone === 'ok' && node.is_unschedulable ? 'warn' : tone;
}

const SEVERITY: Record<string, Tone> = {
  info: 'info', warning: 'warn', error: 'serious', critical: 'critical',
  trace: 'unknown', debug: 'unknown', warn: 'warn', fatal: 'critical', unspecified: 'unknown',
};
export const severityTone = (severity: string): Tone => SEVERITY[severity] ?? 'unknown';
/** Events and log lines, in lists and histograms alike: what is normal stays without colour. */
export const recordTone = (severity: string): Tone => (severity === 'info' ? 'unknown' : severityTone(severity));
/** Kubernetes knows two types of events; what is worse than a warning here is still a Warning there. */
export function eventText(severity: string): string {
  if (severity === 'info') return 'Normal';
  return severity === 'warning' ? 'Warning' : `Warning, ${severity}`;
}

const STATE: Record<string, Tone> = { ok: 'ok', healthy: 'ok', ready: 'ok', running: 'ok', starting: 'info', stopped: 'unknown', degraded: 'warn', failed: 'critical', unhealthy: 'critical' };
export const stateTone = (state: string): Tone => STATE[state.toLowerCase()] ?? 'unknown';

export const isProblemTone = (tone: Tone): boolean => tone === 'critical' || tone === 'serious' || tone === 'warn';

const ORDER: Tone[] = ['critical', 'serious', 'warn', 'info', 'unknown', 'ok'];
export const toneRank = (tone: Tone): number => ORDER.indexOf(tone);

/** `exit code 137`, with what the number says when it is a signal. */
export function exitText(code: number | null, signal: number | null = null): string {
  if (code === null) return '';
  const number = signal ?? (code > 128 && code < 160 ? code - 128 : null);
  const names: Record<number, string> = { 1: 'HUP', 2: 'INT', 3: 'QUIT', 6: 'ABRT', 9: 'KILL', 11: 'SEGV', 13: 'PIPE', 15: 'TERM' };
  return number ? `exit code ${code} (SIG${names[number] ?? number})` : `exit code ${code}`;
}
