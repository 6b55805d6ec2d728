import { describe, expect, it } from 'vitest';

import { eventText, exitText, nodeTone, podTone, recordTone } from './status';

describe('status', () => {
  it('is calm about pods that run and loud about those that crash', () => {
    expect(podTone({ status: 'Running', is_healthy: true })).toBe('ok');
    expect(podTone({ status: 'Completed', is_healthy: true })).toBe('unknown');
    expect(podTone({ status: 'CrashLoopBackOff', is_healthy: false })).toBe('critical');
    expect(podTone({ status: 'Init:ImagePullBackOff', is_healthy: false })).toBe('critical');
    expect(podTone({ status: 'Init:0/2', is_healthy: false })).toBe('info');
  });

  it('does not call an unready pod fine', () => {
    expect(podTone({ status: 'Running', is_healthy: false })).toBe('warn');
    expect(podTone({ status: 'Init:ExitCode:3', is_healthy: false })).toBe('critical');
  });

  it('sees pressure and cordons on ready nodes', () => {
    expect(nodeTone({ status: 'Ready', pressures: ['MemoryPressure'], is_unschedulable: false })).toBe('serious');
    expect(nodeTone({ status: 'Ready', pressures: [], is_unschedulable: true })).toBe('warn');
  });

  it('calls events as Kubernetes does and colours what is not normal', () => {
    expect(['info', 'warning', 'critical'].map(eventText)).toEqual(['Normal', 'Warning', 'Warning, critical']);
    expect(['info', 'warn', 'warning', 'error', 'fatal'].map(recordTone)).toEqual(['unknown', 'warn', 'warn', 'serious', 'critical']);
  });

  it('names the signal behind an exit code', () => {
    expect(exitText(137)).toBe('exit code 137 (SIGKILL)');
    expect(exitText(2)).toBe('exit code 2');
    expect(exitText(null)).toBe('');
  });
});
