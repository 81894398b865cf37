import { ensureChromium } from '../programs/chromium';
import globalSetup from './global-setup';

/** What the tests of the whole need of the machine: what edges need, and a browser. */
export default async function globalSetupOfSystem(): Promise<void> {
  await globalSetup();
  ensureChromium();
}
