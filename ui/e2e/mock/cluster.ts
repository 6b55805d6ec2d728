// A made-up cluster: nodes, workloads and pods with a few faults, the same at every start.
import type { Amounts, NodeRow, PodRow, Usage, WorkloadRow } from '../../src/api/types';
import { hash, letters, noise, unit } from './dice';

export const CLUSTER = 'prod-eu';
const MIB = 1024 * 1024;

interface Template { namespace: string; kind: string; name: string; replicas: number; cpu: number; memory: number; fault?: Fault }
type Fault = 'crash' | 'oom' | 'image' | 'unschedulable' | 'unready';

const TEMPLATES: Template[] = [
  { namespace: 'shop', kind: 'Deployment', name: 'storefront', replicas: 6, cpu: 0.42, memory: 310 },
  { namespace: 'shop', kind: 'Deployment', name: 'cart', replicas: 4, cpu: 0.21, memory: 190 },
  { namespace: 'shop', kind: 'Deployment', name: 'checkout', replicas: 3, cpu: 0.33, memory: 420, fault: 'crash' },
  { namespace: 'shop', kind: 'Deployment', name: 'recommendations', replicas: 3, cpu: 0.9, memory: 980, fault: 'oom' },
  { namespace: 'shop', kind: 'Deployment', name: 'search', replicas: 4, cpu: 0.66, memory: 720 },
  { namespace: 'payments', kind: 'Deployment', name: 'ledger', replicas: 3, cpu: 0.18, memory: 260 },
  { namespace: 'payments', kind: 'Deployment', name: 'card-gateway', replicas: 4, cpu: 0.12, memory: 150, fault: 'image' },
  { namespace: 'payments', kind: 'StatefulSet', name: 'postgres', replicas: 3, cpu: 0.7, memory: 2100 },
  { namespace: 'data', kind: 'StatefulSet', name: 'kafka', replicas: 3, cpu: 0.8, memory: 3400 },
  { namespace: 'data', kind: 'StatefulSet', name: 'clickhouse', replicas: 2, cpu: 1.9, memory: 7200 },
  { namespace: 'data', kind: 'Deployment', name: 'feature-store', replicas: 2, cpu: 0.3, memory: 640, fault: 'unschedulable' },
  { namespace: 'data', kind: 'CronJob', name: 'nightly-export', replicas: 2, cpu: 0.05, memory: 80 },
  { namespace: 'platform', kind: 'Deployment', name: 'ingress-nginx-controller', replicas: 3, cpu: 0.25, memory: 210 },
  { namespace: 'platform', kind: 'Deployment', name: 'cert-manager', replicas: 1, cpu: 0.01, memory: 60 },
  { namespace: 'platform', kind: 'Deployment', name: 'image-resizer', replicas: 5, cpu: 0.5, memory: 330, fault: 'unready' },
  { namespace: 'kube-system', kind: 'DaemonSet', name: 'kube-proxy', replicas: 8, cpu: 0.01, memory: 34 },
  { namespace: 'kube-system', kind: 'DaemonSet', name: 'cilium', replicas: 8, cpu: 0.09, memory: 240 },
  { namespace: 'kube-system', kind: 'Deployment', name: 'coredns', replicas: 2, cpu: 0.03, memory: 52 },
  { namespace: 'batch', kind: 'Job', name: 'reindex-2026-11', replicas: 3, cpu: 1.2, memory: 900 },
];

export interface MockPod { row: PodRow; template: Template; cpu: number; memory: number; container: string; fault: Fault | null }

export const amounts = (used: number | null, requested: number | null, limit: number | null, allocatable: number | null = null): Amounts => ({ used, requested, limit, allocatable });
const round = (value: number, step: number): number => Math.max(step, Math.ceil(value / step) * step);
const iso = (time: number): string => new Date(time).toISOString();

export class MockCluster {
  readonly started = Date.now();
  readonly pods: MockPod[] = [];
  readonly nodes: string[] = [];
  readonly templates: Template[];

  constructor(nPods: number) {
    const base = TEMPLATES.reduce((sum, template) => sum + template.replicas, 0);
    this.templates = [...TEMPLATES];
    for (let i = 0; base + i * 12 < nPods; i += 1) {
      const source = TEMPLATES[hash(`t${i}`) % TEMPLATES.length] as Template;
      const { fault: _fault, ...calm } = source;
      this.templates.push({ ...calm, kind: source.kind === 'DaemonSet' ? 'Deployment' : source.kind, name: `${source.name}-${letters(`w${i}`, 4)}`, namespace: `team-${(i % 40) + 1}`, replicas: Math.min(12, nPods - base - i * 12) });
    }
    const nNodes = Math.max(8, Math.ceil(nPods / 60));
    for (let i = 0; i < nNodes; i += 1) this.nodes.push(`ip-10-0-${Math.floor(i / 50) + 1}-${(hash(`n${i}`) % 200) + 10 + (i % 50)}`);
    for (const template of this.templates) for (let i = 0; i < template.replicas; i += 1) this.addPod(template, i);
  }

