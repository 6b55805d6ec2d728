// Editing how long things are kept: what was read, what is typed, and saving it against the revision that was seen.
import { computed, ref, shallowRef, watch } from 'vue';

import { type ApiError, put, remove } from '../api/http';
import type { Problem, RetentionAnswer } from '../api/types';
import { changesOf, effective, problemOf, requestOf } from './retention';
import { useRead } from './useRead';

const PATH = '/settings/retention';
const EVERY_S = 10;
const CHANGED_MEANWHILE = 412;
const OVERTAKEN: Problem = { title: 'Somebody else has changed the retention meanwhile', status: CHANGED_MEANWHILE, detail: 'Nothing was saved. Reload to see what they set beside what you typed.' };

export function useRetention() {
  const read = useRead<RetentionAnswer>(() => ({ path: PATH }), () => EVERY_S);
  /** What the person edits: it stays as it was when they began, so that nobody's change is overwritten unseen. */
  const base = shallowRef<RetentionAnswer | null>(null);
  const drafts = ref<Partial<Record<string, string>>>({});
  const problem = shallowRef<Problem | null>(null);
  const outcome = shallowRef<RetentionAnswer | null>(null);
  const isSaving = ref(false);

  const changes = computed(() => (base.value ? changesOf(base.value, drafts.value) : []));
  const problems = computed(() => Object.fromEntries(Object.entries(drafts.value).map(([name, text]) => [name, problemOf(name, text ?? '')])));
  const isTouched = computed(() => changes.value.length > 0 || Object.values(problems.value).some((text) => text !== null));
  const isReady = computed(() => changes.value.length > 0 && Object.values(problems.value).every((text) => text === null));
  const isOvertaken = computed(() => base.value !== null && read.data.value !== null && read.data.value.revision !== base.value.revision);
  const isConflict = computed(() => problem.value?.status === CHANGED_MEANWHILE);

  watch(read.data, (answer) => { if (answer && (base.value === null || !isTouched.value)) base.value = answer; }, { immediate: true });

  function type(name: string, text: string): void {
    outcome.value = null;
    drafts.value = { ...drafts.value, [name]: text };
  }
  function textOf(name: string): string {
    const span = base.value?.spans.find((one) => one.name === name);
    return drafts.value[name] ?? (span ? effective(span) : null) ?? '';
  }
  function discard(): void {
    drafts.value = {};
    problem.value = null;
    if (read.data.value) base.value = read.data.value;
  }
  /** Takes what somebody else has set; what was typed stays, and is compared with that. */
  async function reload(): Promise<void> {
    problem.value = null;
    await read.reread();
    if (read.data.value) base.value = read.data.value;
  }

  /** Resolves to whether it was saved. */
  async function save(): Promise<boolean> {
    const answer = base.value;
    if (!answer || !isReady.value || isSaving.value) return false;
    const request = requestOf(answer, drafts.value);
    isSaving.value = true;
    problem.value = null;
    try {
      const saved = await (request === null ? remove<RetentionAnswer>(PATH, answer.revision) : put<RetentionAnswer>(PATH, request, answer.revision));
      base.value = outcome.value = saved;
      drafts.value = {};
      read.reload();
      return true;
    } catch (error) {
      const said = (error as ApiError).problem;
      problem.value = said.status === CHANGED_MEANWHILE ? OVERTAKEN : said;
      if (isConflict.value) read.reload();
      return false;
    } finally {
      isSaving.value = false;
    }
  }

  return { read, base, changes, problems, isTouched, isReady, isOvertaken, isConflict, isSaving, problem, outcome, type, textOf, discard, reload, save };
}
