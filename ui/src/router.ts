// Addresses of the pages. Everything else about a page stands in its query, see useAddress.
import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router';

import type { IconName } from './components/base/BaseIcon.vue';

export interface Screen { path: string; name: string; title: string; icon: IconName; key: string }

/** In the order of the rail. `key` follows `g` on the keyboard. */
export const SCREENS: readonly Screen[] = [
  { path: '/', name: 'overview', title: 'Overview', icon: 'overview', key: 'o' },
  { path: '/workloads', name: 'workloads', title: 'Workloads', icon: 'workloads', key: 'w' },
  { path: '/nodes', name: 'nodes', title: 'Nodes', icon: 'nodes', key: 'n' },
  { path: '/events', name: 'events', title: 'Events', icon: 'events', key: 'e' },
  { path: '/explorer', name: 'explorer', title: 'Explorer', icon: 'explorer', key: 'x' },
  { path: '/logs', name: 'logs', title: 'Logs', icon: 'logs', key: 'l' },
  { path: '/pipeline', name: 'pipeline', title: 'Pipeline', icon: 'pipeline', key: 'p' },
  { path: '/settings', name: 'settings', title: 'Settings', icon: 'settings', key: 's' },
];

const PAGES: Record<string, RouteRecordRaw['component']> = {
  overview: () => import('./pages/OverviewPage.vue'),
  workloads: () => import('./pages/WorkloadsPage.vue'),
  nodes: () => import('./pages/NodesPage.vue'),
  events: () => import('./pages/EventsPage.vue'),
  explorer: () => import('./pages/ExplorerPage.vue'),
  logs: () => import('./pages/LogsPage.vue'),
  pipeline: () => import('./pages/PipelinePage.vue'),
  settings: () => import('./pages/SettingsPage.vue'),
};

const screens = SCREENS.map(({ path, name, title }): RouteRecordRaw => ({ path, name, meta: { title }, component: PAGES[name] as never }));
const gallery: RouteRecordRaw[] = import.meta.env.DEV
  ? [{ path: '/dev/gallery', name: 'gallery', meta: { title: 'Gallery' }, component: () => import('./pages/GalleryPage.vue') }]
  : [];

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    ...screens,
    ...gallery,
    { path: '/:rest(.*)*', name: 'missing', meta: { title: 'Not found' }, component: () => import('./pages/MissingPage.vue') },
  ],
});

router.afterEach((to) => {
  document.title = `${to.meta.title as string} · Sentinel Mesh`;
});