  private addPod(template: Template, i: number): void {
    const isOrdered = template.kind === 'StatefulSet';
    const seed = `${template.namespace}/${template.name}/${i}`;
    const name = isOrdered ? `${template.name}-${i}` : template.kind === 'DaemonSet' || template.kind === 'Job' ? `${template.name}-${letters(seed, 5)}` : `${template.name}-${letters(template.name, 9)}-${letters(seed, 5)}`;
    const fault = template.fault && (i === 0 || (template.fault === 'crash' && i === 1)) ? template.fault : null;
    const node = fault === 'unschedulable' ? '' : (this.nodes[template.kind === 'DaemonSet' ? i % this.nodes.length : hash(seed) % this.nodes.length] ?? '');
    const created = this.started - (3 + unit(seed) * 400) * 3_600_000;
    const row: PodRow = {
      cluster: CLUSTER, namespace: template.namespace, name, uid: `${letters(seed, 8)}-${letters(`${seed}u`, 4)}-4${letters(`${seed}v`, 3)}`, phase: 'Running', status: 'Running', reason: '', message: '', is_healthy: true,
      ready_containers: template.namespace === 'shop' ? 2 : 1, total_containers: template.namespace === 'shop' ? 2 : 1, n_restarts: unit(`${seed}r`) > 0.93 ? 1 : 0, last_restart: null, last_termination: null,
      node, workload_kind: template.kind, workload: template.name, pod_ip: node ? `10.244.${hash(seed) % 250}.${hash(`${seed}ip`) % 250}` : '', created: iso(created), usage: this.emptyUsage(),
    };
    if (row.n_restarts > 0) row.last_restart = iso(created + 3_600_000);
    if (template.kind === 'CronJob') Object.assign(row, { phase: 'Succeeded', status: 'Completed', ready_containers: 0, created: iso(this.started - (i + 1) * 8_000_000) });
    this.applyFault(row, fault, template);
    this.pods.push({ row, template, cpu: template.cpu * (0.7 + unit(`${seed}c`) * 0.6), memory: template.memory * MIB * (0.8 + unit(`${seed}m`) * 0.35), container: template.name.split('-')[0] ?? 'app', fault });
  }

  private applyFault(row: PodRow, fault: Fault | null, template: Template): void {
    const ago = (minutes: number): string => iso(this.started - minutes * 60_000);
    const ended = (reason: string, exit_code: number): PodRow['last_termination'] => ({ container: template.name.split('-')[0] ?? 'app', reason, exit_code, finished: ago(2) });
    const broken: Partial<PodRow> = { is_healthy: false, ready_containers: Math.max(0, row.total_containers - 1) };
    if (fault === 'crash') Object.assign(row, broken, { status: 'CrashLoopBackOff', reason: 'CrashLoopBackOff', message: 'back-off 5m0s restarting failed container=checkout', n_restarts: 14, last_restart: ago(2), last_termination: ended('Error', 1), created: ago(64) });
    if (fault === 'oom') Object.assign(row, broken, { status: 'OOMKilled', reason: 'OOMKilled', n_restarts: 3, last_restart: ago(7), last_termination: ended('OOMKilled', 137), created: ago(300) });
    if (fault === 'image') Object.assign(row, broken, { phase: 'Pending', status: 'ImagePullBackOff', reason: 'ImagePullBackOff', message: 'Back-off pulling image "registry.internal/payments/card-gateway:3.9.1": not found', created: ago(11), n_restarts: 0, last_restart: null });
    if (fault === 'unschedulable') Object.assign(row, broken, { phase: 'Pending', status: 'Unschedulable', reason: 'Unschedulable', message: '0/8 nodes are available: 8 Insufficient memory.', created: ago(38), pod_ip: '', ready_containers: 0, n_restarts: 0, last_restart: null });
    if (fault === 'unready') Object.assign(row, broken, { status: 'NotReady', reason: 'ContainersNotReady', message: 'containers with unready status: [image]', created: ago(500) });
  }

  private emptyUsage(): Usage {
    return { cpu: amounts(null, null, null), memory: amounts(null, null, null) };
  }

  runs(pod: MockPod): boolean {
    return pod.row.phase === 'Running' && pod.fault !== 'crash';
  }

  cpuAt(pod: MockPod, time: number): number {
    const seconds = time / 1000;
    const name = pod.row.name;
    const day = 1 + 0.3 * Math.sin((seconds / 86_400) * 2 * Math.PI - 1);
    return Math.max(0.0005, pod.cpu * day * (1 + 0.22 * noise(name, seconds, 90) + 0.12 * noise(`${name}f`, seconds, 17)));
  }

