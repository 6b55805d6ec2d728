// What people set: a retention that is still there after a reload, and tokens that open and close the API. On a server with a token.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { RetentionAnswer, TokenRow } from '../src/api/types';
import { seriousFindings } from './axe';
import { openBrowser, type Opened } from './browser';
import { startMock } from './mock-server';
import { BINARY, PATIENCE, startBinary } from './world';

const TOKEN = 'correct-horse-battery-staple';
const ROW = (title: string): string => `.retention tr:has(.title:text-is("${title}"))`;
const FIELD = (title: string): string => `${ROW(title)} input`;
const DIALOG = '[role=dialog]';

describe('settings', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sentinel-e2e-'));
  let server: { url: string; close: () => Promise<void> };
  let browser: Opened;
  let page: Page;
  const said: string[] = [];

  const ask = (path: string, token: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${server.url}/api/v1${path}`, { ...init, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...init.headers } });
  const retention = async (): Promise<RetentionAnswer> => (await (await ask('/settings/retention', TOKEN)).json()) as RetentionAnswer;
  const setOf = async (name: string): Promise<string | null | undefined> => (await retention()).spans.find((span) => span.name === name)?.set;
  async function enter(token: string): Promise<void> {
    await page.evaluate((text) => sessionStorage.setItem('sentinel.token', text), token);
    await page.goto(`${server.url}/settings`);
    await page.waitForSelector('.retention tbody tr', { timeout: PATIENCE });
  }

  beforeAll(async () => {
    if (BINARY === '') server = await startMock({ token: TOKEN });
    else {
      const running = await startBinary(folder, { token: TOKEN });
      server = { url: running.url, close: running.kill };
    }
    browser = await openBrowser({ width: 1440, height: 900, theme: 'dark' });
    page = browser.context.pages()[0] ?? (await browser.context.newPage());
    page.on('pageerror', (error) => said.push(error.message));
    await page.goto(server.url);
    await enter(TOKEN);
    await page.waitForSelector(FIELD('Logs'), { timeout: PATIENCE });
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('keeps a longer retention over a reload, by keyboard alone', async () => {
    await page.goto(server.url);
    await page.waitForSelector('.health', { timeout: PATIENCE });
    await page.keyboard.press('g');
    await page.keyboard.press('s');
    await page.waitForURL(/\/settings/);
    await page.waitForSelector(FIELD('Logs'), { timeout: PATIENCE });
    await page.focus(FIELD('Logs'));
    await page.keyboard.press('Control+a');
    await page.keyboard.type('300d');
    await page.keyboard.press('Enter');
    await page.waitForSelector(`${DIALOG} tbody tr:has-text("Logs"):has-text("300d"):has-text("keeps more")`);
    expect(await page.locator(`${DIALOG} input[type=checkbox]`).count()).toBe(0);
    expect(await seriousFindings(page)).toEqual([]);
    while (!(await page.evaluate(() => document.activeElement?.textContent === 'Save'))) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.retention [role=status]:has-text("Saved.")', { timeout: PATIENCE });
    await page.waitForSelector(DIALOG, { state: 'detached' });
    await page.reload();
    await page.waitForSelector(`${ROW('Logs')}:has-text("set by api.token")`, { timeout: PATIENCE });
    expect(await page.inputValue(FIELD('Logs'))).toBe('300d');
    expect(await setOf('logs')).toBe('300d');
  });

  it('asks twice before it deletes', async () => {
    await page.fill(FIELD('Logs'), '3d');
    await page.click('.retention button:has-text("Save…")');
    await page.waitForSelector(`${DIALOG} >> text=This deletes data for good.`);
    expect(await page.isDisabled(`${DIALOG} button:has-text("Save and delete")`)).toBe(true);
    expect(await seriousFindings(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.waitForSelector(DIALOG, { state: 'detached' });
    expect(await setOf('logs')).toBe('300d');
    await page.click('.retention button:has-text("Save…")');
    await page.check(`${DIALOG} input[type=checkbox]`);
    await page.click(`${DIALOG} button:has-text("Save and delete")`);
    await page.waitForSelector('.retention [role=status]:has-text("being deleted for good")', { timeout: PATIENCE });
    expect(await setOf('logs')).toBe('3d');
  });

  it('does not write over what somebody else has set meanwhile', async () => {
    await page.fill(FIELD('Events'), '200d');
    const { revision } = await retention();
    const answer = await ask('/settings/retention', TOKEN, { method: 'PUT', headers: { 'if-match': `"${revision}"` }, body: JSON.stringify({ logs: '3d', events: '100d' }) });
    expect(answer.status).toBe(200);
    await page.click('.retention button:has-text("Save…")');
    await page.click(`${DIALOG} button:text-is("Save")`);
    await page.waitForSelector(`${DIALOG} [role=alert]:has-text("Somebody else has changed the retention meanwhile")`, { timeout: PATIENCE });
    expect(await setOf('events')).toBe('100d');
    expect(await seriousFindings(page)).toEqual([]);
    await page.click(`${DIALOG} button:has-text("Reload and compare again")`);
    await page.waitForSelector(`${DIALOG} tbody tr:has-text("100d"):has-text("200d")`, { timeout: PATIENCE });
    await page.click(`${DIALOG} button:text-is("Save")`);
    await page.waitForSelector('.retention [role=status]:has-text("Saved.")', { timeout: PATIENCE });
    expect(await setOf('events')).toBe('200d');
  });

  it('makes a token that opens the API until it is revoked', async () => {
    await page.click('button:has-text("New token")');
    await page.fill(`${DIALOG} input[required]`, 'grafana');
    expect(await seriousFindings(page)).toEqual([]);
    await page.click(`${DIALOG} button:text-is("Create")`);
    const token = (await page.textContent(`${DIALOG} code`, { timeout: PATIENCE })) ?? '';
    expect(token).toMatch(/^smt_/);
    expect(await seriousFindings(page)).toEqual([]);
    // What is lost by closing is not closed by the way.
    await page.keyboard.press('Escape');
    expect(await page.textContent(`${DIALOG} code`)).toBe(token);
    await page.click(`${DIALOG} button:text-is("Done")`);
    await page.waitForSelector('.tokens tbody tr:has-text("grafana"):has-text("viewer")', { timeout: PATIENCE });
    expect(await page.content()).not.toContain(token);

    expect((await ask('/overview', token)).status).toBe(200);
    expect((await ask('/tokens', token)).status).toBe(403);

    await page.click('button[aria-label="Revoke grafana"]');
    await page.waitForSelector(`${DIALOG} h2:has-text("Revoke the token grafana?")`);
    expect(await seriousFindings(page)).toEqual([]);
    await page.click(`${DIALOG} button:text-is("Revoke")`);
    await page.waitForSelector('.tokens >> text=No tokens', { timeout: PATIENCE });
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('New token');
    await expect.poll(async () => (await ask('/overview', token)).status, { timeout: 5000 }).toBe(401);
  });

  it('is only read with the role of a viewer, and says why, also on a phone', async () => {
    const answer = await ask('/tokens', TOKEN, { method: 'POST', body: JSON.stringify({ name: 'on call', role: 'viewer', expires_in: '1h' }) });
    const { token } = (await answer.json()) as TokenRow & { token: string };
    await enter(token);
    await page.waitForSelector('.retention [role=note]:has-text("the token has the role viewer")', { timeout: PATIENCE });
    await page.waitForSelector('.tokens >> text=Only an admin sees tokens');
    expect(await page.locator('.retention input, .page-body button').count()).toBe(0);
    await enter(TOKEN);
    await page.setViewportSize({ width: 390, height: 844 });
    await page.waitForSelector('button[aria-label="Revoke on call"]', { timeout: PATIENCE });
    const isOnScreen = (selector: string): Promise<boolean> => page.locator(selector).first().evaluate((element) => element.getBoundingClientRect().right <= innerWidth && element.getBoundingClientRect().left >= 0);
    for (const selector of ['button[aria-label="Revoke on call"]', FIELD('Events'), 'button:has-text("Save…")']) expect(await isOnScreen(selector), selector).toBe(true);
    await page.click('button:has-text("New token")');
    await page.waitForSelector(`${DIALOG} input[required]`);
    expect(await isOnScreen(DIALOG)).toBe(true);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    expect(await seriousFindings(page)).toEqual([]);
    expect(said).toEqual([]);
  });
});
