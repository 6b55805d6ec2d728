// The address is the state: reading and writing its parameters. Writes of one tick become one navigation.
import { computed, type WritableComputedRef } from 'vue';
import { type LocationQuery, type LocationQueryRaw, type Router, useRoute, useRouter } from 'vue-router';

export type Change = Record<string, string | string[] | null>;

const one = (query: LocationQuery, name: string): string | null => {
  const value = query[name];
  return (Array.isArray(value) ? value[0] : value) ?? null;
};

const many = (query: LocationQuery, name: string): string[] => {
  const value = query[name];
  return (Array.isArray(value) ? value : [value]).filter((x): x is string => typeof x === 'string' && x !== '');
};

interface Pending { change: Change; isPushed: boolean }
const pending = new WeakMap<Router, Pending>();

async function apply(router: Router): Promise<void> {
  await Promise.resolve();
  const waiting = pending.get(router);
  if (!waiting) return;
  pending.delete(router);
  const query: LocationQueryRaw = { ...router.currentRoute.value.query };
  for (const [name, value] of Object.entries(waiting.change)) {
    if (value === null || value === '' || (Array.isArray(value) && value.length === 0)) Reflect.deleteProperty(query, name);
    else query[name] = value;
  }
  await (waiting.isPushed ? router.push({ query }) : router.replace({ query }));
}

export function useAddress() {
  const route = useRoute();
  const router = useRouter();

  /** `isPushed`: the change is a step that Back undoes. */
  function set(change: Change, isPushed = false): void {
    const waiting = pending.get(router);
    if (waiting) {
      Object.assign(waiting.change, change);
      waiting.isPushed ||= isPushed;
      return;
    }
    pending.set(router, { change: { ...change }, isPushed });
    void apply(router);
  }

  function param(name: string, fallback = ''): WritableComputedRef<string> {
    return computed({
      get: () => one(route.query, name) ?? fallback,
      set: (value) => set({ [name]: value === fallback ? null : value }),
    });
  }

  function list(name: string): WritableComputedRef<string[]> {
    return computed({ get: () => many(route.query, name), set: (value) => set({ [name]: value }) });
  }

  function flag(name: string): WritableComputedRef<boolean> {
    return computed({ get: () => one(route.query, name) === '1', set: (value) => set({ [name]: value ? '1' : null }) });
  }

  return { route, router, set, param, list, flag };
}
