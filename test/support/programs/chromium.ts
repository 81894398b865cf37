import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { PATIENCE_MS } from '../until';

/** The shell is the same browser without what draws a window: its pages cost a third of the processor's time. */
const SHELL = 'chromium-headless-shell';
const PATHS = [`/usr/bin/${SHELL}`, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS =
  '--no-sandbox --headless --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';

/** The system's Chromium, without a window. */
export async function startChromium(): Promise<Browser> {
  // To load it takes a quarter of a second, and the global setup only asks whether there is a browser.
  const { chromium } = await import('playwright-core');
  return chromium.launch({ executablePath: ensureChromium(), args: FLAGS.split(' '), timeout: PATIENCE_MS });
}

/** The path of the system's Chromium. Installs Debian's where there is none and we may. */
export const ensureChromium = (): string => process.env['CHROMIUM'] ?? installed() ?? install();

const installed = (): string | undefined => PATHS.find((path) => existsSync(path));

function install(): string {
  const apt = (...args: string[]) =>
    execFileSync('apt-get', args, { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  const get = (name: string) => apt('install', '-y', '--no-install-recommends', name);
  apt('update');
  try {
    get(SHELL);
  } catch {
    // Older systems have the whole browser only.
    get('chromium');
  }
  const path = installed();
  if (path === undefined)
    throw new Error('no Chromium was found, nor could one be installed: set CHROMIUM to the path of one');
  return path;
}
