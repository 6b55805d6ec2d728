// Pictures of screens for looking at: npm run shots -- FOLDER [path-filter]
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { openBrowser, type View } from './browser';
import { startMock } from './mock-server';

const PATHS: Record<string, string> = {
  overview: '/',
  workloads: '/workloads?open=prod-eu/shop/Deployment/checkout',
  'workloads-flat': '/workloads?view=flat&sort=-cpu',
  nodes: '/nodes',
  events: '/events?range=1h',
  explorer: '/explorer',
  'explorer-chart': '/explorer?match=pod_cpu_usage_seconds_total&by=workload&aggregate=sum&range=1h',
  logs: '/logs',
  pipeline: '/pipeline',
  settings: '/settings',
};
const [folder = '/tmp/shots', only = ''] = process.argv.slice(2);
const widths = (process.env.WIDTHS ?? '1440,390').split(',').map(Number);
const themes = (process.env.THEMES ?? 'dark').split(',') as View['theme'][];
const extra = process.env.EXTRA ? (JSON.parse(process.env.EXTRA) as Record<string, string>) : {};
mkdirSync(folder, { recursive: true });
const mock = process.env.BASE_URL ? null : await startMock({ pods: Number(process.env.PODS ?? 70) });
const base = process.env.BASE_URL ?? mock?.url ?? '';

for (const theme of themes) {
  for (const width of widths) {
    const browser = await openBrowser({ width, height: width > 1200 ? 900 : width > 800 ? 768 : 844, theme });
    const page = browser.context.pages()[0] ?? (await browser.context.newPage());
    page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) process.stdout.write(`${message.text()}\n`); });
    page.on('pageerror', (error) => process.stdout.write(`${error.message}\n`));
    for (const [name, path] of Object.entries({ ...PATHS, ...extra })) {
      if (!name.includes(only)) continue;
      await page.goto(base + path);
      await page.waitForTimeout(Number(process.env.WAIT ?? 2600));
      await page.screenshot({ path: join(folder, `${name}-${width}-${theme}.png`) });
    }
    await browser.close();
  }
}
await mock?.close();