  memoryAt(pod: MockPod, time: number): number {
    const seconds = time / 1000;
    if (pod.fault === 'oom') return pod.memory * (0.35 + 0.6 * ((seconds % 540) / 540));
    return pod.memory * (1 + 0.05 * noise(`${pod.row.name}m`, seconds, 240));
  }

  usageOf(pod: MockPod, time: number): Usage {
    const isRunning = this.runs(pod);
    const limit = pod.template.kind === 'DaemonSet' ? null : round(pod.template.cpu * 2.2, 0.1);
    return {
      cpu: amounts(isRunning ? this.cpuAt(pod, time) : null, round(pod.template.cpu * 1.1, 0.05), limit),
      memory: amounts(isRunning ? this.memoryAt(pod, time) : null, round(pod.template.memory * 1.05, 32) * MIB, round(pod.template.memory * 1.3, 64) * MIB),
    };
  }

  podRows(time: number): PodRow[] {
    return this.pods.map((pod) => ({ ...pod.row, usage: this.usageOf(pod, time) }));
  }

  nodeRows(time: number): NodeRow[] {
    return this.nodes.map((name, i) => {
      const own = this.pods.filter((pod) => pod.row.node === name);
      const sum = (pick: (usage: Usage) => number | null): number => own.reduce((total, pod) => total + (pick(this.usageOf(pod, time)) ?? 0), 0);
      const isPressed = i === 2;
      const isGone = i === 5;
      const memory = 32 * 1024 * MIB;
      return {
        cluster: CLUSTER, name, status: isGone ? 'NotReady' : 'Ready', reason: isGone ? 'KubeletNotReady' : '', pressures: isPressed ? ['MemoryPressure'] : [], is_unschedulable: i === 6,
        conditions: ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => ({
          type, status: type === 'Ready' ? (isGone ? 'False' : 'True') : isPressed && type === 'MemoryPressure' ? 'True' : 'False',
          reason: type === 'Ready' ? (isGone ? 'KubeletNotReady' : 'KubeletReady') : `Kubelet${isPressed && type === 'MemoryPressure' ? 'HasInsufficientMemory' : 'HasSufficient'}`,
          message: type === 'Ready' && isGone ? 'container runtime network not ready: NetworkReady=false' : 'kubelet is posting ready status', since: iso(this.started - (i + 1) * 5_000_000),
        })),
        taints: i === 6 ? ['node.kubernetes.io/unschedulable:NoSchedule'] : [], roles: i < 3 ? ['control-plane'] : ['worker'], kubelet_version: i === 7 ? 'v1.34.1' : 'v1.34.2', os_image: 'Debian GNU/Linux 12 (bookworm)', kernel_version: '6.1.0-40-amd64',
        container_runtime: 'containerd://2.1.4', architecture: 'amd64', internal_ip: name.slice(3).replace(/-/g, '.'), created: iso(this.started - (20 + i) * 86_400_000), n_pods: own.length, pods_allocatable: 110,
        usage: {
          cpu: amounts(isGone ? null : sum((usage) => usage.cpu.used), sum((usage) => usage.cpu.requested), sum((usage) => usage.cpu.limit), 8),
          memory: amounts(isGone ? null : sum((usage) => usage.memory.used) + (isPressed ? 20 * 1024 * MIB : 1200 * MIB), sum((usage) => usage.memory.requested), sum((usage) => usage.memory.limit), memory),
        },
      };
    });
  }

  workloadRows(): WorkloadRow[] {
    return this.templates.map((template) => {
      const own = this.pods.filter((pod) => pod.template === template);
      const ready = own.filter((pod) => pod.row.is_healthy && pod.row.phase === 'Running').length;
      const status = template.kind === 'CronJob' ? 'Scheduled' : ready === own.length ? 'Available' : ready === 0 ? 'Unavailable' : template.fault === 'image' ? 'Progressing' : 'Degraded';
      return {
        cluster: CLUSTER, namespace: template.namespace, kind: template.kind, name: template.name, status, reason: status === 'Degraded' ? 'MinimumReplicasUnavailable' : '', message: '', schedule: template.kind === 'CronJob' ? '0 2 * * *' : '',
        n_pods: own.length, desired: template.kind === 'CronJob' ? 0 : own.length, ready, available: ready, updated: own.length, n_restarts: own.reduce((sum, pod) => sum + pod.row.n_restarts, 0),
        images: [`registry.internal/${template.namespace}/${template.name}:2.${hash(template.name) % 40}.${hash(template.namespace) % 9}`], created: iso(this.started - (10 + (hash(template.name) % 300)) * 86_400_000), usage: this.emptyUsage(),
      };
    });
  }
}
