// A server with a token: the page asks for it, says when it is refused, and keeps it for the tab alone.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { seriousFindings } from './axe';
import { openBrowser, type Opened } from './browser';
import { startMock } from './mock-server';
import { BINARY, PATIENCE, startBinary } from './world';

const TOKEN = 'correct-horse-battery-staple';
const FIELD = 'input[aria-label=Token]';

describe('token', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sentinel-e2e-'));
  let server: { url: string; close: () => Promise<void> };
  let browser: Opened;
  let page: Page;
  beforeAll(async () => {
    if (BINARY === '') server = await startMock({ token: TOKEN });
    else {
      const running = await startBinary(folder, { token: TOKEN });
      server = { url: running.url, close: running.kill };
    }
    browser = await openBrowser({ width: 1440, height: 900, theme: 'dark' });
    page = browser.context.pages()[0] ?? (await browser.context.newPage());
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const send = async (token: string): Promise<void> => {
    await page.fill(FIELD, token);
    await page.click('form.token button');
  };
  const said = (): Promise<string | null> => page.textContent('.state.error strong');

  it('asks for one before it shows anything', async () => {
    await page.goto(server.url);
    await page.waitForSelector(FIELD);
    expect(await said()).toBe('This server asks for a token');
    await page.waitForSelector('.connection.serious:has-text("Token needed")', { timeout: PATIENCE });
    expect(await page.locator('.health').count()).toBe(0);
    expect(await seriousFindings(page)).toEqual([]);
  });

  it('says that a wrong one was refused, and what cannot be one', async () => {
    await send('wrong');
    await page.waitForSelector('.state.error strong:has-text("The token was refused")');
    expect(await page.getAttribute('.state.error', 'role')).toBe('alert');
    expect(await seriousFindings(page)).toEqual([]);
    await page.fill(FIELD, 'tök en');
    await page.waitForSelector('.state.error .odd');
    expect(await page.isDisabled('form.token button')).toBe(true);
  });

  it('shows data and follows it live with the right one, also after a reload', async () => {
    await send(TOKEN);
    await page.waitForSelector('.health li b', { timeout: PATIENCE });
    await page.waitForSelector('.connection.ok', { timeout: PATIENCE });
    await page.reload();
    await page.waitForSelector('.health li b', { timeout: PATIENCE });
    await page.waitForSelector('.connection.ok', { timeout: PATIENCE });
  });

  it('keeps it for this tab alone, and nowhere where it would stay', async () => {
    expect(page.url()).not.toContain(TOKEN);
    expect(await page.evaluate(() => JSON.stringify(localStorage) + document.cookie)).not.toContain(TOKEN);
    const other = await browser.context.newPage();
    await other.goto(server.url);
    await other.waitForSelector(FIELD);
    expect(await other.textContent('.state.error strong')).toBe('This server asks for a token');
    await other.close();
  });
});
