// What is wrong now, told apart from what was only warned about: an event says what was, a state says what is.
import { computed, type ComputedRef } from 'vue';

import type { ProblemRow } from '../api/types';
import { countText } from './quantity';

export interface Warning { row: ProblemRow; /** How many objects say the same. */ n: number }
export interface Problems {
  now: ComputedRef<ProblemRow[]>;
  warnings: ComputedRef<Warning[]>;
  /** As the server counted them: it may have sent only the first ones. */
  nNow: ComputedRef<string>;
}

/** More objects than this saying the same are one line: a lost node warns about each of its pods. */
const MOST_ALIKE = 3;

const objectOf = (row: ProblemRow): string => [row.cluster, row.object_kind, row.namespace, row.object_name].join('/');

export function useProblems(source: () => { problems: readonly ProblemRow[]; total: number }): Problems {
  const now = computed(() => source().problems.filter((row) => row.kind !== 'event'));
  const told = computed(() => new Set(now.value.map(objectOf)));
  const warnings = computed(() => {
    const rows = source().problems.filter((row) => row.kind === 'event' && !told.value.has(objectOf(row)));
    const alike = new Map<string, ProblemRow[]>();
    for (const row of rows) {
      const key = [row.severity, row.reason, row.object_kind, row.message].join('\n');
      alike.set(key, [...(alike.get(key) ?? []), row]);
    }
    return [...alike.values()].flatMap((group): Warning[] => (group.length > MOST_ALIKE ? group.slice(0, 1).map((row) => ({ row, n: group.length })) : group.map((row) => ({ row, n: 1 }))));
  });
  const nNow = computed(() => countText(source().total));
  return { now, warnings, nNow };
}
